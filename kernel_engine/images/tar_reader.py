"""Tar archives as a stream of entries: ustar, PAX, GNU long names and sparse files, old v7.

Reads what Go's archive/tar reads (Docker's reader) and refuses what it refuses; knows nothing of file systems. Headers
that describe other headers are bounded, so that a hostile archive cannot ask for memory: that is why the standard
library's `tarfile`, which reads a long name of any declared size whole, is not used. Both take about 20 µs an entry.
Names are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kernel_engine.errors import CorruptData

BLOCK = 512
#: Go's limit for headers that describe headers
SPECIAL_LIMIT = 1 << 20
_ZEROS = bytes(BLOCK)

REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_REGULARS = (b"0", b"\0", b"7", b"S")
_WITHOUT_DATA = (HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO)
_XATTR = b"SCHILY.xattr."
_SPARSE = b"GNU.sparse."


@dataclass(slots=True)
class Entry:
    """One archive member. `kind` is its type flag (REGULAR for every kind of file); `size` is the file's size."""

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int  #: nanoseconds
    target: bytes
    major: int = 0
    minor: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)
    stored: int = 0  #: data bytes in the archive
    extents: list[tuple[int, int]] | None = None  #: (offset, length) of a sparse file's data, in order


class Stream:
    """Bytes of an archive by exact counts. CorruptData("unexpected EOF") where they end early."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        at = self._at
        end = at + count
        if end <= len(self._chunk):
            self._at = end
            return self._chunk[at:end]
        return b"".join(self.pieces(count))

    def block(self) -> bytes | None:
        """The next 512 bytes; None at a clean end."""
        if self._at == len(self._chunk) and not self._more():
            return None
        return self.take(BLOCK)

    def pieces(self, count: int) -> Iterator[memoryview]:
        """`count` bytes without copying."""
        while count:
            if self._at == len(self._chunk) and not self._more():
                raise CorruptData("unexpected EOF")
            piece = memoryview(self._chunk)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass

    def pad(self, count: int) -> bool:
        """Passes over what fills a block up; False where the archive ends in it, as Docker's own client leaves one."""
        while count:
            if self._at == len(self._chunk) and not self._more():
                return False
            passed = min(count, len(self._chunk) - self._at)
            self._at += passed
            count -= passed
        return True

    def drain(self) -> None:
        """What follows the archive's end belongs to the digest, but not to the archive."""
        while self._more():
            pass

    def _more(self) -> bool:
        self._chunk = next(self._chunks, b"")
        self._at = 0
        return bool(self._chunk)


