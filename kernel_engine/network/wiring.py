"""Cables and ports of all networks of an instance: what takes the kernel's time happens in threads of its own.

Which network a cable belongs to, and which addresses are free, is `networks`' to know.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from kernel_engine.errors import KernelRefused
from kernel_engine.network import ground, nat
from kernel_engine.network.endpoint import Published
from kernel_engine.network.inside import move, within
from kernel_engine.network.veth import Cable, plug, unplug
from kernel_engine.paths import Instance
from kernel_engine.syscalls.netlink import Netlink

#: seconds between looks whether the kernel has removed a cable by itself (30 to 60 ms, measured, under load)
_PATIENCE = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1)
_SUFFIX = 7  #: characters of a veth's name after the instance's prefix: IFNAMSIZ is 16 with the NUL

Result = TypeVar("Result")


class Wiring:
    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        # a rootless engine's networks are elsewhere: these threads are there, and the daemon is on the machine itself
        begin = partial(move, instance.network_namespace) if instance.rootless else None
        # attaching must not wait for a detaching, which the kernel delays by 10 ms and more: a thread each
        self._plugging = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plug", initializer=begin)
        self._unplugging = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unplug", initializer=begin)
        self._host = self._plugging.submit(Netlink).result()

    def close(self) -> None:
        self._plugging.shutdown()
        self._unplugging.shutdown()
        self._host.close()

    def new_name(self, used: frozenset[str]) -> str:
        """A name for the host's end of a cable."""
        while (name := self._instance.veth_prefix + secrets.token_hex(4)[:_SUFFIX]) in used:
            continue
        return name

    async def plug(self, netlink_fd: int, cable: Cable, published: nat.Ports) -> None:
        """The cable, and the ports that lead to it. OSError, with nothing left behind. The descriptor stays the
        caller's."""
        inside = os.dup(netlink_fd)  # the caller may be cancelled, and close its own, while the thread works
        await self._in(self._plugging, lambda: self._plug(inside, cable, published))

    async def give_up(self, outside: str, published: tuple[Published, ...]) -> None:
        """After a plug that nobody waits for any more; in the thread that made the cable, so that it is there."""
        await self._in(self._plugging, lambda: nat.withdraw(self._instance.nft_table, published))
        await self._in(self._plugging, lambda: _unplug((outside,)))

    async def withdraw(self, published: tuple[Published, ...]) -> None:
        """In the thread that opens ports: who takes one of them next comes after this."""
        try:
            await self._in(self._plugging, lambda: nat.withdraw(self._instance.nft_table, published))
        except OSError as error:
            raise KernelRefused("netlink", error.errno or 0, f"failed to close published ports: {error}") from error

    async def lead(self, published: tuple[Published, ...], outside: str, now: nat.Ports) -> None:
        """Ports that are taken already lead to another address, behind another cable."""

        def turn() -> None:
            self._host.set_hairpin(outside)
            nat.withdraw(self._instance.nft_table, published)
            nat.publish(self._instance.nft_table, now)

        try:
            await self._in(self._plugging, turn)
        except OSError as error:
            raise KernelRefused("netlink", error.errno or 0, f"failed to move published ports: {error}") from error

    def stands(self, outside: str) -> bool:
        return self._host.has_link(outside)

    async def gone(self, outside: str) -> None:
        """Returns when the host's end is gone. OSError.

        The container has ended as a rule. Then the kernel removes the cable with the namespace, several in one go,
        while a request of ours would hold the lock that the next `plug` waits for; so it is given a moment first.
        """
        for pause in _PATIENCE:
            if not self._host.has_link(outside):
                return
            await asyncio.sleep(pause)
        await self.unplug(outside)

    async def unplug(self, outside: str) -> None:
        await self._in(self._unplugging, lambda: _unplug((outside,)))

    async def sweep(self, known: Callable[[], frozenset[str]]) -> None:
        """Cables that nobody knows. One is noted before it is made, so a new one is always known."""

        def present() -> list[str]:
            with Netlink() as netlink:
                return [link.name for link in ground.host_ends(netlink, self._instance)]

        names = await self._in(self._unplugging, present)
        kept = known()
        await self._in(self._unplugging, lambda: _unplug(name for name in names if name not in kept))

    async def inside(self, pid: int, work: Callable[[], Result]) -> Result:
        """Does `work` in the network namespace of a process, in the thread that plugs. OSError where it is gone."""
        return await self._in(self._plugging, lambda: within(pid, work))

    async def apart(self, work: Callable[[], Result]) -> Result:
        """Something that takes long, and must not come between a plug and a withdrawal."""
        return await self._in(self._plugging, work)

    def _plug(self, inside: int, cable: Cable, published: nat.Ports) -> None:
        plug(self._host, inside, cable)
        if not published:
            return
        try:
            nat.publish(self._instance.nft_table, published)
        except OSError:
            unplug(self._host, (cable.outside,))
            raise

    async def _in(self, worker: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        """In a thread, with the current trace."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(worker, context.run, work)


def _unplug(names: Iterable[str]) -> None:
    with Netlink() as netlink:
        unplug(netlink, names)
