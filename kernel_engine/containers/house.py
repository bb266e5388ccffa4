"""Everything the verbs work with, in one value: the crafts, the roster, and the small stores around them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kernel_engine.containers.events import Events
from kernel_engine.containers.record import Container, Exec
from kernel_engine.containers.restriction import Restriction
from kernel_engine.containers.roster import Live, Roster
from kernel_engine.containers.traces import Traces
from kernel_engine.paths import Instance
from kernel_engine.runtime.cgroups import NO_LIMITS, Limits

if TYPE_CHECKING:
    from kernel_engine.images.store import Images
    from kernel_engine.network.networks import Networks
    from kernel_engine.runtime.client import Launcher
    from kernel_engine.runtime.log_writer.client import LogWriter
    from kernel_engine.runtime.spec import Ids
    from kernel_engine.storage.layers import Layers
    from kernel_engine.storage.snapshots import Snapshots
    from kernel_engine.storage.volumes import Volumes
    from kernel_engine.workers.pool import Workers


#: seconds in which a process of ours that has died is replaced on any machine
_PATIENCE = 30.0


@dataclass(slots=True, eq=False)
class LiveExec:
    """One `docker exec` while the engine remembers it."""

    record: Exec
    hostname: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class House:
    instance: Instance
    workers: Workers
    images: Images
    layers: Layers
    snapshots: Snapshots
    volumes: Volumes
    networks: Networks
    launcher: Launcher
    log_writer: LogWriter
    roster: Roster
    events: Events
    traces: Traces
    tini: str  #: path of a static init, "" where the host has none
    dns: tuple[str, ...] = ()  #: resolvers of containers that name none; () = the host's
    ids: Ids | None = None  #: whom containers' users are on this machine; None = themselves
    restriction: Restriction | None = None
    limits: Limits = NO_LIMITS
    execs: OrderedDict[str, LiveExec] = field(default_factory=OrderedDict)
    background: set[asyncio.Task[Any]] = field(default_factory=set)
    closing: bool = False
    _missing: int = 0
    _whole: asyncio.Event = field(default_factory=asyncio.Event)

    def lose(self) -> Callable[[], None]:
        """The launcher or the log writer has died. What is returned is to be called when a new one is connected."""
        self._missing += 1
        self._whole.clear()

        def replaced() -> None:
            self._missing -= 1
            if not self._missing:
                self._whole.set()

        return replaced

    async def whole(self) -> None:
        """Returns when launcher and log writer are there: a request need not fail because one died a moment ago."""
        if self._missing:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._whole.wait()

    def later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs `work` beside the rest; kept, so that it is neither collected half-way nor lost at close."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self._settled)
        return task

    def remapped(self, record: Container) -> bool:
        """Whether its users are others outside."""
        return self.ids is not None and record.config.host.userns_mode != "host"

    def announce(self, live: Live | Container, action: str, **attributes: str) -> None:
        """Publishes a container event with Docker's usual attributes (image, name, labels)."""
        record = live.record if isinstance(live, Live) else live
        self.events.publish(
            "container",
            action,
            record.id,
            {**record.config.labels, "image": record.image_name, "name": record.name, **attributes},
        )

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self.background.discard(task)
        if not task.cancelled() and not self.closing and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "work beside a request failed", "exception": error, "task": task}
            )
