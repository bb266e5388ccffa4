"""The first process of the room: makes its namespaces, starts the worker, carries cells in and output out.

A program (`python -m labs.wall.room --folder F`, in a container also `--container --owner UID:GID`) that reads JSON
lines from its input and writes JSON lines:
`{"run": source}`, `{"interrupt": true}` in; `{"ready": true}`, `{"text": …}`, `{"done": code, "steps": […]}`,
`{"gone": wait status, "became": has it exec'd}` or `{"failed": errno, "at": call}` out. When its
input ends, it ends, and with it all that lives in its pid namespace: mounts and namespaces go with their last process.
"""

from __future__ import annotations

import argparse
import codecs
import errno
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from kernel_engine.syscalls import cgroupfs, mounts, process
from kernel_engine.syscalls.mounts import MountAttribute, MountFlag
from kernel_engine.syscalls.process import CloneFlag, Prctl
from labs.wall import worker

#: an empty file system of the room's own: what is made there is gone with the room
DESK = "/mnt"
DESK_OPTIONS = "size=256m,mode=755"
CGROUPS = "/sys/fs/cgroup"
#: what the owner of a container's control group may write, cgroups(7); limits of the container itself are not among it
DELEGATED = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks")
NAME = "wall-room"
_CHUNK = 65536
#: CAP_SYS_ADMIN, and CAP_SETFCAP for one who is root and maps that, user_namespaces(7)
_MAKES_ROOMS = 1 << 21 | 1 << 31


def main() -> int:
    parser = argparse.ArgumentParser(prog="labs.wall.room")
    parser.add_argument("--folder", required=True, help="where cells begin, and how checks find this room")
    parser.add_argument("--container", action="store_true", help="it is a container's first process")
    parser.add_argument(
        "--owner", default="0:0", help="uid:gid of whose room it is, where root of a container opens it"
    )
    options = parser.parse_args()
    uid, gid = map(int, options.owner.split(":"))
    try:
        if options.container:
            _open_container(uid, gid)
        return _enter(options.folder, container=options.container)
    except OSError as error:
        _write({"failed": error.errno, "at": error.filename or "clone3"})
        return 1


def _enter(folder: str, *, container: bool) -> int:
    """The room's own namespaces. Out here somebody has to wait for its first process."""
    uid, gid = os.geteuid(), os.getegid()
    pid, _ = process.clone3(CloneFlag.CLONE_NEWUSER | CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWNS)
    if pid == 0:
        code = 1
        try:
            _furnish(uid, gid)
            if not container:
                _only_look_at("/sys")
            code = _serve(folder)
        except OSError as error:
            _write({"failed": error.errno, "at": error.filename or "mount"})
        finally:
            os._exit(code)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    if container:
        process.capset(0, 0, 0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _furnish(uid: int, gid: int) -> None:
    """One user, who is root in here and the learner outside; the room's own /proc; an empty desk."""
    for file, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as opened:
            opened.write(line)
    process.prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGKILL)
    process.prctl(Prctl.PR_SET_DUMPABLE, 1)
    process.set_name(NAME)
    mounts.mount("none", "/", "", MountFlag.MS_REC | MountFlag.MS_PRIVATE)
    mounts.mount("proc", "/proc", "proc", MountFlag.MS_NOSUID | MountFlag.MS_NODEV | MountFlag.MS_NOEXEC)
    mounts.mount("desk", DESK, "tmpfs", data=DESK_OPTIONS)


def _only_look_at(place: str) -> None:
    """Read-only with all that is mounted beneath: for a root's notebook as for anybody's."""
    tree = os.open(place, mounts.O_PATH)
    try:
        mounts.mount_setattr(tree, set_attributes=MountAttribute.MOUNT_ATTR_RDONLY, recursive=True, shown=place)
    finally:
        os.close(tree)


def _open_container(uid: int, gid: int) -> None:
    """Root of a container lays out what a room needs, then becomes the learner, with what it takes to make a user
    namespace where the kernel refuses that to ordinary users. So the namespace is the learner's, files of the
    learner's folder are the room's root's, and checks may read of it what they may of a room without a container.
    """
    os.makedirs(DESK, exist_ok=True)
    _open_cgroups(uid, gid)
    process.prctl(Prctl.PR_SET_KEEPCAPS, 1)
    process.setgroups([])
    process.setresgid(gid)
    process.setresuid(uid)
    process.capset(_MAKES_ROOMS, _MAKES_ROOMS, 0)
    process.prctl(Prctl.PR_SET_DUMPABLE, 1)  # another uid took it away, and with it one's own /proc/self


