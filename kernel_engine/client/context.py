"""The context of a build: which files `docker build` sends, and where its Dockerfile is.

A directory becomes a tar stream that is made while it is sent: sorted, owned by root, without what .dockerignore
leaves out. The texts of errors are those of Docker's client.
"""

from __future__ import annotations

import os
import stat
from errno import ENODATA, ENOTSUP
from itertools import chain

from kernel_engine.client import tar
from kernel_engine.errors import EngineError
from kernel_engine.formats import ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

DOCKERFILE = "Dockerfile"
#: bytes that are sent at once, and read at once from a big file
PIECE = 128 * 1024
BIG_PIECE = 1024 * 1024
CAPABILITY = "security.capability"
#: what gzip, bzip2, xz and zstd begin with
COMPRESSED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
GIT = ("git://", "github.com/", "git@")
URL = ("http://", "https://")


class ContextError(EngineError):
    """Nothing can be sent; Docker's sentence."""


class Context:
    """`pieces`: a tar archive, b"" pieces never; empty for a `remote` one. `dockerfile`: its name inside.

    `place`: the Dockerfile on this machine, "" where it is not a file here; `text`: its content where it came on stdin.
    """

    __slots__ = ("dockerfile", "pieces", "place", "remote", "text")

    def __init__(
        self, pieces: Iterator[bytes], dockerfile: str, *, remote: str = "", place: str = "", text: bytes | None = None
    ) -> None:
        self.pieces = pieces
        self.dockerfile = dockerfile
        self.remote = remote
        self.place = place
        self.text = text

    def source(self) -> bytes | None:
        """The Dockerfile's text where it is here."""
        if self.text is not None or not self.place:
            return self.text
        try:
            with open(self.place, "rb") as file:
                return file.read()
        except OSError:
            return None


def prepare(source: str, dockerfile: str, stdin: BinaryIO, warn: Callable[[str], None]) -> Context:
    """`source` is the command's argument (directory, URL or -), `dockerfile` what -f says ("" = nothing)."""
    if dockerfile == "-" == source:
        raise ContextError("invalid argument: can't use stdin for both build context and dockerfile")
    if source == "-":
        return _from_stdin(stdin, dockerfile)
    if source and os.path.exists(source):
        return _from_directory(source, dockerfile, stdin, warn)
    if source.startswith((*GIT, *URL)):
        if dockerfile == "-":
            raise ContextError(f"the Dockerfile of {source} cannot come on stdin: it is read by the engine")
        return Context(iter(()), dockerfile, remote=source)
    raise ContextError(f'unable to prepare context: path "{source}" not found')


def _from_stdin(stdin: BinaryIO, dockerfile: str) -> Context:
    beginning = b""
    while len(beginning) < tar.BLOCK and (data := stdin.read(tar.BLOCK - len(beginning))):
        beginning += data
    if beginning.startswith(COMPRESSED) or tar.is_header(beginning):
        return Context(_rest_of(beginning, stdin), dockerfile or DOCKERFILE)
    text = beginning + stdin.read()
    if not text:
        raise ContextError("unable to prepare context: failed to read build context from stdin: EOF")
    return Context(iter((_file(DOCKERFILE.encode(), text) + tar.END,)), DOCKERFILE, text=text)


def _rest_of(beginning: bytes, stdin: BinaryIO) -> Iterator[bytes]:
    yield beginning
    while data := stdin.read(PIECE):
        yield data


def _from_directory(source: str, dockerfile: str, stdin: BinaryIO, warn: Callable[[str], None]) -> Context:
    root = os.path.realpath(source)
    if not os.path.isdir(root):
        raise ContextError(f"unable to prepare context: context must be a directory: {root}")
    if dockerfile == "-":
        place, name, text = "", "-", stdin.read()
    else:
        place = _find_dockerfile(root, dockerfile)
        name, text = os.path.relpath(place, root), None
    own = f"{place}.dockerignore" if place else ""
    patterns, ignored_by = _ignore_patterns(own, os.path.join(root, ignore.FILE))
    added: dict[str, bytes] = {}
    if name == "-" or name.startswith("../"):
        content = text if text is not None else _read(place)
        name, added = _brought_along(content, root, ignored_by if ignored_by == own else "")
        patterns += tuple(f"!{item}" for item in added)
    try:
        rules = ignore.Rules(ignore.with_build_files(patterns, name))
    except ignore.BadPattern as error:
        raise ContextError(f"error checking context: {error}") from None
    return Context(pack(root, rules, added, warn), name, place=place, text=text)


def _find_dockerfile(root: str, given: str) -> str:
    """Its absolute path, symbolic links followed."""
    path = os.path.abspath(given) if given else os.path.join(root, DOCKERFILE)
    if not given and not os.path.lexists(path) and os.path.lexists(os.path.join(root, DOCKERFILE.lower())):
        path = os.path.join(root, DOCKERFILE.lower())
    try:
        return os.path.realpath(path, strict=True)
    except OSError as error:
        reason = f"lstat {os.fsdecode(error.filename)}: {_reason(error)}"
        raise ContextError(
            f"unable to prepare context: unable to evaluate symlinks in Dockerfile path: {reason}"
        ) from None


def _ignore_patterns(*places: str) -> tuple[tuple[str, ...], str]:
    """Those of the first file that there is, and which it was: the Dockerfile's own one comes before the context's."""
    for place in places:
        try:
            with open(place, "rb") as file:
                return ignore.read(file.read()), place
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ContextError(f"open {place}: {_reason(error)}") from None
    return (), ""


