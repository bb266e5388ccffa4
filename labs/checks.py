"""The protocol of checks: what an exercise is, what a check answers, how one is found and run.

A lab's `check.py` is loaded by its path and holds `checks = {"01-3": Exercise(...)}`: see `labs/course/README.md`.
Results are values: the notebook and the `labs` command draw them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any, Literal

from labs.catalogue import Lab, NoSuchLab, lab
from labs.engine_view import EngineView, Varied
from labs.wall import door

__all__ = [
    "EngineView",
    "Exercise",
    "Ground",
    "NotYet",
    "Passed",
    "Result",
    "Varied",
    "Work",
    "exercise",
    "exercises",
    "first_line",
    "missing",
    "not_running",
]

#: the names of the three hints, in their order
HINTS = ("방향", "방법", "거의 답")


@dataclass(frozen=True, slots=True)
class Passed:
    """What was verified, in one Korean sentence."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """What was expected, what was found, where it was read (a command or an API path), and up to three hints."""

    expected: str
    found: str
    read_from: str
    hints: tuple[str, ...] = ()


Result = Passed | NotYet


def missing(what: str, where: str, hints: tuple[str, ...]) -> NotYet:
    """What is not there yet."""
    return NotYet(expected=what, found="아직 없어요.", read_from=where, hints=hints)


def no_room(hints: tuple[str, ...]) -> NotYet:
    """Of exercises by hand: no `%%wall` cell has run, or its room has been closed."""
    return missing("열려 있는 작업실", "%walls", hints)


def no_program(command: str, hints: tuple[str, ...]) -> NotYet:
    """Of exercises by hand: nothing in the room is this program."""
    return NotYet(
        expected=f"실행 중인 `{command}`",
        found="그런 프로세스가 없어요.",
        read_from="/proc/PID/cmdline",
        hints=hints,
    )


def not_running(name: str, found: dict[str, Any] | None, hints: tuple[str, ...]) -> NotYet | None:
    """`found` is a container as `docker inspect` shows it; None when it runs."""
    if found is not None and found["State"]["Running"]:
        return None
    return NotYet(
        expected=f"실행 중인 컨테이너 `{name}`",
        found="아직 없어요." if found is None else f"`{name}`의 상태: {found['State']['Status']}",
        read_from="docker ps -a",
        hints=hints,
    )


def first_line(said: str) -> str:
    """Of what a command printed, for the line "찾은 것"."""
    return (said.strip().splitlines() or ["아무것도 나오지 않았어요."])[0][:100]


def check(exercise: Exercise, engine: EngineView) -> Result:
    """What the exercise says of the engine. Where the learner has values of their own, an answer that fits another
    learner's is told so."""
    result = exercise.check(engine)
    if isinstance(result, Passed) or not engine.values:
        return result
    own = {each.name: engine.value(each) for each in exercise.varied}
    for others in combinations(exercise.varied):
        if others != own and isinstance(exercise.check(engine.with_values(others)), Passed):
            return NotYet(
                expected=f"{result.expected} (나의 문제: {_told(own)})",
                found=f"다른 사람의 문제에 맞는 답이에요: {_told(others)}",
                read_from=result.read_from,
                hints=result.hints,
            )
    return result


def combinations(varied: tuple[Varied, ...]) -> Iterator[dict[str, str]]:
    """Every set of values that a learner can get."""
    names = [each.name for each in varied]
    return (dict(zip(names, chosen, strict=True)) for chosen in product(*(each.choices for each in varied)))


def _told(values: Mapping[str, str]) -> str:
    return ", ".join(f"`{value}`" for value in values.values())


#: something done to an engine: a bash script, or a function
Work = str | Callable[[EngineView], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What several exercises of a lab stand on, too slow to be made for each: it stays between them. `setup` adds what
    is missing, `cleanup` takes all of it away; it consists of `containers`."""

    setup: Work
    cleanup: Work
    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """`wrong` names solutions that must get NotYet. `containers`, `images` and `volumes` are removed by setup and
    cleanup; the `ground` goes with the whole lab (%reset 10)."""

    check: Callable[[EngineView], Result]
    solve: Work
    wrong: Mapping[str, Work]
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    setup: Work = ""
    cleanup: Work = ""
    ground: Ground | None = None
    #: what may differ from learner to learner (`labs assign --learners`); lab.md says `{=name}`
    varied: tuple[Varied, ...] = ()
    #: its `%%wall` cells begin in a room in which nothing has been done; a "container" where a lab's rooms are in one
    room: Literal["", "own", "container"] = ""
    #: what the solution and the wrong ones write after `%check 00-3`; a function reads it off the engine
    answer: str | Callable[[EngineView], str] = ""
    wrong_answers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def begin(self, engine: EngineView) -> None:
        """The state in which a learner begins."""
        self._remove(engine)
        if self.ground is not None:
            work(self.ground.setup, engine)
        work(self.setup, engine)

    def end(self, engine: EngineView) -> None:
        """Nothing of the exercise is left."""
        work(self.cleanup, engine)
        self._remove(engine)

    def _remove(self, engine: EngineView) -> None:
        if self.room:
            door.reset(contained=self.room == "container")
        for name in self.containers:
            engine.remove_container(name)
        for reference in self.images:
            engine.remove_image(reference)
        for name in self.volumes:
            engine.remove_volume(name)


def work(what: Work, engine: EngineView) -> None:
    """Raises CommandFailed when a script fails."""
    if callable(what):
        what(engine)
    elif what:
        engine.must(what)


def exercises(of: Lab) -> Mapping[str, Exercise]:
    """Those of a lab's check.py; {} when it has none."""
    if not of.check_file.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"lab_{of.number}_check", of.check_file)
    assert spec is not None and spec.loader is not None, of.check_file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mapping[str, Exercise] = module.checks
    return found


def exercise(name: str) -> Exercise:
    """By its id ("01-3"). Raises NoSuchLab with a Korean sentence."""
    of = lab(name)
    found = exercises(of)
    if name not in found:
        raise NoSuchLab(f"{name}번 과제는 없어요. 실습 {of.number}의 과제: {', '.join(found) or '아직 없음'}")
    return found[name]


def as_text(name: str, result: Result) -> str:
    """The result in fixed lines: for terminals, for nbval, for a viewer without a kernel."""
    if isinstance(result, Passed):
        return f"✓ {name} 통과: {result.text}"
    lines = [
        f"○ {name} 아직이에요",
        f"  기대한 것: {result.expected}",
        f"  찾은 것: {result.found}",
        f"  확인한 곳: {result.read_from}",
    ]
    return "\n".join(lines)
