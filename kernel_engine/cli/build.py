"""`docker build`: options and context to POST /build, and what comes back to the screen.

What the engine builds is its affair; here the words are read as Docker's client reads them. `builder prune` is in
`prune.py`.
"""

from __future__ import annotations

import os
import sys
from itertools import chain

from kernel_engine.cli.build_output import Output, place_of
from kernel_engine.cli.cell import listens
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused
from kernel_engine.client import APIError
from kernel_engine.client.context import Context, ContextError, compressed, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from kernel_engine.cli.grammar import Call, Parsed

PROGRESS = ("auto", "plain", "tty")
SENDING = "Sending build context to Docker daemon"
#: bytes between two looks at how much has been sent
STRIDE = 512 * 1024
EPOCH = "SOURCE_DATE_EPOCH"


def build(call: Call) -> int:
    words, version = call.words, call.client.version
    _refuse(words)
    query = build_query(words, os.environ)
    quiet, terminal = words["quiet"], sys.stdout.isatty()
    if words["iidfile"]:
        _forget(words["iidfile"])
    tells = words["progress"] == "plain" or (terminal and not quiet)
    query["kernel-engine-steps"] = tells or listens() or None
    output = Output(quiet=quiet, coloured=terminal and words["progress"] != "plain", tells=tells)
    try:
        context = prepare(call.arguments[0], words["file"], sys.stdin.buffer, _warn)
        if words["compress"]:
            context.pieces = compressed(context.pieces)
        body = None if context.remote else _sent(context, shown=not quiet, terminal=terminal)
        query |= {"dockerfile": context.dockerfile or None, "remote": context.remote or None}
        if words["secret"]:
            from kernel_engine.cli.build_secrets import hand_over

            query["kernel-engine-secrets"] = hand_over(call.client, words["secret"])
        with call.client.post("/build", query=query, body=body, headers=_registries()) as response:
            output.show(response.objects())
    except ContextError as error:
        raise Failed(error.message) from error
    except APIError as error:
        if call.client.version != version and "-" not in (call.arguments[0], words["file"]):
            return build(call)  # an older server has said which version it speaks; a stream is not sent again by itself
        output.line = error.line
        message = f"Error response from daemon: {error.message}"
        raise Failed(message + place_of(context, output, error.message), about=error.message) from error
    if output.error:
        raise _failure(context, output)
    return _finish(words, output)


def _failure(context: Context, output: Output) -> Failed:
    """How a build ends that a step has failed; a quiet one has kept what it said."""
    about = f"{output.error}\n{output.instruction}" if output.instruction else output.error
    return Failed(output.held() + output.error + place_of(context, output, output.error), output.code, about=about)


def _finish(words: Parsed, output: Output) -> int:
    image = output.image or output.held().strip()  # all that a quiet build says
    if words["iidfile"]:
        if not image:
            raise Failed(f"Server did not provide an image ID. Cannot write {words['iidfile']}")
        try:
            with open(words["iidfile"], "w", encoding="utf-8") as file:
                file.write(image)
        except OSError as error:
            raise Failed(f"open {words['iidfile']}: {_reason(error)}") from error
    if words["quiet"]:
        print(image)
    return 0


def _refuse(words: Parsed) -> None:
    """What Docker knows and this engine does not do, or not without a mode that it has not."""
    if words["squash"]:
        raise Failed('"--squash" is only supported on a Docker daemon with experimental features enabled')
    if words["ssh"]:
        raise Failed("--ssh is not supported by this engine: it does not forward an SSH agent into a build")
    if words["output"]:
        raise Failed("--output is not supported by this engine: the result of a build is always an image")
    if words["progress"] not in PROGRESS:
        choices = ", ".join(PROGRESS)
        raise Misused(f'invalid argument "{words["progress"]}" for "--progress" flag: must be one of {choices}')


