"""A client of the distribution protocol (OCI distribution-spec): one repository at one endpoint.

Which endpoints to ask, and what to do with what they send, is decided in `endpoints.py`, `pull.py` and `push.py`.
Errors: `RegistryAnswer` (it said no) and `Unreachable` (no answer, or a broken one).
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from kernel_engine import __version__
from kernel_engine.errors import CorruptData
from kernel_engine.formats.reference import is_tag
from kernel_engine.images import digest as digests
from kernel_engine.images.blobs import Incoming
from kernel_engine.images.certificates import other_host, trust
from kernel_engine.images.endpoints import Endpoint, is_loopback
from kernel_engine.images.failures import Unreachable, answer, unreachable
from kernel_engine.images.image import Auth
from kernel_engine.images.manifest import ACCEPT, SIZE_LIMIT, Descriptor
from kernel_engine.images.tokens import Tokens, challenges

_REDIRECTS = 10
_PAGES, _TAGS = 1000, 100_000
#: bytes that are written together, and the seconds for which a slow registry's wait for each other
_WRITE, _WRITE_AFTER = 1 << 20, 0.5
_ERROR_LIMIT = 64 << 10
#: what asyncio and aiohttp raise when a connection does not do what it should
#: (UnicodeError: a host's name that no DNS could have)
TROUBLES = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ssl.SSLError, UnicodeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. A registry that stops answering is given up after `attempts` times `idle`, and the pauses between."""

    connect: float = 15.0
    idle: float = 20.0
    attempts: int = 3
    pause: float = 1.0  #: before the second attempt; doubled for each further one


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A document as the registry sent it, its digest computed here."""

    data: bytes
    content_type: str
    digest: digests.Digest


class Remote:
    """One repository (`library/debian`) at one endpoint. Use `session()` for requests; tokens outlive sessions."""

    def __init__(
        self, endpoint: Endpoint, repository: str, *, auth: Auth | None, timeouts: Timeouts, push: bool = False
    ) -> None:
        self.endpoint = endpoint
        self.repository = repository
        self.timeouts = timeouts
        self.tokens = Tokens(auth=None if endpoint.mirror else auth, endpoint=endpoint.url)
        self.scope = f"repository:{repository}:{'pull,push' if push else 'pull'}"

    @property
    def url(self) -> str:
        return f"{self.endpoint.url}/v2/{self.repository}"

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        timeout = aiohttp.ClientTimeout(
            total=None, connect=self.timeouts.connect, sock_connect=self.timeouts.connect, sock_read=self.timeouts.idle
        )
        connector = aiohttp.TCPConnector(ssl=_trust(self.endpoint))
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"docker-labs-kernel-engine/{__version__}", "Accept-Encoding": "identity"},
        ) as session:
            yield Session(self, session)


class Session:
    """Requests over kept connections."""

    def __init__(self, remote: Remote, session: aiohttp.ClientSession) -> None:
        self._remote = remote
        self._http = session

    @property
    def repository(self) -> str:
        """The address that everything of this repository is beneath."""
        return self._remote.url

    # pulling ----------------------------------------------------------------------------------------------------
    async def ping(self) -> None:
        """`GET /v2/`: whether anybody speaks the protocol there, and what it wants to know of us."""
        async with self.request("GET", f"{self._remote.endpoint.url}/v2/", accept=(200, 404)):
            pass

    async def document(self, url: str) -> bytes:
        """A small JSON answer that is no manifest."""
        async with self.request("GET", url) as response:
            return await _limited(response, SIZE_LIMIT)

    async def tags(self) -> tuple[str, ...]:
        """Every tag of the repository, page by page (distribution-spec, "Listing Tags")."""
        url = f"{self._remote.url}/tags/list"
        found: list[str] = []
        for _ in range(_PAGES):
            async with self.request("GET", url) as response:
                found += _tags_of(await _limited(response, SIZE_LIMIT))
                if len(found) > _TAGS:
                    raise CorruptData(f"the registry lists more than {_TAGS} tags")
                following = str(link["url"]) if (link := response.links.get("next")) else ""
            if _origin(following) != _origin(url):
                break
            url = following
        return tuple(dict.fromkeys(found))

    async def manifest(self, tag_or_digest: str) -> Fetched:
        """CorruptData where it does not have the digest that was asked for."""
        url = f"{self._remote.url}/manifests/{tag_or_digest}"
        async with self.request("GET", url, headers={"Accept": ACCEPT}) as response:
            data = await _limited(response, SIZE_LIMIT)
            content_type = response.headers.get("Content-Type", "")
        digest = digests.of(data)
        if ":" in tag_or_digest and digest != tag_or_digest:
            raise CorruptData(f"manifest verification failed for digest {tag_or_digest}")
        return Fetched(data=data, content_type=content_type, digest=digest)

    async def small_blob(self, descriptor: Descriptor) -> bytes:
        """A configuration: whole, in memory, verified."""
        if descriptor.size > SIZE_LIMIT:
            raise CorruptData(f"image configuration of {descriptor.size} bytes is too large")
        async with self.request("GET", f"{self._remote.url}/blobs/{descriptor.digest}") as response:
            data = await _limited(response, descriptor.size)
        if digests.of(data) != descriptor.digest:
            raise CorruptData(f"image config verification failed for digest {descriptor.digest}")
        return data

    async def download(self, descriptor: Descriptor, incoming: Incoming, on_bytes: Callable[[int], None]) -> None:
        """The rest of a blob into `incoming`, from where that stands. Unreachable where it ends early.

        on_bytes is told how many bytes are there by now.
        """
        if incoming.size > descriptor.size:
            await incoming.restart()
        if incoming.size == descriptor.size:
            return
        start = incoming.size
        headers = {"Range": f"bytes={start}-"} if start else {}
        url = f"{self._remote.url}/blobs/{descriptor.digest}"
        async with self.request("GET", url, headers=headers, accept=(200, 206, 416)) as response:
            if response.status == 416 or (start and not _resumes(response, start)):
                await incoming.restart()
                if response.status != 200:
                    raise Unreachable(f'Get "{url}": the registry does not resume')
            try:
                await _receive(response, descriptor, incoming, on_bytes)
            except TROUBLES as error:
                raise unreachable("GET", url, error) from error
        if incoming.size < descriptor.size:
            raise Unreachable(f'Get "{url}": unexpected EOF')

    # pushing ----------------------------------------------------------------------------------------------------
    async def has_blob(self, digest: str) -> bool:
        async with self.request("HEAD", f"{self._remote.url}/blobs/{digest}", accept=(200, 404)) as response:
            return response.status == 200

    async def put_manifest(self, tag_or_digest: str, media_type: str, data: bytes) -> None:
        url = f"{self._remote.url}/manifests/{tag_or_digest}"
        async with self.request("PUT", url, headers={"Content-Type": media_type}, data=data, accept=(201, 202)):
            pass

    # one request ------------------------------------------------------------------------------------------------
    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | Callable[[], AsyncIterator[bytes]] | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response with an accepted status, after redirects and after answering a challenge."""
        tokens, scope = self._remote.tokens, self._remote.scope
        challenged = False
        while True:
            try:
                response = await self._follow(method, url, dict(headers or {}), data)
            except aiohttp.ClientConnectorCertificateError as error:
                trusted, seen = _trust(self._remote.endpoint), error.certificate_error
                words = await other_host(error.host, error.port or 443, trusted, seen)
                raise unreachable(method, url, error, words) from error
            except TROUBLES as error:
                raise unreachable(method, url, error) from error
            async with response:
                if response.status in accept:
                    yield response
                    return
                body = await _error_body(response)
                if response.status != 401 or challenged:
                    raise answer(response.status, body, response.headers.get("Retry-After", ""))
                challenged = True
                tokens.forget(scope)
                found = challenges(response.headers.getall("WWW-Authenticate", ()))
                if not await tokens.answer(found, scope, url, self._ask):
                    raise answer(response.status, body)

    async def _follow(
        self, method: str, url: str, headers: dict[str, str], data: bytes | Callable[[], AsyncIterator[bytes]] | None
    ) -> aiohttp.ClientResponse:
        """Redirects, without our name once they lead to another host: a storage service's address signs itself."""
        here = url
        for _ in range(_REDIRECTS):
            named = dict(headers)
            authorization = self._remote.tokens.header(self._remote.scope)
            if authorization and _origin(here) == _origin(self._remote.endpoint.url):
                named["Authorization"] = authorization
            response = await self._http.request(
                method,
                URL(here, encoded=True),
                headers=named,
                data=data() if callable(data) else data,
                allow_redirects=False,
                proxy=_proxy(here),
            )
            if response.status not in (301, 302, 303, 307, 308) or "Location" not in response.headers:
                return response
            response.close()
            here = urljoin(here, response.headers["Location"])
            if urlsplit(here).scheme not in ("http", "https"):
                raise aiohttp.ClientError(f"redirected to an unsupported address: {here}")
        raise aiohttp.ClientError(f"stopped after {_REDIRECTS} redirects")

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        """For a token: another host, no name of ours but the one in `headers`."""
        try:
            async with self._http.request(
                method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False, proxy=_proxy(url)
            ) as response:
                return response.status, await _limited(response, SIZE_LIMIT)
        except TROUBLES as error:
            raise unreachable(method, url, error) from error


