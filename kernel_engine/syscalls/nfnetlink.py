"""Elements of nftables maps and entries of the connection table, on a plain NETLINK_NETFILTER socket.

Rules and chains are nft(8)'s: loaded once, as text. What changes with every container is one element, and to start nft
for it takes 10 to 20 ms; the same message by hand takes well under one. (linux/netfilter/nfnetlink.h, nf_tables.h,
nfnetlink_conntrack.h; libnftnl's `nft_set_elem` for the order of the attributes.)
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from kernel_engine.syscalls import trace
from kernel_engine.syscalls.netlink import Flag, Message, attribute, attributes, caller, messages, raise_for, text

NETLINK_NETFILTER = 12
_SUBSYSTEM_CONNTRACK, _SUBSYSTEM_NFTABLES = 1, 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT = 12, 13, 14
_GET_CONNECTION, _DELETE_CONNECTION = 1, 2
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_ELEMENT, _ELEMENT_KEY, _ELEMENT_DATA, _VALUE = 1, 1, 2, 1
_TUPLE_ORIGINAL, _TUPLE_IP, _TUPLE_PROTOCOL = 1, 1, 2
_PROTOCOL_NUMBER, _PROTOCOL_TO_PORT = 1, 3
_NESTED = 0x8000
#: an attribute's length has 16 bits
_ELEMENTS_A_MESSAGE = 500

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_FAMILY = struct.Struct("=BBH")  # nfgenmsg: family, version, resource (big endian)


class Element(NamedTuple):
    """One entry of a map: each part of a concatenation padded to 4 bytes, as the kernel's registers hold it."""

    key: bytes
    value: bytes


