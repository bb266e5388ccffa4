"""A page of a published port, made fit for the frame in a notebook. Pure: bytes and headers in, bytes and headers out.

The page comes through JupyterLab (/proxy/9999/…), so it is one of JupyterLab's own pages in the browser's eyes. Two
things follow. What the page calls /wiki/x must become /proxy/9999/wiki/x. And nothing that a container says may act in
the learner's name: its scripts do not run there (CSP sandbox), and JupyterLab's cookies never reach it. In a tab of its
own, at the port's own address, the page is itself again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: no scripts: with them and the same origin a page could open a terminal
SANDBOX = "sandbox allow-forms allow-same-origin allow-popups allow-downloads; frame-ancestors 'self'"
#: headers of a container that would mean JupyterLab's whole site, or forbid the frame
_DROPPED = re.compile(
    r"(content-security-policy(-report-only)?|x-frame-options|strict-transport-security|clear-site-data|"
    r"service-worker-allowed|refresh|access-control-.*)",
    re.IGNORECASE,
)
#: what JupyterLab sends for itself alone
_OWN_HEADERS = re.compile(r"(authorization|x-xsrftoken|accept-encoding|origin|referer|cookie|host)", re.IGNORECASE)
_OWN_COOKIES = re.compile(r"(_xsrf|username-.*|jupyterhub-.*)")
#: no look at the tag around them: a page of a stranger must not make us search for long
_ATTRIBUTE = re.compile(
    rb"""(\s(?:href|src|action|formaction|poster|data|background)\s*=\s*["']?)([^"'\s>]*)""", re.IGNORECASE
)
_SOURCES = re.compile(rb"""(\ssrcset\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
_REFRESH = re.compile(rb"""(\scontent\s*=\s*["']?\s*\d+\s*;\s*url\s*=\s*['"]?)([^"'\s>]*)""", re.IGNORECASE)
_STYLE = re.compile(rb"""((?:url\(\s*|@import\s+)["']?)([^"')\s]*)""", re.IGNORECASE)


class Site:
    """One published port as JupyterLab shows it. `server`: the name of another server, with its `address`."""

    def __init__(self, port: int, base_url: str = "/", *, server: str = "", address: str = "127.0.0.1") -> None:
        self.port = port
        self.address = address
        self.prefix = f"{base_url.rstrip('/')}/proxy/{f'{server}/' if server else ''}{port}"
        hosts = re.escape(address) if server else r"127\.0\.0\.1|localhost|0\.0\.0\.0"
        origins = rf"https?://(?:{hosts}):{port}(?=[/?#]|$)"
        self._origin = re.compile(origins, re.IGNORECASE)

    def inside(self, address: str) -> str:
        """`/x` and `http://127.0.0.1:9999/x` become `/proxy/9999/x`; everything else stays."""
        path = self._origin.sub("", address, count=1)
        if path == address and not (address.startswith("/") and not address.startswith("//")):
            return address
        path = path if path.startswith("/") else f"/{path}"
        return path if path == self.prefix or path.startswith(f"{self.prefix}/") else f"{self.prefix}{path}"

    # what goes to the container -----------------------------------------------------------------------------------
    def request_headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """As if the browser had asked the port itself, and without what is between JupyterLab and the browser."""
        given = tuple(headers)
        found = [(name, value) for name, value in given if not _OWN_HEADERS.fullmatch(name)]
        found += [("Host", f"{self.address}:{self.port}"), ("Accept-Encoding", "identity")]
        for name, value in given:
            if name.lower() == "origin" and value != "null":
                found.append((name, f"http://{self.address}:{self.port}"))
            elif name.lower() == "referer" and (place := self._outside(value)):
                found.append((name, place))
            elif name.lower() == "cookie" and (kept := _foreign_cookies(value)):
                found.append((name, kept))
        return found

    def _outside(self, referer: str) -> str:
        """The page that led here, if it was one of this port's own."""
        at = referer.find(f"{self.prefix}/")
        return f"http://{self.address}:{self.port}{referer[at + len(self.prefix) :]}" if at >= 0 else ""

    # what comes back ------------------------------------------------------------------------------------------------
    def response_headers(self, headers: Iterable[tuple[str, str]], host: str) -> list[tuple[str, str]]:
        """`host`: JupyterLab's own, as the browser calls it."""
        rewritten = {"location": lambda value: self._location(value, host), "set-cookie": self.cookie}
        found = [
            (name, rewritten.get(name.lower(), str)(value)) for name, value in headers if not _DROPPED.fullmatch(name)
        ]
        return [*found, ("Content-Security-Policy", SANDBOX)]

    def _location(self, address: str, host: str) -> str:
        """With the host in it nobody behind us takes it for a path of the container."""
        inside = self.inside(address)
        return f"//{host}{inside}" if inside.startswith(self.prefix) else address

    def cookie(self, text: str) -> str:
        """A cookie of the container is one of this port's pages, not of JupyterLab."""
        first, *rest = text.split(";")
        names = ("path", "domain")
        kept = [item for item in rest if item.strip().partition("=")[0].lower() not in names]
        return ";".join([first, *kept, f" Path={self.prefix}/"])

    def body(self, body: bytes, content_type: str) -> bytes:
        kind = content_type.partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            body = _ATTRIBUTE.sub(lambda found: found[1] + self._bytes(found[2]), body)
            body = _SOURCES.sub(lambda found: found[1] + self._sources(found[2]), body)
            body = _REFRESH.sub(lambda found: found[1] + self._bytes(found[2]), body)
        elif kind != "text/css":
            return body
        return _STYLE.sub(lambda found: found[1] + self._bytes(found[2]), body)

    def _sources(self, quoted: bytes) -> bytes:
        """`"/a.png 1x, /b.png 2x"`."""
        quote, items = quoted[:1], quoted[1:-1].split(b",")
        words = (item.strip().split(None, 1) for item in items if item.strip())
        return quote + b", ".join(b" ".join([self._bytes(address), *rest]) for address, *rest in words) + quote

    def _bytes(self, address: bytes) -> bytes:
        return self.inside(address.decode("latin-1")).encode("latin-1")


def _foreign_cookies(header: str) -> str:
    pairs = [pair.strip() for pair in header.split(";")]
    return "; ".join(pair for pair in pairs if pair and not _OWN_COOKIES.fullmatch(pair.partition("=")[0].strip()))
