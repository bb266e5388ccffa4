"""One submission, graded: mended, replayed beside an engine of its own, judged while no kernel of it runs.

Points come from the judge alone; what nbval says is reported, and costs points only where the exercise says so.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat as untyped
from nbformat import NotebookNode

from labs import build, workspace
from labs.catalogue import COURSE, NOTEBOOK
from labs.grading import booth as places
from labs.grading import marks, mending, sheet, verdict
from labs.grading.assign import materials
from labs.grading.booth import Booth, BoothFailed, Limits
from labs.grading.engines import Forked
from labs.grading.house import LEARNER, House
from labs.grading.mending import Finding, Mended, Unreadable
from labs.grading.results import Cell, Graded, Score, State
from labs.grading.sheet import Sheet, Task
from labs.grading.submissions import Submission, content, files
from labs.grading.verdict import Case, Turns, Verdicts
from labs.replayed import REPLAYED

nbformat: Any = untyped
#: what runs in containers, MODULE:NAME
KERNEL, REPLAY = "labs.grading.kernel:main", "labs.grading.replay:main"
PROGRAMS = (KERNEL, REPLAY, verdict.JUDGE)
_NOT_CHECKED = "확인하는 데 너무 오래 걸려서 멈췄어요."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be graded, and by what: `values` are the learner's own, `digest` stands for all of it; `in_turn`: each
    exercise is judged when its cell has run."""

    submission: Submission
    values: build.Values
    digest: str
    network: bool = False
    in_turn: bool = False


@dataclass(slots=True, kw_only=True)
class _Replayed:
    """What the replay told: the answers to exercises, cells that failed, and why it did not come to the end.
    `verdicts`: of exercises that have had their turn."""

    answers: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    trouble: str = ""
    verdicts: Verdicts = field(default_factory=dict)


def grade(house: House, name: str, order: Order, limits: Limits) -> Graded:
    """`name` is the booth's. Raises BoothFailed, APIError where the machine is at fault; a submission never is."""
    began = time.monotonic()
    given = sheet.sheet(order.submission.lab, order.values)
    try:
        returned, findings = mending.read(content(order.submission.notebook))
    except Unreadable as error:
        scores = tuple(_score(task, {"state": "not yet", "expected": task.text.title, "found": str(error)}, None, "")
                       for task in given.tasks)  # fmt: skip
        return _graded(order, scores, began, trouble=str(error))
    mended = mending.mend(given.notebook, returned)
    findings = (*findings, *_others(order.submission), *mended.findings)
    with places.booth(house, name, limits, network=order.network) as there:
        _lay_files(there, order)
        replayed = _replay(there, order, mended)
        waiting = [task.text.id for task in given.tasks if task.text.id not in replayed.verdicts]
        judged = replayed.verdicts | verdict.judge(there, _case(there, order), waiting, replayed.answers)
    cells = tuple(_failed_cells(mended.notebook, replayed))
    scores = tuple(
        _score(task, judged.get(task.text.id), _first_failed(given, mended, task, replayed), _NOT_CHECKED)
        for task in given.tasks
    )
    return _graded(order, scores, began, findings=findings, cells=cells, trouble=replayed.trouble)


def _graded(order: Order, scores: tuple[Score, ...], began: float, **more: Any) -> Graded:
    learner, assignment = order.submission.key
    return Graded(
        learner=learner,
        assignment=assignment,
        path=str(order.submission.notebook),
        digest=order.digest,
        timestamp=order.submission.timestamp(),
        seconds=round(time.monotonic() - began, 1),
        scores=scores,
        **more,
    )


def _others(submission: Submission) -> Iterator[Finding]:
    for path in submission.others:
        yield Finding(kind="another", cell="", text=f"같은 실습의 노트북이 또 있어서 채점하지 않았어요: {path.name}")


