"""The notebook's side of the room: opens it, hands cells in, relays what they print, says in Korean what became of it.

One room for each process. It is built of the kernel alone where an ordinary user may make a user namespace; elsewhere,
or where a lab asks for it (cgroups), inside an ordinary limited container of the engine.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from labs.wall import container

Say = Callable[[str], object]

#: how long a room may take to open: a container may have to fetch its image first
OPEN_SECONDS = 120
#: how long an interrupted cell may take to stop before it is told again, and at last the room is closed
STOP_SECONDS = 1.5
#: one interrupt can be lost: system(3) ignores it before it has a child that would hear it
STOP_TRIES = 2
#: how long a room may take to close: a container is removed, too
CLOSE_SECONDS = 60
#: for an engine to say what it is
_ANSWER_SECONDS = 10
INTERRUPTED = 130
#: of a room in a container that nobody has asked for
CONTAINED = (
    "이 컴퓨터의 커널은 보통 사용자가 사용자 네임스페이스를 만들지 못하게 해요(Ubuntu가 그래요). "
    "그래서 작업실을 엔진의 컨테이너 안에 열었어요. 셀과 과제는 똑같이 하면 돼요.\n"
)
UNOPENED = "작업실을 열지 못했어요."
RESTRICTED = (
    "수업용으로 제한된 엔진이라서 컨테이너 안의 작업실을 열 수 없어요. "
    "여러분의 컴퓨터나 가상 머신에서 `./lab up`으로 연 실습실에서 해 보세요."
)
LOST = "변수와 네임스페이스, 마운트는 사라졌어요. 다음 %%wall 셀은 새 작업실에서 시작해요."
#: what tells that the kernel lets no ordinary user make a room
_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EINVAL, errno.ENOSYS}


class NoRoom(Exception):
    """The room does not open. The message is Korean."""


class _Refused(Exception):
    """The kernel refused a step of opening: errno and the call or place."""

    def __init__(self, number: int, at: str) -> None:
        super().__init__(number, at)
        self.number, self.at = number, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A cell's end. `code`: 0 done, 1 an error, 130 interrupted. `steps`: the kernel calls that it made, as the API
    shows a trace's."""

    code: int
    steps: tuple[Mapping[str, Any], ...] = field(default=())


class Door:
    """One open room."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self._read = b""

    @classmethod
    def open(cls, words: list[str], environment: Mapping[str, str] | None = None) -> Door:
        """Starts the program that is the room. Raises NoRoom, _Refused."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the door
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # an interrupt of the notebook is for the cell, not for the room
            env=environment,
        )
        door = cls(process, errors)
        try:
            door._opens()
        except BaseException:
            door.close()
            raise
        return door

    def _opens(self) -> None:
        try:
            message = self._next(OPEN_SECONDS)
        except EOFError:
            message = None
        if message is None:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip()
            raise NoRoom(f"{UNOPENED}\n{said}")
        if "failed" in message:
            raise _Refused(message["failed"], message["at"])

    @property
    def is_open(self) -> bool:
        return self._process.poll() is None

    def run(self, source: str, say: Say) -> Ran:
        """Until the cell has ended. Where the room ends with it, that is said, and the room is closed."""
        self._send({"run": source})
        tries = 0
        while True:
            try:
                message = self._next(STOP_SECONDS if tries else None)
                if message is None:
                    if tries == STOP_TRIES:
                        return self._lost(say, "이 셀을 멈추지 못해서 작업실을 닫았어요.", INTERRUPTED)
                    tries += 1
                    self._send({"interrupt": True})
                elif "text" in message:
                    say(message["text"])
                elif "done" in message:
                    return Ran(code=message["done"], steps=tuple(message["steps"]))
                elif "gone" in message:
                    return self._lost(say, _end(message["gone"], became=message["became"]), 1)
            except KeyboardInterrupt:
                if tries:
                    return self._lost(say, "이 셀을 멈추려고 작업실을 닫았어요.", INTERRUPTED)
                tries = 1
                self._send({"interrupt": True})
            except EOFError:
                return self._lost(say, "작업실이 닫혔어요.", 1)

    def close(self) -> None:
        """With all that lives in it. Closing twice changes nothing."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._errors.close()

    def _lost(self, say: Say, why: str, code: int) -> Ran:
        self.close()
        say(f"{why} {LOST}\n")
        return Ran(code=code)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # its end is read next
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _next(self, patience: float | None = None) -> dict[str, Any] | None:
        """None when nothing came in so many seconds. Raises EOFError at the room's end."""
        assert self._process.stdout is not None
        while b"\n" not in self._read:
            if not select.select([self._process.stdout], [], [], patience)[0]:
                return None
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise EOFError
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


