"""The line between a starting child and the engine's daemon."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from kernel_engine.runtime.channel import Channel, Closed
from kernel_engine.runtime.line import BrokenOff, Line


def child_of(line: Line) -> Channel:
    """The other end, as a forked child has it."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=os.dup(line.theirs))
    line.hand_over()
    return Channel(end)


async def told(line: Line, child: Channel) -> int:
    """The child says that it is there; the client's descriptor of its socket, which the child has closed."""
    with socket.socket() as inside:
        child.send({"say": "created"}, (inside.fileno(),))
        netlink = await line.netlink
        assert netlink is not None
        assert os.path.sameopenfile(netlink, inside.fileno())
    return netlink


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


async def test_the_child_says_that_it_is_there_and_waits_for_go() -> None:
    line = Line()
    child = child_of(line)
    netlink = await told(line, child)
    line.go()
    line.close()  # what was said is still heard
    assert child.receive_one()[0] == {"say": "go"}
    with pytest.raises(Closed):
        child.receive_one()
    assert not is_open(netlink)
    child.close()


async def test_who_shares_a_network_sends_no_socket() -> None:
    line = Line()
    child = child_of(line)
    child.send({"say": "created"})
    assert await line.netlink is None
    line.close()
    child.close()


async def test_a_child_that_ends_before_breaks_it_off() -> None:
    line = Line()
    child_of(line).close()
    with pytest.raises(BrokenOff):
        await line.netlink
    line.go()  # nobody hears it
    line.close()


async def test_nobody_need_have_waited() -> None:
    mistakes: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))
    for ends in (True, False):
        line = Line()
        child = child_of(line)
        if ends:
            child.close()
        await asyncio.sleep(0.01)
        line.close()
        child.close()
    assert mistakes == []


async def test_a_socket_that_somebody_has_closed_is_not_closed_again() -> None:
    line = Line()
    child = child_of(line)
    netlink = await told(line, child)
    os.close(netlink)
    reading, writing = os.pipe()
    os.dup2(reading, netlink)  # the number is another's by now
    line.close()
    assert is_open(netlink)
    for fd in {reading, writing, netlink}:
        os.close(fd)
    child.close()
