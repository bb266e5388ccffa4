"""The client on a real socket: framing, errors, versions and the hijacked stream."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.client import DEFAULT_HOST, APIError, Client, Demultiplexer, EngineUnreachable
from kernel_engine.paths import DEFAULT_SOCKET
from tests.unit.client.served import Answer, Request, in_json, raw, reply, serving


def one(directory: Path, answer: Answer) -> Iterator[Client]:
    with serving(directory, {"/x": answer}) as served:
        yield Client(served.host)


def asked(directory: Path, answer: Answer) -> bytes:
    with serving(directory, {"/x": answer}) as served:
        return Client(served.host).get("/x").read()


def test_its_default_is_this_engines_socket() -> None:
    assert f"unix://{DEFAULT_SOCKET}" == DEFAULT_HOST


def test_docker_host_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere.sock")
    assert Client().host == "unix:///elsewhere.sock"
    monkeypatch.setenv("DOCKER_HOST", "localhost:2375")
    assert Client().host == "tcp://localhost:2375"
    monkeypatch.delenv("DOCKER_HOST")
    assert Client().host == DEFAULT_HOST


@pytest.mark.parametrize(
    "pieces",
    [
        (reply(200, b"hello"),),
        (b"HTTP/1.1 200 OK\r\n", b"Content-Le", b"ngth: 5\r\n\r\nhe", b"llo"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;note=1\r\nhe\r",
            b"\n3\r\nl",
            b"lo\r\n0\r\nX: y\r\n\r\n",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", reply(200, b"hello")),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",),
    ],
    ids=["length", "split", "chunked", "split-chunks", "until-closed", "continue", "bare-newlines"],
)
def test_a_body_is_whole_however_it_is_framed(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    assert asked(tmp_path, raw(*pieces)) == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
    ],
    ids=["nothing", "short", "short-chunk", "bad-chunk", "negative-chunk", "no-http", "no-status"],
)
def test_a_broken_answer_is_one_error(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(EngineUnreachable):
        asked(tmp_path, raw(answer))


def test_errors_carry_the_engines_sentence(tmp_path: Path) -> None:
    with pytest.raises(APIError) as caught:
        asked(tmp_path, in_json({"message": "No such container: x"}, 404))
    assert (caught.value.status, caught.value.message) == (404, "No such container: x")


@pytest.mark.parametrize("body", [b"plain words", b"[1]", b'{"other": 1}'])
def test_an_error_without_json_is_shown_as_it_is(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(APIError) as caught:
        asked(tmp_path, raw(reply(500, body)))
    assert caught.value.message == body.decode()


def test_an_empty_error_names_its_status(tmp_path: Path) -> None:
    with pytest.raises(APIError, match="status 503"):
        asked(tmp_path, raw(reply(503)))


def test_nobody_answers(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/none.sock"
    with pytest.raises(EngineUnreachable) as caught:
        Client(host).get("/x")
    assert caught.value.message == f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running?"
    (tmp_path / "plain").touch()
    with pytest.raises(EngineUnreachable, match="Is the docker daemon running"):
        Client(f"unix://{tmp_path}/plain").get("/x")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(EngineUnreachable, match="unable to parse docker host `gopher://x`"):
        Client("gopher://x").get("/x")


def test_tcp_works_as_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        def serve() -> None:
            wire, _ = listener.accept()
            with wire:
                wire.recv(65536)
                wire.sendall(reply(200, b"over tcp"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert Client(f"tcp://127.0.0.1:{listener.getsockname()[1]}").get("/x").read() == b"over tcp"
        thread.join(5)


def test_what_is_sent(tmp_path: Path) -> None:
    with serving(tmp_path, {"POST /x": raw(reply(204))}) as served:
        client = Client(served.host)
        query = {"all": True, "none": None, "name": "a b&c=ü", "changes": ["CMD x", "ENV y"], "size": False}
        client.post("/x", query=query, body={"A": [1, "한"]}).read()
        (request,) = served.seen
    assert request.path == "/v1.47/x?all=1&name=a%20b%26c%3D%C3%BC&changes=CMD%20x&changes=ENV%20y&size=0"
    assert request.json() == {"A": [1, "한"]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["connection"] == "close"


def test_a_name_cannot_break_out_of_the_request_line(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as served:
        with pytest.raises(APIError):
            Client(served.host).get("/containers/x HTTP/1.1\r\nEvil: 1\r\n\r\n/json")
        (request,) = served.seen
    assert "evil" not in request.headers
    assert request.path == "/v1.47/containers/x%20HTTP/1.1%0D%0AEvil:%201%0D%0A%0D%0A/json"


def test_a_stream_is_sent_in_chunks(tmp_path: Path) -> None:
    with serving(tmp_path, {"PUT /x": raw(reply(200))}) as served:
        Client(served.host).put("/x", body=iter([b"one", b"", b"two" * 1000])).read()
        (request,) = served.seen
    assert request.body == b"one" + b"two" * 1000
    assert request.headers["content-type"] == "application/x-tar"


def test_our_own_paths_have_no_version(tmp_path: Path) -> None:
    with serving(tmp_path, {"/kernel-engine/info": in_json({}), "/_ping": raw(reply(200, b"OK"))}) as served:
        Client(served.host).get("/kernel-engine/info").read()
        Client(served.host).get("/_ping").read()
        assert [request.path for request in served.seen] == ["/kernel-engine/info", "/_ping"]


def older(request: Request, wire: socket.socket) -> None:
    if request.path.startswith("/v1.47/"):
        text = "client version 1.47 is too new. Maximum supported API version is 1.41"
        in_json({"message": text}, 400)(request, wire)
    else:
        in_json({"Path": request.path, "Body": request.body.decode()})(request, wire)


def test_an_older_server_is_asked_in_its_own_version(tmp_path: Path) -> None:
    with serving(tmp_path, {"/x": older}) as served:
        client = Client(served.host)
        assert client.post("/x", body={"a": 1}).json() == {"Path": "/v1.41/x", "Body": '{"a":1}'}
        assert client.version == "1.41"
        client.get("/x").read()
        assert [request.path for request in served.seen] == ["/v1.47/x", "/v1.41/x", "/v1.41/x"]


def test_head_has_no_body(tmp_path: Path) -> None:
    with serving(
        tmp_path, {"HEAD /x": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nApi-Version: 1.47\r\n\r\n")}
    ) as served:
        response = Client(served.host).head("/x")
        assert response.read() == b""
        assert response.headers["api-version"] == "1.47"


def test_lines_come_as_they_are_sent(tmp_path: Path) -> None:
    """The second line is sent only after the first was seen: nobody waits for the body's end."""
    import threading

    seen = threading.Event()

    def answer(request: Request, wire: socket.socket) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.sendall(b'9\r\n{"a": 1}\n\r\n')
        assert seen.wait(5)
        wire.sendall(b'a\r\n\r\n{"a": 2}\r\n0\r\n\r\n')

    for client in one(tmp_path, answer):
        objects = client.get("/x").objects()
        assert next(objects) == {"a": 1}
        seen.set()
        assert list(objects) == [{"a": 2}]


