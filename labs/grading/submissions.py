"""What was handed in: which files are whose, and of which lab. Reads the folder, runs nothing.

submitted/kim/05_container_commands/lab.ipynb   nbgrader's layout, with the learner's other files beside it
kim.ipynb, kim-05.ipynb, kim_05_container_commands.ipynb
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labs.catalogue import NOTEBOOK, Lab
from labs.grading import manifest, sheet
from labs.grading.failures import BadInput

#: of a learner's own files beside the notebook
MOST_FILES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """`folder` is None for a lone notebook; `others` are notebooks of the same learner for the same lab, older ones."""

    learner: str
    lab: Lab
    notebook: Path
    folder: Path | None = None
    others: tuple[Path, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.learner, sheet.assignment(self.lab)

    def timestamp(self) -> str:
        moment = datetime.fromtimestamp(self.notebook.lstat().st_mtime, tz=UTC)
        return moment.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")

    def digest(self, given: str) -> str:
        """Of all that decides about its points; `given` stands for the lab and the learner's values."""
        told = hashlib.sha256(given.encode())
        for name, path in [("", self.notebook), *files(self.folder)]:
            told.update(f"\0{name}\0".encode("utf-8", "surrogateescape"))
            told.update(content(path))
        return f"sha256:{told.hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`unknown`: notebooks of which nobody can say whose or what they are, with the reason in Korean."""

    submissions: tuple[Submission, ...]
    unknown: tuple[tuple[Path, str], ...]


def find(folder: Path, labs: Mapping[str, Lab]) -> Found:
    """`labs`: assignment → lab. Raises BadInput when there is nothing."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder", f"{folder}라는 폴더가 없어요.")
    chosen: dict[tuple[str, str], list[Submission]] = {}
    unknown: list[tuple[Path, str]] = []
    for path in _notebooks(folder):
        made = _submission(folder, path, labs)
        if isinstance(made, str):
            unknown.append((path, made))
        else:
            chosen.setdefault(made.key, []).append(made)
    if not chosen and not unknown:
        raise BadInput(f"{folder}: no notebook in it", f"{folder}에 노트북(.ipynb)이 하나도 없어요.")
    return Found(submissions=tuple(_newest(each) for _, each in sorted(chosen.items())), unknown=tuple(unknown))


def _notebooks(folder: Path) -> Iterator[Path]:
    """Regular files alone: a link may lead anywhere."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if name.endswith(".ipynb") and not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _submission(folder: Path, path: Path, labs: Mapping[str, Lab]) -> Submission | str:
    parts = path.relative_to(folder).parts
    if len(parts) >= 3 and parts[-2] in labs:
        learner = parts[-3]
        if not manifest.is_name(learner):
            return f"{learner!r}은(는) 사람의 id로 쓸 수 없어요."
        return Submission(learner=learner, lab=labs[parts[-2]], notebook=path, folder=path.parent)
    if len(parts) > 1:
        return "submitted/사람/실습 폴더 안에 있지 않아요."
    return _flat(path, labs)


def _flat(path: Path, labs: Mapping[str, Lab]) -> Submission | str:
    stem = path.stem
    for name, lab in labs.items():
        for ending in (f"_{name}", f"-{name}", f"-{lab.number}", f"_{lab.number}"):
            if stem.endswith(ending) and manifest.is_name(stem.removesuffix(ending)):
                return Submission(learner=stem.removesuffix(ending), lab=lab, notebook=path)
    if not manifest.is_name(stem):
        return f"{stem!r}은(는) 사람의 id로 쓸 수 없어요."
    if len(labs) == 1:
        return Submission(learner=stem, lab=next(iter(labs.values())), notebook=path)
    said = _lab_of(path)
    of = next((lab for lab in labs.values() if lab.number == said), None)
    return Submission(learner=stem, lab=of, notebook=path) if of else "어느 실습의 노트북인지 알 수 없어요."


def _lab_of(path: Path) -> str:
    """What the notebook says of itself; "" where it says nothing."""
    try:
        told = json.loads(content(path))["metadata"]["docker_labs"]["lab"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return told if isinstance(told, str) else ""


def _newest(of: list[Submission]) -> Submission:
    """The lab's own notebook before one that lies beside it, else the one that was changed last."""
    ordered = sorted(of, key=lambda each: (each.notebook.name == NOTEBOOK, each.notebook.lstat().st_mtime))
    last = ordered[-1]
    return Submission(
        learner=last.learner, lab=last.lab, notebook=last.notebook, folder=last.folder,
        others=tuple(each.notebook for each in ordered[:-1]),
    )  # fmt: skip


def files(folder: Path | None) -> list[tuple[str, Path]]:
    """A learner's own regular files, no notebooks: path beneath the folder, and where it lies."""
    if folder is None:
        return []
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink() and not name.startswith(".") and path.suffix != ".ipynb":
                found.append((str(path.relative_to(folder)), path))
    return found[:MOST_FILES]


def content(path: Path) -> bytes:
    """Never through a link, whoever puts one there meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read()
