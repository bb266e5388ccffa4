"""The kernel's tables of sockets, as text."""

from __future__ import annotations

import os
import socket

from kernel_engine.containers.listening import Listener, listeners, parse, sockets

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:BA01 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 716362 1 0000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 106872 1 0000 100 0 0 10 0
   2: 020012AC:0050 030012AC:BEEF 01 00000000:00000000 00:00000000 00000000     0        0 692070 1 0000 100 0 0 10 0
   3: cut off
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue … inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 71 1
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 72 1
"""
UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue … inode
  300: 00000000:0035 00000000:0000 07 0:0 00:0 0 0 0 73 1
  301: 020012AC:9999 0B0012AC:0035 01 0:0 00:0 0 0 0 74 1
"""


def test_tables() -> None:
    assert list(parse(TCP, "tcp")) == [
        (Listener(port=47617, protocol="tcp", address="127.0.0.1"), 716362),
        (Listener(port=80, protocol="tcp", address="0.0.0.0"), 106872),
    ]
    assert list(parse(TCP6, "tcp")) == [
        (Listener(port=80, protocol="tcp", address="::"), 71),
        (Listener(port=8080, protocol="tcp", address="::1"), 72),
    ]
    assert list(parse(UDP, "udp")) == [(Listener(port=53, protocol="udp", address="0.0.0.0"), 73)]
    assert list(parse("", "tcp")) == []


def test_our_own_namespace() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert Listener(port=port, protocol="tcp", address="127.0.0.1") in listeners(os.getpid())
        [inode] = sockets(os.getpid())["tcp", port]
        assert os.readlink(f"/proc/self/fd/{server.fileno()}") == f"socket:[{inode}]"
    assert listeners(0x3FFFFF) == ()
