"""`docker run` and `docker create`: create, attach, wait, start, relay, and the exit code.

The order matters: the connection for the output and the one that waits for the end stand before the start, so that
nothing of a program that ends at once is lost.
"""

from __future__ import annotations

import os
import sys

from kernel_engine.cli.attachment import Attachment, await_exit
from kernel_engine.cli.body import attached_streams, create_body
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused
from kernel_engine.cli.terminal import need_terminal, window_size
from kernel_engine.client import APIError, Client, EngineUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_engine.cli.grammar import Call, Parsed

PULL = ("always", "missing", "never")
NOT_FOUND = ("executable file not found", "no such file or directory", "system cannot find the file specified")
NOT_ALLOWED = ("permission denied", "is a directory")


def run(call: Call, begin: Callable[[Client, str], None] | None = None) -> int:
    """The container's own exit code; 125, 126 or 127 when it could not be started. begin: starts it instead of a plain
    request, before our terminal becomes the container's."""
    words = call.words
    if words["detach"] and words["attach"]:
        raise Failed("conflicting options: cannot specify both --attach and --detach")
    refusal = "" if words["detach"] else need_terminal(words["interactive"], words["tty"])
    if refusal:
        raise Failed(refusal)
    with RunErrors(call.path):
        container = create_container(call.client, words, detached=words["detach"])
        started = _detached if words["detach"] else _attached
        try:
            return started(call.client, words, container, begin)
        finally:
            # a start that failed is explained as well
            if words["explain"]:
                from kernel_engine.cli.explain import show

                show(call.client, container)


def create(call: Call) -> int:
    """Prints the new container's id."""
    try:
        with RunErrors(call.path, named=False):
            print(create_container(call.client, call.words, detached=False))
    except Failed as failure:
        failure.code = 1 if failure.code == 125 and not failure.message.startswith("invalid argument") else failure.code
        raise
    return 0


class RunErrors:
    """Errors inside the block in the form that `docker run` gives them, with its exit codes."""

    def __init__(self, path: str, *, named: bool = True) -> None:
        self._path = path
        self._named = named

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        if isinstance(error, Misused):
            usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]"
            see = f"Run 'docker {self._path} --help' for more information"
            raise Failed(f"{error}\n\nUsage:  docker {self._path} {usage}\n\n{see}", 125, about=str(error)) from error
        if not isinstance(error, APIError | EngineUnreachable | Failed):
            return
        message = error.message
        about = error.about if isinstance(error, Failed) else message
        if isinstance(error, APIError):
            message = f"Error response from daemon: {message}"
        if self._named and not message.endswith("for more information"):
            message = f"docker: {message}\n\nRun 'docker run --help' for more information"
        code = 125 if isinstance(error, Failed | EngineUnreachable) else start_code(error.message)
        raise Failed(message, code, about=about) from error


def start_code(message: str) -> int:
    """The exit code that Docker's command reads off the engine's text."""
    if any(text in message for text in NOT_FOUND):
        return 127
    if any(text in message for text in NOT_ALLOWED):
        return 126
    return 125


def create_container(client: Client, words: Parsed, *, detached: bool) -> str:
    """The new container's id. An image that is not there is pulled first, as --pull says."""
    _check(words)
    body = create_body(words, detached=detached, console=window_size())
    path = words["cidfile"]
    if path and os.path.exists(path):
        raise Failed(f"container ID file found, make sure the other container isn't running or delete {path}", 125)
    if words["pull"] == "always":
        _pull(client, words)
    query = {"name": words["name"] or None, "platform": words["platform"] or None}
    try:
        created = client.post("/containers/create", query=query, body=body).json()
    except APIError as error:
        missing = "No such image" in error.message or "does not match the specified platform" in error.message
        if error.status != 404 or words["pull"] != "missing" or not missing:
            raise
        if not words["quiet"]:
            print(f"Unable to find image '{familiar(body['Image'])}' locally", file=sys.stderr, flush=True)
        _pull(client, words)
        created = client.post("/containers/create", query=query, body=body).json()
    for warning in created.get("Warnings") or ():
        print(f"WARNING: {warning}", file=sys.stderr, flush=True)
    if path:
        with open(path, "x", encoding="utf-8") as file:
            file.write(created["Id"])
    return str(created["Id"])


def _check(words: Parsed) -> None:
    if words["pull"] not in PULL:
        raise Failed(f'invalid pull option: \'{words["pull"]}\': must be one of "always", "missing" or "never"', 125)
    if words["rm"] and words["restart"] not in ("", "no"):
        raise Failed("conflicting options: cannot specify both --restart and --rm", 125)
    image = words.arguments[0]
    if not (image.isascii() and image.replace("/", "").replace(".", "").replace("-", "").isalnum() and image.islower()):
        familiar(image)  # an odd one: let the grammar judge it before the engine is asked


def familiar(image: str) -> str:
    """`busybox:latest` for `busybox`; Failed with Docker's text when it is no reference."""
    from kernel_engine.errors import InvalidRequest
    from kernel_engine.formats.reference import parse_any

    try:
        reference = parse_any(image)
    except InvalidRequest as error:
        raise Failed(error.message, 125) from error
    return reference if isinstance(reference, str) else reference.tagged().familiar


def _pull(client: Client, words: Parsed) -> None:
    from kernel_engine.cli.pull import pull_image

    pull_image(client, words.arguments[0], platform=words["platform"], quiet=words["quiet"], descriptor=2)


def _start(client: Client, container: str) -> None:
    client.post(f"/containers/{container}/start").read()


def _detached(client: Client, words: Parsed, container: str, begin: Callable[[Client, str], None] | None = None) -> int:
    print(container, flush=True)  # also of one that cannot be started, as Docker has it
    (begin or _start)(client, container)
    return 0


def _attached(client: Client, words: Parsed, container: str, begin: Callable[[Client, str], None] | None = None) -> int:
    removed = words["rm"]
    attachment = Attachment(
        client,
        container,
        tty=words["tty"],
        streams=attached_streams(words, detached=False),
        keys=words["detach-keys"],
        forward=words["sig-proxy"],
    )
    waiting = client.post(f"/containers/{container}/wait", query={"condition": "removed" if removed else "next-exit"})
    if begin is not None:
        begin(client, container)
    with attachment:
        try:
            if begin is None:
                _start(client, container)
        except APIError:
            if removed:
                waiting.read()
            raise
        attachment.run()
        return 0 if attachment.detached else await_exit(waiting, attachment.signals)
