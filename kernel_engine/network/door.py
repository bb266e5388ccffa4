"""How what comes to a published port gets to where the networks stand, where the kernel does not lead it there."""

from __future__ import annotations

import socket
from typing import Protocol

from kernel_engine.network.endpoint import Published
from kernel_engine.network.relay import Relays


class Door(Protocol):
    """Ports that a process passes on."""

    async def open(self, port: Published, held: socket.socket, address: str, pid: int = 0) -> None:
        """To the container's address, until `close` or (pid) the end of that process, whoever lives to see it. held:
        bound to the port; stays the caller's. OSError."""

    async def lead(self, port: Published, address: str) -> None:
        """To another address, for those that come from now on."""

    async def close(self, port: Published) -> None:
        """Idempotent."""

    async def known(self) -> tuple[Published, ...]:
        """Those that are open."""

    def shut(self) -> None:
        """This daemon ends."""


class Here:
    """The daemon itself, for those few that need it (decision 0019); they close with it."""

    def __init__(self) -> None:
        self._relays = Relays()

    async def open(self, port: Published, held: socket.socket, address: str, pid: int = 0) -> None:
        self._relays.open(port, held, address)

    async def lead(self, port: Published, address: str) -> None:
        self._relays.lead(port, address)

    async def close(self, port: Published) -> None:
        self._relays.close(port)

    async def known(self) -> tuple[Published, ...]:
        return self._relays.all()

    def shut(self) -> None:
        self._relays.close_all()
