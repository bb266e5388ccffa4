"""What a real dockerd makes of a Dockerfile case: the word that `expected.json` holds.

    python -m tests.dockerfile_oracle [CASE…]

writes it anew, with the installation of Docker that is first on PATH: once with release 23 or later, which knows
everything, and then with 20.10, whose words for errors are kept first because most people have read those.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.busybox_registry import busybox
from tests.dockerd import Dockerd, running
from tests.dockerfile_cases import Built, Case, all_cases, load, saved


def base_image(dockerd: Dockerd) -> Built:
    """Gives dockerd the very image that the tests' registry serves."""
    image = busybox()
    loaded = dockerd.docker("load", input=image.archive("busybox:latest"))
    assert loaded.returncode == 0, loaded.stderr
    return Built(json.loads(image.config), [image.layer])


def build(dockerd: Dockerd, case: Case, builder: str, base: Built) -> dict[str, Any]:
    """The facts of the image that `builder` makes, or its error, in the form of `expected.json`."""
    tag = f"cases:{case.name}"
    with tempfile.TemporaryDirectory(prefix="ke-case-") as directory:
        # BuildKit takes folders of one name for one context, and files of one size and time for one file
        context = case.lay_out(Path(directory) / case.name)
        words = [*arguments(case.options, context), "--no-cache", "-t", tag, str(context)]
        if builder == "buildkit" and dockerd.version >= (23,):
            words = ["--provenance=false", "--progress=plain", *words]
        done = dockerd.docker("build", *words, DOCKER_BUILDKIT="1" if builder == "buildkit" else "0")
    if done.returncode:
        return failure(done.stderr.decode(), builder)
    image = saved(dockerd.docker("save", tag).stdout)
    dockerd.docker("rmi", tag)
    return facts(image, base, case, builder)


def arguments(options: Mapping[str, Any], context: Path) -> list[str]:
    words = [
        word for name in ("target", "network", "platform") if name in options for word in (f"--{name}", options[name])
    ]
    for option, group in (("--build-arg", "args"), ("--label", "labels")):
        words += [word for name, value in options.get(group, {}).items() for word in (option, f"{name}={value}")]
    for name, value in options.get("secrets", {}).items():
        secret = context.with_name(f"secret-{name}")
        secret.write_text(value)
        words += ["--secret", f"id={name},src={secret}"]
    if "dockerfile" in options:
        words += ["-f", str(context / options["dockerfile"])]
    return words


def facts(image: Built, base: Built, case: Case, builder: str) -> dict[str, Any]:
    found: dict[str, Any] = {"config": image.settings()}
    if builder == "classic":  # BuildKit tells its history in other words, and keeps layers that hold nothing
        found |= {"layers": image.layers_above(base), "history": image.history(base)}
    return found | {"tree": image.changes(base, case.times)}


def failure(printed: str, builder: str) -> dict[str, Any]:
    """The sentence that says what was wrong, and the Dockerfile's line where BuildKit points at one."""
    # where the engine had laid the image's root is no part of the sentence
    printed = re.sub(r"/\S*/(merged|buildkit-mount\d+)/", "/", printed)
    printed = printed.replace("dockerfile parse error on line ", "dockerfile parse error line ")
    if builder == "classic":
        kept = [line for line in printed.splitlines() if not re.match(r"DEPRECATED: |            \S|$", line)]
        sentence = "\n".join(kept).removeprefix("Error response from daemon: ")
        return {"error": re.sub(r"^ERROR: ", "", sentence)}
    prefix = r"^(ERROR: )?failed to solve(: | with frontend \S+: )(failed to create LLB definition: )?"
    sentence = re.sub(prefix, "", printed.strip().splitlines()[-1])
    pointed = re.search(r"^ *(\d+) \| >>> ", printed, re.MULTILINE)
    return {"error": sentence} | ({"line": int(pointed[1])} if pointed else {})


def record(dockerd: Dockerd, case: Case, base: Built) -> str:
    """Writes `expected.json`; says where the other builder, or an older release, sees it differently."""
    newer = dockerd.version >= (23,)
    if not newer and case.since:
        return f"== {case.name}: not known to this release"
    asked = (case.oracle,) if case.alone or not newer else dockerd.builders
    words = {builder: build(dockerd, case, builder, base) for builder in asked}
    expected = dict(words[case.oracle])
    known = case.expected if (case.place / "expected.json").exists() else {}
    if "error" in expected:
        expected = merged(words.get("buildkit", {}) | expected, known, newer=newer)
    if newer or ("error" in expected and "error" in known):
        (case.place / "expected.json").write_text(written(expected))
    else:
        words["older"], expected = expected, known
    lines = [f"== {case.name}"]
    for builder, other in words.items():
        for key in ("error", "config", "tree", "history", "layers"):
            if key in other and other.get(key) != expected.get(key):
                lines.append(f"   {builder} {key}: {difference(other.get(key), expected.get(key))}")
    return "\n".join(lines)


def merged(found: dict[str, Any], known: Mapping[str, Any], *, newer: bool) -> dict[str, Any]:
    """An error together with what another release of Docker calls it: the older one's words first."""
    sentences = [found["error"]] if newer else [found["error"], *known.get("also", []), known.get("error", "")]
    error = {"error": sentences[0]}
    also = sorted({sentence for sentence in sentences[1:] if sentence} - {sentences[0]})
    lines = [facts["line"] for facts in (known, found) if "line" in facts]
    return error | ({"line": lines[0]} if lines else {}) | ({"also": also} if also else {})


def difference(found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        return ", ".join(f"{key}: {found.get(key)} instead of {wanted.get(key)}" for key in keys)
    return f"{found!r} instead of {wanted!r}"


def written(expected: Mapping[str, Any]) -> str:
    """JSON with a line for each path, setting and history row."""
    parts = []
    for key, value in sorted(expected.items()):
        if isinstance(value, dict) and value:
            inner = ",\n".join(f"  {dumped(name)}: {dumped(value[name])}" for name in sorted(value))
            parts.append(f" {dumped(key)}: {{\n{inner}\n }}")
        elif isinstance(value, list) and value:
            inner = ",\n".join(f"  {dumped(item)}" for item in value)
            parts.append(f" {dumped(key)}: [\n{inner}\n ]")
        else:
            parts.append(f" {dumped(key)}: {dumped(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    names = sys.argv[1:]
    cases = [load(name) for name in names] if names else all_cases()
    with tempfile.TemporaryDirectory(prefix="ke-oracle-") as directory, running(Path(directory) / "docker") as dockerd:
        base = base_image(dockerd)
        with ThreadPoolExecutor(4) as pool:
            for lines in pool.map(lambda case: record(dockerd, case, base), cases):
                print(lines, flush=True)


if __name__ == "__main__":
    main()
