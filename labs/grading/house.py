"""What all submissions of one run share: the teacher's engine, the server that forks their engines, the image of their
containers, and the two copies of the course, one without anything that helps, one for the judge.
"""

from __future__ import annotations

import compileall
import io
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import kernel_engine
import labs
from kernel_engine.client import Client
from labs import catalogue
from labs.catalogue import COURSE
from labs.grading.engines import Engines
from labs.grading.relay import Relay, outside
from labs.grading.sheet import HIDDEN, SOLUTION

IMAGE = "docker-labs/grading:1"
LABEL = "docker-labs.grading"
#: nobody on the machine has it: below systemd's dynamic users
LEARNER = 61000
_LABS = Path(labs.__file__).parent
_ENGINE = Path(kernel_engine.__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`place` is root's alone. `mirrors`: ports of this machine's hub → the unix socket that leads there."""

    engine: Client
    engines: Engines
    place: Path
    mirrors: dict[int, Path]

    def binds(self, *, judge: bool) -> list[str]:
        """What a container of ours sees of this machine, all of it read-only."""
        base, prefix = Path(sys.base_prefix), Path(sys.prefix)
        seen = ["/usr", *(["/etc/alternatives"] if Path("/etc/alternatives").is_dir() else [])]
        if prefix != base:
            seen.append(str(prefix))
        if not base.is_relative_to("/usr"):
            seen.append(str(base))
        packages = self.place / ("judge" if judge else "learner")
        places = {path: path for path in seen} | {str(_ENGINE): str(_ENGINE), str(packages): str(_LABS)}
        return [f"{source}:{target}:ro" for source, target in places.items()]


@contextmanager
def opened(engine: Client, engines: Engines, place: Path) -> Iterator[House]:
    """Raises EngineUnreachable, APIError."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine.post("/images/create", query=_image_query(), body=skeleton()).read()
    for judge in (False, True):
        _copy_course(place / ("judge" if judge else "learner"), judge=judge)
    mirrors, doors = _doors(engine, place)
    try:
        yield House(engine=engine, engines=engines, place=place, mirrors=mirrors)
    finally:
        for door in doors:
            door.close()


def _image_query() -> dict[str, str]:
    repository, _, tag = IMAGE.partition(":")
    return {"fromSrc": "-", "repo": repository, "tag": tag}


def _doors(engine: Client, place: Path) -> tuple[dict[int, Path], list[Relay]]:
    """For the teacher's engine's mirrors on this machine; others are on the network, which a lab may not have."""
    config = engine.get("/info").json().get("RegistryConfig") or {}
    mirrors: dict[int, Path] = {}
    doors = []
    for url in config.get("Mirrors") or ():
        parts = urlsplit(url)
        if parts.hostname in ("localhost", "127.0.0.1") and parts.port:
            path = place / f"hub-{parts.port}"
            doors.append(outside(path, "127.0.0.1", parts.port))
            mirrors[parts.port] = path
    return mirrors, doors


# the image -----------------------------------------------------------------------------------------------------------
def skeleton() -> bytes:
    """A root file system with nothing in it but places: the machine's own /usr is bound into it. Always the same."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var"):
            _add(archive, name, tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)
        for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
            _add(archive, name, tarfile.SYMTYPE, link=f"usr/{name}")
        users = f"root:x:0:0::/root:/bin/sh\nlearner:x:{LEARNER}:{LEARNER}::/home:/bin/bash\n"
        _add(archive, "etc/passwd", content=users)
        _add(archive, "etc/group", content=f"root:x:0:\nlearner:x:{LEARNER}:\n")
        _add(archive, "etc/os-release", content=Path("/etc/os-release").read_text(encoding="utf-8"))
    return packed.getvalue()


def _add(
    archive: tarfile.TarFile,
    name: str,
    kind: bytes = tarfile.REGTYPE,
    *,
    mode: int = 0o644,
    link: str = "",
    content: str = "",
) -> None:
    data = content.encode()
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(data)
    archive.addfile(entry, io.BytesIO(data))


# the course ----------------------------------------------------------------------------------------------------------
def _copy_course(target: Path, *, judge: bool) -> None:
    """The package `labs`; for a learner's kernel with the sources of labs, but no check and no solution."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(_LABS, target, ignore=shutil.ignore_patterns("course"))
    course = target / "course"
    if judge:
        shutil.copytree(COURSE, course, ignore=shutil.ignore_patterns("__pycache__"))
        course.chmod(0o700)  # the judge loads what it needs, then becomes a user who may not
    else:
        for lab in catalogue.labs():
            text = HIDDEN.sub("", SOLUTION.sub("", lab.source.read_text(encoding="utf-8")))
            place = course / lab.place
            place.mkdir(parents=True)
            (place / lab.source.name).write_text(text, encoding="utf-8")
    os.chmod(target, 0o755)
    # what is not compiled here is compiled in each container, which sees it read-only
    compileall.compile_dir(target, quiet=2)


def clear(place: Path) -> None:
    """What is shared; the submissions' places are gone before."""
    shutil.rmtree(place)
