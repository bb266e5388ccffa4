"""Commands that do one thing to each of several containers and print its name: stop, restart, kill, rm and others."""

from __future__ import annotations

import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_engine.cli.grammar import Call, Parsed


#: what a function for `each` returns when there is nothing to print
SILENT = "\0"


def each(call: Call, do: Callable[[str], str | None]) -> int:
    """`do` for every argument, whatever became of the others.

    Prints what it returns (None: the argument, SILENT: nothing).
    """
    errors: list[str] = []
    for name in call.arguments:
        try:
            answer = do(name)
            if answer != SILENT:
                print(name if answer is None else answer, flush=True)
        except APIError as error:
            errors.append(error.message)
    if errors:
        raise Failed("\n".join(f"Error response from daemon: {text}" for text in errors), about=errors[0])
    return 0


def _posts(call: Call, verb: str, **query: object) -> int:
    def do(name: str) -> None:
        call.client.post(f"/containers/{name}/{verb}", query=query).read()

    return each(call, do)


def _seconds(words: Parsed) -> int | None:
    """`-t 5`, and `--time 5` as older texts write it. None: the container's own."""
    if "time" in words.given and "timeout" in words.given:
        raise Failed("conflicting options: cannot specify both --timeout and --time")
    value: int | None = words["time"] if "time" in words.given else words["timeout"]
    return value


def stop(call: Call) -> int:
    return _posts(call, "stop", t=_seconds(call.words), signal=call.words["signal"] or None)


def restart(call: Call) -> int:
    return _posts(call, "restart", t=_seconds(call.words), signal=call.words["signal"] or None)


def kill(call: Call) -> int:
    return _posts(call, "kill", signal=call.words["signal"] or None)


def pause(call: Call) -> int:
    return _posts(call, "pause")


def unpause(call: Call) -> int:
    return _posts(call, "unpause")


def wait(call: Call) -> int:
    def do(name: str) -> str:
        return str(call.client.post(f"/containers/{name}/wait").json()["StatusCode"])

    return each(call, do)


def update(call: Call) -> int:
    """New limits for containers that exist, whether they run or not."""
    from kernel_engine.cli.body import restart_policy, update_limits

    words = call.words
    if not words.given:
        raise Failed("you must provide one or more flags when using this command")
    body = update_limits(words)
    if words["restart"]:
        body["RestartPolicy"] = restart_policy(words["restart"])

    def do(name: str) -> None:
        for warning in call.client.post(f"/containers/{name}/update", body=body).json()["Warnings"] or ():
            print(warning, file=sys.stderr)

    return each(call, do)


def remove(call: Call) -> int:
    words = call.words
    query = {"v": words["volumes"] or None, "link": words["link"] or None, "force": words["force"] or None}
    missing: list[str] = []

    def do(name: str) -> str | None:
        name = name.strip("/")
        if not name:
            raise Failed("container name cannot be empty")
        try:
            call.client.delete(f"/containers/{name}", query=query).read()
        except APIError as error:
            # rm -f of what is not there is no failure, as with rm(1)
            if not (words["force"] and error.status == 404):
                raise
            missing.append(error.message)
            return SILENT
        return None

    code = each(call, do)
    for text in missing:
        print(f"Error response from daemon: {text}", file=sys.stderr)
    return code


def rename(call: Call) -> int:
    old, new = (name.strip() for name in call.arguments)
    if not old or not new:
        raise Failed("Error: Neither old nor new names may be empty")
    try:
        call.client.post(f"/containers/{old}/rename", query={"name": new}).read()
    except APIError as error:
        raise Failed(
            f"Error response from daemon: {error.message}\nError: failed to rename container named {old}",
            about=error.message,
        ) from error
    return 0
