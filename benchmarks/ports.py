"""How fast a published port is, beside docker and podman: `python -m benchmarks.ports`.

On 127.0.0.1 and on an address of the host's own (that of the engine's bridge). A container sends zeros to whoever
connects; a client on the host reads them through the published port. Also: requests over 8 connections that stay open,
how long one connection takes from connect(2) to its end, and what `-p` costs `run`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.__main__ import opened, run_as_process
from benchmarks.rivals import Engine
from benchmarks.timing import Figure, interleaved, table, timed

_PORT, _SMALL_PORT, _RUN_PORT, _WEB_PORT = 19980, 19981, 19982, 19983
_MEGABYTES = 1000
_CONNECTIONS = 50
_REQUESTS = 20_000
_SEND = f"exec nc -ll -p 80 -e dd if=/dev/zero bs=1M count={_MEGABYTES}"
_GREET = "exec nc -ll -p 80 -e echo hello"
#: reads to the end, again and again; prints bytes and seconds
_READ = """
import socket, sys, time
buffer = bytearray(1 << 20)
total, started = 0, time.perf_counter()
for _ in range(int(sys.argv[2])):
    with socket.create_connection((sys.argv[3], int(sys.argv[1])), 30) as client:
        while count := client.recv_into(buffer):
            total += count
print(total, time.perf_counter() - started)
"""
#: answers each request of a connection that stays open; runs in the container's network
_WEB = """
import selectors, socket
reply = b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nhello\\n"
chosen = selectors.EpollSelector()
server = socket.create_server(("0.0.0.0", 80), backlog=64)
chosen.register(server, selectors.EVENT_READ)
while True:
    for key, _ in chosen.select():
        if key.fileobj is server:
            chosen.register(server.accept()[0], selectors.EVENT_READ)
            continue
        try:
            if key.fileobj.recv(4096):
                key.fileobj.send(reply)
                continue
        except ConnectionError:
            pass
        chosen.unregister(key.fileobj)
        key.fileobj.close()
"""
#: as many requests, 8 at a time; prints seconds
_BROWSE = """
import selectors, socket, sys, time
request = b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
chosen = selectors.EpollSelector()
left = int(sys.argv[3])
for _ in range(8):
    chosen.register(socket.create_connection((sys.argv[1], int(sys.argv[2])), 30), selectors.EVENT_READ)
started = time.perf_counter()
for key in list(chosen.get_map().values()):
    key.fileobj.send(request)
while left > 0:
    for key, _ in chosen.select(30):
        assert key.fileobj.recv(4096).endswith(b"hello\\n")
        left -= 1
        key.fileobj.send(request)
print(time.perf_counter() - started)
"""


def number(engine: Engine, port: int) -> int:
    """Ours and podman's are on one machine: each has ports of its own."""
    return port + {"kernel-engine": 0, "docker": 10, "podman": 20}[engine.name]


def read(engine: Engine, port: int, times: int, address: str = "127.0.0.1") -> tuple[int, float]:
    """Bytes and seconds, measured in the network that the engine's ports are in."""
    words = [*engine.enter, sys.executable, "-I", "-c", _READ, str(number(engine, port)), str(times), address]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    count, seconds = done.stdout.split()
    return int(count), float(seconds)


def gigabyte(engine: Engine, *, outside: bool = False) -> float:
    count, seconds = read(engine, _PORT, 1, host_address(engine) if outside else "127.0.0.1")
    assert count == _MEGABYTES << 20, count
    return seconds * 1000


def requests(engine: Engine, *, outside: bool = False) -> float:
    """Microseconds for each."""
    address = host_address(engine) if outside else "127.0.0.1"
    words = [
        *engine.enter,
        sys.executable,
        "-I",
        "-c",
        _BROWSE,
        address,
        str(number(engine, _WEB_PORT)),
        str(_REQUESTS),
    ]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout) / _REQUESTS * 1_000_000