def test_a_wait_returns_its_head_before_its_body(tmp_path: Path) -> None:
    import threading

    go = threading.Event()

    def answer(request: Request, wire: socket.socket) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n")
        assert go.wait(5)
        wire.sendall(b'{"StatusCode":3}')

    for client in one(tmp_path, answer):
        response = client.post("/x")
        assert not response.buffered
        go.set()
        assert response.json() == {"StatusCode": 3}


@pytest.mark.parametrize(
    ("kind", "multiplexed"),
    [("multiplexed-stream", True), ("raw-stream", False)],
)
def test_hijack_keeps_what_came_with_the_head(tmp_path: Path, kind: str, multiplexed: bool) -> None:
    def answer(request: Request, wire: socket.socket) -> None:
        head = f"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.{kind}\r\nConnection: Upgrade\r\n\r\n"
        wire.sendall(head.encode() + b"early")
        while data := wire.recv(100):
            wire.sendall(data.upper())
        wire.sendall(b"end")

    for client in one(tmp_path, answer):
        stream = client.hijack("/x", body={"Tty": False})
        assert (stream.leftover, stream.multiplexed) == (b"early", multiplexed)
        stream.socket.sendall(b"data")
        stream.close_stdin()
        received = b""
        while data := stream.socket.recv(100):
            received += data
        assert received == b"DATAend"
        stream.close()


def test_hijack_is_refused_like_any_request(tmp_path: Path) -> None:
    for client in one(tmp_path, in_json({"message": "Container x is not running"}, 409)):
        with pytest.raises(APIError, match="is not running"):
            client.hijack("/x")


@given(
    frames=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8),
    cuts=st.lists(st.integers(1, 12), max_size=40),
)
def test_frames_survive_any_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(bytes([kind, 0, 0, 0]) + len(load).to_bytes(4, "big") + load for kind, load in frames)
    demultiplexer, got = Demultiplexer(), {1: b"", 2: b""}
    while data:
        size = cuts.pop() if cuts else len(data)
        for kind, payload in demultiplexer.feed(data[:size]):
            got[kind] += payload
        data = data[size:]
    assert got == {kind: b"".join(load for other, load in frames if other == kind) for kind in (1, 2)}


def test_it_imports_nothing_that_costs() -> None:
    """Every command pays for this import; email alone would double it."""
    code = "import sys, kernel_engine.client; print(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"email", "http", "typing", "pathlib", "dataclasses", "argparse", "urllib", "inspect", "re"} & set(
        out.split()
    )


def test_an_error_says_the_line_of_a_dockerfile(tmp_path: Path) -> None:
    with pytest.raises(APIError) as failure:
        asked(tmp_path, in_json({"message": "no build stage in current context", "line": 1}, 400))
    assert (failure.value.message, failure.value.line) == ("no build stage in current context", 1)
