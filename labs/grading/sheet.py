"""A lab as a learner gets it to hand in: every cell marked, solutions taken out, the learner's own values put in.

Made from the lab's source and its built notebook, always the same from the same; so a grader makes it again and knows
what every cell was. Pure but for reading the lab.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import nbformat as untyped
from nbformat import NotebookNode

from labs import build, checks, directives
from labs.catalogue import Lab
from labs.directives import BadSource, ExerciseText
from labs.grading import marks
from labs.grading.marks import Kind

nbformat: Any = untyped
#: what nbgrader takes out, taken out in the same way
SOLUTION = re.compile(r"^[ \t]*### BEGIN SOLUTION.*?^[ \t]*### END SOLUTION[^\n]*$", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS.*?^[ \t]*### END HIDDEN TESTS[^\n]*\n?", re.MULTILINE | re.DOTALL)
_CHECK = re.compile(r"^%check (?P<name>\d\d-\d+)(?P<answer> .+)?$")
CHANGES = (
    "\n\n> 채점할 때는 노트북을 **처음부터 다시 실행해요.** 실행할 때마다 달라지는 답은 그대로 적지 말고, "
    "답을 출력하는 명령을 `%check {name} $(명령)`처럼 쓰세요."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An exercise as it is graded. `varies`: the right answer is another one each time."""

    text: ExerciseText
    varies: bool

    @property
    def grade_id(self) -> str:
        return f"check-{self.text.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The notebook that is handed out. `source` is the same with its solutions."""

    lab: Lab
    tasks: tuple[Task, ...]
    notebook: NotebookNode
    source: NotebookNode

    @property
    def points(self) -> float:
        return sum(task.text.points for task in self.tasks)


def assignment(lab: Lab) -> str:
    """What nbgrader calls it: the folder's name."""
    return lab.folder.name


def digest(lab: Lab) -> str:
    """Of all that a sheet is made from: "sha256:…"."""
    told = hashlib.sha256()
    for path in (lab.source, lab.check_file, lab.notebook):
        told.update(path.read_bytes() if path.exists() else b"")
        told.update(b"\0")
    return f"sha256:{told.hexdigest()}"


def tasks(lab: Lab, values: build.Values | None = None) -> tuple[Task, ...]:
    """In the source's order. Raises BadSource."""
    found = checks.exercises(lab)
    made = []
    for directive in lab.directives("exercise"):
        name = directive.argument.partition(" ")[0]
        if name not in found:
            raise BadSource(f"{lab.check_file}: no check for exercise {name}")
        own = {each.name: each.of((values or {}).get(name, {})) for each in found[name].varied}
        made.append(Task(text=directives.exercise(directive, own), varies=callable(found[name].answer)))
    return tuple(made)


def sheet(lab: Lab, values: build.Values | None = None) -> Sheet:
    """Raises BadSource when the lab's notebook does not say what its source asks."""
    if not lab.notebook.exists():
        raise BadSource(f"{lab.folder.name}: {lab.notebook.name} has not been built; run labs build {lab.number} first")
    built = nbformat.reads(lab.for_this_machine(lab.notebook.read_text(encoding="utf-8")), as_version=4)
    published = {heading(task): _text(task) for task in tasks(lab)}
    asked = {task.text.id: task for task in tasks(lab, values)}
    own = {heading(task): _text(task) for task in asked.values()}
    cells: list[NotebookNode] = []
    for cell in built.cells:
        first = cell.source.partition("\n")[0]
        if cell.cell_type == "markdown" and first in own:
            if cell.source != published.pop(first):
                raise BadSource(f"{lab.folder.name}: {first!r} is not what {lab.source.name} says; {_again(lab)}")
            cell.source = own[first]
        cells += _marked(cell, asked)
    if published:
        raise BadSource(f"{lab.folder.name}: {min(published)!r} is not in {lab.notebook.name}; {_again(lab)}")
    whole = _notebook(lab, cells)
    return Sheet(lab=lab, tasks=tuple(asked.values()), notebook=_without_solutions(whole), source=whole)


def heading(task: Task) -> str:
    """The first line of an exercise's text, and where its part of the notebook begins."""
    return build.heading(task.text)


def _text(task: Task) -> str:
    return f"{heading(task)}\n\n{task.text.text}"


def _again(lab: Lab) -> str:
    return f"run labs build {lab.number} again"


def _marked(cell: NotebookNode, asked: Mapping[str, Task]) -> Iterator[NotebookNode]:
    """A check that takes an answer becomes two cells: the learner's line, and the one that is worth points."""
    found = _CHECK.match(cell.source) if cell.cell_type == "code" else None
    if found is None or found["name"] not in asked:
        own = cell.cell_type == "code" and (
            cell.source in (build.WORK_HERE, build.WALL_HERE) or bool(SOLUTION.search(cell.source))
        )
        if own:
            cell.outputs, cell.execution_count = [], None
        elif cell.cell_type == "markdown":
            cell.source += _how_to_answer(cell.source, asked)
        marks.mark(cell, Kind.WORK if own else Kind.GIVEN, f"{'work' if own else 'given'}-{cell.id}")
        yield cell
        return
    task = asked[found["name"]]
    if found["answer"]:
        answer = nbformat.v4.new_code_cell(cell.source, id=f"answer-{task.text.id}")
        marks.mark(answer, Kind.WORK, f"answer-{task.text.id}")
        yield answer
    check = nbformat.v4.new_code_cell(f"%check {task.text.id}", id=cell.id)
    marks.mark(check, Kind.CHECK, task.grade_id, task.text.points)
    yield check


def _how_to_answer(text: str, asked: Mapping[str, Task]) -> str:
    """For an exercise whose right answer is another one each time, said at its text."""
    told = (task for task in asked.values() if task.varies and text.startswith(f"{heading(task)}\n"))
    return "".join(CHANGES.format(name=task.text.id) for task in told)


def _notebook(lab: Lab, cells: list[NotebookNode]) -> NotebookNode:
    made = nbformat.v4.new_notebook(cells=cells)
    return build.with_metadata(made, {"lab": lab.number, "title": lab.title})


def _without_solutions(whole: NotebookNode) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(nbformat.v4.nbbase.NotebookNode(whole))
    made.cells = [nbformat.from_dict(cell) for cell in whole.cells]
    for cell in made.cells:
        if cell.cell_type != "code":
            continue
        stripped = HIDDEN.sub("", SOLUTION.sub(build.WORK_HERE, cell.source))
        if stripped != cell.source:
            cell.source, cell.outputs, cell.execution_count = stripped, [], None
            cell.metadata[marks.KEY]["checksum"] = marks.checksum(cell)
    return made
