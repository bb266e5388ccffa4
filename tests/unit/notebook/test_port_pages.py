"""Pages of published ports under JupyterLab's own address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.notebook.port_pages import SANDBOX, Site

SITE = Site(9999)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("/", "/proxy/9999/"),
        ("/wiki/Main?x=1#top", "/proxy/9999/wiki/Main?x=1#top"),
        ("http://127.0.0.1:9999", "/proxy/9999/"),
        ("http://localhost:9999/a", "/proxy/9999/a"),
        ("HTTP://LOCALHOST:9999/a", "/proxy/9999/a"),
        ("http://127.0.0.1:9999?x", "/proxy/9999/?x"),
        ("/proxy/9999/a", "/proxy/9999/a"),
        ("a/b", "a/b"),
        ("?x=1", "?x=1"),
        ("#top", "#top"),
        ("", ""),
        ("//cdn.example/x.js", "//cdn.example/x.js"),
        ("https://example.com/", "https://example.com/"),
        ("http://127.0.0.1:99990/", "http://127.0.0.1:99990/"),
        ("mailto:a@b", "mailto:a@b"),
    ],
)
def test_addresses(address: str, inside: str) -> None:
    assert SITE.inside(address) == inside


def test_under_another_base() -> None:
    assert Site(80, "/user/me/").inside("/x") == "/user/me/proxy/80/x"


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        (b'<a href="/x">', b'<a href="/proxy/9999/x">'),
        (b"<a href='/x'><img src=/y.png>", b"<a href='/proxy/9999/x'><img src=/proxy/9999/y.png>"),
        (b'<form method=post ACTION = "/save">', b'<form method=post ACTION = "/proxy/9999/save">'),
        (b'<button formaction="/a" name="href">', b'<button formaction="/proxy/9999/a" name="href">'),
        (b'<img srcset="/a.png 1x, b.png 2x,/c.png">',
         b'<img srcset="/proxy/9999/a.png 1x, b.png 2x, /proxy/9999/c.png">'),
        (b'<meta http-equiv="refresh" content="0; url=/next">',
         b'<meta http-equiv="refresh" content="0; url=/proxy/9999/next">'),
        (b"<style>a { background: url('/i.png') } @import \"/b.css\";</style>",
         b"<style>a { background: url('/proxy/9999/i.png') } @import \"/proxy/9999/b.css\";</style>"),
        ("<p>한글 /그대로</p><a data-href=/x>".encode(), "<p>한글 /그대로</p><a data-href=/x>".encode()),
        (b'<a href="">', b'<a href="">'),
    ],
)  # fmt: skip
def test_html(given_: bytes, made: bytes) -> None:
    assert SITE.body(given_, "text/html; charset=utf-8") == made


def test_other_kinds() -> None:
    assert SITE.body(b"a{background:url(/x)}", "text/css") == b"a{background:url(/proxy/9999/x)}"
    for kind in ("application/json", "image/png", ""):
        assert SITE.body(b'<a href="/x">', kind) == b'<a href="/x">'


@given(st.binary(max_size=300))
def test_any_bytes_stay_what_they_are_where_nothing_is_an_address(body: bytes) -> None:
    assert SITE.body(body, "image/png") == body
    assert SITE.body(SITE.body(body, "text/html"), "text/html") == SITE.body(body, "text/html"), "once is enough"


def test_what_the_container_hears() -> None:
    headers = [
        ("Host", "127.0.0.1:8888"),
        ("Cookie", "username-127-0-0-1-8888=secret; user=me; _xsrf=2|abc; jupyterhub-session-id=x"),
        ("Authorization", "token secret"),
        ("X-XSRFToken", "abc"),
        ("Accept-Encoding", "gzip"),
        ("Origin", "http://127.0.0.1:8888"),
        ("Referer", "http://127.0.0.1:8888/proxy/9999/wiki/Main"),
        ("Accept-Language", "ko"),
    ]
    assert sorted(SITE.request_headers(iter(headers))) == [
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "ko"),
        ("Cookie", "user=me"),
        ("Host", "127.0.0.1:9999"),
        ("Origin", "http://127.0.0.1:9999"),
        ("Referer", "http://127.0.0.1:9999/wiki/Main"),
    ]
    bare = SITE.request_headers(iter([("Cookie", "_xsrf=1"), ("Referer", "http://127.0.0.1:8888/lab?token=secret")]))
    assert bare == [("Host", "127.0.0.1:9999"), ("Accept-Encoding", "identity")]


def test_what_comes_back() -> None:
    headers = [
        ("Content-Type", "text/html"),
        ("Location", "http://127.0.0.1:9999/wiki/"),
        ("Set-Cookie", "user=me; Path=/; Domain=127.0.0.1; HttpOnly"),
        ("Set-Cookie", "username-127-0-0-1-8888=stolen; path=/"),
        ("X-Frame-Options", "DENY"),
        ("Content-Security-Policy", "script-src *"),
        ("Clear-Site-Data", '"cookies"'),
        ("Strict-Transport-Security", "max-age=1"),
        ("Access-Control-Allow-Origin", "*"),
        ("Service-Worker-Allowed", "/"),
        ("Refresh", "0; url=/"),
    ]
    assert SITE.response_headers(headers, "127.0.0.1:8888") == [
        ("Content-Type", "text/html"),
        ("Location", "//127.0.0.1:8888/proxy/9999/wiki/"),
        ("Set-Cookie", "user=me; HttpOnly; Path=/proxy/9999/"),
        ("Set-Cookie", "username-127-0-0-1-8888=stolen; Path=/proxy/9999/"),
        ("Content-Security-Policy", SANDBOX),
    ]
    assert "allow-scripts" not in SANDBOX
    for elsewhere in ("https://example.com/", "next"):
        assert ("Location", elsewhere) in SITE.response_headers([("Location", elsewhere)], "h")