def _open_cgroups(uid: int, gid: int) -> None:
    """A container's own cgroups, which it may only read, become the learner's to divide. On cgroup v2 a group with
    processes in it cannot hand controllers on: this one steps aside first."""
    tree = os.open(CGROUPS, mounts.O_PATH)
    try:
        mounts.mount_setattr(tree, clear=MountAttribute.MOUNT_ATTR_RDONLY, recursive=True, shown=CGROUPS)
    finally:
        os.close(tree)
    if os.path.exists(f"{CGROUPS}/cgroup.controllers"):
        cgroupfs.mkdir(f"{CGROUPS}/room")
        cgroupfs.write(f"{CGROUPS}/room/cgroup.procs", str(os.getpid()))
        known = cgroupfs.read(f"{CGROUPS}/cgroup.controllers").split()
        cgroupfs.write(f"{CGROUPS}/cgroup.subtree_control", " ".join(f"+{name}" for name in known))
        groups = [CGROUPS]
    else:
        groups = [entry.path for entry in os.scandir(CGROUPS) if entry.is_dir()]
    for group in groups:
        os.chown(group, uid, gid)
        for name in DELEGATED:
            if os.path.exists(f"{group}/{name}"):
                os.chown(f"{group}/{name}", uid, gid)


def _serve(folder: str) -> int:
    """Until the input ends or the worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ours, theirs = socket.socketpair()
    output, printed = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(OSError):
            os.chdir(folder)
        ours.close()
        os.close(output)
        worker.live(theirs, printed)
        os._exit(0)
    theirs.close()
    os.close(printed)
    os.set_blocking(output, False)
    room = _Room(pid, ours, output)
    signal.signal(signal.SIGCHLD, room.reap)
    return room.serve()


class _Room:
    """The loop of the first process: its input, the worker's answers and output, and the worker's end."""

    def __init__(self, worker_pid: int, control: socket.socket, output: int) -> None:
        self._worker = worker_pid
        self._ended = os.pidfd_open(worker_pid)
        self._status = 0
        self._last_name = worker.NAME
        self._control: socket.socket | None = control
        self._output: int | None = output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._asked = b""
        self._answered = b""

    def reap(self, *_: object) -> None:
        """The first process of a pid namespace is the parent of all orphans in it."""
        with suppress(ChildProcessError):
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if found.si_pid == self._worker:
                    self._last_name = _name(self._worker)
                status = os.waitpid(found.si_pid, 0)[1]
                if found.si_pid == self._worker:
                    self._status = status

    def serve(self) -> int:
        _write({"ready": True})
        while True:
            waited = (self._control, self._output, self._ended, 0)
            ready, _, _ = select.select([each for each in waited if each is not None], [], [])
            if self._control in ready:
                self._answers()
            elif self._output in ready:
                self._relay()
            elif self._ended in ready:
                return self._gone()
            elif not self._requests():
                return 0

    def _requests(self) -> bool:
        """False when nobody asks any more."""
        data = os.read(0, _CHUNK)
        *whole, self._asked = (self._asked + data).split(b"\n")
        for line in whole:
            request = json.loads(line)
            if "interrupt" in request:
                with suppress(ProcessLookupError):
                    os.killpg(self._worker, signal.SIGINT)
            elif self._control is not None:
                with suppress(BrokenPipeError):
                    self._control.sendall(line + b"\n")
        return bool(data)

    def _answers(self) -> None:
        """What the worker printed before it answered goes out before the answer."""
        assert self._control is not None
        try:
            data = self._control.recv(_CHUNK)
        except ConnectionResetError:
            data = b""
        self._relay()
        *whole, self._answered = (self._answered + data).split(b"\n")
        for line in whole:
            _write(json.loads(line))
        if not data:
            self._control = None  # it has ended, or it is another program now: then its end is waited for

    def _relay(self) -> None:
        with suppress(BlockingIOError):
            while self._output is not None:
                if data := os.read(self._output, _CHUNK):
                    _write({"text": self._decoder.decode(data)})
                else:  # nobody can write any more, and select would not rest
                    os.close(self._output)
                    self._output = None

    def _gone(self) -> int:
        self.reap()
        self._relay()
        _write({"gone": self._status, "became": self._last_name != worker.NAME})
        return 0


def _name(pid: int) -> str:
    """Of a process that has ended but is not reaped: execve(2) has changed it."""
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().removesuffix("\n")


def _write(message: dict[str, Any]) -> None:
    try:
        with open(1, "wb", buffering=0, closefd=False) as out:
            data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            while data:
                data = data[out.write(data) or 0 :]
    except OSError as error:
        if error.errno != errno.EPIPE:  # nobody listens any more: the input ends, too
            raise


if __name__ == "__main__":
    sys.exit(main())
