"""kill -9 of a process of the engine at a step of an operation: records and machine agree after it, what was
acknowledged is there, nothing is left over, and the operation can be done again.

Always: a few steps that each left something behind once, or might. `./lab test --full`: every step of every process in
every operation; where $DOCKER_LABS_FAULTS is a file, what it tells of is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import needs_root
from tests.faults.killing import Killing, Point, killing
from tests.faults.operations import OPERATIONS
from tests.faults.sweep import WHO, Sweep, record_of_environment

pytestmark = needs_root

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
    # its container's start was acknowledged a moment ago, and only the launcher knew of it
    ("commit", Point(role="daemon", number=1, words="before write", whole=True)),
    # the end has been told, and there is nobody to forget it: the step went on for ever
    ("build", Point(role="launcher", number=1, words="after message exited")),
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


@pytest.fixture(scope="module")
def sweep(busybox_mirror: str) -> Iterator[Sweep]:
    made = Sweep(busybox_mirror, record_of_environment())
    yield made
    made.close()


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_step(sweep: Sweep, name: str, who: str) -> None:
    assert not sweep.every_step(name, who)
