"""`docker exec`: one more process in a container that runs."""

from __future__ import annotations

import os

from kernel_engine.cli.attach import LEFT
from kernel_engine.cli.attachment import Resizer, detach_keys
from kernel_engine.cli.body import environment
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.streams import DetachKeys, Relay
from kernel_engine.cli.terminal import RawTerminal, Signals, need_terminal, window_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Call, Parsed

#: how the engine's refusal begins, which comes where the output would have come
REFUSED = b"OCI runtime exec failed"
#: bytes of the output of a `docker` in the container in which its words are looked for
REMEMBERED = 32768


def exec_(call: Call) -> int:
    """The process's exit code (126 and 127 when it could not be started); 0 with -d."""
    words = call.words
    name, *command = call.arguments
    body = exec_body(words, command)
    created = call.client.post(f"/containers/{name}/exec", body=body).json()
    path = f"/exec/{created['Id']}"
    if words["detach"]:
        call.client.post(f"{path}/start", body={"Detach": True, "Tty": words["tty"]}).read()
        return 0
    refusal = need_terminal(words["interactive"], words["tty"])
    if refusal:
        raise Failed(refusal)
    return _attached(call, path, nested=command[:1] == ["docker"])


def exec_body(words: Parsed, command: list[str]) -> dict[str, Any]:
    """The body of POST /containers/{id}/exec."""
    attached = not words["detach"]
    return {
        "User": words["user"],
        "Privileged": words["privileged"],
        "Tty": words["tty"],
        "ConsoleSize": list(window_size()) if words["tty"] else None,
        "AttachStdin": attached and words["interactive"],
        "AttachStdout": attached,
        "AttachStderr": attached,
        "DetachKeys": words["detach-keys"],
        "Env": environment(words["env"], words["env-file"]) or None,
        "WorkingDir": words["workdir"],
        "Cmd": command,
    }


def _attached(call: Call, path: str, *, nested: bool) -> int:
    """`nested`: the command is another `docker`, whose words get a Korean line, too."""
    words = call.words
    tty, stdin = words["tty"], words["interactive"]
    keys = DetachKeys(detach_keys(words["detach-keys"])) if tty and stdin else None
    size = window_size() if tty else (0, 0)
    body: dict[str, Any] = {"Detach": False, "Tty": tty}
    if size != (0, 0):
        body["ConsoleSize"] = list(size)
    stream = call.client.hijack(f"{path}/start", body=body)
    resize = Resizer(call.client, f"{path}/resize") if tty and os.isatty(1) else None
    with Signals(None, resize.now if resize else None) as signals, RawTerminal(tty and stdin):
        if resize is not None:
            resize.now()
        relay = Relay(
            stream, stdin=stdin, framed=not tty, keys=keys, wake=signals.descriptor, on_wake=signals.handle,
            remember=REMEMBERED if nested else 0,
        )  # fmt: skip
        relay.run()
        stream.close()
    if relay.detached:
        raise Failed(LEFT)
    code = int(call.client.get(f"{path}/json").json()["ExitCode"] or 0)
    if code in (126, 127) and REFUSED in relay.beginning:
        from kernel_engine.cli.korean import hint

        hint(relay.beginning.decode("utf-8", "replace"), ())
    elif nested:
        from kernel_engine.cli.nested import hint_inside

        hint_inside(relay.ending.decode("utf-8", "replace"), failed=code != 0)
    return code
