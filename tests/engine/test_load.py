"""Many at once, many in a row, much output, and readers that do not read: the engine stays as quick and as small.

Each behaviour has a small form that always runs; the marker `full` brings the numbers that a long life brings.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import Client
from kernel_engine.client.stream import Demultiplexer
from tests.daemon import Daemon
from tests.engine.test_deaths import pid_behind
from tests.engine.test_life import until
from tests.engine.test_soak import descriptors, memory, traces_of

BODY: dict[str, Any] = {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"AutoRemove": True}}
IDLE: dict[str, Any] = {"Image": "busybox", "Cmd": ["sleep", "100000"]}


def full(*values: object, minutes: int) -> Any:
    return pytest.param(*values, marks=[pytest.mark.full, pytest.mark.timeout(minutes * 60)])


def client(daemon: Daemon) -> Client:
    """Without a look at the schema, which would cost more than what is asked."""
    return Client(daemon.host, timeout=120)


def run_and_remove(api: Client, body: dict[str, Any] = BODY) -> None:
    """`docker run --rm`, as its three requests."""
    container = api.post("/containers/create", body=body).json()["Id"]
    waiting = api.post(f"/containers/{container}/wait", query={"condition": "removed"})
    api.post(f"/containers/{container}/start").read()
    assert waiting.json()["StatusCode"] == 0


def start_idle(api: Client, name: str) -> float:
    """Seconds from the first request to the second answer."""
    begun = time.monotonic()
    api.post("/containers/create", query={"name": name}, body=IDLE).read()
    api.post(f"/containers/{name}/start").read()
    return time.monotonic() - begun


def remove(api: Client, name: str) -> None:
    api.delete(f"/containers/{name}", query={"force": "1"}).read()


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the engine's processes and folders hold: what a container leaves would be seen here."""

    descriptors: dict[str, int]
    kilobytes: dict[str, int]
    mounts: int
    files: int  #: beneath the root and the run directory
    records: int  #: bytes of the database without its log, which SQLite writes over again and again
    logs: int  #: bytes of what the daemon and its companions have said

    def grew(self, before: Footprint, kilobytes: int) -> list[str]:
        """Sentences, one for each thing that has grown."""
        found = [
            f"{name}: {count} descriptors after {before.descriptors[name]}"
            for name, count in self.descriptors.items()
            if count > before.descriptors[name]
        ]
        found += [
            f"{name}: {size} KiB after {before.kilobytes[name]}"
            for name, size in self.kilobytes.items()
            if size > before.kilobytes[name] + kilobytes
        ]
        for what in ("mounts", "files"):
            if getattr(self, what) > getattr(before, what):
                found.append(f"{what}: {getattr(self, what)} after {getattr(before, what)}")
        for what in ("records", "logs"):
            if getattr(self, what) > getattr(before, what) + (1 << 20):
                found.append(f"{what}: {getattr(self, what)} bytes after {getattr(before, what)}")
        return found


def processes_of(daemon: Daemon) -> dict[str, int]:
    assert daemon.process is not None
    instance = daemon.instance
    return {
        "daemon": daemon.process.pid,
        "launcher": pid_behind(instance.launcher_socket),
        "log writer": pid_behind(instance.log_writer_socket),
    }


def footprint(daemon: Daemon) -> Footprint:
    instance = daemon.instance
    processes = processes_of(daemon)
    walked = [found for root in (instance.root, instance.run) for found in os.walk(root)]
    files = [Path(folder, name) for folder, _, names in walked for name in names]
    return Footprint(
        descriptors={name: descriptors(pid) for name, pid in processes.items()},
        kilobytes={name: memory(pid) for name, pid in processes.items()},
        mounts=len(Path("/proc/self/mounts").read_text().split(str(instance.root))),
        files=len(walked) + len(files),
        records=instance.database.stat().st_size,
        logs=sum(map(size, [daemon.log, *(path for path in files if path.suffix == ".log")])),
    )