def _brought_along(content: bytes, root: str, own_ignore: str) -> tuple[str, dict[str, bytes]]:
    """A Dockerfile from outside the context: its name inside, and what is added so that nothing copies it.

    The name comes from the content, so that the same build is the same to the cache.
    """
    from hashlib import sha256

    name = f".dockerfile.{sha256(content).hexdigest()[:20]}"
    if own_ignore:
        kept = f"{name}{ignore.FILE}"
        return name, {name: content, kept: b"%b\n%b\n%b\n" % (_read(own_ignore), name.encode(), kept.encode())}
    try:
        before = _read(os.path.join(root, ignore.FILE))
    except ContextError:
        before = ignore.FILE.encode()
    return name, {name: content, ignore.FILE: b"%b\n%b\n" % (before, name.encode())}


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ContextError(f"unable to open Dockerfile: open {path}: {_reason(error)}") from None


def compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same archive in gzip; one that is compressed already stays as it is."""
    import zlib

    first = next(pieces, b"")
    if first.startswith(COMPRESSED):
        yield first
        yield from pieces
        return
    squeeze = zlib.compressobj(wbits=31)  # gzip without a time: the same context is the same bytes
    for piece in chain((first,), pieces):
        if data := squeeze.compress(piece):
            yield data
    yield squeeze.flush()


def pack(root: str, rules: ignore.Rules, added: Mapping[str, bytes], warn: Callable[[str], None]) -> Iterator[bytes]:
    """The archive in pieces. ContextError for what cannot be read; `warn` gets a line for what cannot be sent."""
    buffer = bytearray()
    skipped = {name.encode() for name in added}
    for name, item in _walk(os.fsencode(root), rules):
        if name in skipped:
            continue
        if item.is_file(follow_symlinks=False):
            yield from _send_file(name, item.path, buffer, warn)
        else:
            buffer += _special(name, item, warn)
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    for name_text, content in added.items():
        buffer += _file(name_text.encode(), content)
    yield bytes(buffer + tar.END)


def _walk(root: bytes, rules: ignore.Rules) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    """What is sent, each directory before what is in it; names relative to the root."""
    sifted = bool(rules)
    open_directories = [(b"", iter(_listed(root)))]
    while open_directories:
        prefix, items = open_directories[-1]
        item = next(items, None)
        if item is None:
            open_directories.pop()
            continue
        name = prefix + item.name
        is_directory = item.is_dir(follow_symlinks=False)
        if not sifted or not rules.excludes(os.fsdecode(name)):
            yield name, item
        elif not is_directory or rules.closes(os.fsdecode(name)):
            continue
        if is_directory:
            open_directories.append((name + b"/", iter(_listed(item.path))))


def _listed(directory: bytes) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(directory) as items:
            return sorted(items, key=lambda item: item.name)
    except PermissionError:
        raise ContextError(f"error checking context: can't stat '{os.fsdecode(directory)}'") from None
    except FileNotFoundError:
        return []  # it has gone meanwhile
    except OSError as error:
        raise ContextError(f"error checking context: open {os.fsdecode(directory)}: {_reason(error)}") from None


def _send_file(name: bytes, path: bytes, buffer: bytearray, warn: Callable[[str], None]) -> Iterator[bytes]:
    """Header and content: a small file goes to the buffer, a big one goes out as it is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        raise ContextError(f"error checking context: no permission to read from '{os.fsdecode(path)}'") from None
    except OSError as error:
        return warn(f"Can't add file {os.fsdecode(path)} to tar: {_reason(error)}")
    try:
        status = os.fstat(descriptor)
        size = left = status.st_size
        buffer += tar.entry(
            name,
            kind=tar.REGULAR,
            mode=stat.S_IMODE(status.st_mode),
            size=size,
            mtime=status.st_mtime_ns // 10**9,
            records=_capability(descriptor) if status.st_mode & 0o111 else None,
        )
        while left:
            data = os.read(descriptor, min(left, BIG_PIECE))
            if not data:
                warn(f"{os.fsdecode(path)} became shorter while it was read")
                data = bytes(min(left, BIG_PIECE))
            left -= len(data)
            buffer += data
            if len(buffer) >= PIECE:
                yield bytes(buffer)
                buffer.clear()
        buffer += tar.padding(size)
    finally:
        os.close(descriptor)


def _capability(descriptor: int) -> dict[bytes, bytes] | None:
    """What setcap(8) gave a program: the one extended attribute that Docker sends."""
    try:
        value = os.getxattr(descriptor, CAPABILITY)
    except OSError as error:
        if error.errno in (ENODATA, ENOTSUP):
            return None
        raise
    return {f"SCHILY.xattr.{CAPABILITY}".encode(): value}


def _special(name: bytes, item: os.DirEntry[bytes], warn: Callable[[str], None]) -> bytes:
    """The entry of what has no content."""
    try:
        status = item.stat(follow_symlinks=False)
        link = os.readlink(item.path) if stat.S_ISLNK(status.st_mode) else b""
    except FileNotFoundError:
        return b""  # it has gone meanwhile
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        warn(f"Can't add file {os.fsdecode(item.path)} to tar: archive/tar: sockets not supported")
        return b""
    is_device = kind in (tar.CHARACTER, tar.BLOCK_DEVICE)
    return tar.entry(
        name + b"/" if kind == tar.DIRECTORY else name,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        mtime=status.st_mtime_ns // 10**9,
        link=link,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
    )


_KINDS = {
    stat.S_IFDIR: tar.DIRECTORY,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFIFO: tar.FIFO,
    stat.S_IFCHR: tar.CHARACTER,
    stat.S_IFBLK: tar.BLOCK_DEVICE,
}


def _file(name: bytes, content: bytes) -> bytes:
    """A file that is not on the disk."""
    return tar.entry(name, kind=tar.REGULAR, mode=0o600, size=len(content)) + content + tar.padding(len(content))


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
