"""`docker stats`: what containers use, as a table that is drawn anew twice a second, or once."""

from __future__ import annotations

import sys
import threading
import time

from kernel_engine.cli.table import Listing
from kernel_engine.client import APIError, EngineUnreachable
from kernel_engine.formats.sizes import binary_size, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kernel_engine.cli.grammar import Call

STATS = Listing(
    "*container.statsContext",
    {
        "BlockIO": "BLOCK I/O",
        "CPUPerc": "CPU %",
        "Container": "CONTAINER",
        "ID": "CONTAINER ID",
        "MemPerc": "MEM %",
        "MemUsage": "MEM USAGE / LIMIT",
        "Name": "NAME",
        "NetIO": "NET I/O",
        "PIDs": "PIDS",
    },
)
DEFAULT = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
EVERY = 0.5
#: seconds between two looks at which containers there are
LOOK = 1.0
UNKNOWN = "--"
CLEAR = "\x1b[2J\x1b[H"


def stats(call: Call) -> int:
    """All running containers, or those that are named. Ctrl+C ends it."""
    if call.words["no-stream"]:
        return _once(call)
    board = _Board(call)
    board.look()
    try:
        while True:
            time.sleep(EVERY)
            text = board.text()
            print(CLEAR + text if sys.stdout.isatty() else text, end="", flush=True)
            if call.arguments and board.ended():
                return 0
            board.look()
    except KeyboardInterrupt:
        return 0


def _once(call: Call) -> int:
    """Every container is asked at the same time: each answer takes a second, in which its CPU time is counted."""
    names = call.arguments or _names(call)
    samples: dict[str, Any] = {}

    def ask(name: str) -> None:
        try:
            samples[name] = call.client.another().get(f"/containers/{name}/stats", query={"stream": "0"}).json()
        except (APIError, EngineUnreachable) as error:
            samples[name] = error

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        if isinstance(samples[name], Exception):
            if call.arguments:
                raise samples[name]
            names = [other for other in names if other != name]  # it has gone meanwhile
    whole = bool(call.words["no-trunc"])
    print(STATS.text(call.words["format"], DEFAULT, [row(name, samples[name], whole=whole) for name in names]), end="")
    return 0


def _names(call: Call) -> list[str]:
    found = call.client.get("/containers/json", query={"all": call.words["all"] or None}).json()
    return [item["Id"] for item in found]


class _Board:
    """The newest sample of each container; one thread reads one container's stream."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._samples: dict[str, Any] = {}
        self._over: set[str] = set()
        self._seen = 0.0

    def look(self) -> None:
        """Begins to read those that are new."""
        if time.monotonic() < self._seen + LOOK:
            return
        self._seen = time.monotonic()
        for name in self._call.arguments or _names(self._call):
            if name not in self._samples:
                if self._call.arguments:
                    self._call.client.get(f"/containers/{name}/json").read()  # the error of a name that is wrong
                self._samples[name] = None
                threading.Thread(target=self._follow, args=(name,), daemon=True).start()

    def _follow(self, name: str) -> None:
        try:
            for sample in self._call.client.another().get(f"/containers/{name}/stats").objects():
                self._samples[name] = sample
                if not self._call.arguments and not self._call.words["all"] and not sample["memory_stats"]:
                    break  # it has ended; one that is started again is found by `look`
        except (APIError, EngineUnreachable, ValueError):
            pass
        self._over.add(name)
        if not self._call.arguments:
            self._samples.pop(name, None)
            self._over.discard(name)

    def ended(self) -> bool:
        """Nothing will come any more."""
        return set(self._samples) <= self._over

    def text(self) -> str:
        whole = bool(self._call.words["no-trunc"])
        rows = [row(name, sample, whole=whole) for name, sample in tuple(self._samples.items())]
        return STATS.text(self._call.words["format"], DEFAULT, rows)


def row(name: str, sample: Mapping[str, Any] | None, *, whole: bool) -> dict[str, Any]:
    """One line of the table. None: nothing has come yet. One that does not run uses nothing."""
    if sample is None:
        unknown = dict.fromkeys(("Name", "CPUPerc", "MemPerc", "PIDs"), UNKNOWN)
        pairs = dict.fromkeys(("MemUsage", "NetIO", "BlockIO"), f"{UNKNOWN} / {UNKNOWN}")
        return {"Container": name, "ID": name if whole else name[:12], **unknown, **pairs}
    memory = sample["memory_stats"]
    used, limit = used_memory(memory), memory.get("limit", 0)
    networks = (sample.get("networks") or {}).values()
    blocks = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return {
        "Container": name,
        "ID": sample["id"] if whole else sample["id"][:12],
        "Name": sample["name"].removeprefix("/"),
        "CPUPerc": f"{cpu_percent(sample):.2f}%",
        "MemUsage": f"{binary_size(used)} / {binary_size(limit)}",
        "MemPerc": f"{used / limit * 100 if limit else 0.0:.2f}%",
        "NetIO": _pair(sum(item["rx_bytes"] for item in networks), sum(item["tx_bytes"] for item in networks)),
        "BlockIO": _pair(*(sum(item["value"] for item in blocks if item["op"] == op) for op in ("read", "write"))),
        "PIDs": str(sample["pids_stats"].get("current", 0)),
    }


def cpu_percent(sample: Mapping[str, Any]) -> float:
    """100 is one processor."""
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    machine = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    if used <= 0 or machine <= 0 or not before.get("system_cpu_usage"):
        return 0.0
    return float(used / machine * now.get("online_cpus", 1) * 100)


def used_memory(memory: Mapping[str, Any]) -> int:
    """Without the page cache that the kernel would give back first (total_inactive_file on v1)."""
    details = memory.get("stats") or {}
    spare = details.get("total_inactive_file", details.get("inactive_file", 0))
    usage = int(memory.get("usage", 0))
    return usage - spare if spare < usage else usage


def _pair(first: int, second: int) -> str:
    return f"{human_size(first, 3)} / {human_size(second, 3)}"
