"""What grading a submission gives: values that the gradebook keeps and the pages show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from labs.grading.mending import Finding


class State(Enum):
    """Of one exercise; the words are a learner's."""

    PASSED = "통과"
    NOT_YET = "아직"
    BROKEN = "확인하지 못함"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`points` of `most`. `told` is what a passed check verified; the other three what one that did not pass expected,
    found, and read. `cost` says why a passed exercise has no points."""

    exercise: str
    title: str
    points: float
    most: float
    state: State
    told: str = ""
    expected: str = ""
    found: str = ""
    read_from: str = ""
    cost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One that failed when the notebook was replayed. `number` counts code cells from 1; `line` is its first."""

    number: int
    name: str
    line: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """`trouble` is what kept the notebook from being replayed whole, "" where nothing did; `timestamp` is when it was
    handed in, ISO 8601, UTC; `digest` of what was handed in and of what it was graded by."""

    learner: str
    assignment: str
    path: str
    digest: str
    timestamp: str
    seconds: float
    scores: tuple[Score, ...]
    findings: tuple[Finding, ...] = ()
    cells: tuple[Cell, ...] = ()
    trouble: str = ""

    @property
    def points(self) -> float:
        return sum(score.points for score in self.scores)

    @property
    def most(self) -> float:
        return sum(score.most for score in self.scores)
