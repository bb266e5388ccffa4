"""attach and exec start on the wire: exact headers, not one byte lost, half-close."""

from __future__ import annotations

import fcntl
import json
import socket
import sys
import termios
import threading
import time

import pytest

from tests.contract.conftest import Door
from tests.contract.speaking import connect, exchange, parse, read_all, read_head

RAW = b"application/vnd.docker.raw-stream"
MULTIPLEXED = b"application/vnd.docker.multiplexed-stream"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"


def upgraded(kind: bytes) -> bytes:
    return b"HTTP/1.1 101 UPGRADED\r\nContent-Type: " + kind + b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def attach(name: str = "c1", version: str = "v1.47", extra: bytes = UPGRADE) -> bytes:
    line = f"POST /{version}/containers/{name}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
    return line.encode() + b"Host: docker\r\n" + extra + b"Content-Type: text/plain\r\n\r\n"


def start_exec(body: bytes, *, upgrade: bool, chunked: bool = False, name: str = "e1") -> bytes:
    lines = [f"POST /v1.47/exec/{name}/start HTTP/1.1", "Host: docker", "Content-Type: application/json"]
    if upgrade:
        lines += ["Connection: Upgrade", "Upgrade: tcp"]
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_stdin_in_the_packet_of_the_header(door: Door) -> None:
    answer = exchange(door.path, attach() + b"first\n", shut=True)
    assert answer == upgraded(MULTIPLEXED) + b"<first\n>"
    assert door.asked.handed[0].leftover == b"first\n"
    assert door.asked.handed[0].multiplexed


def test_stdin_after_the_answer(door: Door) -> None:
    with connect(door.path) as end:
        end.sendall(attach())
        head, rest = read_head(end)
        assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        end.sendall(b"later\n")
        end.shutdown(socket.SHUT_WR)
        assert rest + read_all(end) == b"<later\n>"


def test_a_late_reader_gets_the_head_alone(door: Door) -> None:
    """docker-py would lose what comes with it."""
    whole = upgraded(MULTIPLEXED) + b"<said at once>"
    with connect(door.path) as end:
        end.sendall(attach() + b"said at once")
        end.shutdown(socket.SHUT_WR)
        until = time.monotonic() + 20
        while unread(end) < len(whole):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert end.recv(65536) == upgraded(MULTIPLEXED)
        assert read_all(end) == b"<said at once>"


