"""docker exec: one more process inside a running container."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import replace

from kernel_engine.containers.attach import frame
from kernel_engine.containers.filtering import seccomp_program
from kernel_engine.containers.first_turn import first_turn
from kernel_engine.containers.house import House, LiveExec
from kernel_engine.containers.links import variables
from kernel_engine.containers.options import ExecOptions
from kernel_engine.containers.record import Exec
from kernel_engine.containers.roster import Live, not_running
from kernel_engine.containers.spec import exec_process
from kernel_engine.errors import Conflict, EngineError, InvalidRequest, NotFound, StartFailed
from kernel_engine.runtime.members import members
from kernel_engine.syscalls.trace import Steps, Trace, adopt, recording

_REMEMBERED = 256


def create_exec(house: House, live: Live, options: ExecOptions) -> Exec:
    check_running(live)
    if not options.command:
        raise InvalidRequest("No exec command specified")
    if house.restriction is not None:
        house.restriction.check_exec(options)
        house.restriction.check_record(live.record)
    record = Exec(id=secrets.token_hex(32), container_id=live.record.id, options=options)
    remember(house, live, LiveExec(record))
    return record


def remember(house: House, live: Live, running: LiveExec) -> None:
    """From now on it can be asked for and started."""
    record = running.record
    house.execs[record.id] = running
    _forget_oldest(house)
    house.announce(live, f"exec_create: {_words(record)}", execID=record.id)


def _words(record: Exec) -> str:
    """The command as Docker's events say it: with a blank after the program, whether anything follows or not."""
    program, *rest = record.options.command
    return f"{program} {' '.join(rest)}"


def get_exec(house: House, exec_id: str) -> LiveExec:
    matches = [item for key, item in house.execs.items() if key.startswith(exec_id)] if exec_id else []
    if len(matches) != 1:
        raise NotFound(f"No such exec instance: {exec_id}")
    return matches[0]


def check_running(live: Live) -> None:
    status = live.record.state.status
    if status == "paused":
        raise Conflict(f"Container {live.record.name} is paused, unpause the container before exec")
    if status == "restarting":
        raise Conflict(f"Container {live.record.id} is restarting, wait until the container is running")
    if status != "running":
        raise not_running(live.record)


def check_start(house: House, exec_id: str) -> LiveExec:
    """Raises what must be said before the first byte of the stream."""
    running = get_exec(house, exec_id)
    if running.record.running:
        raise Conflict(f"Error: Exec command {exec_id} is already running")
    if running.record.exit_code is not None:
        raise Conflict(f"Error: Exec command {exec_id} has already run")
    live = house.roster.by_id(running.record.container_id)
    if live is None:
        raise NotFound(f"No such exec instance: {exec_id}")
    check_running(live)
    return running


async def start_exec(
    house: House,
    exec_id: str,
    *,
    detach: bool,
    tty: bool,
    client: socket.socket | None,
    multiplexed: bool,
    leftover: bytes,
    rows: int,
    columns: int,
) -> None:
    """Starts it. With a client's socket (taken over, closed here) its errors go into the stream, as Docker's do."""
    running = check_start(house, exec_id)
    live = house.roster.find(running.record.container_id)
    options = replace(running.record.options, tty=tty or running.record.options.tty)
    if rows and columns:
        options = replace(options, console_size=(rows, columns))
    running.record = replace(running.record, options=options)
    try:
        await begin(house, live, running, client=None if detach else client, multiplexed=multiplexed, leftover=leftover)
    except EngineError as error:
        exit_code = error.exit_code if isinstance(error, StartFailed) else 126
        running.record = replace(running.record, running=False, exit_code=exit_code)
        running.done.set()
        text = f"{error.message}\r\n".encode()
        await house.log_writer.release(exec_id, message=frame("stdout", text) if multiplexed else text)
        if client is None or detach:
            raise
    finally:
        if client is not None:
            client.close()


async def begin(
    house: House,
    live: Live,
    running: LiveExec,
    *,
    client: socket.socket | None,
    multiplexed: bool,
    leftover: bytes = b"",
) -> None:
    """Starts what is remembered, its output going to `client` too. The EngineError that says why it does not."""
    options = running.record.options
    await house.whole()
    running.record = replace(running.record, running=True)
    house.announce(live, f"exec_start: {_words(running.record)}", execID=running.record.id)
    if client is not None:
        await _attach(house, running.record.id, options, client, multiplexed, leftover)
    await _launch(house, live, running, options)


async def _attach(
    house: House, exec_id: str, options: ExecOptions, client: socket.socket, multiplexed: bool, leftover: bytes
) -> None:
    await house.log_writer.attach(
        exec_id,
        client,
        stdin=options.attach_stdin,
        stdout=options.attach_stdout,
        stderr=options.attach_stderr,
        multiplexed=multiplexed,
        detach_keys=options.detach_keys,
        leftover=leftover,
    )


async def _launch(house: House, live: Live, running: LiveExec, options: ExecOptions) -> None:
    record = live.record
    program = await seccomp_program(house, record.config.host, privileged=options.privileged)
    process = exec_process(record, options, program, record.config.hostname, variables(house, record))
    state = record.state
    await first_turn(state.started_at, lambda: members(house.instance.cgroup, record.id, state.pid))
    trace = Trace("daemon")
    with recording(trace):
        started = await house.launcher.exec(running.record.id, record.id, process)
    adopt(house.traces.keep(running.record.id, Steps(trace.own, started.trace)))
    try:
        await house.log_writer.adopt(running.record.id, started.stdio, log=None, stdin_once=True)
    finally:
        for descriptor in started.stdio.descriptors():
            os.close(descriptor)
    if running.record.running:
        running.record = replace(running.record, pid=started.pid)


def _forget_oldest(house: House) -> None:
    """Ended ones only: a running exec is never forgotten."""
    spare = len(house.execs) - _REMEMBERED
    for key in [key for key, item in house.execs.items() if item.done.is_set()][: max(spare, 0)]:
        house.execs.pop(key)