class Nfnetlink:
    """A socket of this thread's network namespace, for tables and connections of one family (AF_INET or AF_INET6).
    Errors: OSError with the kernel's errno.
    """

    def __init__(self, family: int = socket.AF_INET) -> None:
        self._family = family
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._sequence = int(time.monotonic_ns() & 0x3FFFFFFF)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def add_elements(self, table: str, mapping: str, elements: Iterable[Element]) -> None:
        """All or none. EBUSY where a key is there with another value."""
        self._change(_NEW_ELEMENT, table, mapping, tuple(elements))

    def delete_elements(self, table: str, mapping: str, elements: Iterable[Element]) -> None:
        """All or none. ENOENT where a key (or the table) is not there."""
        self._change(_DELETE_ELEMENT, table, mapping, tuple(elements))

    def elements(self, table: str, mapping: str) -> tuple[Element, ...]:
        body = text(_LIST_TABLE, table) + text(_LIST_SET, mapping)
        kind = _SUBSYSTEM_NFTABLES << 8 | _GET_ELEMENT
        return tuple(item for reply in self._dump(kind, body) for item in _elements(reply[_FAMILY.size :]))

    def forget_connections(self, protocol: int, port: int) -> int:
        """Deletes the entries whose first packet went to `port`; how many there were.

        A flow keeps the translation that it had at its first packet. A TCP connection ends with its container; who
        sends datagrams from one socket for ever would go on missing the new one.
        """
        kind = _SUBSYSTEM_CONNTRACK << 8
        found = 0
        for reply in self._dump(kind | _GET_CONNECTION, b""):
            original = attributes(reply[_FAMILY.size :]).get(_TUPLE_ORIGINAL, b"")
            if _target(original) != (protocol, port):
                continue
            body = _family(self._family) + attribute(_TUPLE_ORIGINAL | _NESTED, original)
            flags = Flag.NLM_F_REQUEST | Flag.NLM_F_ACK
            try:
                self._exchange([(kind | _DELETE_CONNECTION, flags, body)], f"protocol {protocol} to port {port}")
            except OSError as error:
                if error.errno != errno.ENOENT:  # it has ended by itself
                    raise
                continue
            found += 1
        return found

    # the wire ---------------------------------------------------------------------------------------------------
    def _change(self, verb: int, table: str, mapping: str, elements: tuple[Element, ...]) -> None:
        if not elements:
            return
        begin = (_BATCH_BEGIN, Flag.NLM_F_REQUEST, _family(socket.AF_UNSPEC, _SUBSYSTEM_NFTABLES))
        end = (_BATCH_END, Flag.NLM_F_REQUEST, _family(socket.AF_UNSPEC, _SUBSYSTEM_NFTABLES))
        flags = Flag.NLM_F_REQUEST | Flag.NLM_F_ACK | (Flag.NLM_F_CREATE if verb == _NEW_ELEMENT else 0)
        changes = []
        for at in range(0, len(elements), _ELEMENTS_A_MESSAGE):
            listed = b"".join(_item(item) for item in elements[at : at + _ELEMENTS_A_MESSAGE])
            body = _family(self._family) + text(_LIST_TABLE, table) + text(_LIST_SET, mapping)
            body += attribute(_LIST_ELEMENTS | _NESTED, listed)
            changes.append((_SUBSYSTEM_NFTABLES << 8 | verb, flags, body))
        self._exchange([begin, *changes, end], f"{table} {mapping}, {len(elements)} elements")

    def _exchange(self, requests: list[tuple[int, int, bytes]], shown: str) -> None:
        """One packet of messages, and an answer for each that asks for one; raises the first error among them."""
        started = time.monotonic_ns()
        packet, waiting = b"", set()
        first = self._sequence + 1
        for kind, flags, body in requests:
            self._sequence += 1
            if flags & Flag.NLM_F_ACK:
                waiting.add(self._sequence)
            packet += _HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body
        self._socket.sendall(packet)
        failure: OSError | None = None
        while waiting:
            for answer, sequence, flags, content in messages(self._socket.recv(1 << 18)):
                if answer != Message.NLMSG_ERROR or not first <= sequence <= self._sequence:
                    continue
                waiting.discard(sequence)
                try:
                    raise_for(content, flags)
                except OSError as error:
                    failure = failure or error
                    waiting.clear()
        self._record(next(_NAMES[kind] for kind, _, _ in requests if kind in _NAMES), shown, failure, started)
        if failure is not None:
            failure.filename = shown
            raise failure

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        """The bodies of a dump's replies."""
        self._sequence += 1
        message = _family(self._family) + body
        flags = Flag.NLM_F_REQUEST | Flag.NLM_F_DUMP
        self._socket.sendall(_HEADER.pack(_HEADER.size + len(message), kind, flags, self._sequence, 0) + message)
        found: list[bytes] = []
        while True:
            for answer, sequence, answer_flags, content in messages(self._socket.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if answer == Message.NLMSG_ERROR:
                    raise_for(content, answer_flags)
                if answer in (Message.NLMSG_DONE, Message.NLMSG_ERROR):
                    return iter(found)
                found.append(content)

    @staticmethod
    def _record(name: str, shown: str, failure: OSError | None, started: int) -> None:
        current = trace.current()
        if current is not None:
            result = "0" if failure is None else errno.errorcode.get(failure.errno or 0, str(failure.errno))
            current.add(f"netlink {name}", shown, result, failure is None, started, caller())


_NAMES = {
    _SUBSYSTEM_NFTABLES << 8 | _NEW_ELEMENT: "NFT_MSG_NEWSETELEM",
    _SUBSYSTEM_NFTABLES << 8 | _DELETE_ELEMENT: "NFT_MSG_DELSETELEM",
    _SUBSYSTEM_CONNTRACK << 8 | _DELETE_CONNECTION: "IPCTNL_MSG_CT_DELETE",
}


def _family(family: int, resource: int = 0) -> bytes:
    return _FAMILY.pack(family, 0, socket.htons(resource))


def _item(element: Element) -> bytes:
    """An NFTA_LIST_ELEM. A deletion is by the key alone: `value` is empty."""
    body = attribute(_ELEMENT_KEY | _NESTED, attribute(_VALUE, element.key))
    if element.value:
        body += attribute(_ELEMENT_DATA | _NESTED, attribute(_VALUE, element.value))
    return attribute(_ELEMENT | _NESTED, body)


def _elements(body: bytes) -> Iterator[Element]:
    listed = attributes(body).get(_LIST_ELEMENTS, b"")
    at = 0
    while at + 4 <= len(listed):  # a list: the same attribute again and again
        length = struct.unpack_from("=H", listed, at)[0]
        item = attributes(listed[at + 4 : at + length])
        parts = (attributes(item.get(kind, b"")).get(_VALUE, b"") for kind in (_ELEMENT_KEY, _ELEMENT_DATA))
        yield Element(*parts)
        at += (length + 3) & ~3


def _target(original: bytes) -> tuple[int, int]:
    """Protocol and destination port of a connection's first packet; zeros where it has none."""
    protocol = attributes(attributes(original).get(_TUPLE_PROTOCOL, b""))
    port = protocol.get(_PROTOCOL_TO_PORT, b"\0\0")
    return protocol.get(_PROTOCOL_NUMBER, b"\0")[0], int.from_bytes(port, "big")
