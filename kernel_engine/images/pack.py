"""An overlay upper directory to a layer archive, and to a layer itself. Runs in a worker process.

The same directory gives the same bytes: entries are sorted, times are whole seconds, names of users are left out, as
Docker's `pkg/archive` does. Whiteout devices become `.wh.` files, opaque directories get `.wh..wh..opq`; sockets are
left out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kernel_engine.errors import NotSupported
from kernel_engine.images.tar_reader import (
    BLOCK,
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMLINK,
    Entry,
)
from kernel_engine.images.unpack import OPAQUE, OPAQUE_XATTR, WHITEOUT

#: what ends an archive
END = bytes(2 * BLOCK)
_ZEROS = bytes(BLOCK)
_READ = 1 << 18
_SECOND = 1_000_000_000
_OCTAL_7 = 0o7777777
_OCTAL_11 = 0o77777777777
_OVERLAY = ("trusted.overlay.", "user.overlay.")
#: made by the host's security modules or tied to it, so not part of an image
_HOST_XATTRS = ("security.selinux", "security.ima", "security.evm", "security.SMACK64", "system.")
_KINDS = {
    stat.S_IFREG: REGULAR,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}


class Sink(Protocol):
    def write(self, data: bytes) -> None: ...


def pack(root: int, sink: Sink) -> int:
    """Writes the archive of the directory open as `root` to `sink`. Returns the bytes of files and links in it."""
    return _pack(root, sink, b"", layer=True, stay=False)


def pack_tree(root: int, sink: Sink, prefix: bytes, *, stay: bool) -> None:
    """The same of a tree that is no layer: every name is what it says.

    prefix: the directory's own name, before each other one; "" for a tree without. stay: what other file systems hold
    that are mounted in it is left out.
    """
    _pack(root, sink, prefix, layer=False, stay=stay)


def pack_file(directory: int, name: bytes, sink: Sink, shown: bytes) -> None:
    """A single file that is no directory, under the name `shown`. NotSupported for a socket."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        raise NotSupported(f"{os.fsdecode(name)}: a socket cannot be copied")
    entry = _entry(shown, kind, status)
    if kind == REGULAR:
        with _opened(name, directory) as file:
            _attributes(entry, _xattrs(file), layer=False)
            _write(entry, _pieces(file, entry.size), sink)
    else:
        _attributes(entry, _xattrs(f"/proc/self/fd/{directory}/{os.fsdecode(name)}"), layer=False)
        if kind == SYMLINK:
            entry.target = os.readlink(name, dir_fd=directory)
        _write(entry, (), sink)
    sink.write(END)


def _pack(root: int, sink: Sink, prefix: bytes, *, layer: bool, stay: bool) -> int:
    size = 0
    if prefix:
        prefix = prefix.rstrip(b"/")
        sink.write(header(_entry(prefix, DIRECTORY, os.fstat(root))))
        prefix += b"/"
    for entry, content in members(root, prefix, layer=layer, stay=stay):
        _write(entry, content, sink)
        size += size_of(entry)
    sink.write(END)
    return size


def size_of(entry: Entry) -> int:
    """What an entry adds to a layer's size, as Docker counts it."""
    return len(entry.target) if entry.kind == SYMLINK else entry.size


def _write(entry: Entry, content: Iterable[bytes], sink: Sink) -> None:
    sink.write(header(entry))
    if entry.size:
        for piece in content:
            sink.write(piece)
        sink.write(padding(entry.size))


def padding(size: int) -> bytes:
    return _ZEROS[: -size % BLOCK]


