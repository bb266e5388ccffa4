"""Worker processes: results and errors come back as they were, and no process outlives whoever waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel_engine.errors import CorruptData, EngineError, Unavailable
from kernel_engine.workers.pool import Workers

UNPACK = "kernel_engine.images.worker:unpack_layer"


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    pool = Workers("kernel_engine.images.worker")
    yield pool
    await pool.close()


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has just been killed
        return []


def jobs(workers: Workers) -> list[int]:
    return children(workers.pid) if workers.pid is not None else []


async def until_busy(workers: Workers) -> None:
    for _ in range(1000):
        if jobs(workers):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no job runs")


async def stuck(workers: Workers, root: Path) -> asyncio.Task[object]:
    """A job that waits for a pipe to which nobody writes."""
    reading, writing = os.pipe()

    async def work() -> object:
        try:
            with opened(root, os.O_RDONLY | os.O_DIRECTORY) as target:
                return await workers.run(UNPACK, {"limit": 1, "digest": None}, (reading, target))
        finally:
            os.close(reading)
            os.close(writing)

    task: asyncio.Task[object] = asyncio.ensure_future(work())
    await until_busy(workers)
    return task


async def test_errors_come_back_as_they_were(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"no archive" * 99)
    (tmp_path / "root").mkdir()
    with (
        opened(tmp_path / "blob", os.O_RDONLY) as blob,
        opened(tmp_path / "root", os.O_RDONLY | os.O_DIRECTORY) as root,
    ):
        with pytest.raises(CorruptData, match="invalid tar header"):
            await workers.run(UNPACK, {"limit": 1 << 20, "digest": None}, (blob, root))
        with pytest.raises(NotADirectoryError):
            await workers.run(UNPACK, {"limit": 1 << 20, "digest": None}, (blob, blob))
        with pytest.raises(EngineError, match="KeyError"):
            await workers.run(UNPACK, {}, (blob, root))


async def test_many_at_the_same_time(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")

    async def settle() -> str:
        with opened(tmp_path, os.O_RDONLY | os.O_DIRECTORY) as root:  # its own: a reader's place is part of it
            return str(await workers.run("kernel_engine.images.worker:settle_layer", {"latest": None}, (root,)))

    assert len(set(await asyncio.gather(*(settle() for _ in range(20))))) == 1


async def test_a_cancelled_job_is_gone_when_the_call_returns(workers: Workers, tmp_path: Path) -> None:
    task = await stuck(workers, tmp_path)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(500):
        if not jobs(workers):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the job's process lives on")


async def test_a_job_that_ends_before_its_order_is_told(workers: Workers, tmp_path: Path) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(3):
            time.sleep(0.1)  # the loop, too, stands still
            yield b"1\n"

    with opened(tmp_path, os.O_RDONLY | os.O_DIRECTORY) as root:
        done = await workers.run("kernel_engine.images.worker:settle_layer", {"latest": None}, (root,), lines=slowly())
        assert "diff_id" in done
    with opened(tmp_path, os.O_RDONLY | os.O_DIRECTORY) as root, pytest.raises(OSError):
        await workers.run(
            "kernel_engine.images.worker:receive_file", {"limit": 1, "digest": None}, (root, root), lines=slowly()
        )


async def test_a_killed_job_and_a_killed_pool(workers: Workers, tmp_path: Path) -> None:
    task = await stuck(workers, tmp_path)
    os.kill(jobs(workers)[0], signal.SIGKILL)
    with pytest.raises(Unavailable):
        await task
    task = await stuck(workers, tmp_path)
    assert workers.pid is not None
    os.kill(workers.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await task
    task = await stuck(workers, tmp_path)  # another process has taken its place
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_no_job_holds_the_socket_of_the_orders(workers: Workers, tmp_path: Path) -> None:
    """Otherwise an order sent between the end of the pool's process and that of its last job would be lost."""
    task = await stuck(workers, tmp_path)
    assert workers.pid is not None
    assert sockets(workers.pid)
    async with asyncio.timeout(60):
        # each closes its copies when the job begins: this one of what it was sent for the job, that one of the orders'
        while sockets(workers.pid) & sockets(jobs(workers)[0]):
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def sockets(pid: int) -> set[str]:
    return {at for number in Path(f"/proc/{pid}/fd").iterdir() if (at := os.readlink(number)).startswith("socket:")}


def test_a_daemon_that_is_killed_is_followed(tmp_path: Path) -> None:
    program = f"""
        import asyncio, os
        from kernel_engine.workers.pool import Workers

        async def main():
            workers = Workers("kernel_engine.images.worker")
            reading, writing = os.pipe()
            root = os.open({str(tmp_path)!r}, os.O_RDONLY | os.O_DIRECTORY)
            await workers.run({UNPACK!r}, {{"limit": 1, "digest": None}}, (reading, root))

        asyncio.run(main())
    """
    daemon = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    deadline = time.monotonic() + 20
    family: list[int] = []
    while len(family) < 2:
        assert time.monotonic() < deadline
        pool = children(daemon.pid)
        family = [*pool, *(job for child in pool for job in children(child))]
        time.sleep(0.01)
    daemon.kill()
    daemon.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_pool_whose_process_was_forked_works_like_another_and_its_next_one_is_started(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"no archive" * 99)
    code = textwrap.dedent(
        """
        import asyncio, os, signal, sys
        from kernel_engine.errors import EngineError
        from kernel_engine.images import worker
        from kernel_engine.workers import pool

        async def ask(workers):
            blob, target = os.open(f"{sys.argv[1]}/blob", os.O_RDONLY), os.open(sys.argv[1], os.O_RDONLY)
            order = {"limit": 1 << 20, "digest": None}
            try:
                await workers.run("kernel_engine.images.worker:unpack_layer", order, (blob, target))
            except EngineError as error:
                started = "-m" in open(f"/proc/{workers.pid}/cmdline").read().split("\\0")
                print(type(error).__name__, "started" if started else "forked")

        async def main():
            workers = pool.Workers("kernel_engine.images.worker")
            await ask(workers)
            os.kill(workers.pid, signal.SIGKILL)
            os.waitid(os.P_PID, workers.pid, os.WEXITED | os.WNOWAIT)
            await ask(workers)
            await workers.close()

        pool.fork(("kernel_engine.images.worker",))
        asyncio.run(main())
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("nobody is left")
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.splitlines() == ["CorruptData forked", "CorruptData started", "nobody is left"], done.stderr
