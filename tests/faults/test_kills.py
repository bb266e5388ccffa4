"""kill -9 of a process of the engine at a step of an operation: records and machine agree after it, what was
acknowledged is there, nothing is left over, and the operation can be done again.

Always: a few steps that each left something behind once, or might. `./lab test --full`: every step of every operation,
or as many for each process as $DOCKER_LABS_FAULTS says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.conftest import needs_root
from tests.faults.killing import Killing, Point, killing
from tests.faults.operations import OPERATIONS

pytestmark = needs_root
ROLES = ("daemon", "launcher", "child", "writer", "job")

CHOSEN = (
    # a container of `docker run --rm` that was never started
    ("run", Point(role="daemon", number=1, words="before message go")),
    # its snapshot is on the disk, its record is not; its volumes are filled
    ("run -d", Point(role="daemon", number=1, words="after COMMIT")),
    ("run -d", Point(role="launcher", number=1, words="after clone3")),
    # unnamed volumes of a container that is gone
    ("rm -f", Point(role="daemon", number=3, words="before COMMIT")),
    # frozen, and nobody to thaw it
    ("commit", Point(role="daemon", number=1, words="before COMMIT")),
    ("update", Point(role="daemon", number=1, words="after COMMIT")),
    # a bridge without a record
    ("network create", Point(role="daemon", number=1, words="before COMMIT")),
    ("network disconnect", Point(role="daemon", number=1, words="before COMMIT")),
    # a container ends while nobody reads what it writes
    ("run", Point(role="writer", number=2, words="before message reply")),
    # its address is given away for ever: nobody takes a removed container off its networks
    ("run", Point(role="daemon", number=2, words="before os.rename", whole=True)),
    # its container's launcher goes with it
    ("exec", Point(role="launcher", number=1, words="after clone3")),
    # nobody is left to tell of the end
    ("stop", Point(role="launcher", number=1, words="after pidfd_send_signal")),
    ("rename", Point(role="daemon", number=1, words="before COMMIT")),
    # among the container's own processes and files
    ("cp", Point(role="job", number=2)),
    # a packed layer that has no name yet
    ("push", Point(role="daemon", number=1, words="before os.rename")),
    # a directory without a record
    ("volume rm", Point(role="daemon", number=1, words="before os.rename")),
)


@pytest.fixture(scope="module")
def victim(busybox_mirror: str) -> Iterator[Killing]:
    with killing(busybox_mirror) as made:
        yield made


@pytest.mark.parametrize(("name", "point"), CHOSEN, ids=[f"{name}, {point.words}" for name, point in CHOSEN])
def test_a_chosen_step(victim: Killing, name: str, point: Point) -> None:
    outcome = victim.kill(OPERATIONS[name], point)
    assert outcome.done, "the step was not reached"
    assert not outcome.faults, outcome.where


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_step(victim: Killing, name: str) -> None:
    operation, wrong, lines = OPERATIONS[name], [], []
    most = int(os.environ.get("DOCKER_LABS_FAULTS") or 1 << 20)
    for role, whole in (*((role, False) for role in ROLES), ("daemon", True)):
        count = victim.count(operation, role)
        done = good = 0
        for number in range(1, count + 1, max(1, -(-count // most))):
            outcome = victim.kill(operation, Point(role=role, number=number, whole=whole))
            done += outcome.done
            good += outcome.done and not outcome.faults
            if outcome.faults:
                wrong.append(f"{role} {number}{' (all die)' if whole else ''}: {outcome.where}: {outcome.faults}")
        lines.append(f"| {name} | {role}{', all die' if whole else ''} | {count} | {done} | {good} |")
    print(*lines, sep="\n")
    assert not wrong, "\n".join(wrong)
