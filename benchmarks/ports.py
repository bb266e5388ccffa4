"""How fast a published port is on 127.0.0.1, beside docker and podman: `python -m benchmarks.ports`.

A container sends zeros to whoever connects; a client on the host reads them through the published port. Also: how long
one connection takes from connect(2) to its end, and what `-p` costs `run`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.__main__ import opened, run_as_process
from benchmarks.rivals import Engine
from benchmarks.timing import Figure, interleaved, table, timed

_PORT, _SMALL_PORT, _RUN_PORT = 19980, 19981, 19982
_MEGABYTES = 1000
_CONNECTIONS = 50
_SEND = f"exec nc -ll -p 80 -e dd if=/dev/zero bs=1M count={_MEGABYTES}"
_GREET = "exec nc -ll -p 80 -e echo hello"
#: reads to the end, again and again; prints bytes and seconds
_READ = """
import socket, sys, time
buffer = bytearray(1 << 20)
total, started = 0, time.perf_counter()
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as client:
        while count := client.recv_into(buffer):
            total += count
print(total, time.perf_counter() - started)
"""


def read(engine: Engine, port: int, times: int) -> tuple[int, float]:
    """Bytes and seconds, measured in the network that the engine's ports are in."""
    words = [*engine.enter, sys.executable, "-I", "-c", _READ, str(port), str(times)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    count, seconds = done.stdout.split()
    return int(count), float(seconds)


def gigabyte(engine: Engine) -> float:
    count, seconds = read(engine, _PORT, 1)
    assert count == _MEGABYTES << 20, count
    return seconds * 1000


def connection(engine: Engine) -> float:
    count, seconds = read(engine, _SMALL_PORT, _CONNECTIONS)
    assert count == _CONNECTIONS * len("hello\n"), count
    return seconds / _CONNECTIONS * 1000


def run_published(engine: Engine) -> float:
    words = ("run", "--rm", "-p", f"127.0.0.1:{_RUN_PORT}:80", "busybox", "true")
    return timed(lambda: engine.command(*words))


ROWS: dict[str, tuple[Callable[[Engine], float], int]] = {
    f"read {_MEGABYTES} MiB through a published port on 127.0.0.1 (ms)": (gigabyte, 10),
    "one connection to it, from connect to end (ms)": (connection, 10),
    "`run --rm -p … busybox true`, command (ms)": (run_published, 15),
    "`run --rm busybox true`, command (ms)": (run_as_process, 15),
}


def serve(engine: Engine) -> None:
    for name, port, program in (("send", _PORT, _SEND), ("greet", _SMALL_PORT, _GREET)):
        engine.command("run", "-d", "--name", name, "-p", f"{port}:80", "busybox", "sh", "-c", program)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            # docker's proxy accepts before the program listens: then nothing is read
            with contextlib.suppress(subprocess.CalledProcessError):
                if read(engine, port, 1)[0]:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{engine.name}: port {port} does not answer")


def measure(engines: list[Engine], quick: bool) -> dict[str, dict[str, Figure]]:
    for engine in engines:
        serve(engine)
    results = {}
    for label, (one, rounds) in ROWS.items():
        measures = {engine.name: functools.partial(one, engine) for engine in engines}
        results[label] = interleaved(label, measures, rounds // 3 if quick else rounds)
    for engine in engines:
        engine.command("rm", "-f", *(("-t", "0") if engine.name == "podman" else ()), "send", "greet")
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
