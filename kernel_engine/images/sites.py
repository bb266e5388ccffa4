"""What a web server sends: a root file system, a context, a file for ADD. Registries are `registry.py`.

Errors are in the words of Docker (Go's net/http, moby's remotecontext).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp

from kernel_engine import __version__
from kernel_engine.errors import EngineError, InvalidRequest, NotFound, Unavailable
from kernel_engine.images.failures import unreachable

#: seconds for a server to be reached, and between two pieces of what it sends
_CONNECT, _IDLE = 15.0, 60.0
#: bytes of an error page that are told
_SAID = 1024


@asynccontextmanager
async def get(url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer with its body still to come. InvalidRequest for an address of another kind; NotFound, or Unavailable
    where the server does not send it, or stops in the middle.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidRequest(f"{url}: only addresses with http:// and https:// are fetched")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_IDLE)
    headers = {"User-Agent": f"docker-labs-kernel-engine/{__version__}", "Accept-Encoding": "identity"}
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout, trust_env=True, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(url, headers=headers) as response,
        ):
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise await _refused(url, response)
            yield response
    except aiohttp.InvalidURL:
        raise InvalidRequest(f'parse "{url}": this is no address') from None
    except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as error:  # the last: of a host's name
        raise Unavailable(str(unreachable("GET", url, error))) from error


async def _refused(url: str, response: aiohttp.ClientResponse) -> EngineError:
    said = (await response.content.read(_SAID)).decode("utf-8", "replace").strip()
    message = f"failed to GET {url} with status {response.status} {response.reason}: {said}"
    if response.status == HTTPStatus.NOT_FOUND:
        return NotFound(message)
    return InvalidRequest(message) if response.status == HTTPStatus.BAD_REQUEST else Unavailable(message)
