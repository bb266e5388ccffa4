"""What a teacher keeps of an assignment: points, seed, learners, and the digest of the lab that it was made from.

The values of a learner follow from seed, learner and exercise, so that nobody has to be on the list to be graded, and
nothing secret is written down but the seed.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labs import checks
from labs.catalogue import Lab
from labs.grading import sheet
from labs.grading.failures import BadInput

FILE = "manifest.json"
VERSION = 1
_ID = re.compile(r"[\w][\w.@-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """`id` names folders and rows; the names may be ""."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """One lab as it was handed out. `points`: exercise → points."""

    lab: str
    title: str
    digest: str
    points: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`seed` is "" where every learner has the same. `labs`: assignment ("05_container_commands") → what it was."""

    seed: str = ""
    learners: tuple[Learner, ...] = ()
    labs: Mapping[str, Assigned] = field(default_factory=dict)

    def values(self, lab: Lab, learner: str) -> dict[str, dict[str, str]]:
        """Exercise → variable → what this learner gets; {} without a seed."""
        if not self.seed:
            return {}
        found = checks.exercises(lab).items()
        return {
            name: {each.name: choose(self.seed, learner, name, each) for each in exercise.varied}
            for name, exercise in found
            if exercise.varied
        }

    def learner(self, name: str) -> Learner:
        return next((each for each in self.learners if each.id == name), Learner(id=name))


def choose(seed: str, learner: str, exercise: str, varied: checks.Varied) -> str:
    told = "\0".join((seed, learner, exercise, varied.name)).encode()
    return varied.choices[int.from_bytes(hashlib.sha256(told).digest()[:8], "big") % len(varied.choices)]


def assigned(lab: Lab) -> Assigned:
    points = {task.text.id: task.text.points for task in sheet.tasks(lab)}
    return Assigned(lab=lab.number, title=lab.title, digest=sheet.digest(lab), points=points)


def write(manifest: Manifest, folder: Path) -> None:
    told = {"version": VERSION, **asdict(manifest)}
    half = folder / f".{FILE}.half"
    half.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    half.replace(folder / FILE)


def read(folder: Path) -> Manifest:
    """Raises BadInput."""
    path = folder / FILE
    try:
        return _understood(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadInput(
            f"{path}: no such file; it is what labs assign wrote", f"{folder}에 labs assign이 쓴 {FILE}이 없어요."
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{path}: not a manifest: {error}", f"{path}을 읽을 수 없어요. 과제를 다시 만드세요.") from None


def _understood(told: Any) -> Manifest:
    if told.pop("version") != VERSION:
        raise ValueError("of another version")
    return Manifest(
        seed=str(told["seed"]),
        learners=tuple(Learner(**each) for each in told["learners"]),
        labs={name: Assigned(**each) for name, each in told["labs"].items()},
    )


def learners(path: Path) -> tuple[Learner, ...]:
    """One a line: `id` or nbgrader's columns `id,first_name,last_name,email` under a heading. Raises BadInput."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path}: {error}", f"{path}을(를) 읽을 수 없어요. 한 줄에 한 사람씩 적은 글 파일이어야 해요."
        ) from None
    rows = [row for row in csv.reader(text.splitlines()) if row and not row[0].lstrip().startswith("#")]
    names = ["id"]
    if rows and rows[0][0].strip() == "id":
        names = [name.strip() for name in rows.pop(0)]
    known = {"id", "first_name", "last_name", "email"}
    made = []
    for row in rows:
        told = {name: cell.strip() for name, cell in zip(names, row, strict=False) if name in known}
        if not _ID.fullmatch(told["id"]):
            raise BadInput(
                f"{path}: {told['id']!r} cannot name a folder; use letters, digits and . _ @ -",
                f"{told['id']!r}은(는) 폴더 이름으로 쓸 수 없어요. 글자, 숫자, . _ @ - 만 쓰세요.",
            )
        made.append(Learner(**told))
    repeated = sorted({each.id for each in made if [other.id for other in made].count(each.id) > 1})
    if repeated or not made:
        what = f"{repeated[0]} is there twice" if repeated else "nobody is in it"
        korean = f"{repeated[0]}이(가) 두 번 있어요." if repeated else "아무도 없어요."
        raise BadInput(f"{path}: {what}", f"{path}: {korean}")
    return tuple(made)


def is_name(text: str) -> bool:
    """May it name a learner, and so a folder?"""
    return bool(_ID.fullmatch(text))
