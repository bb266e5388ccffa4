from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.api.head import BODY_LIMIT, Body, parse_head
from kernel_engine.errors import InvalidRequest


def test_head() -> None:
    head = parse_head(b"POST /v1.41/exec/a%20b/start?x=1&y=%2F&z HTTP/1.1\r\nHost: d\r\nUPGRADE:tcp \r\nA: 1\r\nA: 2")
    assert (head.method, head.path) == ("POST", "/v1.41/exec/a b/start")
    assert head.query == {"x": "1", "y": "/", "z": ""}
    assert head.headers == {"host": "d", "upgrade": "tcp", "a": "2"}
    assert head.upgrade


@given(
    content=st.binary(max_size=300),
    rest=st.binary(max_size=50),
    cuts=st.lists(st.integers(1, 60), max_size=30),
    chunks=st.lists(st.integers(1, 100), min_size=1, max_size=8),
    chunked=st.booleans(),
)
def test_a_body_is_the_same_however_it_is_cut(
    content: bytes, rest: bytes, cuts: list[int], chunks: list[int], chunked: bool
) -> None:
    wire = content
    headers = {"content-length": str(len(content))}
    if chunked:
        headers, wire, left = {"transfer-encoding": "chunked"}, b"", content
        for size in chunks * len(content):
            piece, left = left[:size], left[size:]
            if not piece:
                break
            wire += b"%x;ext=1\r\n%b\r\n" % (len(piece), piece)
        wire += b"0\r\nTrailer: x\r\n\r\n"
    wire += rest
    body = Body(headers)
    for cut in [*cuts, len(wire)]:
        body.feed(wire[:cut])
        wire = wire[cut:]
    assert body.done
    assert bytes(body.content) == content
    assert body.rest == rest


def test_no_body() -> None:
    body = Body({})
    body.feed(b"stdin")
    assert (body.done, bytes(body.content), body.rest) == (True, b"", b"stdin")


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({"content-length": "-1"}, b""),
        ({"content-length": "1e3"}, b""),
        ({"content-length": "٣"}, b""),
        ({"content-length": str(BODY_LIMIT + 1)}, b""),
        ({"transfer-encoding": "gzip"}, b""),
        ({"transfer-encoding": "chunked", "content-length": "3"}, b""),
        ({"transfer-encoding": "chunked"}, b"-1\r\n"),
        ({"transfer-encoding": "chunked"}, b"0x1\r\nabc"),
        ({"transfer-encoding": "chunked"}, b"1\r\nab\r\n"),
        ({"transfer-encoding": "chunked"}, b"a" * 5000),
        ({"transfer-encoding": "chunked"}, b"ffffffff\r\n" + b"a" * (BODY_LIMIT + 1)),
    ],
)
def test_bodies_that_are_refused(headers: dict[str, str], data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Body(headers).feed(data)


@given(st.binary(max_size=400))
def test_nothing_but_a_refusal_comes_of_garbage(data: bytes) -> None:
    try:
        parse_head(data)
    except InvalidRequest:
        pass
    try:
        Body({"transfer-encoding": "chunked"}).feed(data)
    except InvalidRequest:
        pass