def size(path: Path) -> int:
    """0 for what has just gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def settled(daemon: Daemon) -> Footprint:
    """When nothing of the last containers is under way any more."""
    until(lambda: not traces_of(daemon), 60)
    last, same = footprint(daemon), 0
    deadline = time.monotonic() + 60
    while same < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
        now = footprint(daemon)
        same = same + 1 if (now.files, now.descriptors) == (last.files, last.descriptors) else 0
        last = now
    return last


def processor_time(pid: int) -> float:
    """Seconds, of all threads and of children that were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def share_of_memory(pid: int) -> int:
    """KiB; pages that n processes share count as an nth (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@pytest.mark.parametrize(("warm_up", "cycles"), [(10, 30), full(1000, 10_000, minutes=120)])
def test_start_and_remove_leaves_nothing(clean: Daemon, warm_up: int, cycles: int) -> None:
    api = client(clean)
    processes = processes_of(clean).values()

    def spent() -> float:
        return sum(map(processor_time, processes))

    begun = spent()
    for _ in range(warm_up):
        run_and_remove(api)
    first = (spent() - begun) / warm_up
    before = settled(clean)
    for _ in range(cycles - 2 * warm_up):
        run_and_remove(api)
    begun = spent()
    for _ in range(warm_up):
        run_and_remove(api)
    last = (spent() - begun) / warm_up
    after = settled(clean)
    deadline = time.monotonic() + 60
    while after.grew(before, kilobytes=4096) and time.monotonic() < deadline:
        after = settled(clean)  # what is deleted behind the answers takes its time on a busy machine
    print(f"{cycles} cycles: {before} → {after}; {first * 1000:.1f} → {last * 1000:.1f} ms of processor time each")
    assert not after.grew(before, kilobytes=4096)
    if cycles >= 10_000:  # thirty are too few to say how long one takes
        assert last < first * 1.5


@pytest.mark.parametrize("number", [20, full(500, minutes=60)])
def test_many_at_once(clean: Daemon, number: int) -> None:
    """Each is started as the first one was, costs the engine next to nothing, and can be spoken to."""
    api = client(clean)
    processes = processes_of(clean).values()
    names = [f"many{index}" for index in range(number)]
    run_and_remove(api)
    memory_before, spent, took = sum(map(share_of_memory, processes)), [sum(map(processor_time, processes))], []
    for name in names:
        took.append(start_idle(api, name))
        spent.append(sum(map(processor_time, processes)))
    each = (sum(map(share_of_memory, processes)) - memory_before) / number
    part = max(number // 10, 1)
    first, last = (spent[part] - spent[0]) / part, (spent[-1] - spent[-1 - part]) / part
    beginning, end = sum(took[:part]) / part, sum(took[-part:]) / part
    print(f"{number} at once: {each:.1f} KiB of the engine's memory each; a start {beginning:.4f} → {end:.4f} s")
    print(f"processor time of it {first:.4f} → {last:.4f} s")
    listed = api.get("/containers/json").json()
    assert {item["Names"][0] for item in listed} == {f"/{name}" for name in names}
    addresses = {item["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] for item in listed}
    assert len(addresses) == number
    assert execute(api, names[-1], "hostname", "-i").decode().strip() in addresses
    if number >= 500:
        assert each < 102.4
        assert last < first * 1.5
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: remove(client(clean), name), names))
    until(lambda: not traces_of(clean), 120)


def execute(api: Client, name: str, *words: str) -> bytes:
    """What a command in a container prints."""
    options = {"Cmd": words, "AttachStdout": True, "AttachStderr": True}
    exec_id = api.post(f"/containers/{name}/exec", body=options).json()["Id"]
    stream = api.hijack(f"/exec/{exec_id}/start", body={"Detach": False, "Tty": False})
    stream.socket.settimeout(120)
    frames, said = Demultiplexer(), b""
    data = stream.leftover or stream.socket.recv(65536)
    while data:
        said += b"".join(piece for _, piece in frames.feed(data))
        data = stream.socket.recv(65536)
    stream.close()
    return said


def ordinary_work(daemon: Daemon, number: int) -> str:
    """What one of many clients does; a sentence where it did not get what it asked for."""
    api, name = client(daemon), f"client{number}"
    word = f"word{number}"
    try:
        match number % 4:
            case 0:
                run_and_remove(api)
            case 1:
                told = execute(api, "steady", "echo", word).decode().strip()
                return "" if told == word else f"exec said {told!r}"
            case 2:
                if not any(item["Names"] == ["/steady"] for item in api.get("/containers/json").json()):
                    return "ps did not list what runs"
            case 3:
                body = {"Image": "busybox", "Cmd": ["echo", word]}
                api.post("/containers/create", query={"name": name}, body=body).read()
                api.post(f"/containers/{name}/start").read()
                api.post(f"/containers/{name}/wait").read()
                told = api.get(f"/containers/{name}/logs", query={"stdout": "1"}).read().decode()[8:].strip()
                remove(api, name)
                return "" if told == word else f"logs said {told!r}"
    except Exception as error:
        return f"{number % 4}: {type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(("clients", "rounds"), [(16, 1), full(64, 50, minutes=30)])
def test_clients_at_once(clean: Daemon, clients: int, rounds: int) -> None:
    start_idle(client(clean), "steady")
    listener = client(clean).get("/events")
    wanted = sum(number % 4 in (0, 3) for number in range(clients * rounds))
    with ThreadPoolExecutor(1) as other, ThreadPoolExecutor(clients) as pool:
        ended = (event for event in listener.objects() if event.get("Action") == "destroy")
        heard = other.submit(lambda: [next(ended)["Actor"]["ID"] for _ in range(wanted)])
        told = list(pool.map(lambda number: ordinary_work(clean, number), range(clients * rounds)))
        assert not [sentence for sentence in told if sentence]
        assert len(set(heard.result(120))) == wanted  # who listens to the events hears of every one
    listener.close()


#: prints lines of a kilobyte, each with its number
PRINTS = (
    """awk 'BEGIN { for (i = 0; i < 1000; i++) tail = tail "x"; for (i = 0; i < %d; i++) print i, tail }'; sleep 1000"""
)


@pytest.mark.parametrize("lines", [4000, full(1_000_000, minutes=60)])
def test_much_output_with_somebody_following(clean: Daemon, lines: int) -> None:
    """Every line comes, in order, and neither daemon nor log writer keeps them."""
    api, processes = client(clean), processes_of(clean)
    watched = [processes["daemon"], processes["log writer"]]
    body = {"Image": "busybox", "Cmd": ["sh", "-c", PRINTS % lines]}
    api.post("/containers/create", query={"name": "talks"}, body=body).read()
    before = [memory(pid) for pid in watched]
    begun = time.monotonic()
    api.post("/containers/talks/start").read()
    answer = api.get("/containers/talks/logs", query={"stdout": "1", "follow": "1"})
    frames, rest, number, most = Demultiplexer(), b"", 0, before
    for piece in answer.pieces():
        *whole, rest = (rest + b"".join(data for _, data in frames.feed(piece))).split(b"\n")
        for line in whole:
            assert line.startswith(b"%d x" % number)
            number += 1
        if number % 1000 < len(whole):
            most = [max(pair) for pair in zip(most, map(memory, watched), strict=True)]
        if number == lines:
            break
    took = time.monotonic() - begun
    print(f"{lines} lines of 1 kB followed in {took:.1f} s; memory {before} → at most {most} KiB")
    assert number == lines
    answer.close()
    assert all(now < then + 16 * 1024 for now, then in zip(most, before, strict=True))
    remove(api, "talks")


@pytest.fixture
def deaf(clean: Daemon) -> Iterator[Callable[[Callable[[Client], Any]], Any]]:
    """Opens answers that nobody reads."""
    with contextlib.ExitStack() as stack:
        yield lambda ask: stack.enter_context(contextlib.closing(ask(client(clean))))


@pytest.mark.parametrize(("rounds", "megabytes"), [(8, 4), full(2000, 64, minutes=60)])
def test_who_does_not_read_holds_up_nobody(
    clean: Daemon, deaf: Callable[[Callable[[Client], Any]], Any], rounds: int, megabytes: int
) -> None:
    api, processes = client(clean), processes_of(clean)
    talk = {"Image": "busybox", "Cmd": ["sh", "-c", PRINTS % (megabytes * 1000)]}
    for name in ("followed", "attached"):
        api.post("/containers/create", query={"name": name}, body=talk).read()
    deaf(lambda api: api.hijack("/containers/attached/attach", query={"stream": "1", "stdout": "1"}))
    for name in ("followed", "attached"):
        api.post(f"/containers/{name}/start").read()
    deaf(lambda api: api.get("/containers/followed/logs", query={"stdout": "1", "follow": "1"}))
    deaf(lambda api: api.get("/containers/followed/stats"))
    deaf(lambda api: api.get("/events"))
    deaf(lambda api: api.post("/images/create", query={"fromImage": "deaf/one", "tag": "latest"}))
    until(lambda: any("deaf/one:latest" in item["RepoTags"] for item in api.get("/images/json").json()), 60)
    run_and_remove(api)
    before = {name: memory(pid) for name, pid in processes.items()}
    for number in range(rounds):
        run_and_remove(api)
        assert execute(api, "followed", "echo", str(number)).decode().strip() == str(number)
    after = {name: memory(pid) for name, pid in processes.items()}
    print(f"{rounds} rounds beside who does not read: {before} → {after} KiB")
    assert all(after[name] < before[name] + 16 * 1024 for name in after)
    # what nobody takes is in the log all the same, but of the one that waits for its reader
    until(lambda: last_number(client(clean), "followed") == megabytes * 1000 - 1, 120)


def last_number(api: Client, name: str) -> int:
    text = api.get(f"/containers/{name}/logs", query={"stdout": "1", "tail": "1"}).read()
    return int(text[8:].split()[0]) if text else -1
