"""`docker attach`: our terminal on a container that runs already."""

from __future__ import annotations

from kernel_engine.cli.attachment import Attachment, await_exit
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.terminal import need_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Call

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
    attachment = Attachment(
        call.client,
        found["Id"],
        tty=config["Tty"],
        streams=(stdin, True, True),
        keys=words["detach-keys"],
        forward=words["sig-proxy"],
    )
    with attachment:
        attachment.run(redraw=True)
        if attachment.detached:
            waiting.close()
            raise Failed(LEFT)
        return await_exit(waiting, attachment.signals)


def _cannot(state: dict[str, Any]) -> str:
    if not state["Running"]:
        return "You cannot attach to a stopped container, start it first"
    if state["Paused"]:
        return "You cannot attach to a paused container, unpause it first"
    if state["Restarting"]:
        return "You cannot attach to a restarting container, wait until it is running"
    return ""
