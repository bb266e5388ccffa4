"""Our standard streams, terminal and signals on one container: what run, attach and `start -a` share."""

from __future__ import annotations

import os
import select
import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.streams import DetachKeys, Relay, detach_sequence
from kernel_engine.cli.terminal import RawTerminal, Signals, window_size
from kernel_engine.client import APIError, EngineUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from kernel_engine.client import Client, Response


class Attachment:
    """Connected when made; the terminal is raw and signals are passed on inside the `with` block.

    `streams`: whether stdin, stdout and stderr are wanted; `keys`: --detach-keys; `forward`: pass signals on.
    """

    def __init__(
        self,
        client: Client,
        container: str,
        *,
        tty: bool,
        streams: tuple[bool, bool, bool],
        keys: str = "",
        forward: bool = True,
    ) -> None:
        stdin, stdout, stderr = streams
        sequence = detach_keys(keys)
        query = {
            "stream": True,
            "stdin": stdin or None,
            "stdout": stdout or None,
            "stderr": stderr or None,
            "detachKeys": keys or None,
        }
        self._stream = client.hijack(f"/containers/{container}/attach", query=query)
        self._stdin = stdin
        self._tty = tty
        self._keys = DetachKeys(sequence) if tty and stdin else None
        self._resize = Resizer(client, f"/containers/{container}/resize") if tty and os.isatty(1) else None
        # on a raw terminal Ctrl+C goes in as a byte; these are the signals that others send us
        sender = Forwarder(client, container).send if forward else None
        self.signals = Signals(sender, self._resize.now if self._resize else None)
        self._raw = RawTerminal(tty and stdin)
        self.detached = False

    def __enter__(self) -> Attachment:
        self.signals.__enter__()
        self._raw.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()
        self._raw.__exit__(kind, value, at)
        self.signals.__exit__(kind, value, at)

    def run(self, *, redraw: bool = False) -> None:
        """Until the output ends. `redraw` changes the size twice, so that the program inside draws its screen anew."""
        if self._resize is not None:
            if redraw:
                self._resize.now(more=1)
            self._resize.now()
        relay = Relay(
            self._stream,
            stdin=self._stdin,
            framed=not self._tty,
            keys=self._keys,
            wake=self.signals.descriptor,
            on_wake=self.signals.handle,
        )
        relay.run()
        self.detached = relay.detached
        self._raw.__exit__(None, None, None)


class Forwarder:
    """Sends our signals on to the container's first process."""

    def __init__(self, client: Client, container: str) -> None:
        self._client = client
        self._container = container

    def send(self, name: str) -> None:
        try:
            self._client.post(f"/containers/{self._container}/kill", query={"signal": name}).read()
        except (APIError, EngineUnreachable):
            pass  # it has not started yet or has ended already


class Resizer:
    """Tells the terminal inside how large ours is."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path

    def now(self, more: int = 0) -> None:
        rows, columns = window_size()
        if not rows and not columns:
            return
        try:
            self._client.post(self._path, query={"h": rows + more, "w": columns + more}).read()
        except (APIError, EngineUnreachable):
            pass  # the process has ended


def detach_keys(text: str) -> bytes:
    try:
        return detach_sequence(text)
    except ValueError as error:
        raise Failed(f"invalid detach keys provided: {error}", 125) from error


def await_exit(waiting: Response, signals: Signals) -> int:
    """The exit code that the wait request answers with; signals are passed on meanwhile."""
    poll = select.poll()
    poll.register(waiting.fileno(), select.POLLIN)
    if signals.descriptor >= 0:
        poll.register(signals.descriptor, select.POLLIN)
    while not waiting.buffered:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if signals.descriptor in ready:
            signals.handle()
        if waiting.fileno() in ready:
            break
    return exit_code(waiting.json())


def exit_code(answer: Any) -> int:
    error = (answer.get("Error") or {}).get("Message")
    if error:
        print(f"Error waiting for container: {error}", file=sys.stderr)
        return 125
    return int(answer["StatusCode"])