@functools.cache
def host_address(engine: Engine) -> str:
    """An address of the machine that the engine runs on: its bridge's."""
    return str(inspected(engine, "web")["NetworkSettings"]["Gateway"])


def inspected(engine: Engine, name: str) -> Any:
    shown = subprocess.run([*engine.prefix, "inspect", name], check=True, capture_output=True, text=True).stdout
    return json.loads(shown)[0]


def connection(engine: Engine) -> float:
    count, seconds = read(engine, _SMALL_PORT, _CONNECTIONS)
    assert count == _CONNECTIONS * len("hello\n"), count
    return seconds / _CONNECTIONS * 1000


def run_published(engine: Engine) -> float:
    words = ("run", "--rm", "-p", f"127.0.0.1:{number(engine, _RUN_PORT)}:80", "busybox", "true")
    return timed(lambda: engine.command(*words))


ROWS: dict[str, tuple[Callable[[Engine], float], int]] = {
    f"read {_MEGABYTES} MiB through a published port on 127.0.0.1 (ms)": (gigabyte, 10),
    f"read {_MEGABYTES} MiB through it on the host's address (ms)": (functools.partial(gigabyte, outside=True), 10),
    "one request of 8 kept-alive connections to 127.0.0.1 (µs)": (requests, 10),
    "one request of 8 kept-alive connections to the host's address (µs)": (
        functools.partial(requests, outside=True),
        10,
    ),
    "one connection to it, from connect to end (ms)": (connection, 10),
    "`run --rm -p … busybox true`, command (ms)": (run_published, 15),
    "`run --rm busybox true`, command (ms)": (run_as_process, 15),
}


def serve(engine: Engine) -> None:
    for name, port, program in (("send", _PORT, _SEND), ("greet", _SMALL_PORT, _GREET)):
        engine.command("run", "-d", "--name", name, "-p", f"{number(engine, port)}:80", "busybox", "sh", "-c", program)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            # docker's proxy accepts before the program listens: then nothing is read
            with contextlib.suppress(subprocess.CalledProcessError):
                if read(engine, port, 1)[0]:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{engine.name}: port {port} does not answer")


@contextlib.contextmanager
def web_server(engine: Engine) -> Iterator[None]:
    """In the network of a container of its own."""
    engine.command("run", "-d", "--name", "web", "-p", f"{number(engine, _WEB_PORT)}:80", "busybox", "sleep", "1000")
    pid = str(inspected(engine, "web")["State"]["Pid"])
    with subprocess.Popen(["nsenter", "-t", pid, "-n", sys.executable, "-I", "-c", _WEB]) as server:
        try:
            words = [
                *engine.enter,
                sys.executable,
                "-I",
                "-c",
                _BROWSE,
                "127.0.0.1",
                str(number(engine, _WEB_PORT)),
                "1",
            ]
            deadline = time.monotonic() + 20
            while subprocess.run(words, check=False, capture_output=True).returncode:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{engine.name}: the server does not answer")
            yield
        finally:
            server.kill()


def measure(engines: list[Engine], quick: bool) -> dict[str, dict[str, Figure]]:
    for engine in engines:
        serve(engine)
    results = {}
    with contextlib.ExitStack() as servers:
        for engine in engines:
            servers.enter_context(web_server(engine))
        for label, (one, rounds) in ROWS.items():
            measures = {engine.name: functools.partial(one, engine) for engine in engines}
            results[label] = interleaved(label, measures, rounds // 3 if quick else rounds)
    for engine in engines:
        engine.command("rm", "-f", *(("-t", "0") if engine.name == "podman" else ()), "send", "greet", "web")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ports", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the rounds")
    words = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="ke-benchmarks-"))
    try:
        with opened(scratch) as engines:
            runners = [engine for engine in engines if engine.runs]
            print(table([engine.name for engine in runners], measure(runners, words.quick)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
