"""Forks of the launcher that stand ready to make containers' first processes, without copying a page.

launcher                            zygote                                child
spec, descriptors             →     reads it, decides what there is to mount
makes its groups; "go"        →     clone3(CLONE_VM | CLONE_VFORK)
                                    stands still                 ←        its pid, to the launcher
                              ←     "free"                                is its program, or has ended

A child borrows its zygote's memory (`syscalls.vfork`) and is the launcher's own by birth (CLONE_PARENT). One that ends
before its program takes the zygote with it and nothing else: no other container depends on that one, and the next
start gets a new one. Starts that last (looked at step by step), that are no more than a look, or that begin in another
container's pid namespace, are forks (`forking`).
"""

from __future__ import annotations

import array
import errno
import gc
import marshal
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn

from kernel_engine.runtime import init
from kernel_engine.runtime.channel import Message, spec_from_json
from kernel_engine.runtime.ground import Ground
from kernel_engine.runtime.init import Given, Streams
from kernel_engine.syscalls import process as sys_process
from kernel_engine.syscalls.process import CloneFlag, Execution, Prctl
from kernel_engine.syscalls.trace import Trace, recording
from kernel_engine.syscalls.vfork import AVAILABLE, SHARED, Vfork

_FLAGS = SHARED | CloneFlag.CLONE_PARENT | CloneFlag.CLONE_NEWPID
_INTO_GROUP = _FLAGS | CloneFlag.CLONE_INTO_CGROUP
#: where all of them are busy, the launcher forks
MOST = min(os.cpu_count() or 1, 4)
#: a longer order does not go into a packet
_LONGEST = 60_000
#: SCM_MAX_FD, unix(7)
_DESCRIPTORS = 253
#: struct timeval, socket(7): seconds until a child must have said its pid
_PATIENCE = struct.pack("@ll", 30, 0)
#: children between two collections of garbage; they make next to none
_TIDY = 200
#: what `ps` calls one
NAME = "ke-zygote"
_BORN = struct.Struct("=ii")  #: pid, errno
_GO, _FREE = b"go", b"free"


class Lost(Exception):
    """The zygote has ended, or says nothing; no child of it is left."""


@dataclass(frozen=True, slots=True)
class Order:
    """One first process, as marshal has it. spec: as the client sent it. Numbers of descriptors are the launcher's."""

    packed: bytes
    descriptors: tuple[int, ...]

    @property
    def fits(self) -> bool:
        return len(self.packed) <= _LONGEST and len(self.descriptors) <= _DESCRIPTORS


def flags(*, into_group: bool) -> CloneFlag:
    """How a child is born here."""
    return _INTO_GROUP if into_group else _FLAGS


def order(spec: Message, given: Given) -> Order:
    descriptors, streams = given.descriptors(), given.streams
    numbers = (
        given.channel, given.line, (streams.stdin, streams.stdout, streams.stderr), given.joins,
        given.user_namespace, tuple(given.owners.items()),
    )  # fmt: skip
    return Order(marshal.dumps((spec, numbers, descriptors)), descriptors)