def unread(end: socket.socket) -> int:
    """Bytes that wait (FIONREAD of ioctl(2))."""
    return int.from_bytes(fcntl.ioctl(end, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_header_that_comes_byte_by_byte(door: Door) -> None:
    with connect(door.path) as end:
        for byte in attach() + b"x":
            end.sendall(bytes([byte]))
        end.shutdown(socket.SHUT_WR)
        data = read_all(end)
    assert data == upgraded(MULTIPLEXED) + b"<x>"


@pytest.mark.parametrize(
    ("version", "name", "expected"),
    [("v1.47", "c1", MULTIPLEXED), ("v1.42", "c1", MULTIPLEXED), ("v1.41", "c1", RAW), ("v1.47", "tty", RAW)],
)
def test_content_type_of_attach(door: Door, version: str, name: str, expected: bytes) -> None:
    assert exchange(door.path, attach(name, version), shut=True) == upgraded(expected) + b"<>"
    assert door.asked.handed[0].multiplexed is (name != "tty")


def test_attach_without_upgrade_and_without_version(door: Door) -> None:
    request = b"POST /containers/c1/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: docker\r\n\r\nhi"
    answer = exchange(door.path, request, shut=True)
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Type: " + RAW + b"\r\n\r\n<hi>"


def test_options_of_attach(door: Door) -> None:
    request = attach().replace(b"stderr=1", b"stderr=0&logs=True&detachKeys=ctrl-a%2Cb")
    exchange(door.path, request, shut=True)
    options = door.asked.handed[0].options
    assert options is not None
    assert (options.stream, options.stdin, options.stdout, options.stderr, options.logs) == (
        True,
        True,
        True,
        False,
        True,
    )
    assert options.detach_keys == "ctrl-a,b"


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_exec_start_with_body_and_stdin_in_one_packet(door: Door, upgrade: bool, chunked: bool) -> None:
    body = json.dumps({"Detach": False, "Tty": False, "ConsoleSize": [24, 80]}).encode()
    answer = exchange(door.path, start_exec(body, upgrade=upgrade, chunked=chunked) + b"typed\n", shut=True)
    head, _, stream = answer.partition(b"\r\n\r\n")
    assert stream == b"<typed\n>"
    lines = head.split(b"\r\n")
    if upgrade:
        assert lines[:4] == upgraded(MULTIPLEXED).split(b"\r\n")[:4]
    else:
        assert lines[:2] == [b"HTTP/1.1 200 OK", b"Content-Type: " + RAW]
    assert b"Api-Version: 1.47" in lines
    assert b"Ostype: linux" in lines
    assert b"Docker-Experimental: false" in lines
    assert any(line.startswith(b"Server: ") for line in lines)
    assert (door.asked.handed[0].extra["rows"], door.asked.handed[0].extra["columns"]) == (24, 80)


def test_exec_body_that_comes_late(door: Door) -> None:
    body = b'{"Detach":false,"Tty":true}'
    whole = start_exec(body, upgrade=True)
    with connect(door.path) as end:
        end.sendall(whole[: -len(body)])
        end.sendall(body[:5])
        end.sendall(body[5:] + b"x")
        end.shutdown(socket.SHUT_WR)
        assert read_all(end).endswith(b"\r\n\r\n<x>")
    assert not door.asked.handed[0].multiplexed


def test_exec_start_detached(door: Door) -> None:
    reply = parse(exchange(door.path, start_exec(b'{"Detach":true,"Tty":false}', upgrade=False)))
    assert (reply.status, reply.body) == (200, b"")
    assert door.asked.handed[0].extra["detach"] is True


def test_errors_before_the_stream_are_ordinary_answers(door: Door) -> None:
    for data, status, message in (
        (attach("missing"), 404, "No such container: missing"),
        (attach("paused"), 409, "Container paused is paused, unpause the container before attach."),
        (attach(version="v1.99"), 400, "client version 1.99 is too new. Maximum supported API version is 1.47"),
        (start_exec(b"{}", upgrade=True, name="missing"), 404, "No such exec instance: missing"),
    ):
        reply = parse(exchange(door.path, data + b"stdin"))
        assert (reply.status, reply.json()) == (status, {"message": message})
        assert reply.headers["content-type"] == "application/json"
    assert not door.asked.handed


@pytest.mark.parametrize(
    "request_bytes",
    [
        start_exec(b"{nonsense", upgrade=True),
        start_exec(b"[]", upgrade=True),
        start_exec(b'{"Detach":"yes"}', upgrade=True),
        start_exec(b"{}", upgrade=True).replace(b"Content-Length: 2", b"Content-Length: minus"),
        start_exec(b"{}", upgrade=True).replace(b"Content-Length: 2", b"Content-Length: 99999999999"),
        start_exec(b"{}", upgrade=True).replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 3"),
        start_exec(b"{}", upgrade=True).replace(b"Content-Length: 2", b"Transfer-Encoding: gzip"),
        start_exec(b"{}", upgrade=True, chunked=True).replace(b"2\r\n{}", b"zz\r\n{}"),
        start_exec(b"{}", upgrade=True).replace(b"Host: docker", b"no colon here"),
        start_exec(b"{}", upgrade=True).replace(b"Host: docker", b"Ho st: docker"),
        start_exec(b"{}", upgrade=True).replace(b"HTTP/1.1", b"HTTP/9"),
        start_exec(b"{}", upgrade=True).replace(b"Content-Length: 2", b"Content-Length: 10"),
    ],
)
def test_malformed_requests_get_400(door: Door, request_bytes: bytes) -> None:
    reply = parse(exchange(door.path, request_bytes, shut=True))
    assert reply.status == 400
    assert reply.json()["message"]
    assert not door.asked.handed
    assert parse(exchange(door.path, start_exec(b'{"Detach":true}', upgrade=False))).status == 200


def test_a_client_that_leaves_at_once(door: Door) -> None:
    for _ in range(20):
        with connect(door.path) as end:
            end.sendall(attach())
    assert exchange(door.path, attach() + b"ok", shut=True).endswith(b"<ok>")


def test_much_data_both_ways(door: Door) -> None:
    data = bytes(range(256)) * 8192

    def send() -> None:
        end.sendall(attach() + data)
        end.shutdown(socket.SHUT_WR)

    with connect(door.path) as end:
        sender = threading.Thread(target=send)
        sender.start()
        answer = read_all(end)
        sender.join()
    assert answer == upgraded(MULTIPLEXED) + b"<" + data + b">"
