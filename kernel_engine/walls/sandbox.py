"""python -I -m kernel_engine.walls.sandbox: one container, once, on a launcher of this process's own; then nothing.

Reads an `Order` on stdin and writes a `Run` to stdout, both JSON. It ends with whoever started it, at SIGTERM, and when
its time is up, and it takes everything with it: the launcher, what that has started, and their groups.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

from kernel_engine.errors import EngineError, Unavailable
from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.runtime import cgroups
from kernel_engine.runtime.channel import Channel, spec_from_json
from kernel_engine.runtime.client import Launcher as Client
from kernel_engine.runtime.events import Born, Exited, Started
from kernel_engine.runtime.ground import Ground
from kernel_engine.runtime.launcher import Launcher
from kernel_engine.runtime.spec import Mount, Spec
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import Prctl, prctl, set_name
from kernel_engine.walls import stage
from kernel_engine.walls.look import SHOWN, Seen, look
from kernel_engine.walls.run import Order, Run

#: bytes of a container's output that are kept
MOST = 64 << 10
#: seconds for what a container has left open when it has ended, and for its start
_LAST_WORDS, _START = 0.5, 20.0
_LOOPBACK = 1
_PIECE = 1 << 16


def main() -> None:
    order = revive(Order, json.loads(sys.stdin.buffer.read()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != order.parent:
        raise SystemExit("whoever asked is gone")
    set_name("ke-sandbox")
    try:
        found = _played(order)
    except (EngineError, OSError) as error:
        found = Run(error=_sentence(error))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stage.take_away(order.cgroup, order.name)
    sys.stdout.buffer.write(_packed(found))
    sys.stdout.buffer.flush()


def _packed(value: Seen | Run) -> bytes:
    """A name on the disk may be no text."""
    return to_json(value).encode(errors="replace")


def _sentence(error: EngineError | OSError) -> str:
    return error.message if isinstance(error, EngineError) else f"the sandbox cannot be built: {error}"


def _played(order: Order) -> Run:
    spec = spec_from_json(order.spec)
    group = stage.group(order.cgroup, order.name, spec, mapped=order.mapped)
    users = stage.users(order.layers) if order.mapped else None
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told, tell = os.pipe()
    launcher = os.fork()
    if launcher == 0:
        mine.close()
        os.close(told)
        _live(order, group, users, theirs, tell)
    try:
        theirs.close()
        os.close(tell)
        mine.setblocking(False)
        return asyncio.run(_Play(order, replace(spec, cgroup=group), Channel(mine), told, launcher).run())
    finally:
        with suppress(ProcessLookupError):
            os.kill(launcher, signal.SIGKILL)
        os.waitpid(launcher, 0)


# the launcher --------------------------------------------------------------------------------------------------------
def _live(order: Order, group: str, users: int | None, theirs: socket.socket, tell: int) -> NoReturn:
    """The launcher's whole life. What it says first is where the container's files are, or why there is no stage."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for number in (0, 1):
            os.dup2(null, number)
        _stand(order, group, users, tell)
        ground = Ground(
            without=order.without,
            in_user_namespace=order.mapped,
            look=lambda: _say(tell, _packed(look(calls=order.calls))),
            kept=(tell,),
        )
        launcher = Launcher(None, "", ground)
        launcher.serve(theirs)
        launcher.loop.run()
    except (EngineError, OSError) as error:
        _say(tell, json.dumps({"error": _sentence(error)}).encode())
    finally:
        os._exit(1)


def _stand(order: Order, group: str, users: int | None, tell: int) -> None:
    supervisor = os.getppid()
    stage.go(group)
    names = spec_from_json(order.spec).rootfs.lower
    files = stage.build(order.layers, names, order.files, order.seccomp, users)
    stage.enter(users)
    prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of ids, which clears it
    if os.getppid() != supervisor:
        os._exit(1)
    set_name("ke-launcher")
    _say(tell, json.dumps({"files": files}).encode())
    _say(tell, _packed(look(str(stage.QUEUES))))


def _say(descriptor: int, text: bytes) -> None:
    os.write(descriptor, text + b"\n")


