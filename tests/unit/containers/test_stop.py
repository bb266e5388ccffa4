"""A stop that comes while the next life of a container begins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kernel_engine.containers import stop
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.record import Container, State, WaitResult
from kernel_engine.containers.roster import Live, Roster


def between_two_lives() -> Live:
    record = Container(
        id="c" * 64,
        name="phoenix",
        created=0.0,
        image_id="",
        image_name="busybox",
        config=ContainerOptions(image="busybox"),
        state=State(status="restarting"),
        path="sleep",
        args=(),
        transient=True,  # nothing of it is on a disk
    )
    return Live(record)


class House(SimpleNamespace):
    """What stopping touches; a signal ends the process at once."""

    def __init__(self, live: Live) -> None:
        super().__init__(roster=Roster(None), launcher=self, instance=SimpleNamespace(cgroup=""))  # type: ignore[arg-type]
        self.live, self.signals = live, list[int]()

    def announce(self, *_: object, **__: object) -> None: ...

    async def signal(self, _id: str, number: int) -> None:
        self.signals.append(number)
        self.live.record = replace(self.live.record, state=State(status="exited"))
        self.live.settle("next-exit", WaitResult(exit_code=0))


@pytest.mark.parametrize("verb", ["stop", "kill", "end"])
@pytest.mark.parametrize("begins", [True, False])
def test_a_life_that_has_just_begun_is_ended_too(verb: str, begins: bool) -> None:
    async def scenario() -> list[int]:
        live = between_two_lives()
        house: Any = House(live)
        async with live.lock:  # as the restart holds it
            words: dict[str, Any] = {"stop": (5,), "kill": ("KILL",), "end": ()}
            named = {"signal": 9, "timeout": None} if verb == "end" else {}
            asked = asyncio.ensure_future(getattr(stop, verb)(house, live, *words[verb], **named))
            await asyncio.sleep(0)  # it waits for the lock
            if begins:
                live.record = replace(live.record, state=State(status="running", pid=1))
        async with asyncio.timeout(30):
            await asked
        assert live.record.state.status == "exited"
        assert live.record.stopped_by_user
        signals: list[int] = house.signals
        return signals

    assert len(asyncio.run(scenario())) == (1 if begins else 0)
