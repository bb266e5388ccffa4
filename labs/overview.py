"""The whole course as one learner stands in it: each lab, its exercises, and how far each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labs import directives
from labs.catalogue import Lab
from labs.progress import NOTHING, Record, State

TITLE = "강의 진도"
#: beside the word, never instead of it
SIGNS = {State.PASSED: "✓", State.TRIED: "◐", State.NEW: "○"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One exercise. `solved`: what is there now was made by the solution."""

    name: str
    title: str
    state: State
    solved: bool

    @property
    def word(self) -> str:
        return f"{self.state.value} (풀이를 봤어요)" if self.solved else self.state.value


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRows:
    """A lab with its exercises in their order."""

    lab: Lab
    rows: tuple[Row, ...]

    @property
    def passed(self) -> int:
        return sum(row.state is State.PASSED for row in self.rows)


def overview(labs: tuple[Lab, ...], records: Mapping[str, Record]) -> tuple[LabRows, ...]:
    """Reads the labs' sources, runs no check."""
    return tuple(LabRows(lab=lab, rows=tuple(_rows(lab, records))) for lab in labs)


def _rows(lab: Lab, records: Mapping[str, Record]) -> list[Row]:
    asked = [directives.exercise(found) for found in lab.directives("exercise")]
    return [_row(each.id, each.title, records.get(each.id, NOTHING)) for each in asked]


def _row(name: str, title: str, record: Record) -> Row:
    return Row(name=name, title=title, state=record.state, solved=record.solved and not record.passed)


def summary(course: tuple[LabRows, ...]) -> str:
    return f"과제 {sum(len(each.rows) for each in course)}개 가운데 {sum(each.passed for each in course)}개 통과"


def as_text(course: tuple[LabRows, ...]) -> str:
    lines = [f"{TITLE} · {summary(course)}"]
    for each in course:
        lines.append(f"{each.lab.number} {each.lab.title} ({each.passed}/{len(each.rows)})")
        lines += [f"  {SIGNS[row.state]} {row.name} {row.title} · {row.word}" for row in each.rows]
    return "\n".join(lines)
