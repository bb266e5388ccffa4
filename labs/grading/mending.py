"""A notebook that came back, made whole again: what the teacher gave is the teacher's, what the learner wrote stays.

Pure. Every cell that was given is put back in its place with its source, outputs and marks; of a learner's cell only
the source is taken; cells that the learner added stay after the one that they stood behind, without tags. What clears
up behind the exercises (tagged `cleanup`) stays there as text: the checks come after the last cell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import nbformat as untyped
from nbformat import NotebookNode

from labs.grading import marks
from labs.grading.marks import Kind

nbformat: Any = untyped
#: a notebook beyond is no learner's work
MOST_BYTES = 20 << 20
MOST_CELLS = 2000
CLEANUP = "cleanup"


class Unreadable(Exception):
    """No notebook: why, in Korean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was not as it was given. `cell` is the grade_id, "" for the notebook; `text` is Korean."""

    kind: str
    cell: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """`notebook` can be replayed."""

    notebook: NotebookNode
    findings: tuple[Finding, ...]


def read(data: bytes) -> tuple[list[NotebookNode], tuple[Finding, ...]]:
    """The cells as they came back. Raises Unreadable. An older notebook format is brought up to date, and told."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"노트북이 너무 커요: {len(data) >> 20} MB")
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable("글(UTF-8)이 아니어서 읽을 수 없어요.") from None
    except (ValueError, RecursionError):
        raise Unreadable("노트북(JSON)이 아니어서 읽을 수 없어요.") from None
    version = found.get("nbformat") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise Unreadable("노트북이 아닌 JSON이에요.")
    findings: tuple[Finding, ...] = ()
    try:
        if version != nbformat.current_nbformat:
            found = nbformat.convert(nbformat.reader.reads(data.decode("utf-8-sig")), nbformat.current_nbformat)
            findings = (Finding(kind="old", cell="", text=f"nbformat {version}이라서 4로 바꾸어 읽었어요."),)
        told = list(found["cells"])[: MOST_CELLS + 1]
        cells = [_cell(cell) for cell in told]
    except Exception:  # nbformat raises what its parts raise
        raise Unreadable(f"노트북의 형식(nbformat {version})을 알 수 없어요.") from None
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"셀이 너무 많아요: {MOST_CELLS}개가 넘어요.")
    return cells, findings


def _cell(told: Any) -> NotebookNode:
    """Its type, source and marks; AttributeError, TypeError, KeyError for one that is none."""
    source = told["source"]
    source = "".join(source) if isinstance(source, list) else source
    if not isinstance(source, str):
        raise TypeError("a cell's source is text")
    made: NotebookNode = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}.get(
        told["cell_type"], nbformat.v4.new_raw_cell
    )(source)
    made.id = told["id"] if isinstance(told.get("id"), str) else ""
    mark = told.get("metadata", {}).get(marks.KEY) if isinstance(told.get("metadata"), dict) else None
    if isinstance(mark, dict):
        made.metadata[marks.KEY] = mark
    return made


def mend(given: NotebookNode, returned: list[NotebookNode]) -> Mended:
    """`given` is the sheet's notebook, as this learner got it."""
    wanted = {marks.grade_id(cell): cell for cell in given.cells}
    names = list(_recognised(given, returned))
    first: dict[str, NotebookNode] = {}
    behind: dict[str, list[NotebookNode]] = {"": []}
    findings: list[Finding] = []
    last, order = "", list(wanted)
    for name, cell in zip(names, returned, strict=True):
        if name and name not in first:
            first[name] = cell
            behind.setdefault(name, [])
            if last and order.index(name) < order.index(last):
                findings.append(Finding(kind="moved", cell=name, text="셀의 자리가 바뀌어 있어서 되돌렸어요."))
            last = name
            findings += _changed(wanted[name], cell, name)
            continue
        if name:
            findings.append(Finding(kind="twice", cell=name, text="같은 셀이 두 번 있어요. 첫 번째 것만 채점해요."))
            if marks.kind(wanted[name]) is not Kind.WORK:
                continue
        behind[last].append(cell)
    cells = [_added(cell, at) for at, cell in enumerate(behind[""])]
    for name, cell in wanted.items():
        own = first.get(name)
        if own is None:
            findings.append(Finding(kind="missing", cell=name, text="지워진 셀을 되돌려 놓았어요."))
        cells.append(_mended(cell, own))
        cells += [_added(extra, f"{name}-{at}") for at, extra in enumerate(behind.get(name, ()))]
    made = nbformat.v4.new_notebook(cells=cells, metadata=given.metadata)
    return Mended(notebook=made, findings=tuple(findings))


def _recognised(given: NotebookNode, returned: list[NotebookNode]) -> Iterator[str]:
    """For each cell that came back which one it was, "" for an added one: by its mark, else its id, else its text."""
    names = {marks.grade_id(cell) for cell in given.cells}
    ids = {cell.id: marks.grade_id(cell) for cell in given.cells}
    texts = {cell.source: marks.grade_id(cell) for cell in given.cells if marks.kind(cell) is not Kind.WORK}
    marked = {marks.grade_id(cell) for cell in returned}
    for cell in returned:
        name = marks.grade_id(cell)
        if name in names:
            yield name
            continue
        other = ids.get(cell.id) or texts.get(cell.source, "")
        yield other if other not in marked else ""


def _changed(given: NotebookNode, own: NotebookNode, name: str) -> Iterator[Finding]:
    if marks.kind(given) is not Kind.WORK and (own.source, own.cell_type) != (given.source, given.cell_type):
        yield Finding(kind="edited", cell=name, text="고칠 수 없는 셀을 고쳐서 원래대로 되돌렸어요.")
    if marks.kind(given) is Kind.WORK and own.cell_type != given.cell_type:
        yield Finding(kind="type", cell=name, text="코드 셀이 아니게 바뀌어서 그 안의 글은 실행하지 않았어요.")
    if own.metadata.get(marks.KEY) != given.metadata[marks.KEY]:
        yield Finding(kind="marks", cell=name, text="셀의 채점 정보를 고쳐서 원래대로 되돌렸어요.")


def _mended(given: NotebookNode, own: NotebookNode | None) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(given)
    if CLEANUP in given.metadata.get("tags", ()):
        made = nbformat.v4.new_raw_cell(given.source, id=given.id)
    if own is not None and marks.kind(given) is Kind.WORK and own.cell_type == given.cell_type:
        made.source = own.source
    return made


def _added(cell: NotebookNode, at: object) -> NotebookNode:
    made: NotebookNode = nbformat.from_dict(cell)
    made.id = f"added-{at}"[:64]
    made.metadata = nbformat.from_dict({})
    return made
