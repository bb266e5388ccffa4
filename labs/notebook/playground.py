"""`%reset`: takes the engine back to where a learner can begin again. Only ever this engine, never a real Docker."""

from __future__ import annotations

from collections.abc import Callable

from labs.notebook import server


def reset(*, images: bool, say: Callable[[str], None]) -> int:
    """Removes every container; with `images` also the images that were made here (committed or built), not pulled."""
    engine = server.require_this_engine()
    containers = engine.get("/containers/json", query={"all": "1"}).json()
    for container in containers:
        engine.delete(f"/containers/{container['Id']}", query={"force": "1", "v": "1"})
    say(f"컨테이너 {len(containers)}개를 지웠어요.")
    if not images:
        return 0
    made = [item for item in engine.get("/images/json").json() if not item.get("RepoDigests")]
    for image in made:
        for name in image.get("RepoTags") or [image["Id"]]:
            engine.delete(f"/images/{name}", query={"force": "1"})
    say(f"여기서 만든 이미지 {len(made)}개를 지웠어요. 받은 이미지는 그대로 있어요.")
    return 0
