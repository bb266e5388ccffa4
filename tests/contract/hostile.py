"""What no honest client sends: values for bodies and queries, bytes for the socket. Strategies of hypothesis.

They draw from what every route takes (Docker's definition, our own table), so that a new route is tried too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from kernel_engine.api.routes import Route
from tests import docker_schema

#: text that somebody once took for what it is not
WORDS = (
    "", " ", "\0", "a\0b", "\n", "\r\nX: y", "-", "--help", ".", "..", "../../../etc/passwd", "/", "//",
    "/proc/self/fd/3",
    "\ud800", "\udfff\ud800", "ÿ", "한글", "😀", "\u202e", "%00", "%s%n", "{{.}}", "${HOME}", "$(id)", "a" * 300,
    "a" * 9000, "0", "-1", "1e400", "NaN", "inf", "9" * 20, "0x10", "1.5", "true", "null", "[]", "[:::]/x", "{}",
    "sha256:",
    "sha256:" + "0" * 64, "a:b:c", ":", "@", "a@sha256:0", "a:99999999/b", "host", "container:", "container:web",
    "none",
    "unix:///", "SIGKILL", "256", "80/tcp",
)  # fmt: skip
#: of every type of JSON, and too much of each
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, [],
    {}, [None],
    [[]], [0], [""], ["\0"], ["a" * 5000], [{}], {"": ""}, {"a": None}, {"a": []}, {"\0": "\0"},
    {"a": {"b": {"c": {}}}},
    [1, "a", None, {}], {"80/tcp": None}, {"80/tcp": [{"HostPort": "99999"}]},
    {str(number): number for number in range(300)},
)  # fmt: skip
#: in the place of a whole body
BODIES = (
    b"", b" ", b"{", b"}", b"[]", b"null", b"0", b'"x"', b"\xff\xfe", b"\0", b"{}{}", b'{"a":1,}', b"{'a':1}",
    b"[" * 3000,
    b'{"a":' * 3000, b'{"a":NaN}', b'{"a":1e999}', b'{"a":' + b"9" * 5000 + b"}", b'{"\xed\xa0\x80":1}',
    b'{"Image":"\\ud800"}', b"\xef\xbb\xbf{}",
)  # fmt: skip
FILTERS = (
    "{", "[]", "null", "0", '"x"', '{"label":null}', '{"label":"a"}', '{"label":["a"]}', '{"label":{"a":true}}',
    '{"label":{"a":false}}', '{"label":{"a":1}}', '{"label":[1]}', '{"label":[["a"]]}', '{"nothing":["a"]}',
    '{"":[""]}',
    '{"until":["x"]}', '{"until":["1e400"]}', '{"name":["("]}', '{"name":["(a*)*"]}', '{"id":["\\u0000"]}',
    '{"status":["x"]}',
    '{"dangling":["x"]}', '{"before":["web"]}', '{"since":[""]}', '{"ancestor":["a b"]}', '{"exited":["x"]}',
    '{"health":["x"]}', '{"publish":["x"]}', '{"expose":["0-70000/x"]}', '{"reference":["["]}',
    '{"volume":["\\ud800"]}',
    '{"network":[""]}', '{"type":["x"]}', '{"driver":["x"]}', '{"scope":["x"]}', '{"is-task":["x"]}', "[" * 3000,
)  # fmt: skip
#: of our own routes; Docker's come from its definition
_OWN_QUERIES = ("path", "all", "of", "after", "to", "patience", "seconds", "timeout", "mark", "remove")

_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "get", "", "G\0T", "OPTIONS", "CONNECT", "X" * 300)
_TARGETS = (
    "/_ping", "/containers/json", "/containers/create", "/containers/nobody/attach?stream=1&stdin=1",
    "/exec/nobody/start",
    "/containers/nobody/attach/ws", "/v1.41/containers/create?name=%zz", "/build", "/session", "*",
    "http://other/_ping", "",
    "/%00", "/..%2f..%2fetc", "/\xff\xfe", "/containers/json?filters=" + "%7B" * 2000,
    "/containers/nobody/archive?path=/x",
    "//", "/_ping ", "/_ping?a=b#c", "/v1.47/v1.47/_ping", "/v99999999999999999999.1/info", "/x" * 2000,
)  # fmt: skip
_VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", "", "HTTP/1.1 ", "HTTP/" + "1" * 100)
_HEADERS = (
    "Host: d", "Host: d\r\nHost: e", "Content-Length: 0", "Content-Length: 2", "Content-Length: -1",
    "Content-Length: +2",
    "Content-Length: 2, 2", "Content-Length: 0x2", "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: \x0bchunked",
    "Expect: 100-continue",
    "Upgrade: tcp\r\nConnection: Upgrade", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
    "Upgrade: websocket",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
    "Connection: close",
    "Content-Type: application/json", "Content-Type: application/json; charset=utf-7", "Content-Encoding: gzip",
    "no colon",
    " Folded: x", "X: a\r\n b", "X : y", ": x", "X: \0", "X: \x7f\xff", "X: " + "y" * 9000, "X-Registry-Auth: !!!",
    "X-Registry-Auth: bm8=", "X-Registry-Config: e30", "\r\n".join(f"X-{number}: y" for number in range(300)),
)  # fmt: skip
_PAYLOADS = (
    b"", b"{}", b"{", b"2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n",
    b"2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n",
    b"2\r\n{}XX0\r\n\r\n", b"0\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n", b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n" * 5,
    b"\0" * 9000,
    b"\x16\x03\x01\x02\x00\x01\x00", b"\x1f\x8b\x08\x00",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    body: bytes | None
    kind: str = "application/json"

    def data(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: docker"]
        if self.body is not None:
            lines += [f"Content-Type: {self.kind}", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


def queries(route: Route) -> tuple[str, ...]:
    """Names of what the route reads from a query."""
    operation = docker_schema.find(route.method, route.pattern)
    if operation is None:
        return _OWN_QUERIES
    described = docker_schema.document()["paths"][operation.path][route.method.lower()]
    return tuple(item["name"] for item in described.get("parameters", ()) if item["in"] == "query")


@st.composite
def requests(draw: st.DrawFn, route: Route, bodies: Mapping[str, Any], names: Mapping[str, str]) -> Request:
    """A request to this route of which a thing or a few are not as they should be.

    bodies: pattern → a body that fits. names: the first part of a path → the name of something that is there.
    """
    target = route.pattern
    there = names.get(target.split("/")[1], "nobody")
    for part in ("id", "name", "rest"):
        word = draw(st.sampled_from((there, there, there, *WORDS)))
        target = target.replace(f"{{{part}}}", quote(word.encode(errors="surrogatepass"), safe="/:"))
    words = []
    for name in draw(st.lists(st.sampled_from(queries(route) or ("x",)), max_size=3)):
        value = draw(st.sampled_from(FILTERS if name == "filters" else (*WORDS, *FILTERS[:4])))
        words.append(f"{name}={quote(value.encode(errors='surrogatepass'))}")
    target = f"{target}?{'&'.join(words)}" if words else target
    body = None if route.method in ("GET", "HEAD") else draw(_bodies(bodies.get(route.pattern, {})))
    kind = draw(st.sampled_from(("application/json",) * 8 + ("application/x-tar", "text/plain", "", "\x7f")))
    return Request(route.method, target, body, kind)


@st.composite
def _bodies(draw: st.DrawFn, fitting: Any) -> bytes:
    if not draw(st.integers(0, 4)):
        return draw(st.sampled_from(BODIES))
    body = copy.deepcopy(fitting)
    for _ in range(draw(st.integers(1, 2))):
        _spoil(draw, body)
    return json.dumps(body).encode()


def _spoil(draw: st.DrawFn, value: Any) -> None:
    """Puts something else into one place of it, however deep."""
    while isinstance(value, dict | list) and value:
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else list(range(len(value)))))
        if not isinstance(value[key], dict | list) or not value[key] or draw(st.booleans()):
            value[key] = copy.deepcopy(draw(st.sampled_from((*VALUES, *WORDS))))
            return
        value = value[key]


@st.composite
def wire(draw: st.DrawFn) -> bytes:
    """Bytes that look like a request, more or less."""
    if not draw(st.integers(0, 9)):
        return draw(st.binary(max_size=400)) + b"\r\n\r\n"
    words = (draw(st.sampled_from(_METHODS[:5] * 3 + _METHODS)), draw(st.sampled_from(_TARGETS)))
    version = draw(st.sampled_from(("HTTP/1.1",) * 5 + _VERSIONS))
    headers = draw(st.lists(st.sampled_from(_HEADERS), max_size=4))
    end = draw(st.sampled_from(("\r\n", "\r\n", "\r\n", "\n", "\r")))
    head = end.join([" ".join((*words, version)), *headers, "", ""])
    payload = draw(st.sampled_from(_PAYLOADS))
    whole = head.encode("latin-1") + payload
    return whole[: draw(st.integers(0, len(whole)))] if not draw(st.integers(0, 5)) else whole
