"""Notebooks that came back, whatever was done to them: mended, with the right reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from labs import catalogue
from labs.grading import marks, mending, sheet
from labs.grading.mending import Mended, Unreadable

GIVEN = sheet.sheet(catalogue.lab("00")).notebook
CODE = [cell for cell in GIVEN.cells if cell.cell_type == "code"]
WORK = next(marks.grade_id(cell) for cell in GIVEN.cells if marks.grade_id(cell).startswith("work-"))
LOCKED = next(marks.grade_id(cell) for cell in CODE if marks.grade_id(cell).startswith("given-"))


def returned(change: Callable[[list[Any]], object]) -> Mended:
    """The sheet after a learner did that to its cells."""
    made = json.loads(nbformat.writes(GIVEN))
    change(made["cells"])
    notebook, _ = mending.read(json.dumps(made).encode())
    return mending.mend(GIVEN, notebook)


def at(cells: list[Any], name: str) -> int:
    return next(place for place, cell in enumerate(cells) if cell["metadata"]["nbgrader"]["grade_id"] == name)


def kinds(mended: Mended) -> list[str]:
    return [finding.kind for finding in mended.findings]


def given_again(mended: Mended) -> bool:
    """Every cell of the teacher's is there, in its order, as it was given."""
    names = [marks.grade_id(cell) for cell in mended.notebook.cells if marks.grade_id(cell)]
    own = ("work", "answer")
    same = {marks.grade_id(cell): cell for cell in mended.notebook.cells}
    return names == [marks.grade_id(cell) for cell in GIVEN.cells] and all(
        same[marks.grade_id(cell)] == cell for cell in GIVEN.cells if not marks.grade_id(cell).startswith(own)
    )


def source(mended: Mended, name: str) -> str:
    return str(next(cell.source for cell in mended.notebook.cells if marks.grade_id(cell) == name))


def test_an_untouched_one_is_what_was_given() -> None:
    mended = returned(lambda cells: None)
    assert mended.findings == () and mended.notebook.cells == GIVEN.cells


def test_the_learner_s_work_is_kept_and_their_own_cells_stay_where_they_were() -> None:
    def change(cells: list[Any]) -> None:
        place = at(cells, WORK)
        cells[place]["source"] = "docker ps"
        cells.insert(place + 1, {"cell_type": "code", "source": "x = 1", "metadata": {"tags": ["nbval-skip"]},
                                 "outputs": [], "execution_count": None, "id": "mine"})  # fmt: skip

    mended = returned(change)
    assert given_again(mended) and source(mended, WORK) == "docker ps" and mended.findings == ()
    place = [marks.grade_id(cell) for cell in mended.notebook.cells].index(WORK)
    added = mended.notebook.cells[place + 1]
    assert added.source == "x = 1" and added.metadata == {}


def test_an_edited_locked_cell_is_given_back() -> None:
    mended = returned(lambda cells: cells[at(cells, LOCKED)].update(source="print('통과')"))
    assert given_again(mended) and kinds(mended) == ["edited"]


def test_a_deleted_cell_is_put_back() -> None:
    mended = returned(lambda cells: cells.pop(at(cells, "check-00-1")))
    assert given_again(mended) and kinds(mended) == ["missing"]
    mended = returned(lambda cells: cells.clear())
    assert given_again(mended) and set(kinds(mended)) == {"missing"}


def test_a_cell_that_is_there_twice_counts_once_and_no_work_is_lost() -> None:
    def copy(name: str, text: str) -> Callable[[list[Any]], None]:
        def change(cells: list[Any]) -> None:
            cells.insert(at(cells, name) + 1, {**cells[at(cells, name)], "source": text})

        return change

    mended = returned(copy("check-00-1", "%check 00-1"))
    assert given_again(mended) and kinds(mended) == ["twice"]
    mended = returned(copy(WORK, "docker images"))  # what splitting a cell does
    assert given_again(mended) and kinds(mended) == ["twice"]
    assert "docker images" in [cell.source for cell in mended.notebook.cells]


def test_moved_cells_are_back_in_their_places() -> None:
    mended = returned(lambda cells: cells.reverse())
    assert given_again(mended) and set(kinds(mended)) == {"moved"}


def test_edited_marks_change_nothing() -> None:
    def change(cells: list[Any]) -> None:
        mark = cells[at(cells, "check-00-1")]["metadata"]
        mark["nbgrader"]["points"] = 100
        mark["tags"] = ["nbval-skip", "raises-exception"]

    mended = returned(change)
    assert given_again(mended) and kinds(mended) == ["marks"]


def test_marks_that_were_wiped_are_found_again() -> None:
    def change(cells: list[Any]) -> None:
        cells[at(cells, WORK)]["source"] = "docker ps"
        for cell in cells:
            cell["metadata"] = {}

    mended = returned(change)
    assert given_again(mended) and source(mended, WORK) == "docker ps"
    assert set(kinds(mended)) == {"marks"}


def test_a_work_cell_that_is_code_no_more_is_told() -> None:
    mended = returned(lambda cells: cells[at(cells, WORK)].update(cell_type="markdown", source="내 답"))
    assert "type" in kinds(mended) and given_again(mended)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[1, 2]", "아닌"),
        (b'{"a": 1}', "아닌"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "형식"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "형식"),
        (b'{"nbformat": 9, "nbformat_minor": 0, "metadata": {}, "cells": []}', "형식"),
        (b"[" * 100000, "JSON"),
        (b'{"cells": ["' + b"x" * (21 << 20), "커요"),
    ],
    ids=("empty", "cut", "binary", "list", "object", "cells", "cell", "future", "deep", "huge"),
)
def test_what_is_no_notebook_is_told_so(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        mending.read(data)


def test_an_old_format_is_read_and_told() -> None:
    old = {
        "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
        "worksheets": [{"metadata": {}, "cells": [{"cell_type": "code", "input": "x = 1", "outputs": [],
                                                   "language": "python", "metadata": {}, "collapsed": False}]}],
    }  # fmt: skip
    notebook, findings = mending.read(json.dumps(old).encode())
    assert [cell.source for cell in notebook] == ["x = 1"] and findings[0].kind == "old"


def test_a_cell_may_hold_anything() -> None:
    """Ids that are none, marks that are lists, metadata that is a number: nothing of it breaks the mending."""

    def change(cells: list[Any]) -> None:
        cells[0]["id"] = {"a": 1}
        cells[1]["metadata"] = 7
        cells[2]["metadata"]["nbgrader"] = ["grade"]
        cells[3]["metadata"]["nbgrader"]["grade_id"] = {"x": []}
        cells[4]["source"] = ["a\n", "b"]

    mended = returned(change)
    assert given_again(mended)
    nbformat.validate(mended.notebook)


def test_what_is_mended_can_be_written() -> None:
    made: NotebookNode = returned(lambda cells: cells.extend(cells[:3])).notebook
    nbformat.validate(made)
    assert len({cell.id for cell in made.cells}) == len(made.cells)


def test_what_clears_up_behind_the_exercises_is_not_run() -> None:
    lab = sheet.sheet(catalogue.lab("04")).notebook
    cleared = [cell.id for cell in lab.cells if mending.CLEANUP in cell.metadata.get("tags", ())]
    mended = mending.mend(lab, mending.read(nbformat.writes(lab).encode())[0])
    assert mended.findings == ()
    assert [cell.id for cell in mended.notebook.cells if cell.cell_type == "raw"] == cleared != []
