"""Health checks, the part that does: an exec in the container on schedule, for as long as it runs.

A probe has an id that shows what it is, so that a new daemon ends one that a killed daemon left behind.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import replace
from signal import SIGKILL

from kernel_engine.containers import execs, health
from kernel_engine.containers.house import House, LiveExec
from kernel_engine.containers.options import ExecOptions, Healthcheck
from kernel_engine.containers.record import Exec, Health, Probe
from kernel_engine.containers.roster import Live
from kernel_engine.errors import EngineError
from kernel_engine.formats.times import go_duration

_MARK = "00000000"
_RECEIVE = 65536
#: seconds that the log writer may take to let go of a stream whose process has ended
_LETTING_GO = 5.0


def is_probe(exec_id: str) -> bool:
    return exec_id.endswith(_MARK)


def begin(house: House, live: Live) -> None:
    """From now on the container is probed; nothing where it has no health check."""
    stop(live)
    if live.record.state.health is not None and (check := live.record.config.healthcheck) is not None:
        live.probing = house.later(_watch(house, live, check))


def stop(live: Live) -> None:
    """No more probes; one that is under way is killed and forgotten."""
    if live.probing is not None:
        live.probing.cancel()
        live.probing = None


async def _watch(house: House, live: Live, check: Healthcheck) -> None:
    mine = asyncio.current_task()
    while (before := live.record.state.health) is not None:
        started_at = live.record.state.started_at
        await asyncio.sleep(health.delay(check, before, ran_for=time.time() - started_at))
        probe = await _probe(house, live, check)
        if live.probing is not mine:
            return
        _settle(house, live, health.after(check, before, probe, started_at=started_at))


def _settle(house: House, live: Live, now: Health) -> None:
    """A container that stays as it is costs no write: a new daemon sees the rest by its own probes."""
    before = live.record.state.health
    if before is not None and (before.status, before.failing_streak) == (now.status, now.failing_streak):
        house.roster.note(live, health=now)
        return
    house.roster.save_state(live, health=now)
    if before is not None and before.status != now.status:
        house.announce(live, f"health_status: {now.status}")


async def _probe(house: House, live: Live, check: Healthcheck) -> Probe:
    """Runs it to its end, or until its time is up."""
    start = time.time()
    running = LiveExec(
        Exec(
            id=secrets.token_hex(28) + _MARK,
            container_id=live.record.id,
            options=ExecOptions(command=health.command(live.record.config), attach_stdout=True, attach_stderr=True),
        )
    )
    ours, theirs = socket.socketpair()
    output = bytearray()
    reading = house.later(_read(ours, output))
    begun = asyncio.create_task(_begin(house, live, running, theirs))
    try:
        await asyncio.shield(begun)
        timeout = check.timeout or health.TIMEOUT
        exit_code = await _exit_code(house, running, timeout / health.SECOND)
        await asyncio.wait((reading,), timeout=_LETTING_GO)
        text = _kept(output)
        if exit_code is None:
            late = f"Health check exceeded timeout ({go_duration(timeout)})"
            return Probe(start=start, end=time.time(), exit_code=-1, output=f"{late}: {text}" if text else late)
        return Probe(start=start, end=time.time(), exit_code=exit_code, output=text)
    except asyncio.CancelledError:
        house.later(_kill(house, running, begun))
        raise
    except EngineError as error:
        return Probe(start=start, end=time.time(), exit_code=-1, output=error.message)
    finally:
        reading.cancel()
        if running.done.is_set():
            house.execs.pop(running.record.id, None)


async def _begin(house: House, live: Live, running: LiveExec, client: socket.socket) -> None:
    """The EngineError that says why it does not start; its streams are given back then."""
    try:
        execs.check_running(live)
        execs.remember(house, live, running)
        await execs.begin(house, live, running, client=client, multiplexed=False)
    except EngineError:
        running.record = replace(running.record, running=False)
        running.done.set()
        await house.log_writer.release(running.record.id)
        raise
    finally:
        client.close()


async def _exit_code(house: House, running: LiveExec, timeout: float) -> int | None:
    """None: its time was up, and it was killed."""
    try:
        async with asyncio.timeout(timeout):  # wait_for would swallow a cancellation that comes with the end
            await running.done.wait()
    except TimeoutError:
        await _send_kill(house, running)
        await running.done.wait()
        return None
    return running.record.exit_code


async def _kill(house: House, running: LiveExec, begun: asyncio.Task[None]) -> None:
    """Of a container that is no longer probed: as soon as there is something to kill."""
    with suppress(EngineError):
        await begun
        await _send_kill(house, running)


async def _send_kill(house: House, running: LiveExec) -> None:
    with suppress(EngineError):  # it has just ended by itself
        await house.launcher.signal(running.record.id, SIGKILL)


async def _read(end: socket.socket, output: bytearray) -> None:
    """All that comes, so that the probe never waits for us; one byte more than is kept tells that there was more."""
    with end:
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        with suppress(ConnectionResetError):
            while data := await loop.sock_recv(end, _RECEIVE):
                output += data[: health.KEPT_OUTPUT + 1 - len(output)]


def _kept(output: bytearray) -> str:
    text = bytes(output[: health.KEPT_OUTPUT]).decode("utf-8", "replace")
    return f"{text}..." if len(output) > health.KEPT_OUTPUT else text