class TarReader:
    """Iterate; between two entries `content()` may be read, once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._unread = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry
        self._stream.drain()

    def content(self) -> Iterator[memoryview]:
        """The stored bytes of the current entry."""
        count, self._unread = self._unread, 0
        yield from self._stream.pieces(count)

    def _next(self) -> Entry | None:
        pax: dict[bytes, bytes] = {}
        sparse_records: list[tuple[bytes, bytes]] = []
        long_name = long_target = b""
        while True:
            self._stream.skip(self._unread)
            whole = self._stream.pad(self._padding)
            self._unread = self._padding = 0
            block = self._header_block() if whole else None
            if block is None:
                return None
            kind = block[156:157]
            if kind == b"x":
                pax, sparse_records = _pax_records(self._special(block))
            elif kind == b"g":  # Docker ignores global headers
                self._special(block)
            elif kind == b"L":
                long_name = self._special(block).split(b"\0", 1)[0]
            elif kind == b"K":
                long_target = self._special(block).split(b"\0", 1)[0]
            else:
                return self._entry(block, pax, sparse_records, long_name, long_target)

    def _header_block(self) -> bytes | None:
        block = self._stream.block()
        if block == _ZEROS:
            block = self._stream.block()
            if block is not None and block != _ZEROS:
                raise CorruptData("invalid tar header")
            return None
        if block is not None:
            _check_sum(block)
        return block

    def _special(self, block: bytes) -> bytes:
        size = _number(block[124:136])
        if not 0 <= size <= SPECIAL_LIMIT:
            raise CorruptData("invalid tar header: header field too long")
        data = self._stream.take(size)
        self._padding = -size % BLOCK
        return data

    def _entry(
        self,
        block: bytes,
        pax: dict[bytes, bytes],
        sparse_records: list[tuple[bytes, bytes]],
        long_name: bytes,
        long_target: bytes,
    ) -> Entry:
        entry = _plain_entry(block)
        if long_name:
            entry.name = long_name
        if long_target:
            entry.target = long_target
        if pax:
            _apply_pax(entry, pax)
        old_sparse = entry.kind == b"S"
        if entry.kind in _REGULARS:
            # v7 archives mark directories by a slash at the end only
            entry.kind = DIRECTORY if entry.kind == b"\0" and entry.name.endswith(b"/") else REGULAR
        stored = 0 if entry.kind in _WITHOUT_DATA else entry.size
        if entry.size < 0 or b"\0" in entry.name or b"\0" in entry.target:
            raise CorruptData("invalid tar header")
        entry.stored = stored
        self._unread, self._padding = stored, -stored % BLOCK
        if entry.kind == REGULAR:
            if old_sparse:
                self._old_sparse(entry, block)
            elif sparse_records:
                self._pax_sparse(entry, sparse_records)
        if entry.extents is not None:
            _check_extents(entry)
        return entry

    def _old_sparse(self, entry: Entry, block: bytes) -> None:
        numbers = block[386:482]
        more = block[482]
        entry.size = _number(block[483:495])
        while more:
            if len(numbers) > SPECIAL_LIMIT:
                raise CorruptData("invalid tar header: sparse map too long")
            block = self._stream.take(BLOCK)
            numbers += block[:504]
            more = block[504]
        pairs = ((numbers[at : at + 12], numbers[at + 12 : at + 24]) for at in range(0, len(numbers) - 23, 24))
        entry.extents = [(_number(offset), _number(length)) for offset, length in pairs if offset.strip(b"\0 ")]

    def _pax_sparse(self, entry: Entry, records: list[tuple[bytes, bytes]]) -> None:
        last = dict(records)
        entry.name = last.get(_SPARSE + b"name", entry.name)
        size = last.get(_SPARSE + b"realsize", last.get(_SPARSE + b"size"))
        if size is None:
            return
        if last.get(_SPARSE + b"major", b"0") == b"1":
            numbers = self._sparse_map_in_data()
            entry.stored = self._unread
        elif _SPARSE + b"map" in last:
            numbers = [_decimal(word) for word in last[_SPARSE + b"map"].split(b",") if word]
        else:
            wanted = (_SPARSE + b"offset", _SPARSE + b"numbytes")
            numbers = [_decimal(value) for key, value in records if key in wanted]
        if len(numbers) % 2:
            raise CorruptData("invalid tar header: sparse map")
        entry.size = _decimal(size)
        entry.extents = list(zip(numbers[::2], numbers[1::2], strict=True))

    def _sparse_map_in_data(self) -> list[int]:
        """PAX sparse 1.0: the map stands in front of the data, as decimal lines padded to a block."""
        text = bytearray()
        wanted = None
        while wanted is None or text.count(b"\n") < wanted:
            if len(text) > SPECIAL_LIMIT or self._unread < BLOCK:
                raise CorruptData("invalid tar header: sparse map")
            text += self._stream.take(BLOCK)
            self._unread -= BLOCK
            if wanted is None and b"\n" in text:
                wanted = 2 * _decimal(bytes(text.split(b"\n", 1)[0])) + 1
        return [_decimal(bytes(line)) for line in text.split(b"\n")[1:wanted]]


def _plain_entry(block: bytes) -> Entry:
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0":
        limit = 476 if block[508:512] == b"tar\0" else 500
        prefix = block[345:limit].split(b"\0", 1)[0]
        if prefix:
            name = prefix + b"/" + name
    kind = block[156:157]
    devices = kind in (CHARACTER, BLOCK_DEVICE)
    return Entry(
        name=name,
        kind=kind,
        mode=_number(block[100:108]) & 0o7777,
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        size=_number(block[124:136]),
        mtime=_number(block[136:148]) * 1_000_000_000,
        target=block[157:257].split(b"\0", 1)[0],
        major=_number(block[329:337]) if devices else 0,
        minor=_number(block[337:345]) if devices else 0,
    )


def _number(raw: bytes) -> int:
    """Octal text, or GNU's base 256 where the top bit is set."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big", signed=True) if raw[0] & 0x40 else int.from_bytes(raw, "big")
        return value if raw[0] & 0x40 else value - (0x80 << 8 * (len(raw) - 1))
    text = raw.strip(b" \0")
    try:
        return int(text.split(b"\0", 1)[0], 8) if text else 0
    except ValueError:
        raise CorruptData("invalid tar header") from None


def _decimal(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 20:
        raise CorruptData("invalid tar header")
    return int(raw)


def _check_sum(block: bytes) -> None:
    told = _number(block[148:156])
    if sum(block) - sum(block[148:156]) + 256 == told:
        return
    signed = memoryview(block).cast("b")  # some old programs summed signed characters
    if sum(signed) - sum(signed[148:156]) + 256 != told:
        raise CorruptData("invalid tar header")


def _pax_records(data: bytes) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """pax(1): `length key=value\\n`. The sparse records are also given in order, because their keys repeat."""
    records: dict[bytes, bytes] = {}
    sparse: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        length = _decimal(data[at:space]) if space > 0 else 0
        record = data[space + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if length <= space - at + 2 or at + length > len(data) or record[-1:] != b"\n" or not equals or not key:
            raise CorruptData("invalid tar header")
        records[key] = value
        if key.startswith(_SPARSE):
            sparse.append((key, value))
        at += length
    return records, sparse


def _apply_pax(entry: Entry, records: dict[bytes, bytes]) -> None:
    for key, value in records.items():
        if key.startswith(_XATTR):
            entry.xattrs[key[len(_XATTR) :].decode("utf-8", "surrogateescape")] = value
        elif not value:  # an empty value means that there is none
            continue
        elif key == b"path":
            entry.name = value
        elif key == b"linkpath":
            entry.target = value
        elif key == b"size":
            entry.size = _decimal(value)
        elif key == b"uid":
            entry.uid = _decimal(value)
        elif key == b"gid":
            entry.gid = _decimal(value)
        elif key == b"mtime":
            entry.mtime = _nanoseconds(value)


def _nanoseconds(value: bytes) -> int:
    whole, _, fraction = value.partition(b".")
    negative = whole.startswith(b"-")
    digits = whole.lstrip(b"+-") or b"0"
    if not digits.isdigit() or len(digits) > 20 or (fraction and not fraction.isdigit()):
        raise CorruptData("invalid tar header")
    amount = int(digits) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0") or b"0")
    return -amount if negative else amount


def _check_extents(entry: Entry) -> None:
    end = total = 0
    for offset, length in entry.extents or ():
        if offset < end or length < 0:
            raise CorruptData("invalid tar header: sparse map")
        end = offset + length
        total += length
    if end > entry.size or total != entry.stored:
        raise CorruptData("invalid tar header: sparse map")
