"""How long an engine's own name server takes for a name: `python -m benchmarks.names`.

Two containers on a network of the user's own; a client in the one's network asks for the other, one question after
another (what a program does), and with 16 on their way (what a busy proxy does).
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from math import nan
from pathlib import Path

from benchmarks.__main__ import opened
from benchmarks.rivals import Engine
from benchmarks.timing import Figure, interleaved, table

_NETWORK = "names"
_QUESTIONS = 4000
#: asks the resolver of /etc/resolv.conf's address; prints seconds. Every answer is checked to hold one address.
_ASK = """
import socket, struct, sys, time
server, name, count, window = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
labels = b"".join(bytes([len(word)]) + word.encode() for word in name.split(".")) + b"\\0"
tail = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + labels + struct.pack("!HH", 1, 1)
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.settimeout(5)
end.connect((server, 53))
started, asked, heard = time.perf_counter(), 0, 0
while heard < count:
    while asked < count and asked - heard < window:
        end.send(struct.pack("!H", asked & 0xFFFF) + tail)
        asked += 1
    reply = end.recv(4096)
    assert reply[6:8] == b"\\0\\1", reply
    heard += 1
print(time.perf_counter() - started)
"""


def answered(engine: Engine, places: dict[str, tuple[str, str]], window: int) -> float:
    """Microseconds for each."""
    pid, server = places[engine.name]
    words = ["nsenter", "-t", pid, "-n", sys.executable, "-I", "-c", _ASK, server, "target"]
    done = subprocess.run([*words, str(_QUESTIONS), str(window)], check=True, capture_output=True, text=True)
    return float(done.stdout) / _QUESTIONS * 1_000_000


def prepare(engine: Engine) -> tuple[str, str]:
    """The asker's process, and the resolver that it has. RuntimeError where names are not answered."""
    engine.command("network", "create", _NETWORK)
    for name in ("target", "asker"):
        engine.command("run", "-d", "--name", name, "--network", _NETWORK, "busybox", "sleep", "1000")
    shown = subprocess.run([*engine.prefix, "inspect", "asker"], check=True, capture_output=True, text=True).stdout
    pid = str(json.loads(shown)[0]["State"]["Pid"])
    resolvers = Path(f"/proc/{pid}/root/etc/resolv.conf").read_text()
    server = next(line.split()[1] for line in resolvers.splitlines() if line.startswith("nameserver"))
    words = ["nsenter", "-t", pid, "-n", sys.executable, "-I", "-c", _ASK, server, "target", "1", "1"]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        raise RuntimeError("it does not answer names of containers here")
    return pid, server


def measure(engines: list[Engine], quick: bool) -> dict[str, dict[str, Figure]]:
    places: dict[str, tuple[str, str]] = {}
    for engine in engines:
        try:
            places[engine.name] = prepare(engine)
        except (RuntimeError, subprocess.CalledProcessError) as reason:
            print(f"left out: {engine.name}: {reason}", file=sys.stderr)
    results = {}
    for label, window in (("one after another", 1), ("16 on their way", 16)):
        title = f"a name of a container, {label} (µs)"
        able = [engine for engine in engines if engine.name in places]
        measures = {engine.name: functools.partial(answered, engine, places, window) for engine in able}
        unmeasured = {engine.name: Figure(nan, nan) for engine in engines}
        results[title] = unmeasured | interleaved(title, measures, 5 if quick else 15)
    for engine in engines:
        words = [*engine.prefix, "rm", "-f", *(("-t", "0") if engine.name == "podman" else ()), "target", "asker"]
        subprocess.run(words, check=False, capture_output=True)
        subprocess.run([*engine.prefix, "network", "rm", _NETWORK], check=False, capture_output=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.names", description=__doc__)
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
