"""`docker save`, `load`, `export` and `import`: images and file systems as files."""

from __future__ import annotations

import os
import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.client import EngineUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from kernel_engine.cli.grammar import Call
    from kernel_engine.client import Response

PIECE = 1 << 18


def save(call: Call) -> int:
    target = _target(call, "cowardly refusing to save to a terminal. Use the -o flag or redirect")
    with call.client.get("/images/get", query={"names": call.arguments}) as response:
        _write(response, target)
    return 0


def export(call: Call) -> int:
    target = _target(call, "cowardly refusing to save to a terminal. Use the -o flag or redirect")
    with call.client.get(f"/containers/{call.arguments[0]}/export") as response:
        _write(response, target)
    return 0


def _target(call: Call, refusal: str) -> str:
    """The file to write, "" for standard output, which must not be a terminal."""
    path: str = call.words["output"]
    if not path:
        if sys.stdout.isatty():
            raise Failed(refusal)
        return ""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Failed(f'invalid output path: directory "{folder}" does not exist')
    if os.path.isdir(path):
        raise Failed(f'invalid output path: "{path}" must be a file, not a directory')
    return path


def _write(response: Response, path: str) -> None:
    """A file appears whole or not at all."""
    if not path:
        for piece in response.pieces():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/null, a named pipe
        with open(path, "wb") as file:
            for piece in response.pieces():
                file.write(piece)
        return
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            for piece in response.pieces():
                file.write(piece)
        os.replace(temporary, path)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def load(call: Call) -> int:
    from kernel_engine.cli.pull import show

    words = call.words
    if words["input"]:
        source = _open(words["input"])
    else:
        if sys.stdin.isatty():
            raise Failed("requested load from stdin, but stdin is empty")
        source = sys.stdin.buffer
    query = {"quiet": "1" if words["quiet"] or not sys.stdout.isatty() else "0"}
    with source, call.client.post("/images/load", query=query, body=_pieces(source)) as response:
        show(response, quiet=False, descriptor=1)
    return 0


def import_(call: Call) -> int:
    from kernel_engine.cli.pull import read_reference

    words, place = call.words, call.arguments[0]
    query: dict[str, object] = {
        "fromSrc": place if "://" in place else "-",
        "message": words["message"] or None,
        "changes": words["change"],
        "platform": words["platform"] or None,
    }
    if len(call.arguments) > 1:
        reference = read_reference(call.arguments[1])
        query |= {"repo": reference.name, "tag": reference.tagged().tag}
    if "://" in place:
        response = call.client.post("/images/create", query=query)
    else:
        source = sys.stdin.buffer if place == "-" else _open(place)
        response = call.client.post("/images/create", query=query, body=_pieces(source))
    with response:
        for message in response.objects():
            if message.get("error"):
                raise Failed(message["error"])
            print(message["status"], flush=True)
    return 0


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise Failed(f"open {path}: {(error.strerror or '').lower()}") from error


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    try:
        while piece := source.read(PIECE):
            yield piece
    except OSError as error:
        raise EngineUnreachable(f"error reading the archive: {error.strerror}") from error