def members(
    root: int, prefix: bytes = b"", *, layer: bool = True, stay: bool = False
) -> Iterator[tuple[Entry, Iterable[bytes]]]:
    """What the archive of a directory holds, in its order: each entry with its content, to be read before the next."""
    links: dict[tuple[int, int], bytes] = {}
    for folder, name, directory, status in _walk(root, stay=stay):
        path = prefix + folder + name
        if layer and _is_whiteout(status):
            yield _whiteout(folder + WHITEOUT + name, status), ()
            continue
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:  # a socket
            continue
        if layer and name.startswith(WHITEOUT):
            shown = path.decode("utf-8", "backslashreplace")
            raise NotSupported(f"/{shown}: no image can hold a name that begins with .wh., which means a deleted file")
        entry = _entry(path, kind, status)
        if kind == REGULAR:
            if status.st_nlink > 1:
                first = links.setdefault((status.st_dev, status.st_ino), path)
                if first != path:
                    entry.kind, entry.target, entry.size = HARD_LINK, first, 0
                    yield entry, ()
                    continue
            with _opened(name, directory) as file:
                _attributes(entry, _xattrs(file), layer)
                yield entry, _pieces(file, entry.size)
            continue
        # no ...at() calls for attributes before Linux 6.13: go by the descriptor's own path
        opaque = _attributes(entry, _xattrs(f"/proc/self/fd/{directory}/{os.fsdecode(name)}"), layer)
        if kind == SYMLINK:
            entry.target = os.readlink(name, dir_fd=directory)
        yield entry, ()
        if opaque:
            yield _whiteout(path + b"/" + OPAQUE, status), ()


def normalise(root: int, latest: int | None) -> None:
    """Makes an upper directory look as its own archive unpacked would: whole seconds, nothing of overlayfs but
    whiteouts and opaque directories, no sockets.

    latest: no time is later than this (seconds; SOURCE_DATE_EPOCH); None = as they are.
    """
    os.fchmod(root, 0o755)
    os.fchown(root, 0, 0)
    _drop_private(f"/proc/self/fd/{root}", keep=())
    for _, name, directory, status in _walk(root):
        if stat.S_ISSOCK(status.st_mode):
            before = os.fstat(directory)
            os.unlink(name, dir_fd=directory)
            os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
            continue
        if stat.S_ISDIR(status.st_mode):
            _drop_private(f"/proc/self/fd/{directory}/{os.fsdecode(name)}", keep=(OPAQUE_XATTR,))
        second = status.st_mtime_ns // _SECOND
        wanted = (second if latest is None else min(second, latest)) * _SECOND
        if wanted != status.st_mtime_ns:
            os.utime(name, ns=(wanted, wanted), dir_fd=directory, follow_symlinks=False)


def _drop_private(path: str, keep: tuple[str, ...]) -> None:
    for key in os.listxattr(path):
        if key.startswith(_OVERLAY) and key not in keep:
            os.removexattr(path, key)


def _walk(root: int, *, stay: bool = False) -> Iterator[tuple[bytes, bytes, int, os.stat_result]]:
    """(folder with a slash at its end, name, descriptor of the folder, what lies there), a directory before what is
    in it, sorted."""
    device = os.fstat(root).st_dev
    stack: list[tuple[bytes, int, list[bytes]]] = [(b"", os.dup(root), _names(root))]
    try:
        while stack:
            folder, directory, names = stack[-1]
            if not names:
                os.close(stack.pop()[1])
                continue
            name = names.pop()
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            yield folder, name, directory, status
            if not stat.S_ISDIR(status.st_mode):
                continue
            try:
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENOENT):
                    continue
                raise
            if stay and os.fstat(below).st_dev != device:
                os.close(below)
                continue
            stack.append((folder + name + b"/", below, _names(below)))
    finally:
        for _, directory, _ in stack:
            os.close(directory)


def _names(directory: int) -> list[bytes]:
    return sorted((os.fsencode(name) for name in os.listdir(directory)), reverse=True)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _entry(path: bytes, kind: bytes, status: os.stat_result) -> Entry:
    devices = kind in (CHARACTER, BLOCK_DEVICE)
    return Entry(
        name=path + b"/" if kind == DIRECTORY else path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind == REGULAR else 0,
        mtime=status.st_mtime_ns // _SECOND * _SECOND,
        target=b"",
        major=os.major(status.st_rdev) if devices else 0,
        minor=os.minor(status.st_rdev) if devices else 0,
    )


def _whiteout(path: bytes, status: os.stat_result) -> Entry:
    return Entry(
        name=path,
        kind=REGULAR,
        mode=0o600,
        uid=status.st_uid,
        gid=status.st_gid,
        size=0,
        mtime=status.st_mtime_ns // _SECOND * _SECOND,
        target=b"",
    )


