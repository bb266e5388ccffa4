"""A launcher of one's own, and containers from a root that holds nothing but busybox."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.paths import Instance
from kernel_engine.runtime import capabilities, cgroups, seccomp
from kernel_engine.runtime.client import Launcher
from kernel_engine.runtime.defaults import DEFAULT_SYSCTLS, MASKED_PATHS, READONLY_PATHS
from kernel_engine.runtime.events import Born, Exited, Started, Stdio
from kernel_engine.runtime.spec import Process, Rootfs, Spec

BUSYBOX = Path("/bin/busybox")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"
GROUP = "root:x:0:\nwheel:x:10:root\naudio:x:29:bob\nbob:x:1000:\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0 or not BUSYBOX.exists():
        for item in items:
            if "tests/kernel/runtime" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="needs root and busybox-static"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    exit_code: int
    out: str
    err: str
    started: Started
    exited: Exited
    id: str

    def __str__(self) -> str:
        return f"exit {self.exit_code}\n{self.out}\n{self.err}"


@dataclass
class Machine:
    """One instance with its launcher."""

    base: Path
    instance: Instance
    launcher: Launcher = None  # type: ignore[assignment]
    exits: dict[str, asyncio.Future[Exited]] = field(default_factory=dict)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self) -> None:
        self.launcher = await Launcher.connect(self.instance, on_exit=self._on_exit, on_lost=self.lost.set)

    def _on_exit(self, exited: Exited) -> None:
        future = self.exits.setdefault(exited.id, asyncio.get_running_loop().create_future())
        if not future.done():
            future.set_result(exited)

    async def exit_of(self, id: str, timeout: float = 10) -> Exited:
        future = self.exits.setdefault(id, asyncio.get_running_loop().create_future())
        return await asyncio.wait_for(asyncio.shield(future), timeout)

    def spec(self, *args: str, **values: Any) -> Spec:
        """A container of Docker's defaults; keywords go to `Process` or to `Spec`, whichever has that name."""
        id = secrets.token_hex(32)
        own = self.base / id[:12]
        for name in ("upper", "work", "target"):
            (own / name).mkdir(parents=True)
        ours = {name: values.pop(name) for name in tuple(values) if name in Process.__slots__}
        ours = {"env": ("PATH=/bin",), "capabilities": capabilities.DEFAULT, "seccomp": self.profile} | ours
        rootfs = Rootfs(
            base=str(self.base),
            lower=("busybox",),
            upper=f"{id[:12]}/upper",
            work=f"{id[:12]}/work",
            target=str(own / "target"),
            read_only=values.pop("read_only", False),
        )
        defaults: dict[str, Any] = {
            "hostname": id[:12],
            "masked_paths": MASKED_PATHS,
            "readonly_paths": READONLY_PATHS,
            "sysctls": DEFAULT_SYSCTLS,
        }
        process = Process(args=args, **ours)
        return Spec(id=id, process=process, rootfs=rootfs, cgroup=self.instance.cgroup, **(defaults | values))

    @property
    def profile(self) -> str:
        path = seccomp.place(seccomp.default_text(), capabilities.DEFAULT, self.base / "seccomp")
        if not path.exists():
            seccomp.compile_profile(seccomp.default_text(), capabilities.DEFAULT, path)
        return str(path)

    def upper(self, id: str) -> Path:
        return self.base / id[:12] / "upper"

    async def start(self, spec: Spec, on_born: Callable[[Born], Any] | None = None) -> Started:
        kept = Stdio()

        async def keep_streams(born: Born) -> None:
            nonlocal kept
            given = {name: getattr(born.stdio, name) for name in ("stdin", "stdout", "stderr")}
            kept = Stdio(**{name: os.dup(fd) for name, fd in given.items() if fd is not None})
            if on_born is not None:
                await on_born(born)

        try:
            started = await self.launcher.launch(spec, keep_streams)
        except BaseException:
            for fd in kept.descriptors():
                os.close(fd)
            raise
        return replace(started, stdio=kept) if kept.descriptors() else started

    async def run(self, *args: str, **values: Any) -> Result:
        return await self.run_spec(self.spec(*args, **values))

    async def sh(self, script: str, **values: Any) -> Result:
        return await self.run("sh", "-c", script, **values)

    async def run_spec(self, spec: Spec) -> Result:
        started = await self.start(spec)
        return await self.collect(started)

    async def exec(self, container: str, *args: str, **values: Any) -> Result:
        values = {"env": ("PATH=/bin",), "capabilities": capabilities.DEFAULT, "seccomp": self.profile} | values
        id = secrets.token_hex(32)
        started = await self.launcher.exec(id, container, Process(args=args, **values))
        return await self.collect(started)

    async def collect(self, started: Started) -> Result:
        """Everything that it prints until its end."""
        stdio = started.stdio
        if stdio.stdin is not None:
            os.close(stdio.stdin)
            await self.launcher.close_stdin(started.id)
        out, err = await asyncio.gather(
            read_all(stdio.stdout if stdio.console is None else stdio.console), read_all(stdio.stderr)
        )
        exited = await self.exit_of(started.id)
        await self.launcher.forget(started.id)
        return Result(exit_code=exited.exit_code, out=out, err=err, started=started, exited=exited, id=started.id)

    def traces_left(self, id: str) -> list[str]:
        """What of a container is still there: cgroups and mounts."""
        left = [place for place in cgroups.directories(self.instance.cgroup, id) if os.path.exists(place)]
        return left + [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if id[:12] in line]

    async def gone(self, id: str) -> None:
        for _ in range(3000):
            if not self.traces_left(id):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(self.traces_left(id))


def alive(pid: int) -> bool:
    """False for a zombie too: PID 1 of a build machine may take its time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def read_all(fd: int | None) -> str:
    if fd is None:
        return ""

    def read() -> str:
        data = b""
        try:
            while chunk := os.read(fd, 1 << 16):
                data += chunk
        except OSError:  # EIO: the terminal's last holder is gone
            pass
        os.close(fd)
        return data.decode(errors="replace")

    return await asyncio.to_thread(read)


def close(started: Started) -> None:
    for fd in started.stdio.descriptors():
        os.close(fd)


@pytest.fixture(scope="session")
def busybox_root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="ke-busybox-")) / "busybox"
    for name in ("bin", "etc", "root", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout
    for name in applets.split():
        if name != "busybox":
            os.symlink("busybox", root / "bin" / name)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    yield root  # type: ignore[misc]
    shutil.rmtree(root.parent)


@pytest.fixture
async def machine(busybox_root: Path) -> AsyncIterator[Machine]:
    base = Path(tempfile.mkdtemp(prefix="ke-"))
    (base / "busybox").symlink_to(busybox_root)
    made = Machine(base=base, instance=Instance.at(base / "root", base / "run"))
    await made.connect()
    yield made
    if made.launcher._closed:
        await made.connect()
    pid = made.launcher.pid
    await made.launcher.quit()
    while alive(pid):
        await asyncio.sleep(0.01)
    await asyncio.to_thread(cgroups.remove_instance, made.instance.cgroup)
    log = (base / "run/launcher.log").read_text()
    shutil.rmtree(base)
    assert log == "", log
