"""What a starting child and whoever asked for it say to each other, on a socket that is theirs alone.

child                              client (the daemon)
created(netlink)              →    attaches a network meanwhile
                              ←    go (or the line breaks off: the child gives up)

The launcher only hands the child its end: behind a fork it has pages to copy, and whoever it relays for would wait for
that twice (docs/decisions/0040). What a child says to the launcher is `handshake`'s.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from kernel_engine.runtime.channel import Channel, Closed


class BrokenOff(Exception):
    """The child has ended before it stood in its namespaces. Why is the launcher's to tell."""


class Line:
    """The client's side, in its loop."""

    def __init__(self) -> None:
        ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._channel = Channel(ours)
        self._loop = asyncio.get_running_loop()
        #: see `events.Born`
        self.netlink: asyncio.Future[int | None] = self._loop.create_future()
        self._inode = 0
        self._loop.add_reader(ours.fileno(), self._read)

    @property
    def theirs(self) -> int:
        """The child's end, until `hand_over`."""
        return self._theirs.fileno()

    def hand_over(self) -> None:
        """The child's end is on its way, and nobody's here."""
        self._theirs.close()

    def go(self) -> None:
        with suppress(Closed):  # it is dying; its end is the launcher's to tell
            self._channel.send({"say": "go"})

    def close(self) -> None:
        """What has come on it is closed too, unless somebody has done so."""
        self._theirs.close()
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        if not self.netlink.done():
            self.netlink.cancel()
        elif not self.netlink.cancelled() and self.netlink.exception() is None:
            _close_if_same(self.netlink.result(), self._inode)

    def _read(self) -> None:
        """The one thing that is ever said."""
        try:
            messages = self._channel.receive()
        except Closed:
            self._loop.remove_reader(self._channel.fileno())
            if not self.netlink.done():
                self.netlink.set_exception(BrokenOff())
                self.netlink.exception()  # nobody may have been waiting for it
            return
        for _message, descriptors in messages:
            self._loop.remove_reader(self._channel.fileno())
            netlink = descriptors[0] if descriptors else None
            self._inode = 0 if netlink is None else os.fstat(netlink).st_ino
            self.netlink.set_result(netlink)


def _close_if_same(fd: int | None, inode: int) -> None:
    """The callback may have closed it (`Netlink(fd)` owns what it wraps), and the number may be another's by now."""
    if fd is None:
        return
    with suppress(OSError):
        if os.fstat(fd).st_ino == inode:
            os.close(fd)
