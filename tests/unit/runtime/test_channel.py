"""Who is heard on a channel."""

from __future__ import annotations

import os
import socket

import pytest

from kernel_engine.runtime.channel import PACKET, Channel, Closed


def _say(channel: Channel, word: str) -> None:
    """As a process of its own, with a descriptor, in two packets."""
    pid = os.fork()
    if not pid:
        try:
            channel.send({"say": word + "!" * PACKET}, (0,))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_only_the_one_that_is_meant_is_heard() -> None:
    """Also where somebody else has come to hold its descriptor."""
    here, there = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    here.expect_credentials()
    here.hear_only(os.getpid())
    before = len(os.listdir("/proc/self/fd"))
    _say(there, "of a stranger")
    there.send({"say": "mine" + "." * PACKET}, (0,))
    message, descriptors = here.receive_one()
    assert message["say"].startswith("mine")
    assert len(os.listdir("/proc/self/fd")) == before + 1 == before + len(descriptors)
    os.close(descriptors[0])
    _say(there, "of a stranger")
    there.close()
    with pytest.raises(Closed):
        here.receive_one()
    here.close()
