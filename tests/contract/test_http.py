"""Our own HTTP behaviour on ordinary requests: versions, errors, limits, clients that leave."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from kernel_engine.containers.record import WaitResult
from tests.contract.conftest import Door
from tests.contract.speaking import connect, exchange, parse, read_all, read_head, request, unchunk


def test_ping(door: Door) -> None:
    for method, body in (("GET", b"OK"), ("HEAD", b"")):
        reply = request(door.path, method, "/_ping")
        assert (reply.status, reply.body) == (200, body)
        assert reply.headers["api-version"] == "1.47"
        assert reply.headers["ostype"] == "linux"
        assert reply.headers["docker-experimental"] == "false"
        assert reply.headers["server"].startswith("kernel-engine/")
        assert "builder-version" not in reply.headers
        assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("prefix", ["", "/v1.24", "/v1.41", "/v1.47"])
def test_with_and_without_a_version(door: Door, prefix: str) -> None:
    reply = request(door.path, "GET", f"{prefix}/version")
    assert reply.status == 200
    assert reply.json()["ApiVersion"] == "1.47"
    assert reply.json()["MinAPIVersion"] == "1.24"
    assert reply.body.endswith(b"\n")


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("/v1.99/info", 400, "client version 1.99 is too new. Maximum supported API version is 1.47"),
        ("/v2.0/info", 400, "client version 2.0 is too new. Maximum supported API version is 1.47"),
        (
            "/v1.9/info",
            400,
            "client version 1.9 is too old. Minimum supported API version is 1.24, please upgrade your client to a "
            "newer version",
        ),
        ("/nothing", 404, "page not found"),
        ("/", 404, "page not found"),
        ("/v1.x/info", 404, "page not found"),
        ("/v1.47", 404, "page not found"),
        ("/containers/missing/json", 404, "No such container: missing"),
        ("/swarm/init", 501, "swarm mode is not served by this engine yet"),
        ("/swarm/leave", 503, "This node is not part of a swarm"),
        (
            "/services",
            503,
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
            "swarm and try again.",
        ),
        ("/volumes/v1", 404, "get v1: no such volume"),
        ("/containers/c1/logs", 400, "Bad parameters: you must choose at least one stream"),
    ],
)
def test_errors(door: Door, target: str, status: int, message: str) -> None:
    reply = request(door.path, "GET", target)
    assert (reply.status, reply.json()) == (status, {"message": message})
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.body.endswith(b"\n")


def test_another_method_is_another_page(door: Door) -> None:
    assert request(door.path, "PUT", "/version").json() == {"message": "page not found"}


def test_create(door: Door) -> None:
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "default"}}
    reply = request(door.path, "POST", "/v1.47/containers/create?name=%2Fweb&platform=linux%2Farm", body)
    assert (reply.status, reply.json()) == (201, {"Id": "c" * 64, "Warnings": ["be careful"]})
    options, name, platform = door.asked.created[0]
    assert (options.image, options.command, name, platform) == ("busybox", ("true",), "web", "linux/arm")


def test_a_body_that_ends_in_the_middle_and_that_nobody_reads(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /nosuch HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n"
    for _ in range(5):
        assert parse(exchange(door.path, head + b"a part", shut=True)).status == 404
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100000, rb'{"Image":"\ud800"}'])
def test_a_body_that_is_no_object(door: Door, body: bytes) -> None:
    head = (
        f"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    reply = parse(exchange(door.path, head.encode() + b"\r\n\r\n" + body))
    assert reply.status == 400
    assert reply.json()["message"].startswith("invalid JSON: ")


def test_a_body_of_another_kind(door: Door) -> None:
    head = b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"
    reply = parse(exchange(door.path, head))
    assert reply.json() == {"message": "unsupported Content-Type header (text/plain): must be 'application/json'"}
    assert reply.status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"half a request",
        b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        os.urandom(512) + b"\r\n\r\n",
    ],
    ids=range(7),
)
def test_malformed_requests(door: Door, data: bytes) -> None:
    answer = exchange(door.path, data, shut=True)
    assert answer.split(b" ")[:2] in ([b"HTTP/1.1", b"400"], [b"HTTP/1.0", b"400"])
    assert b'{"message": ' in answer
    assert request(door.path, "GET", "/_ping").status == 200


def test_nothing_at_all(door: Door) -> None:
    assert exchange(door.path, b"", shut=True) == b""


def test_a_header_that_is_too_large(door: Door) -> None:
    with connect(door.path) as end:
        try:
            end.sendall(b"GET /_ping HTTP/1.1\r\nX: " + b"x" * 300_000)
        except BrokenPipeError:
            pass
        assert end.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_a_long_header_that_is_not_too_large(door: Door) -> None:
    word = "x" * 60_000
    assert request(door.path, "GET", f"/_ping?{word}", headers=(f"X-Registry-Auth: {word}",)).status == 200


def test_only_the_first_request_of_a_connection_counts(door: Door) -> None:
    ping = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
    for garbage in (ping, b"POST /containers/c1/attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\nx", b"\0\0garbage"):
        answer = exchange(door.path, ping + garbage)
        assert answer.count(b"HTTP/1.") == 1
    assert not door.asked.handed


def test_a_client_that_shuts_its_sending_side_gets_its_answer(door: Door) -> None:
    reply = parse(exchange(door.path, b"POST /containers/c1/start HTTP/1.1\r\nHost: d\r\n\r\n", shut=True))
    assert reply.status == 204


def test_a_start_goes_on_when_its_client_leaves(door: Door) -> None:
    with connect(door.path) as end:
        end.sendall(b"POST /containers/c1/start HTTP/1.1\r\nHost: d\r\n\r\n")
        assert door.asked.started.wait(5)
    assert door.asked.finished.wait(5)
    assert not door.asked.cancelled.is_set()


def test_wait_sends_its_header_before_the_end(door: Door) -> None:
    with connect(door.path) as end:
        end.sendall(b"POST /v1.47/containers/c1/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n")
        head, rest = read_head(end)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: application/json" in head
        assert rest == b""
        future = door.asked.waits[0]
        door.loop.call_soon_threadsafe(future.set_result, WaitResult(exit_code=3, error="why"))
        assert unchunk(read_all(end)) == b'{"StatusCode":3,"Error":{"Message":"why"}}\n'


def test_wait_ends_when_its_client_leaves(door: Door) -> None:
    with connect(door.path) as end:
        end.sendall(b"POST /containers/c1/wait HTTP/1.1\r\nHost: d\r\n\r\n")
        read_head(end)
    until = time.monotonic() + 5
    while not door.asked.waits[0].cancelled() and time.monotonic() < until:
        time.sleep(0.01)
    assert door.asked.waits[0].cancelled()


def test_wait_for_what_is_not_there(door: Door) -> None:
    assert request(door.path, "POST", "/containers/missing/wait").status == 404
    assert request(door.path, "POST", "/containers/c1/wait?condition=never").json() == {
        "message": 'invalid condition: "never"'
    }


def test_a_mistake_of_ours_is_a_500_and_not_the_end(door: Door) -> None:
    reply = request(door.path, "POST", "/containers/c1/kill")
    assert (reply.status, reply.json()) == (500, {"message": "RuntimeError: a mistake of ours"})
    assert request(door.path, "GET", "/_ping").status == 200


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("/containers/c1/resize?h=x&w=1", "invalid h"),
        ("/containers/c1/resize?h=1", "height or width"),
        ("/containers/c1/resize?h=70000&w=1", "height or width"),
        ("/containers/c1/stop?t=soon", "invalid t"),
        ("/commit?container=c1&pause=1", "unsupported Content-Type"),
    ],
)
def test_bad_query_words(door: Door, target: str, part: str) -> None:
    headers = ("Content-Type: application/x-tar", "Content-Length: 1") if "commit" in target else ()
    lines = "\r\n".join([f"POST {target} HTTP/1.1", "Host: d", *headers, "", "x" if headers else ""])
    reply = parse(exchange(door.path, lines.encode()))
    assert reply.status == 400
    assert part in reply.json()["message"]


def test_own_info(door: Door) -> None:
    told = request(door.path, "GET", "/kernel-engine/info").json()
    assert set(told) == {"Instance", "Version", "Root", "Run", "Restricted"}


def test_many_clients_at_once(door: Door) -> None:
    async def all_of_them() -> list[bytes]:
        async def one() -> bytes:
            reader, writer = await asyncio.open_unix_connection(door.path)
            writer.write(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        return await asyncio.gather(*(one() for _ in range(200)))

    assert all(answer.endswith(b"\r\n\r\nOK") for answer in asyncio.run(all_of_them()))


def test_slow_header_is_given_up(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel_engine.api.front.PATIENCE", 0.2)
    with connect(door.path) as end:
        end.sendall(b"GET /_ping HTTP/1.1\r\n")
        assert end.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert end.recv(4096) == b""


def test_a_body_that_ends_in_the_middle(door: Door) -> None:
    for framing, body in (("Content-Length: 100", b"{}"), ("Transfer-Encoding: chunked", b"2\r\n{}\r\n")):
        head = f"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        reply = parse(exchange(door.path, head.encode() + body, shut=True))
        assert (reply.status, reply.json()) == (400, {"message": "unexpected EOF"})


def test_a_body_that_does_not_come(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel_engine.api.call.BODY_PATIENCE", 0.2)
    head = (
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    reply = parse(exchange(door.path, head))
    assert (reply.status, reply.json()) == (400, {"message": "the request body did not come in time"})


def test_a_body_that_is_too_large(door: Door) -> None:
    """It is refused long before all of it has come."""
    head = (
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    until = time.monotonic() + 60
    with connect(door.path) as end, pytest.raises(ConnectionError):
        end.sendall(head % (1 << 50))
        while time.monotonic() < until:
            end.sendall(b" " * (1 << 17))
            time.sleep(0.001)
    assert request(door.path, "GET", "/_ping").status == 200


def test_empty_lines_in_front(door: Door) -> None:
    for lines in (b"\r\n", b"\n\r\n\n"):
        assert exchange(door.path, lines, shut=True) == b""
        assert parse(exchange(door.path, lines + b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")).body == b"OK"
