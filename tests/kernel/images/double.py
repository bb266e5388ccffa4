"""A registry of the tests' own that misbehaves on request: truncates, stalls, lies, redirects, asks for tokens."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.kernel.images.making import Made, digest


@dataclass(slots=True)
class Double:
    """What it serves and how it behaves. Counts by digest are how many more times it misbehaves."""

    address: str = ""
    tags: dict[str, tuple[bytes, str]] = field(default_factory=dict)  #: `repository:tag` → (manifest, type)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    truncate: dict[str, int] = field(default_factory=dict)  #: digest → how often it is cut in the middle
    corrupt: set[str] = field(default_factory=set)
    stall: set[str] = field(default_factory=set)  #: digests that stop half-way
    silent: bool = False  #: accepts and never answers
    halting: str = ""  #: answers to requests whose path holds this word stop in the middle
    ranges: bool = True
    error: tuple[int, dict[str, Any]] | None = None  #: for manifests
    making: list[str] = field(default_factory=list)  #: what it says, in turn, until a manifest is made
    token: str = ""  #: wants this bearer token
    lives: int = 0  #: requests that a token is good for; 0 for any number
    results: list[object] = field(default_factory=list)  #: of a search, as Docker Hub gives them
    uses: int = 0  #: of tokens, so far
    readers: bool = False  #: whoever asks may only read
    users: dict[str, str] = field(default_factory=dict)  #: of the token service or of Basic
    basic: bool = False
    redirect: str = ""  #: another host for blobs
    gate: asyncio.Event | None = None  #: blobs wait for it
    hosts: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)  #: by number, what has come so far
    cut: list[int] = field(default_factory=list)  #: the next PATCHes break after so many bytes
    forgets: bool = False  #: an upload that broke cannot go on, as with docker-registry 2.8
    sent: list[tuple[str, int]] = field(default_factory=list)  #: (Content-Range, bytes) of each PATCH
    page: int = 0  #: tags in a page of the list; 0 for all

    def serve(self, name: str, made: Made) -> Made:
        self.tags[name] = (made.manifest, made.media_type)
        self.tags[f"{name.rpartition(':')[0]}@{digest(made.manifest)}"] = (made.manifest, made.media_type)
        self.blobs |= made.blobs
        return made

    def fetched(self, blob: str) -> list[dict[str, str]]:
        """The headers of each GET of a blob."""
        return [headers for method, path, headers in self.requests if method == "GET" and path.endswith(blob)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.headers)))
        if self.silent:
            await asyncio.sleep(60)
        if self.halting and self.halting in request.path:
            return await self._halt(request)
        if request.path == "/token":
            return self._give_token(request)
        if refusal := self._refusal(request):
            return refusal
        if request.path == "/v2/":
            return web.json_response({})
        if "/blobs/uploads/" in request.path:
            return await self._upload(request)
        if request.path.endswith("/tags/list"):
            return self._tags(request)
        if request.path == "/v2/_catalog":
            names = {key.rpartition(":")[0] for key in self.tags if "@" not in key}
            return web.json_response({"repositories": sorted(names)})
        if request.path == "/v1/search":
            return web.json_response({"results": self.results, "query": request.query["q"]})
        kind = "manifests" if "/manifests/" in request.path else "blobs"
        name, _, last = request.path.removeprefix("/v2/").partition(f"/{kind}/")
        if request.method == "PUT":
            data, media_type = await request.read(), request.headers["Content-Type"]
            self.tags[f"{name}:{last}"] = self.tags[f"{name}@{digest(data)}"] = (data, media_type)
            return web.Response(status=201)
        if request.method == "HEAD":
            return web.Response(status=200 if last in self.blobs else 404)
        if kind == "manifests":
            return self._manifest(name, last)
        return await self._blob(request, last)

    async def _halt(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b'{"token": "')
        await asyncio.sleep(60)
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        word = request.headers.get("Authorization", "")
        if self.token and word != f"Bearer {self.token}":
            challenge = f'Bearer realm="{self.address}/token",service="double",scope="repository:x:pull"'
            return self._unauthorized(challenge)
        self.uses += bool(self.token)
        if self.lives and self.uses % self.lives == 0:
            self.token += "+"
        if self.basic and not self._known(word):
            return self._unauthorized('Basic realm="double"')
        if self.readers and request.method not in ("GET", "HEAD"):
            body = {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}
            return web.json_response(body, status=403)
        return None

    def _unauthorized(self, challenge: str) -> web.Response:
        body = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        return web.json_response(body, status=401, headers={"WWW-Authenticate": challenge})

    def _known(self, word: str) -> bool:
        known = {base64.b64encode(f"{user}:{secret}".encode()).decode() for user, secret in self.users.items()}
        return word.removeprefix("Basic ") in known

    def _give_token(self, request: web.Request) -> web.Response:
        word = request.headers.get("Authorization", "")
        if request.method == "POST" or (word and not self._known(word)):
            return web.json_response({"details": "incorrect username or password"}, status=401)
        return web.json_response({"token": self.token, "expires_in": 300})

    def _manifest(self, name: str, last: str) -> web.Response:
        if self.making:
            body = {"errors": [{"code": "UNAVAILABLE", "message": self.making.pop(0)}]}
            return web.json_response(body, status=503, headers={"Retry-After": "0"})
        if self.error:
            return web.json_response(self.error[1], status=self.error[0])
        found = self.tags.get(f"{name}@{last}" if ":" in last else f"{name}:{last}")
        if found is None:
            body = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return web.json_response(body, status=404)
        return web.Response(body=found[0], headers={"Content-Type": found[1]})

    def _tags(self, request: web.Request) -> web.Response:
        name = request.path.removeprefix("/v2/").removesuffix("/tags/list")
        found = sorted(key.rpartition(":")[2] for key in self.tags if key.startswith(f"{name}:"))
        if not found:
            body = {"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}
            return web.json_response(body, status=404)
        after = request.query.get("last", "")
        rest = [tag for tag in found if tag > after]
        shown = rest[: self.page] if self.page else rest
        more = {"Link": f'<{request.path}?last={shown[-1]}>; rel="next"'} if len(shown) < len(rest) else {}
        return web.json_response({"name": name, "tags": shown}, headers=more)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        base, _, number = request.path.rpartition("/")
        if request.method == "POST":
            number = str(len(self.requests))
            self.uploads[number] = b""
            return web.Response(status=202, headers={"Location": f"{base}/{number}"})
        if number not in self.uploads:
            body = {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "blob upload unknown to registry"}]}
            return web.json_response(body, status=404)
        if request.method == "PATCH":
            await self._receive(request, number)
        elif request.method == "PUT":
            data = self.uploads.pop(number)
            assert request.query["digest"] == digest(data)
            self.blobs[digest(data)] = data
            return web.Response(status=201)
        there = max(len(self.uploads[number]) - 1, 0)
        status = 204 if request.method == "GET" else 202
        return web.Response(status=status, headers={"Location": f"{base}/{number}", "Range": f"0-{there}"})

    async def _receive(self, request: web.Request, number: str) -> None:
        left = self.cut.pop(0) if self.cut else 1 << 40
        before = len(self.uploads[number])
        said = request.headers.get("Content-Range", "")
        assert said.partition("-")[0] == (str(before) if before else "")
        async for piece in request.content.iter_any():
            self.uploads[number] += piece[:left]
            left -= len(piece)
            if left <= 0:
                break
        self.sent.append((said, len(self.uploads[number]) - before))
        if left <= 0:
            if self.forgets:
                del self.uploads[number]
            assert request.transport is not None
            request.transport.close()

    async def _blob(self, request: web.Request, blob: str) -> web.StreamResponse:
        if self.redirect:
            return web.Response(status=307, headers={"Location": f"{self.redirect}{request.path}?signed=%2Fyes"})
        if self.gate is not None and request.path.endswith(tuple(self.blobs)) and len(self.blobs[blob]) > 2000:
            await self.gate.wait()
        data = self.blobs[blob]
        if blob in self.corrupt:
            data = data[:-9] + bytes(9)
        start = 0
        if self.ranges and "Range" in request.headers:
            start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        response = web.StreamResponse(status=206 if start else 200)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response.content_length = len(data) - start
        await response.prepare(request)
        whole = data[start:]
        if self.truncate.get(blob, 0) > 0 or blob in self.stall:
            await response.write(whole[: len(whole) // 2])
            if blob in self.stall:
                await asyncio.sleep(60)
            self.truncate[blob] -= 1
            assert request.transport is not None
            await asyncio.sleep(0.05)
            request.transport.close()
            return response
        await response.write(whole)
        await response.write_eof()
        return response


@asynccontextmanager
async def running(double: Double | None = None) -> AsyncIterator[Double]:
    """Answers on a loopback port while the block runs."""
    double = double or Double()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", double.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.address = site.name if ":0" not in site.name else f"http://127.0.0.1:{_port(site)}"
    try:
        yield double
    finally:
        await runner.cleanup()


def _port(site: web.TCPSite) -> int:
    server = site._server
    assert isinstance(server, asyncio.Server)
    return int(server.sockets[0].getsockname()[1])
