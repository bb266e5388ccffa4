"""`%reset`: takes the engine back to where a learner can begin again. Only ever this engine, never a real Docker."""

from __future__ import annotations

from collections.abc import Callable

from kernel_engine.client import APIError, Client, context_store, default_context
from labs import servers
from labs.notebook import server
from labs.wall import door


def reset(say: Callable[[str], None]) -> int:
    """Removes every container, the images that were made here (committed or built), and other servers with their
    contexts, and the room of `%%wall` cells. Pulled images stay."""
    engine = server.require_this_engine()
    door.reset()
    gone = [there.name for there in servers.read(engine).others]
    for name in gone:
        servers.remove(engine, name)
    forget_contexts(engine)
    containers = engine.get("/containers/json", query={"all": "1"}).json()
    for container in containers:
        engine.delete(f"/containers/{container['Id']}", query={"force": "1", "v": "1"}).close()
    made = [image for image in engine.get("/images/json").json() if not image.get("RepoDigests")]
    for image in made:
        for name in image.get("RepoTags") or [image["Id"]]:
            try:
                engine.delete(f"/images/{name}", query={"force": "1"}).close()
            except APIError as error:
                if error.status != 404:  # gone with another one
                    raise
    if gone:
        say(f"다른 서버 {', '.join(gone)}을(를) 지우고, docker가 이 컴퓨터의 엔진을 쓰도록 되돌렸어요.")
    say(f"컨테이너 {len(containers)}개와 여기서 만든 이미지 {len(made)}개를 지웠어요. 받은 이미지는 그대로 있어요.")
    return 0


def forget_contexts(engine: Client) -> None:
    """`docker` speaks to this machine's engine again, and no context names a server that is gone."""
    beneath = engine.get("/kernel-engine/info").json()["Run"]
    context_store.use(default_context.DEFAULT_CONTEXT)
    for context in context_store.all_contexts():
        if context.host.startswith(f"unix://{beneath}/servers/"):
            context_store.remove(context.name)