# its client ----------------------------------------------------------------------------------------------------------
class _Play:
    """From the first word of the launcher to the container's last."""

    def __init__(self, order: Order, spec: Spec, channel: Channel, told: int, launcher: int) -> None:
        self._order = order
        self._spec = spec
        self._channel = channel
        self._told = told
        self._launcher = launcher
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._output = bytearray()
        self._cut = False
        self._found = Run()

    async def run(self) -> Run:
        loop = asyncio.get_running_loop()
        _read_into(self._told, _Lines(self._lines.put_nowait))
        self._ended: asyncio.Future[Exited] = loop.create_future()
        client = Client(self._channel, self._exited, self._lost)
        host = look()
        try:
            files = json.loads(await self._line())
            if "error" in files:
                return Run(error=files["error"])
            self._found = Run(host=host, beside=revive(Seen, json.loads(await self._line())))
            started = await client.launch(_adapted(self._spec, files["files"]), self._born)
        except EngineError as error:
            steps = getattr(error, "trace", ())
            return replace(self._found, error=error.message, steps=tuple(map(tuple, steps)))
        return await self._to_the_end(started)

    async def _born(self, born: Born) -> None:
        """Its network, its streams, and what it sees before its program begins."""
        if (inside := await born.netlink) is not None:
            with Netlink(os.dup(inside)) as netlink:
                netlink.set_link(_LOOPBACK, up=True)
        self._open = {self._hear(fd) for fd in (born.stdio.stdout, born.stdio.stderr) if fd is not None}
        line = await self._line(os.pidfd_open(born.pid))
        if line:
            self._found = replace(
                self._found,
                inside=revive(Seen, json.loads(line)),
                host_user=_user(born.pid),
                beside=_again(self._found.beside, self._launcher),
            )

    async def _to_the_end(self, started: Started) -> Run:
        done, _ = await asyncio.wait((self._ended,), timeout=self._order.seconds)
        if not done:
            cgroups.kill(self._order.cgroup, self._order.name)
        exited = await self._ended
        if self._open:
            await asyncio.wait(self._open, timeout=_LAST_WORDS)
        return replace(
            self._found,
            output=self._output.decode(errors="replace"),
            cut=self._cut,
            exit_code=exited.exit_code,
            timed_out=not done,
            steps=tuple(map(tuple, started.trace)),
        )

    # ----------------------------------------------------------------------------------------------------------------
    def _exited(self, exited: Exited) -> None:
        if not self._ended.done():
            self._ended.set_result(exited)

    def _lost(self) -> None:
        """The launcher was in the group that was killed, or a wall that is not there gave it to the container."""
        if not self._ended.done():
            self._ended.set_result(Exited(id="", exit_code=137, oom_killed=False, finished_at=0.0))

    def _hear(self, descriptor: int) -> asyncio.Future[None]:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _read_into(os.dup(descriptor), self._keep, over)
        return over

    def _keep(self, data: bytes) -> None:
        free = MOST - len(self._output)
        self._cut = self._cut or len(data) > free
        self._output += data[:free]

    async def _line(self, pidfd: int = -1) -> bytes:
        """The next thing that launcher or child says; b"" if the process of `pidfd` ends before. Unavailable."""
        said = asyncio.ensure_future(self._lines.get())
        gone = asyncio.Event()
        waiting = asyncio.ensure_future(gone.wait())
        if pidfd >= 0:
            asyncio.get_running_loop().add_reader(pidfd, gone.set)
        try:
            await asyncio.wait((said, waiting), timeout=_START, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if pidfd >= 0:
                asyncio.get_running_loop().remove_reader(pidfd)
                os.close(pidfd)
        if said.done():
            return said.result()
        said.cancel()
        if gone.is_set():
            return b""
        raise Unavailable("the sandbox's launcher does not answer")


class _Lines:
    """Bytes as they come, to whole lines."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._waiting = b""

    def __call__(self, data: bytes) -> None:
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            self._take(line)


def _read_into(descriptor: int, take: Callable[[bytes], None], over: asyncio.Future[None] | None = None) -> None:
    """Whatever comes, to the end of the stream."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)

    def read() -> None:
        try:
            data = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return
        if data:
            take(data)
            return
        loop.remove_reader(descriptor)
        os.close(descriptor)
        if over is not None and not over.done():
            over.set_result(None)

    loop.add_reader(descriptor, read)


def _adapted(spec: Spec, files: dict[str, str]) -> Spec:
    """The same container with its files where the stage has them."""
    rootfs = replace(
        spec.rootfs,
        base=str(stage.LAYERS),
        lower=stage.lower(spec.rootfs.lower),
        upper=stage.UPPER,
        work=stage.WORK,
        target=stage.TARGET,
        volatile=False,
    )
    seccomp = str(stage.FILES / "seccomp") if spec.process.seccomp else ""
    binds = tuple(Mount(type="bind", target=inside, source=source) for inside, source in files.items())
    process = replace(spec.process, seccomp=seccomp)
    return replace(spec, rootfs=rootfs, process=process, mounts=(*binds, *spec.mounts))


def _user(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(next(line.split()[2] for line in file if line.startswith("Uid:")))


def _again(seen: Seen | None, launcher: int) -> Seen | None:
    """Where the launcher stands may have changed under its feet: the root and the mounts."""
    if seen is None:
        return None
    root = tuple(sorted(os.listdir(f"/proc/{launcher}/root"))[:SHOWN])
    with open(f"/proc/{launcher}/mountinfo", encoding="utf-8") as file:
        return replace(seen, root=root, mount_count=sum(1 for _ in file))


if __name__ == "__main__":
    main()
