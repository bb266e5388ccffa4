"""How each engine moves an image: the same five verbs in its own words."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rivals import Engine
from benchmarks.timing import timed
from tests.dockerd import Unavailable

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Each call is one command of the engine; it must succeed."""

    name: str
    pull: Callable[[str], Words]
    push: Callable[[str], Words]
    save: Callable[[str, Path], Words]
    load: Callable[[str, Path], Words]
    forget: Callable[[str], Words]
    engine: Engine | None = None  #: for what only an engine does
    archive: Path  #: what it saves to

    def timed(self, words: Words) -> float:
        return timed(lambda: done(words))


def done(words: Words) -> None:
    finished = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(words)}: {finished.stderr.strip()[-500:]}")


def of_engine(engine: Engine, scratch: Path) -> Mover:
    plain = ("--tls-verify=false",) if engine.name == "podman" else ()
    return Mover(
        name=engine.name,
        pull=lambda name: (*engine.prefix, "pull", "-q", *plain, name),
        push=lambda name: (*engine.prefix, "push", "-q", *plain, name),
        save=lambda name, path: (*engine.prefix, "save", "-o", str(path), name),
        load=lambda name, path: (*engine.prefix, "load", "-q", "-i", str(path)),
        forget=lambda name: (*engine.prefix, "rmi", "-f", name),
        engine=engine,
        archive=scratch / f"{engine.name}.tar",
    )


@contextlib.contextmanager
def skopeo(scratch: Path) -> Iterator[Mover]:
    """Between a registry, an archive and a store of podman's kind; it has no containers to commit."""
    program = shutil.which("skopeo")
    if program is None:
        raise Unavailable("skopeo")
    state, archive = scratch / "skopeo", scratch / "skopeo.tar"
    state.mkdir()
    store = f"containers-storage:[overlay@{state / 'root'}+{state / 'run'}]"
    copy = (program, "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", "--insecure-policy")
    try:
        yield Mover(
            name="skopeo",
            pull=lambda name: (*copy, f"docker://{name}", f"{store}{name}"),
            push=lambda name: (*copy, f"{store}{name}", f"docker://{name}"),
            save=lambda name, path: (*copy, f"{store}{name}", f"docker-archive:{path}:{name}"),
            load=lambda name, path: (*copy, f"docker-archive:{path}", f"{store}{name}"),
            forget=lambda name: (program, "delete", f"{store}{name}"),
            archive=archive,
        )
    finally:
        subprocess.run(["umount", str(state / "root" / "overlay")], check=False, capture_output=True)