# the learner's folder ------------------------------------------------------------------------------------------------
def _lay_files(there: Booth, order: Order) -> None:
    """The lab's materials, and over them what the learner handed in beside the notebook, as far as it fits."""
    folder = _folder(there, order)
    folder.mkdir()
    for path, file in materials(order.submission.lab):
        _put(folder / path, workspace.content(file), 0o600 | file.stat().st_mode & 0o755)
    room = there.limits.files // 2
    for name, file in files(order.submission.folder):
        data = content(file)
        room -= len(data)
        if room < 0:
            break
        _put(folder / name, data, 0o600 | file.stat().st_mode & 0o755)
    for place, folders, names in os.walk(there.work):
        for each in (".", *folders, *names):
            os.chown(Path(place, each), LEARNER, LEARNER)


def _folder(there: Booth, order: Order) -> Path:
    return there.work / order.submission.lab.folder.name


def _put(target: Path, data: bytes, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(mode)


# the replay ----------------------------------------------------------------------------------------------------------
def _replay(there: Booth, order: Order, mended: Mended) -> _Replayed:
    container, kernel = _start_kernel(there, order)
    desk = there.desk / "replay"
    folder = desk / order.submission.lab.folder.name
    folder.mkdir(parents=True)
    (folder / NOTEBOOK).write_text(nbformat.writes(mended.notebook), encoding="utf-8")
    (desk / "sanitize.cfg").write_bytes(_sanitize_file().read_bytes())
    os.chown(desk, LEARNER, LEARNER)
    dead, report, turns = desk / "dead", desk / "report", there.desk / "turns"
    words = [
        *(str(folder / NOTEBOOK), str(_connection(there)), str(report), str(dead), str(desk / "sanitize.cfg")),
        f"{there.limits.cell_seconds:g}",
    ]
    binds = [f"{desk}:{desk}", f"{there.wires}:{there.wires}"]
    if order.in_turn:
        turns.mkdir(mode=0o755)
        words.append(str(turns))
        binds.append(f"{turns}:{turns}:ro")
    place = there.start("replay", binds=binds, NetworkMode="none")
    replay = there.run_in(place, REPLAY, words, {"HOME": "/tmp"})
    ended = threading.Thread(target=_watch, args=(there, kernel, dead), daemon=True)
    ended.start()
    checks = _checks(mended) if order.in_turn else {}
    court = Turns(there=there, case=_case(there, order), kernel=container, report=report, folder=turns, checks=checks)
    with court if order.in_turn else nullcontext():
        code = replay.wait(there.limits.seconds)
    there.kill(container)
    ended.join(30)
    if kernel.refused:
        raise BoothFailed(f"the kernel did not start: {kernel.said}")
    told = _understood(verdict.lines(report), code, mended)
    told.verdicts = court.verdicts
    if code not in (0, None) and not told.heard:
        why = replay.said.strip()
        if not report.exists():  # it has not come to the notebook, so that nothing of a learner's can be the reason
            raise BoothFailed(f"the replay did not run: {why[-800:]}")
        told.trouble = f"노트북을 다시 실행하지 못했어요: {why[-300:]}"
    there.kill(place)
    return told


def _case(there: Booth, order: Order) -> Case:
    return Case(lab=order.submission.lab.number, values=order.values, workspace=_folder(there, order))


def _checks(mended: Mended) -> dict[str, str]:
    """Cell → the exercise that it asks about."""
    given = (cell for cell in mended.notebook.cells if marks.kind(cell) is marks.Kind.CHECK)
    return {cell.id: cell.source.split()[1] for cell in given if cell.source.startswith("%check ")}


def _sanitize_file() -> Path:
    """A course of a teacher's own may have one, too."""
    own = COURSE / "sanitize.cfg"
    return own if own.exists() else workspace.COURSE / own.name


def _watch(there: Booth, kernel: Forked, dead: Path) -> None:
    """Says in the file that the kernel has ended."""
    kernel.wait(there.limits.seconds + 60)
    dead.touch()


def _connection(there: Booth) -> Path:
    return there.wires / "connection.json"


def _start_kernel(there: Booth, order: Order) -> tuple[str, Forked]:
    """Its container, and itself."""
    path = _connection(there)
    ports = {f"{channel}_port": port for port, channel in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1)}
    wire = {"transport": "ipc", "ip": str(there.wires / "kernel"), "signature_scheme": "hmac-sha256", "kernel_name": ""}
    path.write_text(json.dumps({**wire, **ports, "key": secrets.token_hex(16)}), encoding="utf-8")
    path.chmod(0o600)
    os.chown(path, LEARNER, LEARNER)
    home = there.place / "files" / "home"
    profile = home / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    config = 'get_config().InteractiveShellApp.extensions = ["labs"]\nget_config().HistoryManager.enabled = False\n'
    (profile / "ipython_config.py").write_text(config, encoding="utf-8")
    for folder in (home, profile.parent, profile):
        os.chown(folder, LEARNER, LEARNER)
    binds = (*places.engine_binds(there), *(f"{each}:{each}" for each in (there.work, there.wires, home)))
    container = there.start("kernel", binds=binds)
    environment = kernel_environment(home, there.work)
    return container, there.run_in(container, KERNEL, ("-f", str(path)), environment, _folder(there, order))