async def _receive(
    response: aiohttp.ClientResponse, descriptor: Descriptor, incoming: Incoming, on_bytes: Callable[[int], None]
) -> None:
    waiting: list[bytes] = []
    size, due = 0, 0.0
    try:
        async for chunk in response.content.iter_any():
            waiting.append(chunk)
            size += len(chunk)
            if incoming.size + size > descriptor.size:
                waiting.clear()
                incoming.discard()
                raise CorruptData(f"layer {descriptor.digest} is larger than its manifest says")
            if size >= _WRITE or time.monotonic() >= due:
                data = b"".join(waiting)
                waiting.clear()
                size = 0
                await incoming.write(data)
                on_bytes(incoming.size)
                due = time.monotonic() + _WRITE_AFTER
    finally:  # what came before an interruption is worth keeping
        if waiting:
            await incoming.write(b"".join(waiting))
            on_bytes(incoming.size)


def _tags_of(data: bytes) -> list[str]:
    """Of one page; what is no tag is left out."""
    try:
        listed = json.loads(data)["tags"] or []
        return [tag for tag in listed if isinstance(tag, str) and is_tag(tag)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CorruptData("the registry's list of tags is no list of tags") from None


def _resumes(response: aiohttp.ClientResponse, start: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


async def _limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, which may have `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    try:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise CorruptData(f"registry sent more than {limit} bytes for {response.url.path}")
            parts.append(chunk)
    except TROUBLES as error:
        raise unreachable(response.method, str(response.url), error) from error
    return b"".join(parts)


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.content.read(_ERROR_LIMIT)
    except TROUBLES:
        return b""  # the status alone says enough


def _trust(endpoint: Endpoint) -> ssl.SSLContext | bool:
    if not endpoint.verify or endpoint.certificates is None:
        return endpoint.verify
    return trust(endpoint.certificates)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _proxy(url: str) -> str | None:
    """The environment's proxy for this address, by Go's rules: never for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(host):
        return None
    return proxies.get(parts.scheme)
