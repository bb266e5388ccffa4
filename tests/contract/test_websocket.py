"""Attaching through a WebSocket, as browsers do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, UnixConnector, WSMsgType, WSServerHandshakeError

from tests.contract.speaking import request
from tests.daemon import Daemon


@pytest.fixture
async def browser(daemon: Daemon) -> AsyncIterator[ClientSession]:
    async with ClientSession(connector=UnixConnector(str(daemon.instance.socket))) as session:
        yield session


def address(name: str, words: str) -> str:
    return f"http://docker/v1.47/containers/{name}/attach/ws?{words}"


async def test_both_ways_until_the_process_ends(clean: Daemon, browser: ClientSession) -> None:
    clean.docker("create", "-i", "--name", "cat", "busybox", "sh", "-c", "read line; echo got $line; echo wrong >&2")
    clean.docker("start", "cat")
    async with browser.ws_connect(address("cat", "stream=1&stdin=1&stdout=1&stderr=1")) as socket:
        await socket.send_str("a word\n")
        heard = b""
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            heard += message.data
    assert sorted(heard.splitlines()) == [b"got a word", b"wrong"]
    assert clean.out("wait", "cat") == "0"


async def test_a_client_that_leaves_leaves_the_container_running(clean: Daemon, browser: ClientSession) -> None:
    clean.docker("run", "-dit", "--name", "shell", "busybox", "sh")
    async with browser.ws_connect(address("shell", "stream=1&stdin=1&stdout=1")) as socket:
        await socket.send_bytes(b"echo $((40+2))\n")
        heard = b""
        while b"42\r\n" not in heard:
            heard += (await socket.receive(10)).data
    assert clean.inspect("shell")["State"]["Running"]


async def test_only_the_log(clean: Daemon, browser: ClientSession) -> None:
    clean.docker("run", "--name", "said", "busybox", "echo", "before")
    async with browser.ws_connect(address("said", "logs=1&stdout=1")) as socket:
        assert [message.data async for message in socket] == [b"before\n"]


async def test_what_is_refused(clean: Daemon, browser: ClientSession) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        await browser.ws_connect(address("nobody", "stream=1"))
    assert refused.value.status == 404
    clean.docker("run", "--name", "said", "busybox", "true")
    plain = request(str(clean.instance.socket), "GET", "/v1.47/containers/said/attach/ws?logs=1")
    assert (plain.status, "not websocket protocol" in plain.json()["message"]) == (400, True)