def _end(status: int, *, became: bool) -> str:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"작업 프로세스가 {name} 신호로 끝났어요."
    code = os.waitstatus_to_exitcode(status)
    if became:
        return f"작업 프로세스가 execve로 다른 프로그램이 되었고, 그 프로그램이 끝났어요 (종료 코드 {code})."
    return f"작업 프로세스가 끝났어요 (종료 코드 {code})."


# the room of this process --------------------------------------------------------------------------------------------
@dataclass
class _Mine:
    """This process's room, and whether the next one shall be in a container. `told`: why it is in one unasked."""

    door: Door | None = None
    contained: bool = False
    told: bool = False
    folder: Path | None = None


_mine = _Mine()


def run(source: str, say: Say, *, host: str, folder: Path) -> Ran:
    """A cell in this process's room, which is opened for the first; it begins in `folder`. `host`: the engine of a room
    in a container. Raises NoRoom."""
    if _mine.door is None or not _mine.door.is_open:
        _mine.door, _mine.folder = _opened(host, folder, say, contained=_mine.contained), folder
    ran = _mine.door.run(source, say)
    if not _mine.door.is_open:
        _mine.door = None
    return ran


def folder() -> Path | None:
    """Where the cells of this process's room began; None when none is open."""
    return _mine.folder if _mine.door is not None and _mine.door.is_open else None


def reset(*, contained: bool = False) -> None:
    """Closes this process's room; the next cell finds a new one."""
    if _mine.door is not None:
        _mine.door.close()
    _mine.door, _mine.contained = None, contained


def _opened(host: str, folder: Path, say: Say, *, contained: bool) -> Door:
    program = [sys.executable, "-I", "-X", "utf8", "-m", "labs.wall.room", "--folder", str(folder)]
    try:
        if not contained:
            try:
                return Door.open(program)
            except _Refused as refused:
                if refused.number not in _REFUSED:
                    raise
        # this engine and no other, whatever context the learner has chosen
        engine = {**os.environ, "DOCKER_HOST": host, "DOCKER_LABS_HOST": "", "DOCKER_LABS_LANG": "off"}
        try:
            door = Door.open(container.command(program, folder), engine)
        except NoRoom:
            if _is_restricted(host):
                raise NoRoom(f"{UNOPENED}\n{RESTRICTED}") from None
            raise
    except _Refused as refused:
        why = f"{refused.at}: {os.strerror(refused.number)}"
        if refused.number == errno.ENOSPC:
            why += "\n커널의 설정 user.max_user_namespaces가 너무 작아요. 관리자가 늘려야 해요."
        raise NoRoom(f"작업실을 열지 못했어요: {why}") from None
    if not contained and not _mine.told:
        say(CONTAINED)
        _mine.told = True
    return door


def _is_restricted(host: str) -> bool:
    """What the engine says of itself; False where it says nothing."""
    from kernel_engine.client import APIError, Client, EngineUnreachable  # late: it is asked only where no room opens

    try:
        return bool(Client(host, timeout=_ANSWER_SECONDS).get("/kernel-engine/info").json()["Restricted"])
    except (APIError, EngineUnreachable, KeyError, TypeError):
        return False


atexit.register(reset)
