"""What a learner does with an exercise: check it, ask for a hint, see the solution, begin again.

The notebook and the `labs` command draw what these answer. An engine is only asked what an exercise asks it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from labs import checks, progress, workspace
from labs.catalogue import NOTEBOOK, Lab, NoSuchLab, lab
from labs.checks import HINTS, Exercise, NotYet, Passed, Result, exercise, exercises, work
from labs.engine_view import CommandFailed, EngineView
from labs.progress import Progress

#: beside an assigned notebook
VALUES = ".values.json"
Say = Callable[[str], object]
#: the command and what it printed stand above
FAILED = (
    "풀이의 명령이 실패했어요. 위의 마지막 줄에 까닭이 있어요. "
    "다른 것이 같은 포트를 쓰고 있지 않은지 보고 다시 실행해 보세요."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Those of an exercise that have been asked for, oldest first, of `total`; `new`: the last one has not been read
    before."""

    name: str
    seen: tuple[str, ...]
    total: int
    new: bool

    @property
    def last(self) -> bool:
        return len(self.seen) == self.total


def view(name: str, host: str, answer: str = "") -> EngineView:
    """Of the engine, in the lab's folder. Raises NoSuchLab."""
    folder = lab_folder(lab(name))
    return EngineView(host, answer=answer, workspace=folder, values=own_values(folder).get(name))


