"""One decoded request on its way to a handler, and the ways in which a handler answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kernel_engine import __version__
from kernel_engine.api.versions import NEWEST, Version
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.filters import parse_filters

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from kernel_engine.api.operations import Operations
    from kernel_engine.engine import Engine

JSON = "application/json"
#: what every answer carries, as Docker's do. No Builder-Version: only the classic builder is offered
COMMON_HEADERS: Mapping[str, str] = {
    "Api-Version": str(NEWEST),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"kernel-engine/{__version__} (linux)",
}
_FALSE = ("", "0", "no", "false", "none")
_BODY_LIMIT = 16 * 1024 * 1024
#: how long a client may take for a body of JSON; contexts and archives take as long as they take
BODY_PATIENCE = 60.0


@dataclass(slots=True, eq=False)
class Call:
    """`parameters` are the named parts of the path, decoded."""

    engine: Engine
    request: BaseRequest
    version: Version
    parameters: Mapping[str, str]
    operations: Operations
    stream: web.StreamResponse | None = None  #: set once a streamed answer has begun

    @property
    def id(self) -> str:
        return self.parameters["id"]

    @property
    def name(self) -> str:
        return self.parameters["name"]

    # the query --------------------------------------------------------------------------------------------------
    def text(self, key: str, default: str = "") -> str:
        value = self.request.rel_url.query.get(key, default)
        if "\0" in value:
            raise InvalidRequest(f"invalid {key}: it holds a NUL character")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self.request.rel_url.query.getall(key, ()))

    def flag(self, key: str, default: bool = False) -> bool:
        """Docker's idea of a boolean: anything but 0, no, false, none and nothing."""
        value = self.request.rel_url.query.get(key)
        return default if value is None else truth(value)

    def number(self, key: str) -> int | None:
        return whole_number(key, self.text(key))

    def moment(self, key: str) -> float | None:
        """Seconds since the epoch, `1136073845.000000001`; None where it is not given."""
        return moment(key, self.text(key))

    def filters(self) -> dict[str, tuple[str, ...]]:
        return parse_filters(self.text("filters"))

    # the body ---------------------------------------------------------------------------------------------------
    async def json(self, *, optional: bool = False) -> dict[str, Any]:
        """The body as a JSON object. Raises InvalidRequest; an absent body is {} where it is optional."""
        data = await self._read()
        if not data.strip() and optional:
            return {}
        kind = self.request.content_type
        if kind != JSON and not (optional and kind in ("text/plain", "application/octet-stream")):
            raise InvalidRequest(f"unsupported Content-Type header ({kind}): must be 'application/json'")
        return read_json(data)

    async def _read(self) -> bytes:
        data = bytearray()
        try:
            async with asyncio.timeout(BODY_PATIENCE):
                async for piece in self.request.content.iter_any():
                    data += piece
                    if len(data) > _BODY_LIMIT:
                        raise InvalidRequest("request body too large")
        except TimeoutError:
            raise InvalidRequest("the request body did not come in time") from None
        return bytes(data)

    # the answer -------------------------------------------------------------------------------------------------
    async def begin(self, content_type: str = JSON, headers: Mapping[str, str] = {}) -> web.StreamResponse:
        """Sends the status and headers of a streamed answer at once."""
        response = web.StreamResponse(headers={**COMMON_HEADERS, **headers})
        response.content_type = content_type
        response.force_close()
        self.stream = response
        await response.prepare(self.request)
        return response


def answer(value: Any, status: int = 200) -> web.Response:
    """`value` as JSON, with the newline that Docker's encoder writes."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return web.Response(body=body, status=status, content_type=JSON)


def empty(status: int = 204) -> web.Response:
    return web.Response(status=status)


def read_json(data: bytes) -> dict[str, Any]:
    if not data.strip():
        raise InvalidRequest("invalid JSON: got EOF while reading request body")
    try:
        value = json.loads(data)
        if b"\\u" in data:  # half a surrogate pair is JSON, but no text that could ever be written again
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"invalid JSON: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest("invalid JSON: an object is expected")
    return value


def truth(word: str) -> bool:
    return word.strip().lower() not in _FALSE


def whole_number(key: str, text: str) -> int | None:
    """None where nothing is given. Raises InvalidRequest as Docker's strconv does."""
    if not text:
        return None
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise InvalidRequest(f'invalid {key}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def moment(key: str, text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        raise InvalidRequest(f'invalid {key}: failed to parse "{text}" as seconds since the epoch') from None
    if not -1e12 < seconds < 1e12:  # also refuses nan
        raise InvalidRequest(f"invalid {key}: {text} is out of range")
    return seconds
