"""A reply whose body is read when somebody asks for it: at once, in pieces, or line by line while it comes."""

from __future__ import annotations

from kernel_engine.client.failures import EngineUnreachable
from kernel_engine.client.wire import RECEIVE, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

BODILESS = (204, 304)


class Response:
    """`status`, `headers` (names in lower case) and a body that may still be coming. Closes itself at its end."""

    __slots__ = ("_pieces", "_reader", "headers", "status")

    def __init__(self, reader: Reader, status: int, headers: dict[str, str], *, bodiless: bool = False) -> None:
        self._reader = reader
        self.status = status
        self.headers = headers
        bodiless = bodiless or status in BODILESS
        self._pieces = iter(()) if bodiless else self._framed()
        if bodiless:
            self.close()  # nobody will read it to its end

    def __enter__(self) -> Response:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        """A reply that nobody reads (rm, start) needs no closing by hand."""
        self.close()

    def close(self) -> None:
        self._reader.wire.close()

    def fileno(self) -> int:
        """For poll(2): readable when more of the body has come. Bytes that came with the head are in `buffered`."""
        return self._reader.wire.fileno()

    @property
    def buffered(self) -> bool:
        return bool(self._reader.buffer)

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. EngineUnreachable when it ends before its announced length."""
        try:
            yield from self._pieces
        finally:
            self.close()

    def read(self) -> bytes:
        return b"".join(self.pieces())

    def json(self) -> Any:
        """The body as JSON; None when it is empty. EngineUnreachable when it is something else."""
        import json

        data = self.read()
        try:
            return json.loads(data) if data.strip() else None
        except ValueError as error:
            raise EngineUnreachable(f"{self._reader.host} answers with something that is not JSON") from error

    def lines(self) -> Iterator[bytes]:
        """The body's lines as they come, without their ends and without empty ones."""
        rest = b""
        for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line.removesuffix(b"\r") for line in whole if line.strip())
        if rest.strip():
            yield rest

    def objects(self) -> Iterator[Any]:
        """The body's lines as JSON values, as they come: progress, events."""
        import json

        for line in self.lines():
            yield json.loads(line)

    def _framed(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = self.headers.get("content-length", "")
        return self._counted(int(length)) if length.isdigit() else self._until_closed()

    def _counted(self, left: int) -> Iterator[bytes]:
        while left:
            data = self._reader.some(min(left, RECEIVE))
            if not data:
                raise EngineUnreachable(f"{self._reader.host} closed the connection: unexpected EOF")
            left -= len(data)
            yield data

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = self._reader.line().partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError as error:
                raise EngineUnreachable(f"{self._reader.host} answers with malformed chunks") from error
            if length < 0:
                raise EngineUnreachable(f"{self._reader.host} answers with malformed chunks")
            yield from self._counted(length)
            if length == 0:
                while self._reader.line():
                    pass  # trailers
                return
            self._reader.line()

    def _until_closed(self) -> Iterator[bytes]:
        while data := self._reader.some(RECEIVE):
            yield data
