"""How far a learner has come: what is kept of each exercise, in the workspace, across restarts of everything.

One file, `.docker-labs/progress.json`, written whole or not at all; several notebooks and terminals write it at once.
A file that cannot be read is put aside and said; one that cannot be written is said. Neither stops an exercise.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

FOLDER = ".docker-labs"
FILE = "progress.json"
LOCK = "progress.lock"
VERSION = 1


class State(Enum):
    """What the learner reads beside an exercise."""

    PASSED = "통과"
    TRIED = "해 봤어요"
    NEW = "아직"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Of one exercise. `tried`: a check said not yet, or all hints were read. `solved`: the solution made the present
    state, so that a check that passes is not the learner's own. `hints`: a key for each row of hints → how many of it
    were read."""

    passed: bool = False
    tried: bool = False
    solved: bool = False
    hints: Mapping[str, int] = field(default_factory=dict)

    @property
    def state(self) -> State:
        if self.passed:
            return State.PASSED
        return State.TRIED if self.tried else State.NEW


NOTHING = Record()


class _Damaged(Exception):
    """The file is not one that was written here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`folder` is `.docker-labs` of the workspace; `say` gets a Korean sentence when the file is not what it should
    be."""

    folder: Path
    say: Callable[[str], object]

    def records(self) -> Mapping[str, Record]:
        """Exercise ("01-3") → what is known of it."""
        try:
            return self._read()
        except _Damaged:
            return self._changed({})
        except OSError as error:
            self.say(f"진도를 읽지 못했어요: {self._file}: {error.strerror}")
            return {}

    def of(self, name: str) -> Record:
        return self.records().get(name, NOTHING)

    def note(self, name: str, change: Callable[[Record], Record]) -> None:
        """Keeps what `change` makes of the exercise's record; writes nothing where that is the same."""
        before = self.of(name)
        if change(before) != before:
            self._changed({name: change})

    @property
    def _file(self) -> Path:
        return self.folder / FILE

    def _changed(self, changes: Mapping[str, Callable[[Record], Record]]) -> Mapping[str, Record]:
        """What is kept after the changes. A damaged file is put aside first, also where there is no change."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                records = dict(self._read_or_put_aside())
                for name, change in changes.items():
                    records[name] = change(records.get(name, NOTHING))
                if changes:
                    self._write(records)
                return records
        except OSError as error:
            self.say(f"진도를 적지 못했어요: {self._file}: {error.strerror}")
            return {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read_or_put_aside(self) -> Mapping[str, Record]:
        try:
            return self._read()
        except _Damaged:
            aside = next(path for path in self._places_aside() if not os.path.lexists(path))
            self._file.rename(aside)
            self.say(f"진도를 적은 파일이 망가져 있어서 {aside}에 따로 두고 새로 적기 시작했어요.")
            return {}

    def _places_aside(self) -> Iterator[Path]:
        number = 0
        while True:
            number += 1
            yield self.folder / f"progress.damaged-{number}.json"

    def _read(self) -> Mapping[str, Record]:
        """Raises _Damaged, OSError."""
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return {}
        except IsADirectoryError as error:
            raise _Damaged from error
        try:
            found = json.loads(text)
            if found["version"] != VERSION:
                raise _Damaged
            return {name: _record(told) for name, told in found["exercises"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise _Damaged from error

    def _write(self, records: Mapping[str, Record]) -> None:
        told = {"version": VERSION, "exercises": {name: asdict(records[name]) for name in sorted(records)}}
        handle, half = tempfile.mkstemp(prefix=".progress.", dir=self.folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(told, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, self._file)
        except BaseException:
            Path(half).unlink(missing_ok=True)
            raise


def _record(told: Any) -> Record:
    """Raises what a wrong shape raises: TypeError, AttributeError, KeyError."""
    record = Record(**told)
    if not all(isinstance(each, bool) for each in (record.passed, record.tried, record.solved)):
        raise TypeError("a record's words are true or false")
    if not all(type(count) is int and count >= 0 for count in record.hints.values()):
        raise TypeError("hints are counted")
    return record


# what happens to a record --------------------------------------------------------------------------------------------
def passed(before: Record) -> Record:
    """A check has passed. What the solution made counts as tried."""
    return before if before.solved else replace(before, passed=True, tried=True)


def not_yet(before: Record) -> Record:
    """A check said what is missing: the solution's state is no longer there, or has never been."""
    return replace(before, tried=True, solved=False)


def solved(before: Record) -> Record:
    """The solution has been run."""
    return replace(before, tried=True, solved=True)


def read_hints(key: str, count: int, of: int) -> Callable[[Record], Record]:
    """`count` of the `of` hints of a row were read. Who has read all has tried."""

    def change(before: Record) -> Record:
        read = max(count, before.hints.get(key, 0))
        return replace(before, tried=before.tried or read >= of, hints={**before.hints, key: read})

    return change


def begun_again(before: Record) -> Record:
    """Back at the beginning: hints come from the first. What was once passed stays passed."""
    return replace(before, solved=False, hints={})


# where it is kept ----------------------------------------------------------------------------------------------------
def folder() -> Path:
    """`.docker-labs` of the workspace that DOCKER_LABS_WORKSPACE names; without it the nearest one above this folder,
    as a terminal in the workspace has it; else the one at home."""
    if named := os.environ.get("DOCKER_LABS_WORKSPACE"):
        return Path(named) / FOLDER
    here = Path.cwd()
    above = (place / FOLDER for place in (here, *here.parents))
    return next((place for place in above if place.is_dir()), Path.home() / FOLDER)