class Zygote:
    """One of them, as the launcher has it."""

    def __init__(self, ground: Ground) -> None:
        """OSError where no process can be made."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with recording(Trace("launcher")):  # nobody's start
            pid, self._pidfd = sys_process.clone3(CloneFlag.CLONE_PIDFD)
        if pid == 0:
            _live(theirs, ground)
        theirs.close()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
        self._control = ours
        self._busy = False

    def is_free(self) -> bool:
        """Lost where it is no more."""
        if self._busy:
            try:
                said = self._control.recv(len(_FREE), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                said = b""
            if not said:
                raise Lost
            self._busy = False
        return True

    def tell(self, order: Order) -> None:
        """What it is to make as soon as it may. Lost."""
        self._send(order.packed, order.descriptors)
        self._busy = True

    def bear(self, group: int) -> int:
        """The pid of the child, which is this process's own to reap. group: for CLONE_INTO_CGROUP; -1 = none.

        Lost; OSError as clone3(2) has it, or ETIMEDOUT: then there may be a child, which ends when its channel does.
        """
        self._send(_GO, (group,) if group >= 0 else ())
        try:
            said = self._control.recv(_BORN.size)
        except BlockingIOError:  # behind _PATIENCE
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        except OSError:
            said = b""
        if not said:
            raise Lost
        pid, number = _BORN.unpack(said)
        if number:
            raise OSError(number, os.strerror(number))
        return int(pid)

    def _send(self, words: bytes, descriptors: tuple[int, ...]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self._control.sendmsg([words], rights, socket.MSG_NOSIGNAL)
        except OSError:
            raise Lost from None

    def end(self) -> None:
        self._control.close()
        with suppress(ProcessLookupError):
            sys_process.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)


class Zygotes:
    """The launcher's."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._all: list[Zygote] = []

    def ready(self) -> Zygote | None:
        """One that is free, made where there is none; None where the launcher is to fork."""
        if not AVAILABLE or self._ground.without is not None or self._ground.look is not None:
            return None
        for zygote in tuple(self._all):
            try:
                if zygote.is_free():
                    return zygote
            except Lost:
                self.end(zygote)
        if len(self._all) == MOST:
            return None
        self._all.append(Zygote(self._ground))
        return self._all[-1]

    def end(self, zygote: Zygote) -> None:
        """Of one that has made nothing of what it was told, or whose child did not become its program. Idempotent."""
        if zygote in self._all:
            self._all.remove(zygote)
            with recording(Trace("launcher")):
                zygote.end()


# the zygote's own life -----------------------------------------------------------------------------------------------
def _live(control: socket.socket, ground: Ground) -> NoReturn:
    try:
        _stand_alone(control.fileno())
        vfork = Vfork()
        for number in count(1):
            _bear(control, ground, vfork)
            if number % _TIDY == 0:
                gc.collect()
    except ConnectionError:
        pass  # the launcher has gone
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _stand_alone(control: int) -> None:
    """Without the launcher's descriptors, and over when it is. From here on nothing can be imported: the files would be
    those of the container that a child is in."""
    sys_process.prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGKILL)
    if control > 3:
        sys_process.close_range(3, control - 1)
    sys_process.close_range(control + 1)
    sys_process.set_name(NAME)
    sys.path.clear()
    sys.path_importer_cache.clear()
    gc.disable()


def _bear(control: socket.socket, ground: Ground, vfork: Vfork) -> None:
    """One child, from its order to its program."""
    packet, received = _hear(control)
    message, numbers, sent = marshal.loads(packet)
    given = _given(numbers, dict(zip(sent, received, strict=True)))
    told: list[int] = []

    def tell(pid: int, number: int = 0) -> None:
        told.append(pid)
        control.send(_BORN.pack(pid, number))

    try:
        spec = ground.spec(spec_from_json(message))
        parts, filter_program = init.parts_of(spec, ground), init.filter_of(spec.process)
        _, group = _hear(control)

        def life(pid: int) -> Execution:
            tell(pid)
            return init.first_process(
                spec, given, parts=parts, filter_program=filter_program, in_cgroup=bool(group), ground=ground
            )

        pid = vfork.child(flags(into_group=bool(group)), life, cgroup=group[0] if group else -1)
    except OSError as error:
        tell(0, error.errno or errno.EIO)
        os._exit(0)
    if not vfork.is_whole:
        if not told:
            tell(pid)
        os._exit(0)
    for fd in (*received, *group):
        os.close(fd)
    control.send(_FREE)


def _hear(control: socket.socket) -> tuple[bytes, array.array[int]]:
    """Words and descriptors. Nothing comes any more: the launcher has gone, or wants another one."""
    packet, ancillary, _, _ = control.recvmsg(_LONGEST, socket.CMSG_SPACE(_DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC)
    if not packet:
        os._exit(0)
    received = array.array("i")
    for _, _, data in ancillary:
        received.frombytes(data)
    return packet, received


def _given(numbers: tuple[Any, ...], here: Mapping[int, int]) -> Given:
    channel, line, streams, joins, user_namespace, owners = numbers
    stdin, stdout, stderr = (None if fd is None else here[fd] for fd in streams)
    return Given(
        channel=here[channel],
        line=here[line],
        streams=Streams(stdin=stdin, stdout=stdout, stderr=stderr),
        joins=tuple((here[pidfd], name) for pidfd, name in joins),
        user_namespace=here.get(user_namespace, -1),
        owners={owner: here[fd] for owner, fd in owners},
    )
