"""A kill at every step of an operation, one after another. What came of each is written to a file at once: a sweep that
was cut off goes on where it was.

    python -m tests.faults.sweep FILE [OPERATION/WHO…]

sweeps all that FILE does not have yet (or only what is named: `run -d/child`, `pull`), and prints the table of
docs/full-tests.md. The steps of an operation differ a little from time to time (how its processes interleave, what is
deleted behind its answer), so they are not counted beforehand: their end is where `_END` numbers in a row are not
reached any more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.busybox_registry import registry
from tests.faults.killing import Killing, Outcome, Point, killing
from tests.faults.operations import OPERATIONS

#: whose step it is; "all": the daemon's, and all processes of the engine die
WHO = ("daemon", "all", "launcher", "child", "writer", "job")
_END = 2
_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One line of the file."""

    operation: str
    who: str
    number: int
    done: bool
    where: str
    faults: tuple[str, ...]
    acknowledged: bool


class Record:
    """path: None = what was done is forgotten at the end."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.kills: dict[tuple[str, str, int], Kill] = {}
        for line in path.read_text().splitlines() if path is not None and path.exists() else ():
            self._keep(Kill(**{**(words := json.loads(line)), "faults": tuple(words["faults"])}))

    def add(self, kill: Kill) -> None:
        self._keep(kill)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(kill)) + "\n")

    def _keep(self, kill: Kill) -> None:
        self.kills[kill.operation, kill.who, kill.number] = kill

    def of(self, operation: str, who: str) -> list[Kill]:
        return [kill for kill in self.kills.values() if (kill.operation, kill.who) == (operation, who)]

    def table(self) -> Iterator[str]:
        yield f"| Operation | {' | '.join(WHO)} |"
        yield f"| --- |{' --- |' * len(WHO)}"
        for operation in OPERATIONS:
            yield f"| {operation} | {' | '.join(self._shown(operation, who) for who in WHO)} |"

    def _shown(self, operation: str, who: str) -> str:
        """How many kills; of how many, where not all went well."""
        reached = [kill for kill in self.of(operation, who) if kill.done]
        good = sum(not kill.faults for kill in reached)
        if good < len(reached):
            return f"{good} of {len(reached)}"
        return str(good) if reached else "none" if self.of(operation, who) else "not tried"


class Sweep:
    """Has an engine, and another one after a fault: what is left over would be found again and again."""

    def __init__(self, mirror: str, record: Record) -> None:
        self._mirror = mirror
        self._record = record
        self._stack = ExitStack()
        self._victim: Killing | None = None

    def close(self) -> None:
        self._victim = None
        self._stack.close()

    def every_step(self, operation: str, who: str) -> list[Kill]:
        """Those with faults."""
        number = missed = 0
        while missed < _END:
            number += 1
            kill = self._record.kills.get((operation, who, number))
            if kill is None:
                kill = self._kill(operation, who, number)
                self._record.add(kill)
            missed = 0 if kill.done else missed + 1
        return [kill for kill in self._record.of(operation, who) if kill.faults]

    def _kill(self, operation: str, who: str, number: int) -> Kill:
        point = Point(role="daemon" if who == "all" else who, number=number, whole=who == "all")
        try:
            if self._victim is None:
                self._victim = self._stack.enter_context(killing(self._mirror))
            outcome = self._victim.kill(OPERATIONS[operation], point)
        except Exception as error:  # an engine that does not come back, or that cannot be emptied
            outcome = Outcome(
                done=True, where="", faults=(f"{type(error).__name__}: {error}"[-2000:],), acknowledged=False
            )
        if outcome.faults:
            self.close()
        return Kill(
            operation=operation, who=who, number=number, done=outcome.done, where=outcome.where[:_SHOWN],
            faults=outcome.faults, acknowledged=outcome.acknowledged,
        )  # fmt: skip


def main(path: str, *names: str) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it puts its engine away
    record = Record(Path(path))
    wanted = [tuple(name.split("/")) for name in names] or [(name,) for name in OPERATIONS]
    if unknown := {operation for operation, *_ in wanted} - OPERATIONS.keys():
        raise SystemExit(f"no such operation: {', '.join(sorted(unknown))}; there are: {', '.join(OPERATIONS)}")
    faults = []
    with registry() as mirror:
        sweep = Sweep(mirror, record)
        try:
            for operation, *who in wanted:
                for each in who or WHO:
                    faults += sweep.every_step(operation, each)
        finally:
            sweep.close()
    print(*record.table(), sep="\n")
    for kill in faults:
        print(json.dumps(asdict(kill), ensure_ascii=False))
    return 1 if faults else 0


def record_of_environment() -> Record:
    """$DOCKER_LABS_FAULTS: a file."""
    path = os.environ.get("DOCKER_LABS_FAULTS")
    return Record(Path(path) if path else None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