def own_values(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Exercise → variable → value, as `labs assign --learners` laid them beside the notebook; {} without."""
    try:
        found: Mapping[str, Mapping[str, str]] = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise NoSuchLab(
            f"{folder / VALUES}을(를) 읽지 못했어요: {error}. 선생님에게 받은 것으로 되돌려 놓으세요."
        ) from None
    return found


def check(name: str, engine: EngineView, kept: Progress) -> Result:
    """The exercise's result, kept. Raises NoSuchLab."""
    result = checks.check(exercise(name), engine)
    kept.note(name, progress.passed if isinstance(result, Passed) else progress.not_yet)
    return result


def hint(name: str, engine: EngineView, kept: Progress) -> Hints | Passed:
    """One hint more than before, for what is missing now. Raises NoSuchLab, also where there is no hint."""
    result = checks.check(exercise(name), engine)
    if isinstance(result, Passed):
        return result
    if not result.hints:
        raise NoSuchLab(f"과제 {name}에는 지금 보여 줄 힌트가 없어요.")
    before = hints_read(name, result, kept)
    now = min(before + 1, len(result.hints))
    note_hints(name, result, now, kept)
    return Hints(name=name, seen=result.hints[:now], total=len(result.hints), new=now > before)


def hints_read(name: str, result: NotYet, kept: Progress) -> int:
    """How many of these hints the learner has asked for."""
    return min(kept.of(name).hints.get(_key(result.hints), 0), len(result.hints))


def note_hints(name: str, result: NotYet, read: int, kept: Progress) -> None:
    kept.note(name, progress.read_hints(_key(result.hints), read, len(result.hints)))


def _key(hints: tuple[str, ...]) -> str:
    """What is missing changes while one works, and its hints with it: each row is read from its first."""
    return hashlib.sha256("\0".join(hints).encode()).hexdigest()[:12]


def hint_name(at: int) -> str:
    return HINTS[at] if at < len(HINTS) else "더"


def hints_as_text(hints: Hints, way: str) -> str:
    """`way` is what stands before the verbs: "%" in a notebook, "labs " in a terminal."""
    lines = []
    for at, text in enumerate(hints.seen):
        lines.append(f"힌트 {at + 1}/{hints.total} · {hint_name(at)}")
        lines += [f"  {line}" for line in text.splitlines()]
    return "\n".join([*lines, what_next(hints, way)])


def what_next(hints: Hints, way: str) -> str:
    if not hints.last:
        return f"한 번 더 실행하면 다음 힌트({hint_name(len(hints.seen))})가 나와요: {way}hint {hints.name}"
    return f"힌트를 모두 봤어요. 그래도 어려우면 풀이를 볼 수 있어요: {way}solve {hints.name}"


# the solution --------------------------------------------------------------------------------------------------------
def why_not_yet(name: str, kept: Progress, way: str) -> str:
    """What a learner does before the solution is shown; "" after an honest try. Raises NoSuchLab."""
    exercise(name)
    if kept.of(name).tried:
        return ""
    return (
        f"먼저 직접 해 보세요. {way}check {name}의 대답을 한 번 읽거나 {way}hint {name}의 힌트를 끝까지 보고 나면 "
        "풀이를 보여 줄게요."
    )


def solve(name: str, host: str, kept: Progress, say: Say) -> Result:
    """Begins anew, runs the solution beside fresh materials, tells its commands and what they print, and checks.
    Raises NoSuchLab, CommandFailed."""
    found = exercise(name)
    place = _fresh_folder(lab(name), name)
    begin_again(found, EngineView(host, workspace=place))
    say(f"과제 {name}: 처음으로 되돌리고, 새 폴더 {place.name}에서 풀이를 실행해요. 여러분의 파일은 그대로 있어요.")
    kept.note(name, progress.solved)
    values = own_values(lab_folder(lab(name))).get(name)
    engine = EngineView(host, workspace=place, told=say, values=values)
    try:
        work(found.solve, engine)
    except CommandFailed as error:
        raise CommandFailed(FAILED) from error
    quiet = EngineView(host, workspace=place, values=values)
    answer = found.answer(quiet) if callable(found.answer) else found.answer
    if answer:
        say(f"답: {answer}")
    return found.check(EngineView(host, workspace=place, answer=answer, values=values))


def after_solution(name: str, way: str) -> str:
    return f"이제 직접 해 보세요. 처음으로 되돌리려면: {way}reset {name}. 풀이로 만든 것은 통과로 적지 않아요."


def _fresh_folder(of: Lab, name: str) -> Path:
    """`solution-01-3` in the lab's folder, with the materials as the course has them. One that cannot be removed (a
    container wrote into it as root) stays, and the next one gets a number."""
    first = f"solution-{name.removeprefix(f'{of.track}/')}"
    for number in count(1):
        place = lab_folder(of) / (first if number == 1 else f"{first}-{number}")
        shutil.rmtree(place, ignore_errors=True)
        if not os.path.lexists(place):
            break
    place.mkdir()
    beneath = f"{of.place}/"
    for path, file in workspace.offered_files(of.course).items():
        if path.startswith(beneath) and path != beneath + NOTEBOOK:
            target = place / path.removeprefix(beneath)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return place


def lab_folder(of: Lab) -> Path:
    """Where the lab's notebook and materials lie for this learner: this folder, if it has the lab's name or the
    workspace has none of it."""
    here = Path.cwd()
    place = progress.folder().parent / of.place
    return place if here.name != of.folder.name and place.is_dir() else here


# the beginning -------------------------------------------------------------------------------------------------------
def reset(name: str, host: str, kept: Progress) -> str:
    """One exercise ("01-3") to where a learner begins, or all of a lab ("01") gone. What was done, in Korean. Raises
    NoSuchLab, CommandFailed."""
    of, engine = lab(name), view(name, host)
    if name in (of.number, of.place):
        found = exercises(of)
        for each in found.values():
            each.end(engine)
        for ground in dict.fromkeys(each.ground for each in found.values() if each.ground is not None):
            work(ground.cleanup, engine)
        for each_name in found:
            kept.note(each_name, progress.begun_again)
        return f"실습 {of.number}의 과제 {len(found)}개가 남긴 것을 지웠어요. 노트북과 다른 실습은 그대로예요."
    begin_again(exercise(name), engine)
    kept.note(name, progress.begun_again)
    return f"과제 {name}: 처음으로 되돌렸어요. 노트북과 다른 실습은 그대로예요."


def begin_again(found: Exercise, engine: EngineView) -> None:
    """Nothing of an earlier try, then what the exercise sets up."""
    found.end(engine)
    found.begin(engine)
