"""Messages between daemon, launcher and child: JSON and descriptors on a SOCK_SEQPACKET socket (unix(7)).

A message may be longer than one packet: each packet begins with `+` (more follows) or `.` (the last one). Descriptors
travel with the first packet. Behind a line end a message may carry bytes that are passed on unread: "packed". Also
here: how a `Spec` and its parts become JSON and come back.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kernel_engine.formats.frozen import as_object
from kernel_engine.runtime.spec import (
    Device,
    DeviceRule,
    IdRange,
    Ids,
    Joined,
    Mount,
    Process,
    Resources,
    Rlimit,
    Rootfs,
    Spec,
)

Message = dict[str, Any]
#: well under the smallest socket buffer that a distribution sets (net.core.wmem_default is 212992)
PACKET = 60_000
DESCRIPTORS = 16
#: changes whenever a launcher of older code would not understand a launch any more
LAUNCHES = 2
_CREDENTIALS = struct.Struct("=iII")  #: pid, uid, gid
#: bytes that may come with a packet
_BESIDE = socket.CMSG_SPACE(DESCRIPTORS * 4) + socket.CMSG_SPACE(_CREDENTIALS.size)


class Closed(Exception):
    """The other side has gone."""


#: json.dumps would make an encoder for each message
_encode = json.JSONEncoder(separators=(",", ":"), default=as_object).encode


class Channel:
    """One end. Works with a blocking socket (the child: `send`, `receive_one`) and with a non-blocking one (`send`,
    `receive` whenever readable, `flush` whenever writable while `unsent`)."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._partial = bytearray()
        self._descriptors: list[int] = []
        self._speaker: int | None = None

    def expect_credentials(self) -> None:
        """Before the other end says anything: each packet shows who has sent it (unix(7), SO_PASSCRED)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def hear_only(self, pid: int) -> None:
        """After `expect_credentials`: packets of others who come to hold the other end are dropped unread."""
        self._speaker = pid

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def unsent(self) -> bool:
        return bool(self._outgoing)

    def send(self, message: Message, descriptors: Sequence[int] = (), packed: bytes = b"") -> None:
        """Queues a message and sends what goes; frozen values of `spec` in it travel as `as_json` has them. The caller
        keeps its descriptors. Closed when nobody listens."""
        body = _encode(message).encode()
        if packed:
            body += b"\n" + packed
        if len(body) <= PACKET and not self._outgoing:
            with suppress(BlockingIOError):
                return self._transmit(b"." + body, descriptors)
        kept = tuple(os.dup(fd) for fd in descriptors)
        last = max(len(body) - 1, 0) // PACKET
        for number in range(last + 1):
            mark = b"." if number == last else b"+"
            part = body[number * PACKET : (number + 1) * PACKET]
            self._outgoing.append((mark + part, kept if number == 0 else ()))
        return self.flush()

    def flush(self) -> None:
        while self._outgoing:
            packet, descriptors = self._outgoing[0]
            try:
                self._transmit(packet, descriptors)
            except BlockingIOError:
                return
            self._outgoing.popleft()
            for fd in descriptors:
                os.close(fd)

    def _transmit(self, packet: bytes, descriptors: Sequence[int]) -> None:
        """BlockingIOError: not now."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self.socket.sendmsg([packet], rights, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            raise
        except OSError as error:
            self._drop_outgoing()
            raise Closed(str(error)) from None

    def receive(self) -> list[tuple[Message, list[int]]]:
        """All whole messages that have arrived (non-blocking socket). Closed at the end of the stream."""
        messages: list[tuple[Message, list[int]]] = []
        while True:
            try:
                message = self._receive_packet()
            except BlockingIOError:
                return messages
            except Closed:
                if messages:
                    return messages
                raise
            if message is not None:
                messages.append(message)

    def receive_one(self) -> tuple[Message, list[int]]:
        """Waits for one whole message (blocking socket)."""
        while True:
            message = self._receive_packet()
            if message is not None:
                return message

    def close(self) -> None:
        self._drop_outgoing()
        for fd in self._descriptors:
            os.close(fd)
        self._descriptors = []
        self.socket.close()

    def _receive_packet(self) -> tuple[Message, list[int]] | None:
        try:
            packet, ancillary, _flags, _address = self.socket.recvmsg(PACKET + 1, _BESIDE, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            raise
        except ConnectionResetError:
            # it closed with a message of ours unread; said once, and its own last messages are still to be read
            return None
        except OSError as error:
            raise Closed(str(error)) from None
        received = array.array("i")
        speaker = None
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received.frombytes(data[: len(data) - len(data) % received.itemsize])
            elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                speaker = _CREDENTIALS.unpack(data)[0]
        if not packet:
            raise Closed("end of stream")
        if self._speaker is not None and speaker != self._speaker:
            for fd in received:
                os.close(fd)
            return None
        self._descriptors.extend(received)
        self._partial += packet[1:]
        if packet[:1] == b"+":
            return None
        words, _, packed = self._partial.partition(b"\n")
        message, descriptors = json.loads(words.decode()), self._descriptors
        if packed:
            message["packed"] = bytes(packed)
        self._partial, self._descriptors = bytearray(), []
        return message, descriptors

    def _drop_outgoing(self) -> None:
        for _packet, descriptors in self._outgoing:
            for fd in descriptors:
                os.close(fd)
        self._outgoing.clear()


def as_json(value: Any) -> Any:
    """A frozen value of `spec` (a slotted dataclass) as plain JSON types, field by field."""
    return json.loads(_encode(value))


def process_from_json(data: Message) -> Process:
    rlimits = tuple(Rlimit(**item) for item in data["rlimits"])
    words = {name: tuple(data[name]) for name in ("args", "env", "groups", "capabilities")}
    return Process(**{**data, **words, "rlimits": rlimits})


def mount_from_json(data: Message) -> Mount:
    owner = data["owner"]
    return Mount(**{**data, "lower": tuple(data["lower"]), "owner": None if owner is None else (owner[0], owner[1])})


def ids_from_json(data: Message) -> Ids:
    users, groups = (tuple(IdRange(**item) for item in data[name]) for name in ("users", "groups"))
    return Ids(users=users, groups=groups)


def resources_from_json(data: Message) -> Resources:
    return Resources(**{**data, "devices": tuple(DeviceRule(**item) for item in data["devices"])})


def spec_from_json(data: Message) -> Spec:
    rootfs = data["rootfs"]
    words = {name: tuple(data[name]) for name in ("namespaces", "masked_paths", "readonly_paths")}
    return Spec(
        **{
            **data,
            **words,
            "process": process_from_json(data["process"]),
            "rootfs": Rootfs(**{**rootfs, "lower": tuple(rootfs["lower"])}),
            "joined": tuple(Joined(**item) for item in data["joined"]),
            "ids": None if data["ids"] is None else ids_from_json(data["ids"]),
            "mounts": tuple(mount_from_json(item) for item in data["mounts"]),
            "devices": tuple(Device(**item) for item in data["devices"]),
            "resources": resources_from_json(data["resources"]),
            "sysctls": tuple((name, value) for name, value in data["sysctls"]),
        }
    )
