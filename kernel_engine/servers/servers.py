"""The servers of one instance: made, watched, found again, removed.

A server outlives the daemon that made it, as a machine of its own would; the next daemon finds it by its socket. Where
its own daemon died, it is started again in the namespace that is still there, and its containers notice nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kernel_engine.errors import Conflict, EngineError, Forbidden, NotFound, NotSupported, Unavailable
from kernel_engine.network import site
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.servers import machine, rows
from kernel_engine.servers.server import Server, Settings, State, check_name

log = logging.getLogger("kernel_engine.servers")

SCHEMA = rows.SCHEMA
#: how long a daemon may take until it serves; it may have layers of an earlier life to look through
_START_SECONDS = 30.0
_LOOK_AGAIN = 0.02
#: a daemon that ended is started again after this, and given up after so many ends within a minute
_RESTART_SECONDS = 1.0
_MOST_ENDS, _MINUTE = 5, 60.0


class Servers:
    """`allow_plain` is told the networks whose registries may be spoken to without TLS, whenever that changes."""

    def __init__(
        self,
        instance: Instance,
        records: Records,
        settings: Settings,
        allow_plain: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._instance = instance
        self._records = records
        self._settings = settings
        self._allow_plain = allow_plain
        self._servers: dict[str, Server] = {}
        self._states: dict[str, State] = {}
        self._watched: dict[str, int] = {}  #: name → pidfd of its daemon
        self._ends: dict[str, list[float]] = {}
        self._changing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self._closing = False

    @classmethod
    async def open(
        cls,
        instance: Instance,
        records: Records,
        settings: Settings,
        allow_plain: Callable[[tuple[str, ...]], None],
    ) -> Servers:
        """Those that an earlier daemon made are found, or started again, while this one serves already."""
        servers = cls(instance, records, settings, allow_plain)
        servers._servers = {server.name: server for server in await records.transact(rows.read)}
        servers._states = dict.fromkeys(servers._servers, "starting")
        servers._tell()
        if servers._servers:
            servers._later(servers._find_again())
        return servers

    async def close(self) -> None:
        """The servers go on."""
        self._closing = True
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for name in tuple(self._watched):
            self._forget(name)

    # which there are ---------------------------------------------------------------------------------------------
    def all(self) -> tuple[Server, ...]:
        """Not those that are on their way out."""
        return tuple(server for server in self._servers.values() if not server.removing)

    def find(self, name: str) -> Server:
        server = self._servers.get(name)
        if server is None or server.removing:
            raise NotFound(f"No such server: {name}")
        return server

    def state(self, server: Server) -> State:
        return self._states.get(server.name, "starting")

    def place(self, server: Server) -> Instance:
        return self._instance.server(server.name)

    # made and removed --------------------------------------------------------------------------------------------
    async def create(self, name: str, *, plain_http: bool = False) -> Server:
        """It serves when this returns; all or nothing. InvalidRequest, Conflict, Forbidden, Unavailable, KernelRefused.

        The one door through which a server is made: an instance that may have no more refuses here.
        """
        check_name(name)
        if self._instance.rootless:
            raise NotSupported("a rootless engine makes no servers", hint="run kernel-engine as root for it")
        async with self._changing:
            if name in self._servers:
                raise Conflict(f"server {name} already exists")
            most = self._settings.most
            if most is not None and len(self._servers) >= most:
                raise Forbidden(f"this engine is restricted: no more than {most} other servers are allowed")
            server = await self._planned(name, plain_http)
            await self._records.transact(lambda connection: rows.put(connection, server))
            self._servers[name] = server
            self._states[name] = "starting"
            try:
                await self._start(server)
            except BaseException:
                try:
                    await asyncio.shield(self._take_away(server))
                except EngineError as error:  # the first failure says why; the next daemon tries again
                    log.error("server %s: %s", name, error.message)
                raise
            self._tell()
            return server

    async def remove(self, name: str) -> None:
        """With its containers, images and files. NotFound."""
        async with self._changing:
            await self._take_away(self.find(name))

    async def _planned(self, name: str, plain_http: bool) -> Server:
        recorded = next((server.gateway for server in self._servers.values()), "")
        gateway = await asyncio.to_thread(machine.lay, self._instance, recorded, self._settings)
        taken = [server.address for server in self._servers.values()]
        interface = site.choose(site.interface(gateway), taken)
        return Server(name=name, interface=str(interface), gateway=gateway, created=time.time(), plain_http=plain_http)

    async def _take_away(self, server: Server) -> None:
        leaving = replace(server, removing=True)
        await self._records.transact(lambda connection: rows.put(connection, leaving))
        self._servers[server.name] = leaving
        self._forget(server.name)
        await asyncio.to_thread(machine.end, self._instance, server.name)
        await asyncio.to_thread(machine.unplug, self._instance, server)
        await self._records.transact(lambda connection: rows.delete(connection, server.name))
        del self._servers[server.name]
        self._states.pop(server.name, None)
        self._ends.pop(server.name, None)
        self._tell()
        if not self._servers:
            await asyncio.to_thread(site.take_away, self._instance)

    # started and watched -----------------------------------------------------------------------------------------
    async def _start(self, server: Server) -> None:
        """Returns when its daemon serves: one that does already is left alone."""
        self._states[server.name] = "starting"
        place = self.place(server)
        pid = await asyncio.to_thread(machine.serving, place)
        if not pid:
            pid = await asyncio.to_thread(machine.begin, self._instance, server, self._settings)
            await self._until_serving(server, pid)
        self._watch(server, pid)
        self._states[server.name] = "running"

    async def _until_serving(self, server: Server, pid: int) -> None:
        until = time.monotonic() + _START_SECONDS
        while not await asyncio.to_thread(machine.serving, self.place(server)):
            if not _lives(pid) or time.monotonic() > until:
                said = machine.last_words(self._instance, server.name)
                raise Unavailable(f"server {server.name} does not serve: {said or 'it said nothing'}")
            await asyncio.sleep(_LOOK_AGAIN)

    def _watch(self, server: Server, pid: int) -> None:
        """A pidfd becomes readable when its process has ended, pidfd_open(2)."""
        self._forget(server.name)
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._later(self._again(server.name))
            return
        self._watched[server.name] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._ended, server.name)

    def _ended(self, name: str) -> None:
        self._forget(name)
        self._later(self._again(name))

    def _forget(self, name: str) -> None:
        descriptor = self._watched.pop(name, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    async def _again(self, name: str) -> None:
        """Its daemon has ended, and nobody asked it to."""
        now = time.monotonic()
        self._ends[name] = [*(moment for moment in self._ends.get(name, ()) if now - moment < _MINUTE), now]
        if len(self._ends[name]) > _MOST_ENDS:
            self._states[name] = "failed"
            log.error("server %s ends again and again: %s", name, machine.last_words(self._instance, name))
            return
        self._states[name] = "starting"
        await asyncio.sleep(_RESTART_SECONDS)
        async with self._changing:
            await self._restart(name)

    async def _restart(self, name: str) -> None:
        server = self._servers.get(name)
        if server is None or server.removing or name in self._watched:
            return
        try:
            await self._start(server)
        except (EngineError, OSError) as error:
            self._states[name] = "failed"
            log.error("server %s: %s", name, error)

    async def _find_again(self) -> None:
        async with self._changing:
            recorded = next(iter(self._servers.values())).gateway
            try:
                gateway = await asyncio.to_thread(machine.lay, self._instance, recorded, self._settings)
            except EngineError as error:
                log.error("the servers' network: %s", error.message)
                self._states = dict.fromkeys(self._servers, "failed")
                return
            if gateway != recorded:
                await self._move(gateway)
            for server in tuple(self._servers.values()):
                if server.removing:
                    with suppress(EngineError):
                        await self._take_away(server)
                else:
                    await self._restart(server.name)

    async def _move(self, gateway: str) -> None:
        """After a reboot somebody else has their subnet: they get new addresses."""
        taken: list[str] = []
        for server in tuple(self._servers.values()):
            interface = site.choose(site.interface(gateway), taken)
            moved = replace(server, interface=str(interface), gateway=gateway)
            taken.append(moved.address)
            await self._records.transact(lambda connection, moved=moved: rows.put(connection, moved))  # type: ignore[misc]
            self._servers[server.name] = moved
        self._tell()

    # ----------------------------------------------------------------------------------------------------------------
    def _tell(self) -> None:
        plain = {str(site.interface(server.gateway).network) for server in self.all() if server.plain_http}
        self._allow_plain(tuple(sorted(plain)))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closing:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a server beside a request: %s", error)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in b"ZX"
    except OSError:
        return False
