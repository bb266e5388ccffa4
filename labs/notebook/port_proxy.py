"""A Jupyter server extension: /proxy/9999/ is the page of the published port 9999, for whoever may use this JupyterLab;
/proxy/second/9999/ is that of a port of the server `second`.

Stands on jupyter-server-proxy's handler, which asks for JupyterLab's own login and relays; only ports of this machine
and of the servers that its engine made, and only through `port_pages`. jupyter-server-proxy's own addresses are
switched off (packaging/jupyter).
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.utils import url_path_join
from jupyter_server_proxy.handlers import ProxyHandler  # type: ignore[import-untyped]
from tornado import web
from tornado.httputil import HTTPHeaders

from kernel_engine.errors import EngineError
from labs import servers
from labs.notebook import server as notebook_server
from labs.notebook.port_pages import SANDBOX, Site

_HIGHEST = 65535
_HERE = "127.0.0.1"
_SILENT = """<!doctype html><meta charset="utf-8"><title>대답이 없어요</title>
<body style="font: 14px/1.6 sans-serif; word-break: keep-all"><p>{port}번 포트가 대답하지 않아요. 컨테이너가 돌고 있는지
docker ps로 확인하고, 까닭을 알고 싶으면 노트북에서 %open {place} 을 실행해 보세요.</p>"""


class PortHandler(ProxyHandler):  # type: ignore[misc]  # it has no types
    """GET, POST, … /proxy/[SERVER/]PORT/PATH."""

    def __init__(self, *arguments: Any, **words: Any) -> None:
        # not the method itself: it would be called without its `self`
        rewrite = lambda response: self._rewrite(response)  # noqa: E731, PLW0108
        super().__init__(*arguments, rewrite_response=rewrite, **words)
        self._address = _HERE

    @property
    def _server(self) -> str:
        return self.path_args[0] or ""

    @property
    def _port(self) -> int:
        return int(self.path_args[1])

    @property
    def _site(self) -> Site:
        return Site(self._port, self.base_url, server=self._server, address=self._address)

    async def prepare(self) -> None:
        await super().prepare()
        if not 0 < self._port <= _HIGHEST:
            raise web.HTTPError(404)
        if self._server:
            self._address = await asyncio.to_thread(_address_of, self._server)

    def get_client_uri(self, protocol: str, host: str, port: Any, proxied_path: str) -> str:
        """Ports are published on IPv4; `localhost` may be another one's ::1."""
        found: str = super().get_client_uri(protocol, self._address, port, proxied_path)
        return found

    async def proxy(self, server: str, port: str, proxied_path: str) -> Any:
        try:
            # the address is one that the engine gave out, so that the handler's own list has nothing to add
            return await super().proxy("localhost", port, proxied_path)
        except OSError as error:
            raise web.HTTPError(502, f"port {port}: {error}") from None

    async def http_get(self, server: str, port: str, proxied_path: str) -> Any:
        return await self.proxy(server, port, proxied_path)

    async def open(self, server: str, port: str, proxied_path: str) -> Any:
        return await self.proxy_open("localhost", port, proxied_path)

    post = put = delete = head = patch = options = proxy

    def proxy_request_headers(self) -> HTTPHeaders:
        return _headers(self._site.request_headers(self.request.headers.get_all()))

    def _rewrite(self, response: Any) -> None:
        content_type = response.headers.get("Content-Type", "")
        response.body = self._site.body(response.body or b"", content_type)
        response.headers = _headers(self._site.response_headers(response.headers.get_all(), self.request.host))

    def write_error(self, status_code: int, **words: Any) -> None:
        """A frame whose port does not answer any more."""
        if status_code < 500:
            return super().write_error(status_code, **words)  # type: ignore[no-any-return]
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", SANDBOX)
        self.set_status(502)
        place = f"{self._server}:{self._port}" if self._server else str(self._port)
        self.finish(_SILENT.format(port=self._port, place=place))
        return None


def _address_of(name: str) -> str:
    """Of a server of this machine's engine. Raises 404 for any other, and where the engine does not answer."""
    try:
        found = servers.read(notebook_server.client()).find(name)
    except EngineError:
        found = None
    if found is None:
        raise web.HTTPError(404, f"there is no server {name}")
    return found.address


def _headers(pairs: list[tuple[str, str]]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in pairs:
        headers.add(name, value)
    return headers


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "labs.notebook.port_proxy"}]


def _load_jupyter_server_extension(server: Any) -> None:
    pattern = url_path_join(server.web_app.settings["base_url"], r"/proxy/(?:([a-z][a-z0-9-]*)/)?(\d{1,5})(/.*|)")
    server.web_app.add_handlers(".*", [(pattern, PortHandler)])