def kernel_environment(home: Path, work: Path) -> dict[str, str]:
    """What a learner's notebook has, and that nobody looks on."""
    return {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "DOCKER_HOST": f"unix://{places.SOCKET}",
        "DOCKER_LABS_HOST": f"unix://{places.SOCKET}",
        "DOCKER_CONFIG": str(home / "docker"),
        "DOCKER_LABS_WORKSPACE": str(work),
        "DOCKER_LABS_STILL": "1",
        REPLAYED: "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _understood(lines: list[dict[str, Any]], code: int | None, mended: Mended) -> _Replayed:
    told = _Replayed()
    sources = {cell.id: cell.source for cell in mended.notebook.cells if cell.cell_type == "code"}
    for line in lines:
        name = str(line.get("cell", ""))
        told.heard.add(name)
        if line.get("passed") is not True:
            told.failed[name] = str(line.get("why", ""))[:500]
        answer = line.get("answer")
        if isinstance(answer, str) and (found := sources.get(name, "").strip()).startswith("%check "):
            told.answers[found.split()[1]] = answer
    if code is None:
        told.trouble = "정해진 시간이 다 되어서 멈췄어요."
    elif set(sources) - told.heard:
        told.trouble = "노트북을 끝까지 실행하지 못했어요."
    return told


def _failed_cells(notebook: NotebookNode, replayed: _Replayed) -> Iterator[Cell]:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        if cell.id in replayed.failed:
            line = next(iter(cell.source.splitlines()), "")[:120]
            yield Cell(number=number, name=cell.id, line=line, why=replayed.failed[cell.id])


def _first_failed(given: Sheet, mended: Mended, task: Task, replayed: _Replayed) -> str | None:
    """Of the exercise's own part, where the exercise says that this costs its points."""
    if not task.text.replay:
        return None
    inside = False
    code = 0
    for cell in mended.notebook.cells:
        code += cell.cell_type == "code"
        if cell.cell_type == "markdown" and cell.source.lstrip().startswith("#"):
            inside = cell.source.startswith(f"{sheet.heading(task)}\n")
        if inside and cell.cell_type == "code" and (cell.id in replayed.failed or cell.id not in replayed.heard):
            return f"{code}번째 코드 셀: {replayed.failed.get(cell.id, '실행하지 못했어요.')}"[:300]
    return None


# the points ----------------------------------------------------------------------------------------------------------
def _score(task: Task, said: dict[str, Any] | None, failed: str | None, missing: str) -> Score:
    told = {name: str((said or {}).get(name, "")) for name in ("expected", "found", "read_from")}
    state = {"passed": State.PASSED, "not yet": State.NOT_YET}.get(str((said or {}).get("state")), State.BROKEN)
    if state is State.BROKEN:
        told["found"] = str((said or {}).get("why", missing))
    passed = state is State.PASSED
    return Score(
        exercise=task.text.id,
        title=task.text.title,
        points=task.text.points if passed and failed is None else 0.0,
        most=task.text.points,
        state=state,
        told=str((said or {}).get("text", "")) if passed else "",
        cost=f"다시 실행할 때 실패한 셀이 있어서 점수를 주지 않았어요. {failed}" if passed and failed else "",
        **told,
    )
