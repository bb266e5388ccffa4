"""`docker start`: several containers, or one with our terminal on it."""

from __future__ import annotations

from kernel_engine.cli.attachment import Attachment, await_exit
from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.cli.grammar import Call


def start(call: Call) -> int:
    """Prints each started container's name; with -a or -i the container's exit code."""
    words = call.words
    if words["attach"] or words["interactive"]:
        if len(call.arguments) > 1:
            raise Failed("you cannot start and attach multiple containers at once")
        return _attached(call, call.arguments[0])
    errors: list[str] = []
    failed: list[str] = []
    for name in call.arguments:
        try:
            call.client.post(f"/containers/{name}/start").read()
            print(name, flush=True)
        except APIError as error:
            errors.append(error.message)
            failed.append(name)
    if failed:
        lines = [f"Error response from daemon: {text}" for text in errors]
        lines.append(f"Error: failed to start containers: {', '.join(failed)}")
        raise Failed("\n".join(lines), about=errors[0])
    return 0


def _attached(call: Call, name: str) -> int:
    words = call.words
    found = call.client.get(f"/containers/{name}/json").json()
    config = found["Config"]
    removed = found["HostConfig"].get("AutoRemove")
    attachment = Attachment(
        call.client,
        found["Id"],
        tty=config["Tty"],
        streams=(words["interactive"] and config["OpenStdin"], True, True),
        keys=words["detach-keys"],
    )
    path = f"/containers/{found['Id']}"
    with attachment:
        waiting = call.client.post(f"{path}/wait", query={"condition": "removed" if removed else "next-exit"})
        call.client.post(f"{path}/start").read()
        attachment.run()
        return 0 if attachment.detached else await_exit(waiting, attachment.signals)
