"""The streams of one process: its output to the log and to whoever is attached, their input to it."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import termios
from collections.abc import Callable

from kernel_engine.runtime.log_writer.allowance import Allowance
from kernel_engine.runtime.log_writer.attachment import Attachment
from kernel_engine.runtime.log_writer.json_file import JsonFile
from kernel_engine.runtime.log_writer.poller import Poller

#: read at one wake-up: a container that prints without end gets no more than its turn
PIECE = 16 * 1024
#: input that the process has not read yet; more is left in the client's socket
BACKLOG = 256 * 1024
#: what an ended process may leave in its pipes (64 KiB each, a few may be larger)
REMAINS = 1024 * 1024


class Stream:
    """Known by the process's id. Clients may come before the process has descriptors (`adopt`).

    They are let go when the daemon releases the process, so that a client that asks for the exit code then finds it;
    where no daemon is there, as soon as the streams have ended.
    """

    def __init__(
        self,
        id: str,
        poller: Poller,
        *,
        daemon_is_there: Callable[[], bool],
        on_drained: Callable[[Stream], None],
        on_left: Callable[[Attachment], None],
        on_stdin_closed: Callable[[str], None],
    ) -> None:
        self.id = id
        self.poller = poller
        self.adopted = False
        self.stdin_closed = False
        self.attachments: list[Attachment] = []
        self._daemon_is_there = daemon_is_there
        self._on_drained = on_drained
        self._on_left = on_left
        self._on_stdin_closed = on_stdin_closed
        self._sources: dict[str, int] = {}
        self._sink: int | None = None
        self._log: JsonFile | None = None
        self._stdin_once = False
        self._backlog = bytearray()
        self._closing_stdin = False
        self._held_back = False
        self._allowance = Allowance()
        self._resting = False

    # the process's side -----------------------------------------------------------------------------------------
    def adopt(self, descriptors: dict[str, int], log: JsonFile | None, *, stdin_once: bool) -> None:
        """`descriptors`: of "stdin", "stdout", "stderr", "console". Takes them over."""
        self.adopted = True
        self._log, self._stdin_once = log, stdin_once
        for fd in descriptors.values():
            os.set_blocking(fd, False)
        self._sources = {name: fd for name, fd in descriptors.items() if name != "stdin"}
        self._sink = descriptors.get("console", descriptors.get("stdin"))
        self._watch_all()
        for attachment in tuple(self.attachments):
            attachment.begin()
        self._push()
        if self.drained:
            self._all_ended()

    @property
    def is_terminal(self) -> bool:
        return "console" in self._sources

    @property
    def drained(self) -> bool:
        return self.adopted and not self._sources

    @property
    def takes_input(self) -> bool:
        return self.adopted and len(self._backlog) < BACKLOG

    @property
    def settled(self) -> bool:
        """Nothing is on its way: what clients typed is with the process, what it printed is with them."""
        return not (
            self._backlog
            or any(_readable(fd) for fd in self._sources.values())
            or any(attachment.busy for attachment in self.attachments)
        )

    def resize(self, rows: int, columns: int) -> None:
        if (console := self._sources.get("console")) is not None:
            fcntl.ioctl(console, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_remains(self) -> None:
        """The process is gone: what it left in its pipes goes to the log, even where a client lags behind."""
        left = REMAINS if self._held_back or self._resting else 0
        for name in tuple(self._sources):
            while left > 0 and name in self._sources and _readable(self._sources[name]):
                self._read(name)
                left -= PIECE

    def close(self, message: bytes = b"") -> None:
        """The process is gone and forgotten: everybody is let go, the log closed."""
        self.read_remains()
        for name in tuple(self._sources):
            self._close_source(name)
        self._close_sink()
        self.let_go(message)
        if self._log is not None:
            self._log.close()
            self._log = None

    # clients' side ----------------------------------------------------------------------------------------------
    def logged(self, attachment: Attachment) -> tuple[int, int] | None:
        """Up to where the log holds what this client, which is attached from now on, does not get: inode and bytes.
        The beginning of a line that the log does not have yet it gets now. None where there is no log."""
        if self._log is None:
            return None
        for source, data in self._log.waiting.items():
            attachment.output(source, data)
        return self._log.end

    def attach(self, attachment: Attachment) -> None:
        self.attachments.append(attachment)
        if self.adopted:
            attachment.begin()

    def let_go(self, message: bytes = b"") -> None:
        """Every client gets what is left for it, and `message`; then its socket is closed."""
        for attachment in tuple(self.attachments):
            attachment.say(message)
            attachment.finish()

    def input(self, data: bytes) -> None:
        self._backlog += data
        self._push()

    def input_ended(self) -> bool:
        """A client closed its sending side. Whether that is the end of the process's input (stdin_once, no
        terminal); else the process may be typed to by others, and Docker lets this client go."""
        if not self._stdin_once or self.is_terminal:
            return False
        self._closing_stdin = True
        self._push()
        return True

    def left(self, attachment: Attachment) -> None:
        if attachment in self.attachments:
            self.attachments.remove(attachment)
        self._on_left(attachment)
        self.balance()

    def balance(self) -> None:
        """Output is read only while every client keeps up."""
        if self._held_back and all(attachment.caught_up for attachment in self.attachments):
            self._held_back = False
            self._watch_all()

    # bytes ------------------------------------------------------------------------------------------------------
    def _watch_all(self) -> None:
        for name in self._sources:
            self._watch(name)

    def _watch(self, name: str) -> None:
        fd = self._sources[name]
        pushes = fd == self._sink and bool(self._backlog)
        self.poller.want(
            fd,
            read=None if self._held_back or self._resting else lambda: self._read(name),
            write=self._push if pushes else None,
        )

    def _read(self, name: str) -> None:
        try:
            data = os.read(self._sources[name], PIECE)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose last other side has closed
                raise
            data = b""
        if not data:
            return self._source_ended(name)
        if self._log is not None:
            self._rest(self._allowance.spend(self._log.write("stderr" if name == "stderr" else "stdout", data)))
        for attachment in tuple(self.attachments):
            attachment.output(name, data)
        if not self._held_back and any(attachment.lagging for attachment in self.attachments):
            self._held_back = True
            self._watch_all()
        return None

    def _rest(self, seconds: float) -> None:
        if seconds > 0 and not self._resting:
            self._resting = True
            self._watch_all()
            self.poller.later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        self._watch_all()

    def _source_ended(self, name: str) -> None:
        self._close_source(name)
        if not self._sources:
            self._all_ended()

    def _all_ended(self) -> None:
        if self._log is not None:
            self._log.flush()
        if not self._daemon_is_there():
            self.let_go()
        self._on_drained(self)

    def _close_source(self, name: str) -> None:
        fd = self._sources.pop(name)
        if fd == self._sink:
            self._sink = None
            self._backlog.clear()
        self.poller.forget(fd)
        os.close(fd)

    def _push(self) -> None:
        """Input to the process, as far as it takes it."""
        if self._sink is None:
            if self.adopted:
                self._backlog.clear()
            return
        try:
            while self._backlog and (written := os.write(self._sink, self._backlog)):
                del self._backlog[:written]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads any more
            self._backlog.clear()
            self._closing_stdin = True
        if self.is_terminal:
            self._watch("console")
        elif self._closing_stdin and not self._backlog:
            self._close_sink()
        else:
            self.poller.want(self._sink, write=self._push if self._backlog else None)
        self._let_type()

    def _close_sink(self) -> None:
        if self._sink is None or self._sink in self._sources.values():
            return
        self.poller.forget(self._sink)
        os.close(self._sink)
        self._sink = None
        self.stdin_closed = True
        self._on_stdin_closed(self.id)

    def _let_type(self) -> None:
        for attachment in self.attachments:
            attachment.watch()


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
