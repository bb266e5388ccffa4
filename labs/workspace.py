"""The learner's folder: puts the course's notebooks and materials there and never writes over the learner's work.

Runs as the learner. What was put there is noted (path → SHA-256) in `.docker-labs/shipped.json`, so that a file that
the learner has not touched can follow the course, and a touched one is left alone: its new version goes beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, cast

from labs.catalogue import read

COURSE = Path(__file__).parent / "course"
PACKAGES = Path(__file__).parent.parent
#: the installed sources that a learner may read, as links in the workspace
LINKED = ("kernel_engine", "labs")
SOURCES = "sources"
NOTES = ".docker-labs/shipped.json"
#: authors' files: the notebook's source, what checks and solves it, and how notebooks are written and compared
WITHHELD = ("lab.md", "check.py", "solution.py", "README.md", "sanitize.cfg", "__pycache__", ".ipynb_checkpoints")
NEW_VERSION = " (새 버전)"


class Act(Enum):
    """What becomes of one file of the workspace."""

    WRITE = "write"
    KEEP = "keep"
    BESIDE = "beside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`path` is relative to the workspace; with BESIDE the new version goes to `beside(path)`."""

    path: str
    act: Act


def decide(offered: Mapping[str, str], shipped: Mapping[str, str], found: Mapping[str, str]) -> tuple[Placement, ...]:
    """Each mapping is path → digest: what the course has, what was put there before, what is there now."""
    return tuple(Placement(path=path, act=_act(offered[path], shipped.get(path), found.get(path))) for path in offered)


def _act(offered: str, shipped: str | None, found: str | None) -> Act:
    if found is None:
        return Act.WRITE
    if offered in (found, shipped):
        return Act.KEEP
    return Act.WRITE if found == shipped else Act.BESIDE


def beside(path: str) -> str:
    """`lab.ipynb` → `lab (새 버전).ipynb`."""
    pure = PurePath(path)
    return str(pure.with_name(f"{pure.stem}{NEW_VERSION}{pure.suffix}"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def offered_files(course: Path = COURSE) -> dict[str, Path]:
    """Path in the workspace → the course's file."""
    return {
        str(path.relative_to(course)): path
        for path in sorted(course.rglob("*"))
        if path.is_file() and not set(path.relative_to(course).parts) & set(WITHHELD)
    }


def content(file: Path) -> bytes:
    """A notebook as it fits this machine, anything else as it is."""
    data = file.read_bytes()
    if file.suffix != ".ipynb" or not (file.parent / "lab.md").is_file():
        return data
    return read(file.parent).for_this_machine(data.decode()).encode()


def prepare(workspace: Path, course: Path = COURSE) -> tuple[Placement, ...]:
    """Bring the workspace up to the course. Returns what was done to each file."""
    offered = offered_files(course)
    contents = {path: content(file) for path, file in offered.items()}
    digests = {path: digest(data) for path, data in contents.items()}
    notes = workspace / NOTES
    shipped = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    found = {path: digest((workspace / path).read_bytes()) for path in offered if (workspace / path).is_file()}
    placements = decide(digests, shipped, found)
    for placement in placements:
        if placement.act is not Act.KEEP:
            name = placement.path if placement.act is Act.WRITE else beside(placement.path)
            _write(workspace / name, contents[placement.path], offered[placement.path].stat().st_mode)
    _write(notes, json.dumps(shipped | digests, ensure_ascii=False, indent=1).encode(), 0o600)
    _link_sources(workspace / SOURCES)
    return placements


def trust(workspace: Path, placements: tuple[Placement, ...], data: Path) -> None:
    """Signs the course's own notebooks, so that JupyterLab shows their outputs with style. `data`: Jupyter's folder of
    signatures. A notebook that the learner has changed is the learner's; Jupyter signs what it runs."""
    import nbformat
    from nbformat.sign import NotebookNotary

    opened: Any = nbformat.read  # untyped, like the notary
    notary: Any = cast("Any", NotebookNotary)(data_dir=str(data))
    try:
        for placement in placements:
            if placement.path.endswith(".ipynb"):
                name = placement.path if placement.act is not Act.BESIDE else beside(placement.path)
                if digest((workspace / name).read_bytes()) == digest(content(COURSE / placement.path)):
                    notary.sign(opened(workspace / name, as_version=4))
    finally:
        notary.store.close()


def _write(target: Path, data: bytes, mode: int) -> None:
    """Whole or not at all. A link stays one: in a virtual machine notebooks lie in a folder of the computer around."""
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.half")
    half.write_bytes(data)
    half.chmod(0o600 | mode & 0o755)
    half.replace(target)


def _link_sources(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link, place = folder / name, PACKAGES / name
        if link.is_symlink():
            if os.readlink(link) == str(place):
                continue
            link.unlink()
        if not link.exists():
            link.symlink_to(place)


def main() -> int:
    workspace = Path(sys.argv[1])
    workspace.mkdir(parents=True, exist_ok=True)
    placements = prepare(workspace)
    if data := os.environ.get("JUPYTER_DATA_DIR"):
        Path(data).mkdir(parents=True, exist_ok=True, mode=0o700)
        trust(workspace, placements, Path(data))
    for placement in placements:
        if placement.act is Act.BESIDE:
            print(f"{placement.path}은(는) 고친 그대로 두고, 새 버전을 {beside(placement.path)}에 두었어요.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