def build_query(words: Parsed, environment: Mapping[str, str]) -> dict[str, Any]:
    """The query of POST /build. Misused for values that Docker's client refuses."""
    from kernel_engine.cli.body import extra_host, ulimit
    from kernel_engine.cli.refusals import check_extra_hosts

    check_extra_hosts(words["add-host"])
    return {
        "version": 1,
        "t": [_tag(item) for item in words["tag"]],
        "q": words["quiet"] or None,
        "nocache": words["no-cache"] or None,
        "pull": words["pull"] or None,
        "rm": words["rm"],
        "forcerm": words["force-rm"] or None,
        "buildargs": _json(build_arguments(words["build-arg"], environment)),
        "labels": _json(_labels(words["label"])),
        "target": words["target"] or None,
        "platform": words["platform"] or None,
        "networkmode": words["network"] or None,
        "extrahosts": [extra_host(item) for item in words["add-host"]],
        "securityopt": words["security-opt"],
        "cachefrom": _json(words["cache-from"]),
        "memory": words["memory"],
        "memswap": words["memory-swap"],
        "cpushares": words["cpu-shares"],
        "cpuperiod": words["cpu-period"],
        "cpuquota": words["cpu-quota"],
        "cpusetcpus": words["cpuset-cpus"] or None,
        "cpusetmems": words["cpuset-mems"] or None,
        "shmsize": words["shm-size"],
        "ulimits": _json([ulimit(item) for item in words["ulimit"]]),
    }


def build_arguments(given: list[str], environment: Mapping[str, str]) -> dict[str, str | None]:
    """`A=b` as it is; `A` with our own value of it, None where we have none: then the Dockerfile's default counts."""
    arguments: dict[str, str | None] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not name:
            raise Misused(f'invalid argument "{item}" for "--build-arg" flag: invalid environment variable: {item}')
        arguments[name] = value if equals else environment.get(name)
    if EPOCH in environment:
        arguments.setdefault(EPOCH, environment[EPOCH])
    return arguments


def _labels(given: list[str]) -> dict[str, str]:
    labels = {}
    for item in given:
        name, _, value = item.partition("=")
        if not name:
            raise Misused(f'invalid argument "{item}" for "--label" flag: invalid label \'{item}\': empty name')
        labels[name] = value
    return labels


def _tag(text: str) -> str:
    if _is_plain(text):  # most are, and the grammar costs more than the rest of the command
        return text
    from kernel_engine.errors import InvalidRequest
    from kernel_engine.formats.reference import parse

    try:
        parse(text)
    except InvalidRequest as error:
        raise Misused(f'invalid argument "{text}" for "-t, --tag" flag: {error.message}') from error
    return text


def _is_plain(text: str) -> bool:
    """`app`, `me/app:1.0`: letters and digits that need no judge."""
    name, colon, version = text.partition(":")
    return (
        text.isascii()
        and name.islower()
        and len(name) < 64
        and all(part.isalnum() for part in name.split("/"))
        and ((version.replace(".", "0").isalnum() and not version.startswith(".") and len(version) <= 128) or not colon)
    )


def _json(value: Any) -> str | None:
    import json

    return json.dumps(value, separators=(",", ":")) if value else None


def _registries() -> dict[str, str]:
    """Our credentials for the images that the build may pull."""
    from kernel_engine.client.credentials import CredentialsError, config_header

    try:
        return config_header()
    except CredentialsError as error:
        raise Failed(str(error)) from error


def _sent(context: Context, *, shown: bool, terminal: bool) -> Iterator[bytes]:
    """The pieces, with a line that says how much is on its way.

    The first piece is made here already, so that a small context that cannot be read is refused before
    anything is sent.
    """
    first = next(context.pieces, b"")
    pieces = chain((first,), context.pieces)
    return _counted(pieces, terminal) if shown else pieces


def _counted(pieces: Iterator[bytes], terminal: bool) -> Iterator[bytes]:
    from kernel_engine.formats.sizes import human_size

    total = said = 0
    for piece in pieces:
        yield piece
        total += len(piece)
        if terminal and total - said > STRIDE:
            said = total
            print(f"{SENDING} {human_size(total):>8}", end="\r", flush=True)
    print(f"{SENDING} {human_size(total):>8}", flush=True)


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _forget(path: str) -> None:
    """An image ID of an earlier build must not look like this one's."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Failed(f"removing image ID file: remove {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
