"""What has been graded, kept: one SQLite file, and the tables that a teacher opens.

A submission is written whole, in one transaction, when it is done; a grader that was killed goes on with the others.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from labs.grading.failures import BadInput
from labs.grading.manifest import Learner
from labs.grading.mending import Finding
from labs.grading.results import Cell, Graded, Score, State

FILE = "gradebook.db"
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS learners (id TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT);
CREATE TABLE IF NOT EXISTS submissions (
    learner TEXT, assignment TEXT, path TEXT, digest TEXT, timestamp TEXT, seconds REAL, trouble TEXT,
    points REAL, most REAL, PRIMARY KEY (learner, assignment)
);
CREATE TABLE IF NOT EXISTS scores (
    learner TEXT, assignment TEXT, position INTEGER, exercise TEXT, title TEXT, points REAL, most REAL, state TEXT,
    told TEXT, expected TEXT, found TEXT, read_from TEXT, cost TEXT, PRIMARY KEY (learner, assignment, exercise)
);
CREATE TABLE IF NOT EXISTS findings (learner TEXT, assignment TEXT, kind TEXT, cell TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS cells (
    learner TEXT, assignment TEXT, number INTEGER, name TEXT, line TEXT, why TEXT
);
"""
#: as `nbgrader export` writes them
GRADES = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip
EXERCISES = ("assignment", "student_id", "exercise", "score", "max_score", "state", "expected", "found", "cost")


class Gradebook:
    """May be used by several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises BadInput when the file is something else."""
        self._lock = threading.Lock()
        self._file = sqlite3.connect(folder / FILE, check_same_thread=False, isolation_level=None)
        try:
            self._file.execute("PRAGMA journal_mode=WAL")
            [version] = self._file.execute("PRAGMA user_version").fetchone()
            tables = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != (VERSION if tables else 0):
                raise sqlite3.DatabaseError("of another version")
            self._file.executescript(SCHEMA)
            self._file.execute(f"PRAGMA user_version={VERSION}")
        except sqlite3.DatabaseError as error:
            self._file.close()
            raise BadInput(
                f"{folder / FILE}: not a gradebook: {error}",
                f"{folder / FILE}은(는) 성적부가 아니에요. 다른 폴더를 쓰세요.",
            ) from None

    def close(self) -> None:
        self._file.close()

    def digests(self) -> dict[tuple[str, str], str]:
        """(learner, assignment) → what its grade stands on."""
        with self._lock:
            rows = self._file.execute("SELECT learner, assignment, digest FROM submissions").fetchall()
        return {(learner, assignment): digest for learner, assignment, digest in rows}

    def put_learners(self, learners: Iterable[Learner]) -> None:
        with self._lock:
            for each in learners:
                row = (each.id, each.first_name, each.last_name, each.email)
                self._file.execute("INSERT OR REPLACE INTO learners VALUES (?, ?, ?, ?)", row)

    def put(self, graded: Graded) -> None:
        """Instead of what was known of it."""
        key = (graded.learner, graded.assignment)
        with self._lock:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                for table in ("submissions", "scores", "findings", "cells"):
                    self._file.execute(f"DELETE FROM {table} WHERE learner = ? AND assignment = ?", key)
                told = (graded.path, graded.digest, graded.timestamp, graded.seconds, graded.trouble)
                self._insert("submissions", [(*key, *told, graded.points, graded.most)])
                self._insert("scores", [_score_row(key, at, score) for at, score in enumerate(graded.scores)])
                self._insert("findings", [(*key, *astuple(each)) for each in graded.findings])
                self._insert("cells", [(*key, *astuple(each)) for each in graded.cells])
                self._file.execute("COMMIT")
            except BaseException:
                self._file.execute("ROLLBACK")
                raise

    def _insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        for row in rows:
            self._file.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def all(self) -> tuple[Graded, ...]:
        """By assignment, then learner."""
        with self._lock:
            rows = self._file.execute(
                "SELECT learner, assignment, path, digest, timestamp, seconds, trouble FROM submissions "
                "ORDER BY assignment, learner"
            ).fetchall()
            return tuple(self._read(row) for row in rows)

    def _read(self, row: tuple[Any, ...]) -> Graded:
        learner, assignment, path, digest, timestamp, seconds, trouble = row
        key = (learner, assignment)

        def rows(table: str, columns: str, order: str) -> list[Any]:
            where = f"SELECT {columns} FROM {table} WHERE learner = ? AND assignment = ? ORDER BY {order}"
            return self._file.execute(where, key).fetchall()

        names = "exercise, title, points, most, state, told, expected, found, read_from, cost"
        scores = [dict(zip(names.split(", "), each, strict=True)) for each in rows("scores", names, "position")]
        return Graded(
            learner=learner,
            assignment=assignment,
            path=path,
            digest=digest,
            timestamp=timestamp,
            seconds=seconds,
            trouble=trouble,
            scores=tuple(Score(**{**each, "state": State(each["state"])}) for each in scores),
            findings=tuple(
                Finding(kind=kind, cell=cell, text=text)
                for kind, cell, text in rows("findings", "kind, cell, text", "rowid")
            ),
            cells=tuple(
                Cell(number=number, name=name, line=line, why=why)
                for number, name, line, why in rows("cells", "number, name, line, why", "rowid")
            ),
        )

    def learners(self) -> dict[str, Learner]:
        with self._lock:
            rows = self._file.execute("SELECT id, first_name, last_name, email FROM learners ORDER BY rowid").fetchall()
        return {row[0]: Learner(id=row[0], first_name=row[1], last_name=row[2], email=row[3]) for row in rows}


def _score_row(key: tuple[str, str], at: int, score: Score) -> tuple[Any, ...]:
    told = (score.told, score.expected, score.found, score.read_from, score.cost)
    return (*key, at, score.exercise, score.title, score.points, score.most, score.state.value, *told)


# tables --------------------------------------------------------------------------------------------------------------
def grades(graded: Iterable[Graded], learners: dict[str, Learner], missing: Iterable[tuple[str, str, float]]) -> str:
    """CSV in nbgrader's columns. `missing`: (assignment, learner, most) that nobody handed in."""
    rows = []
    for each in graded:
        who = learners.get(each.learner, Learner(id=each.learner))
        told = (each.points, 0.0, each.points, each.most)
        rows.append((each.assignment, "", each.timestamp, *_who(who), *map(_number, told)))
    for assignment, name, most in missing:
        who = learners.get(name, Learner(id=name))
        rows.append((assignment, "", "", *_who(who), *map(_number, (0.0, 0.0, 0.0, most))))
    return _table(GRADES, sorted(rows))


def _who(learner: Learner) -> tuple[str, str, str, str]:
    return learner.id, learner.last_name, learner.first_name, learner.email


def _number(value: float) -> str:
    return str(float(value))


def exercises(graded: Iterable[Graded]) -> str:
    """CSV, a row for each exercise of each submission."""
    return _table(
        EXERCISES,
        [
            (each.assignment, each.learner, score.exercise, _number(score.points), _number(score.most),
             score.state.value, score.expected, score.found, score.cost)
            for each in graded
            for score in each.scores
        ],
    )  # fmt: skip


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """What a spreadsheet would take for a formula is text: a learner may have written it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(heading)
    for row in rows:
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row])
    return written.getvalue()
