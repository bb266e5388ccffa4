"""How near a start is to what the kernel itself takes: `python -m benchmarks.floor`.

The launcher's part of `docker run busybox true` on a bridge, from the request to execve(2), beside a C program
(`floor.c`, compiled here) that makes the same kernel calls in the same order and does nothing else; and the whole life
of a process without a network, beside runc and crun where they are, which are a process each. Blocks of rounds in
turns. Everything lies in a network namespace of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

from benchmarks.timing import Figure, figure, table, timed
from kernel_engine.network.veth import Cable, loopback_up, plug
from kernel_engine.paths import Instance
from kernel_engine.runtime import capabilities, cgroups, seccomp
from kernel_engine.runtime.client import Launcher
from kernel_engine.runtime.defaults import DEFAULT_SYSCTLS, IPV6_OFF, MASKED_PATHS, READONLY_PATHS
from kernel_engine.runtime.events import Born, Exited
from kernel_engine.runtime.spec import Mount, Process, Rootfs, Spec
from kernel_engine.syscalls.netlink import Netlink
from tests.busybox_registry import root_tar

BLOCKS, ROUNDS, WARM_UP = 12, 20, 1
IDENTITY = ("hostname", "hosts", "resolv.conf")
RUNTIMES = ("runc", "crun")
TO_EXECVE, TO_THE_END = (
    "from request to execve(2), on a bridge (ms)",
    "`true` from request to end, without network (ms)",
)


def lay_out(base: Path) -> Path:
    """The image, the files that every container gets, the filter, and the program."""
    with tarfile.open(fileobj=io.BytesIO(root_tar())) as archive:
        archive.extractall(base / "busybox")
    for name in IDENTITY:
        (base / name).write_text("floor\n")
    seccomp.compile_profile(seccomp.default_text(), capabilities.DEFAULT, base / "filter")
    program = base / "floor"
    subprocess.run(["cc", "-O2", "-o", program, Path(__file__).with_name("floor.c")], check=True)
    return program


def fresh(own: Path) -> None:
    """What one container has of its own."""
    shutil.rmtree(own, ignore_errors=True)
    for name in ("upper", "work", "target"):
        (own / name).mkdir(parents=True)


def spec_of(base: Path, cgroup: str) -> Spec:
    binds = tuple(Mount(type="bind", source=str(base / name), target=f"/etc/{name}") for name in IDENTITY)
    process = Process(
        args=("true",), env=("PATH=/bin",), capabilities=capabilities.DEFAULT, seccomp=str(base / "filter")
    )
    root = Rootfs(
        base=str(base), lower=("busybox",), upper="own/upper", work="own/work", target=str(base / "own/target")
    )
    return Spec(
        id="",
        process=process,
        rootfs=root,
        cgroup=cgroup,
        hostname="floor",
        mounts=binds,
        masked_paths=MASKED_PATHS,
        readonly_paths=READONLY_PATHS,
        sysctls=(*DEFAULT_SYSCTLS, IPV6_OFF),
    )


class Ours:
    """A launcher, and the network that the daemon would plug in."""

    def __init__(self, base: Path, instance: Instance, bridge: int) -> None:
        self._base = base
        self._instance = instance
        self._bridge = bridge
        self._ended: asyncio.Future[Exited]
        self._host = Netlink()
        self._number = 0

    async def connect(self) -> None:
        self._launcher = await Launcher.connect(self._instance, on_exit=self._on_exit, on_lost=lambda: None)

    async def close(self) -> None:
        await self._launcher.quit()
        cgroups.remove_instance(self._instance.cgroup)

    def _on_exit(self, exited: Exited) -> None:
        self._ended.set_result(exited)

    async def block(self, *, networked: bool) -> list[float]:
        found = []
        for _ in range(ROUNDS):
            fresh(self._base / "own")
            found.append(await self._one(networked=networked))
        return found

    async def _one(self, *, networked: bool) -> float:
        """Milliseconds to execve(2); without a network, to the end."""
        spec = replace(spec_of(self._base, self._instance.cgroup), id=secrets.token_hex(32))
        self._ended = asyncio.get_running_loop().create_future()
        self._number += 1

        async def connect(born: Born) -> None:
            netlink = await born.netlink
            assert netlink is not None
            if not networked:
                return loopback_up(netlink)
            cable = Cable(
                outside=f"ours{self._number}",
                bridge=self._bridge,
                pid=born.pid,
                mac="02:42:ac:1f:ff:02",
                interface=IPv4Interface("172.31.255.2/24"),
                gateway="172.31.255.1",
                mtu=0,
            )
            return plug(self._host, os.dup(netlink), cable)

        start = time.monotonic_ns()
        started = await self._launcher.launch(spec, connect)
        assert (await self._ended).exit_code == 0
        end = time.monotonic_ns()
        if networked:
            end = next(step.started for step in started.trace if step.name == "execve")
        for descriptor in started.stdio.descriptors():
            os.close(descriptor)
        await self._launcher.forget(spec.id)
        return (end - start) / 1e6


@contextmanager
def group_of(cgroup: str) -> Iterator[str]:
    """A group for the C program's containers beside the launcher's own."""
    cgroups.prepare_instance(cgroup)
    try:
        yield cgroup
    finally:
        cgroups.remove_instance(cgroup)


def block_in_c(program: Path, base: Path, bridge: int, cgroup: str) -> list[float]:
    found = []
    for _ in range(ROUNDS):
        fresh(base / "own")
        words = (program, "1", base, str(bridge), base / "filter", cgroup)
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        to_execve, to_end = done.stdout.split()
        found.append(int(to_execve if bridge else to_end) / 1e6)
    return found


def bundle(runtime: str, base: Path) -> Path:
    """An OCI bundle of the same image; the settings are the runtime's own example."""
    place = base / runtime
    place.mkdir()
    subprocess.run([runtime, "spec"], cwd=place, check=True)
    config = json.loads((place / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["true"], "env": ["PATH=/bin"]}
    config["root"] = {"path": str(base / "busybox"), "readonly": True}
    (place / "config.json").write_text(json.dumps(config))
    return place


def runs_here(runtime: str, base: Path) -> Path | None:
    """Its bundle, or None where it is not installed, or refuses (crun does, where both versions of cgroups are)."""
    if shutil.which(runtime) is None:
        print(f"left out: {runtime}, which is not installed", file=sys.stderr)
        return None
    place = bundle(runtime, base)
    try:
        run_in_runtime(runtime, base, place)
    except subprocess.CalledProcessError as error:
        print(f"left out: {runtime}, which says: {error.stderr.decode(errors='replace').strip()}", file=sys.stderr)
        return None
    return place


def run_in_runtime(runtime: str, base: Path, place: Path) -> None:
    words = (runtime, "--root", str(base / f"{runtime}-state"), "run", "--bundle", str(place))
    subprocess.run(
        (*words, f"floor-{secrets.token_hex(4)}"), check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def block_of_runtime(runtime: str, base: Path, place: Path) -> list[float]:
    return [timed(lambda: run_in_runtime(runtime, base, place)) for _ in range(ROUNDS)]


async def measure(base: Path, blocks: int) -> dict[str, dict[str, Figure]]:
    program = lay_out(base)
    with Netlink() as netlink:
        netlink.add_bridge("floor", up=True)
        bridge = netlink.link("floor").index
        netlink.add_address(bridge, "172.31.255.1/24")
    instance = Instance.at(base / "root", base / "run")
    ours = Ours(base, instance, bridge)
    bundles = {runtime: place for runtime in RUNTIMES if (place := runs_here(runtime, base)) is not None}
    kept: dict[tuple[str, str], list[float]] = defaultdict(list)
    await ours.connect()
    try:
        with group_of(f"{instance.cgroup}-c") as cgroup:
            for number in range(WARM_UP + blocks):
                found = {
                    (TO_EXECVE, "C"): block_in_c(program, base, bridge, cgroup),
                    (TO_EXECVE, "kernel-engine"): await ours.block(networked=True),
                    (TO_THE_END, "C"): block_in_c(program, base, 0, cgroup),
                    (TO_THE_END, "kernel-engine"): await ours.block(networked=False),
                }
                for runtime, place in bundles.items():
                    found[TO_THE_END, runtime] = block_of_runtime(runtime, base, place)
                for key, samples in found.items() if number >= WARM_UP else ():
                    kept[key] += samples
    finally:
        await ours.close()
    results: dict[str, dict[str, Figure]] = defaultdict(dict)
    for (label, name), samples in kept.items():
        results[label][name] = figure(samples)
    return results


def measured(blocks: int) -> str:
    """The table, by a process that has its own network namespace."""
    words = ("unshare", "--net", sys.executable, "-m", "benchmarks.floor", "--inside", "--blocks", str(blocks))
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        return print(measured(options.blocks))
    with tempfile.TemporaryDirectory(prefix="ke-floor-") as scratch:
        results = asyncio.run(measure(Path(scratch), options.blocks))
    names = ("C", "kernel-engine", *(name for name in RUNTIMES if name in results[TO_THE_END]))
    return print(table(names, results))


if __name__ == "__main__":
    main()
