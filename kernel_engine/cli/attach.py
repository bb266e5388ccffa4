"""`docker attach`: our terminal on a container that runs already."""

from __future__ import annotations

import os

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.run import Forwarder, Resizer, await_exit, detach_keys
from kernel_engine.cli.streams import DetachKeys, Relay
from kernel_engine.cli.terminal import RawTerminal, Signals, need_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.main import Call
    from kernel_engine.client import Client

#: what Docker's own command says when the user has left by the detach keys
LEFT = "read escape sequence"


def attach(call: Call) -> int:
    """The container's exit code; 1 when the user left by the detach keys."""
    words = call.words
    name = call.arguments[0]
    found = call.client.get(f"/containers/{name}/json").json()
    refusal = _cannot(found["State"])
    if refusal:
        raise Failed(refusal)
    config = found["Config"]
    stdin = config["OpenStdin"] and not words["no-stdin"]
    refusal = need_terminal(not words["no-stdin"], config["Tty"])
    if refusal:
        raise Failed(refusal)
    waiting = call.client.post(f"/containers/{name}/wait")
    relay = Attachment(
        call.client, found["Id"], config, stdin=stdin, keys=words["detach-keys"], forward=words["sig-proxy"]
    )
    with relay:
        relay.run(redraw=True)
        if relay.detached:
            waiting.close()
            raise Failed(LEFT)
        return await_exit(waiting, relay.signals)


def _cannot(state: dict[str, Any]) -> str:
    if not state["Running"]:
        return "You cannot attach to a stopped container, start it first"
    if state["Paused"]:
        return "You cannot attach to a paused container, unpause it first"
    if state["Restarting"]:
        return "You cannot attach to a restarting container, wait until it is running"
    return ""


class Attachment:
    """Our standard streams on a container whose configuration is known: what attach and `start -a` share."""

    def __init__(
        self, client: Client, container: str, config: dict[str, Any], *, stdin: bool, keys: str, forward: bool
    ) -> None:
        tty = config["Tty"]
        sequence = detach_keys(keys)
        query = {"stream": True, "stdin": stdin or None, "stdout": True, "stderr": True, "detachKeys": keys or None}
        self._stream = client.hijack(f"/containers/{container}/attach", query=query)
        self._stdin = stdin
        self._tty = tty
        self._keys = DetachKeys(sequence) if tty and stdin else None
        self._resize = Resizer(client, f"/containers/{container}/resize") if tty and os.isatty(1) else None
        # on a terminal Ctrl+C goes in as a byte; only signals that others send us are passed on
        sender = Forwarder(client, container) if forward else None
        self.signals = Signals(sender and sender.send, self._resize and self._resize.now)
        self._raw = RawTerminal(tty and stdin)
        self.detached = False

    def __enter__(self) -> Attachment:
        self.signals.__enter__()
        self._raw.__enter__()
        return self

    def __exit__(self, kind: Any, value: Any, at: Any) -> None:
        self._stream.close()
        self._raw.__exit__(kind, value, at)
        self.signals.__exit__(kind, value, at)

    def run(self, *, redraw: bool = False) -> None:
        """Until the output ends. `redraw`: changes the size twice, so that the program inside draws its screen anew."""
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
