"""A Jupyter server extension: /proxy/9999/ is the page of the published port 9999, for whoever may use this JupyterLab.

Stands on jupyter-server-proxy's handler, which asks for JupyterLab's own login and relays; only ports of this machine,
and only through `port_pages`. jupyter-server-proxy's own addresses are switched off (packaging/jupyter).
"""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import url_path_join
from jupyter_server_proxy.handlers import LocalProxyHandler  # type: ignore[import-untyped]
from tornado import web
from tornado.httputil import HTTPHeaders

from labs.notebook.port_pages import SANDBOX, Site

_HIGHEST = 65535
_SILENT = """<!doctype html><meta charset="utf-8"><title>대답이 없어요</title>
<body style="font: 14px/1.6 sans-serif; word-break: keep-all"><p>{port}번 포트가 대답하지 않아요. 컨테이너가 돌고 있는지
docker ps로 확인하고, 까닭을 알고 싶으면 노트북에서 %open {port} 을 실행해 보세요.</p>"""


class PortHandler(LocalProxyHandler):  # type: ignore[misc]  # it has no types
    """GET, POST, … /proxy/PORT/PATH."""

    def __init__(self, *arguments: Any, **words: Any) -> None:
        # not the method itself: it would be called without its `self`
        rewrite = lambda response: self._rewrite(response)  # noqa: E731, PLW0108
        super().__init__(*arguments, rewrite_response=rewrite, **words)

    @property
    def _site(self) -> Site:
        return Site(int(self.path_args[0]), self.base_url)

    async def prepare(self) -> None:
        await super().prepare()
        if not 0 < self._site.port <= _HIGHEST:
            raise web.HTTPError(404)

    def get_client_uri(self, protocol: str, host: str, port: Any, proxied_path: str) -> str:
        """Ports are published on IPv4; `localhost` may be another one's ::1."""
        found: str = super().get_client_uri(protocol, "127.0.0.1", port, proxied_path)
        return found

    async def proxy(self, port: str, proxied_path: str) -> Any:
        try:
            return await super().proxy(port, proxied_path)
        except OSError as error:
            raise web.HTTPError(502, f"port {port}: {error}") from None

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
        self.finish(_SILENT.format(port=self._site.port))
        return None


def _headers(pairs: list[tuple[str, str]]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in pairs:
        headers.add(name, value)
    return headers


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "labs.notebook.port_proxy"}]


def _load_jupyter_server_extension(server: Any) -> None:
    pattern = url_path_join(server.web_app.settings["base_url"], r"/proxy/(\d{1,5})(/.*|)")
    server.web_app.add_handlers(".*", [(pattern, PortHandler)])
