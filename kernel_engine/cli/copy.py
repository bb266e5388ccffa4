"""`docker cp`: between a container and this machine, by Docker's rules for names, slashes and links (pkg/archive).

The rules in short: what exists as a directory is copied into; what does not exist is what the copy is called; `x/.`
means what is in x; a name that ends in a slash must be a directory.
"""

from __future__ import annotations

import base64
import json
import os
import posixpath
import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError
from kernel_engine.client.copies import CopyError, pack, unpack
from kernel_engine.formats.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from kernel_engine.cli.grammar import Call

DIRECTORY, LINK = 1 << 31, 1 << 27  #: Go's fs.FileMode
MISSING_FOLDER = "no such directory"
CANNOT_COPY = "cannot copy directory"


def copy(call: Call) -> int:
    source, target = (split(word) for word in call.arguments)
    if source[0] and target[0]:
        raise Failed("copying between containers is not supported")
    if not source[0] and not target[0]:
        raise Failed("must specify at least one container source")
    try:
        if source[0]:
            return _from_container(call, *source, target[1])
        return _to_container(call, source[1], *target)
    except CopyError as error:
        raise Failed(str(error)) from error


def split(word: str) -> tuple[str, str]:
    """(container, path); the container is "" for a path of this machine."""
    if os.path.isabs(word):
        return "", word
    container, colon, path = word.partition(":")
    if not colon or container.startswith("."):
        return "", word
    return container, path


# out of a container ---------------------------------------------------------------------------------------------------
def _from_container(call: Call, container: str, path: str, target: str) -> int:
    rebase = ""
    if call.words["follow-link"]:
        found = _stat(call, container, path)
        if found["mode"] & LINK:
            link = found["linkTarget"]
            rebase, path = (posixpath.basename(path.rstrip("/")), link) if link else ("", path)
    with call.client.get(f"/containers/{container}/archive", query={"path": path}) as response:
        found = _header(response.headers)
        counted = _Counted(response.pieces())
        if target == "-":
            for piece in counted:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return 0
        is_directory = bool(found["mode"] & DIRECTORY)
        base = _base(path)
        folder, new = _destination(target, is_directory, rebase or base)
        unpack(counted, folder, base, new, keep_owners=call.words["archive"])
    _say(call, counted.size, target)
    return 0


def _destination(target: str, is_directory: bool, base: str) -> tuple[str, str]:
    """The directory to unpack into, and what the copy is called there."""
    if os.path.isdir(target):
        return target, base
    folder = os.path.dirname(os.path.abspath(target.rstrip("/") or "/"))
    if os.path.lexists(target):
        if is_directory:
            raise Failed(CANNOT_COPY)
    elif not os.path.isdir(folder):
        raise Failed(f'invalid output path: directory "{folder}" does not exist')
    elif target.endswith("/") and not is_directory:
        raise Failed(MISSING_FOLDER)
    return folder, os.path.basename(target.rstrip("/"))


# into a container -----------------------------------------------------------------------------------------------------
def _to_container(call: Call, source: str, container: str, path: str) -> int:
    path, found = _followed(call, container, path)
    exists = found is not None
    is_directory = found is not None and bool(found["mode"] & DIRECTORY)
    if source == "-":
        if not is_directory:
            raise Failed(f'destination "{container}:{path}" must be a directory')
        counted, folder = _Counted(_standard_input()), path
    else:
        local = os.path.realpath(source) if call.words["follow-link"] else source
        if not os.path.lexists(local):
            raise Failed(f"lstat {os.path.abspath(local)}: no such file or directory")
        folder, name = placed(source, os.path.isdir(local) and not os.path.islink(local), path, exists, is_directory)
        counted = _Counted(pack(local.rstrip("/") or "/", name))
    query = {"path": folder, "noOverwriteDirNonDir": "true", "copyUIDGID": "true" if call.words["archive"] else None}
    call.client.put(f"/containers/{container}/archive", query=query, body=iter(counted)).read()
    _say(call, counted.size, f"{container}:{path}")
    return 0


def placed(source: str, directory: bool, path: str, exists: bool, is_directory: bool) -> tuple[str, str]:
    """The container's directory to unpack into, and the name in the archive (PrepareArchiveCopy)."""
    source_base = (
        "."
        if (directory and source.endswith(("/.", "/.."))) or source == "."
        else os.path.basename(os.path.abspath(source))
    )
    if exists and is_directory:
        return path, source_base
    if exists and directory:
        raise Failed(CANNOT_COPY)
    if not exists and path.endswith("/") and not directory:
        raise Failed(MISSING_FOLDER)
    return posixpath.dirname(path.rstrip("/")) or "/", posixpath.basename(path.rstrip("/"))


def _followed(call: Call, container: str, path: str) -> tuple[str, dict[str, Any] | None]:
    """The destination, its last link followed; None for what is not there."""
    try:
        found = _stat(call, container, path)
        if found["mode"] & LINK:
            path = posixpath.join(posixpath.dirname(path), found["linkTarget"])
            found = _stat(call, container, path)
    except APIError as error:
        if error.status == 404:  # an answer to HEAD has no words: where the container is what is missing, PUT says so
            return path, None
        raise
    return path, found


def _stat(call: Call, container: str, path: str) -> dict[str, Any]:
    response = call.client.head(f"/containers/{container}/archive", query={"path": path})
    return _header(response.headers)


def _header(headers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(headers["x-docker-container-path-stat"]))
    return found


def _base(path: str) -> str:
    """What the engine calls the copy (Go's filepath.Base with a trailing `/.` kept)."""
    if path.endswith("/."):
        return "."
    return posixpath.basename(path.rstrip("/")) or "/"


def _standard_input() -> Iterator[bytes]:
    while piece := sys.stdin.buffer.read(1 << 18):
        yield piece


class _Counted:
    """Pieces that are counted as they go."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            yield piece


def _say(call: Call, size: int, target: str) -> None:
    if not call.words["quiet"]:
        print(f"Successfully copied {human_size(size, 3)} to {target}", file=sys.stderr)