def _xattrs(place: int | str) -> dict[str, bytes]:
    """Of an open file, or of what lies at a path."""
    follow = isinstance(place, int)
    try:
        keys = os.listxattr(place, follow_symlinks=follow)
        return {
            key: os.getxattr(place, key, follow_symlinks=follow)
            for key in sorted(keys)
            if not key.startswith(_HOST_XATTRS)
        }
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA, errno.ENOENT):
            return {}
        raise


def _attributes(entry: Entry, xattrs: dict[str, bytes], layer: bool) -> bool:
    """Gives the entry its attributes, without overlayfs's own; whether they say that the directory is opaque."""
    if not xattrs:
        return False
    opaque = layer and xattrs.pop(OPAQUE_XATTR, b"") == b"y"
    if layer:
        _refuse_redirects(xattrs, entry.name.rstrip(b"/"))
    entry.xattrs = {key: value for key, value in xattrs.items() if not key.startswith(_OVERLAY)}
    return opaque


def _refuse_redirects(xattrs: dict[str, bytes], path: bytes) -> None:
    """A renamed directory or a file without its data cannot be told in an archive; losing it silently is worse."""
    for key in ("trusted.overlay.redirect", "trusted.overlay.metacopy"):
        if key in xattrs:
            name = path.decode("utf-8", "backslashreplace")
            raise NotSupported(f"cannot commit /{name}: overlayfs made it with {key.rpartition('.')[2]}")


@contextmanager
def _opened(name: bytes, directory: int) -> Iterator[int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _pieces(descriptor: int, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes: a file that shrinks or grows meanwhile is padded or cut."""
    left = size
    while left:
        data = os.read(descriptor, min(_READ, left)) or bytes(min(_READ, left))
        yield data
        left -= len(data)


# headers ----------------------------------------------------------------------------------------------------------
def header(entry: Entry) -> bytes:
    """The entry's ustar header, with a PAX header in front where ustar cannot say it."""
    records = [(f"SCHILY.xattr.{key}".encode("utf-8", "surrogateescape"), entry.xattrs[key]) for key in entry.xattrs]
    name, prefix = _split(entry.name)
    if len(name) > 100 or not entry.name.isascii():
        records.append((b"path", entry.name))
    if len(entry.target) > 100 or not entry.target.isascii():
        records.append((b"linkpath", entry.target))
    numbers = ((b"uid", entry.uid, _OCTAL_7), (b"gid", entry.gid, _OCTAL_7), (b"size", entry.size, _OCTAL_11))
    records.extend((key, b"%d" % value) for key, value, limit in numbers if value > limit)
    seconds = entry.mtime // 1_000_000_000
    if not 0 <= seconds <= _OCTAL_11:
        records.append((b"mtime", b"%d" % seconds))
    block = _block(entry, name, prefix, max(0, min(seconds, _OCTAL_11)))
    return _pax(entry, records) + block if records else block


def _split(path: bytes) -> tuple[bytes, bytes]:
    """ustar's name (100 bytes) and prefix (155)."""
    if len(path) <= 100:
        return path, b""
    cut = path.find(b"/", max(0, len(path) - 101), len(path) - 1)
    if 0 < cut <= 155:
        return path[cut + 1 :], path[:cut]
    return path, b""


def _block(entry: Entry, name: bytes, prefix: bytes, seconds: int) -> bytes:
    fields = (
        name[:100].ljust(100, b"\0"),
        b"%07o\0" % entry.mode,
        b"%07o\0" % min(entry.uid, _OCTAL_7),
        b"%07o\0" % min(entry.gid, _OCTAL_7),
        b"%011o\0" % min(entry.size, _OCTAL_11),
        b"%011o\0" % seconds,
        b"        ",
        entry.kind,
        entry.target[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0" % entry.major,
        b"%07o\0" % entry.minor,
        prefix.ljust(155, b"\0"),
        bytes(12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax(entry: Entry, records: list[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(_record(key, value) for key, value in sorted(records))
    name = b"PaxHeaders.0/" + entry.name.rstrip(b"/").rpartition(b"/")[2]
    extended = Entry(name=name[:100], kind=b"x", mode=0, uid=0, gid=0, size=len(data), mtime=0, target=b"")
    return _block(extended, extended.name, b"", 0) + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body
