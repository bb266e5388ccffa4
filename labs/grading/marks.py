"""nbgrader's metadata of cells, schema 3: what a cell is to a grader. Pure.

Our own notes of a cell go beside it, under `docker_labs`: the schema allows no other key.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Any

import nbformat as untyped
from nbformat import NotebookNode

nbformat: Any = untyped

KEY = "nbgrader"
SCHEMA = 3


class Kind(Enum):
    """What each is in the schema's words: (grade, solution, locked)."""

    GIVEN = (False, False, True)  #: to read and to run, not to change
    WORK = (False, True, False)  #: the learner's
    CHECK = (True, False, True)  #: worth points


def mark(cell: NotebookNode, kind: Kind, grade_id: str, points: float = 0.0) -> None:
    """`grade_id` is of ASCII letters, digits, `-` and `_`, and once in a notebook."""
    grade, solution, locked = kind.value
    told: dict[str, Any] = {
        "schema_version": SCHEMA,
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "task": False,
        "grade_id": grade_id,
        "cell_type": cell.cell_type,
    }
    if grade:
        told["points"] = int(points) if points == int(points) else points
    cell.metadata[KEY] = nbformat.from_dict(told)
    cell.metadata[KEY]["checksum"] = checksum(cell)


def kind(cell: NotebookNode) -> Kind | None:
    """None for a cell that no teacher marked, or whose mark says nothing that we know."""
    told = cell.metadata.get(KEY)
    if not isinstance(told, dict):
        return None
    words = tuple(told.get(name) is True for name in ("grade", "solution", "locked"))
    return next((each for each in Kind if each.value == words), None)


def grade_id(cell: NotebookNode) -> str:
    """ "" where there is none."""
    told = cell.metadata.get(KEY)
    name = told.get("grade_id", "") if isinstance(told, dict) else ""
    return name if isinstance(name, str) else ""


def points(cell: NotebookNode) -> float:
    return float(cell.metadata[KEY].get("points", 0))


def checksum(cell: NotebookNode) -> str:
    """As nbgrader 0.9 counts it (nbgrader.utils.compute_checksum): source, type, the three words, id, points."""
    told = cell.metadata[KEY]
    parts = [cell.source, cell.cell_type, str(told["grade"]), str(told["solution"]), str(told["locked"])]
    parts.append(told["grade_id"])
    if told["grade"]:
        parts.append(str(float(told["points"])))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()
