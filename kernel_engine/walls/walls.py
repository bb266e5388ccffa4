"""`engine.walls`: the same container twice, with all walls and with one left out, each in a sandbox of its own.

The container is never made here: no record, no name, no event; only its spec, and its image's layers, which are held
meanwhile. A sandbox that is ended half-way, or whose daemon was killed, ends by itself; what is left of its group is
taken away by the next one, or by the next daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from kernel_engine.containers import identity
from kernel_engine.containers.filtering import seccomp_program
from kernel_engine.containers.house import House
from kernel_engine.containers.limits import check_options
from kernel_engine.containers.merge import arguments, merge
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.record import Container, State
from kernel_engine.containers.spec import Provisions, Surroundings, container_spec, hostname_of
from kernel_engine.errors import EngineError, InvalidRequest, NotSupported, Unavailable
from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.images.image import Image
from kernel_engine.runtime.channel import as_json
from kernel_engine.runtime.ground import Wall
from kernel_engine.storage.snapshots import OverlayPlan
from kernel_engine.walls import stage
from kernel_engine.walls.run import Order, Run
from kernel_engine.walls.wall import check, tried

#: what the groups of sandboxes are called, beneath the instance's
PREFIX = "without-"
#: pairs of sandboxes at once; who comes later waits
_AT_ONCE = 2
#: seconds that a container may live
LONGEST = 10.0
#: seconds that a sandbox may take besides its container's life, and until one that was told to end has ended
_BESIDES, _ENDING = 30.0, 10.0
_MODULE = "kernel_engine.walls.sandbox"
_TAIL = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both runs, and what is left of them on this machine afterwards: () = nothing."""

    wall: Wall
    image: str
    command: tuple[str, ...]
    all: Run
    without: Run
    left: tuple[str, ...]


class Walls:
    def __init__(self, house: House) -> None:
        self._house = house
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._playing: set[str] = set()

    async def compare(self, wall: str, options: ContainerOptions, *, seconds: float = LONGEST) -> Compared:
        """InvalidRequest for a wall that is none, for what a sandbox cannot give, for a container that does not even
        start with all walls; NotFound for an image that is not here; Unavailable where no sandbox can be built.

        seconds: of the containers' lives. A cancelled caller's sandboxes are ended first.
        """
        left_out = check(wall, options)
        if self._house.instance.rootless:
            raise NotSupported("a rootless engine leaves no wall out", hint="run kernel-engine as root for it")
        check_options(options)
        image = self._house.images.get(options.image)
        order = await self._order(options, image)
        order = replace(order, calls=tried(left_out), seconds=min(max(seconds, 1.0), LONGEST))
        async with self._free:
            self._house.layers.hold(image.chain_id)
            try:
                await self.sweep()
                runs = await self._both(order, left_out)
            finally:
                self._house.layers.let_go(image.chain_id)
            return Compared(
                wall=left_out,
                image=options.image,
                command=tuple(order.spec["process"]["args"]),
                all=runs[0],
                without=runs[1],
                left=await asyncio.to_thread(self._left),
            )

    async def _both(self, order: Order, wall: Wall) -> tuple[Run, Run]:
        """At the same time. "user" is the wall that a sandbox is itself: there the other one goes without it."""
        async with asyncio.TaskGroup() as group:
            first = group.create_task(self._played(order))
            second = group.create_task(self._played(replace(order, without=wall, mapped=wall != "user")))
        for run in (first.result(), second.result()):
            if run.host is None:
                raise Unavailable(run.error)
        if error := first.result().error:
            raise InvalidRequest(error)
        return first.result(), second.result()

    async def _played(self, order: Order) -> Run:
        order = replace(order, name=f"{PREFIX}{secrets.token_hex(4)}", parent=os.getpid())
        self._playing.add(order.name)
        try:
            return await self._sandbox(order)
        finally:
            self._playing.discard(order.name)

    async def _sandbox(self, order: Order) -> Run:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", _MODULE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd="/",
        )  # fmt: skip
        try:
            async with asyncio.timeout(order.seconds + _BESIDES):
                said, complaint = await process.communicate(to_json(order).encode())
        except TimeoutError:
            return Run(error="the sandbox does not answer")
        finally:
            if process.returncode is None:
                await asyncio.shield(self._house.later(_ended(process)))
        if not said:
            return Run(error=f"the sandbox ended: {complaint.decode(errors='replace').strip()[-_TAIL:]}")
        return revive(Run, json.loads(said))

    # what is asked of both ------------------------------------------------------------------------------------------
    async def _order(self, options: ContainerOptions, image: Image) -> Order:
        config = merge(options, image.config.get("config") or {})
        container_id = secrets.token_hex(32)
        config = replace(config, hostname=hostname_of(config, container_id, ""))
        words = arguments(config)
        record = Container(
            id=container_id, name="", created=time.time(), image_id=image.id, image_name=options.image, config=config,
            state=State(), path=words[0], args=words[1:], directory="",
        )  # fmt: skip
        seccomp = await seccomp_program(self._house, config.host)
        around = Surroundings(
            cgroup=self._house.instance.cgroup,
            rootfs=self._rootfs(image),
            hostname=config.hostname,
            identity_files={},
            seccomp=seccomp,
            tini=self._house.tini,
            ipv6=os.path.exists("/proc/sys/net/ipv6"),
            provisions=Provisions(),
        )
        return Order(
            spec=as_json(container_spec(record, around)),
            layers=str(self._house.instance.layers),
            files=_identity(config),
            seccomp=seccomp,
            cgroup=self._house.instance.cgroup,
            name="",
            parent=0,
            seconds=LONGEST,
        )

    def _rootfs(self, image: Image) -> OverlayPlan:
        """Only the image's own directories matter: the sandbox has its own place for the rest."""
        lower = tuple(map(PurePosixPath, self._house.layers.lower(image.chain_id)))
        nowhere = PurePosixPath()
        return OverlayPlan(
            base=self._house.instance.layers,
            lower=lower,
            upper=nowhere,
            work=nowhere,
            target=Path("/"),
            store=Path("/"),
        )

    # what stays -----------------------------------------------------------------------------------------------------
    def _left(self) -> tuple[str, ...]:
        found = stage.left(self._house.instance.cgroup, PREFIX)
        return tuple(f"cgroup {name}" for name in found if name not in self._playing)

    async def sweep(self) -> None:
        """Takes away what a sandbox left whose own end was cut off."""
        await asyncio.to_thread(self._take_away)

    def _take_away(self) -> None:
        for name in stage.left(self._house.instance.cgroup, PREFIX):
            if name not in self._playing:
                with suppress(OSError, EngineError):
                    stage.take_away(self._house.instance.cgroup, name)


def _identity(config: ContainerOptions) -> dict[str, str]:
    """The three files by which a container knows itself, as text."""
    with tempfile.TemporaryDirectory(prefix="kernel-engine-") as folder:
        places = identity.write_identity(Path(folder), config.hostname, config, host_gateway="")
        return {inside: Path(path).read_text() for inside, path in places.items()}


async def _ended(process: asyncio.subprocess.Process) -> None:
    """It takes its own things away at SIGTERM."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.communicate(), _ENDING)
    except TimeoutError:
        process.kill()
        await process.communicate()
