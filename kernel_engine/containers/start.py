"""docker start: spec, launch, network, streams; undone whole where one of them fails."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kernel_engine.containers import health, identity, networking
from kernel_engine.containers.create import hurry, recorded
from kernel_engine.containers.filtering import seccomp_program
from kernel_engine.containers.house import House
from kernel_engine.containers.links import check_links, tell_others, variables, write_hosts
from kernel_engine.containers.mounting import check_sources, volumes_of
from kernel_engine.containers.record import Container, WaitResult
from kernel_engine.containers.remove import remove_locked
from kernel_engine.containers.restriction import Folder
from kernel_engine.containers.roster import Live
from kernel_engine.containers.sharing import joined, network_owner, of_machine, owner_of
from kernel_engine.containers.spec import Provisions, Surroundings, container_spec
from kernel_engine.containers.traces import write_trace
from kernel_engine.errors import Conflict, EngineError, Forbidden, KernelRefused, NotModified, StartFailed, Unavailable
from kernel_engine.formats.frozen import to_json
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.networks import loopback_up
from kernel_engine.network.ports import Reservation
from kernel_engine.runtime.events import Born, Started, Stdio
from kernel_engine.runtime.log_writer.client import LogFile
from kernel_engine.runtime.spec import Spec
from kernel_engine.syscalls.trace import Packed, Step, Steps, Trace, adopt, recording

if TYPE_CHECKING:
    from kernel_engine.containers.stepping import Stepping

_DEFAULT_MAX_FILES = 1
#: seconds until the trace goes to disk: a container that has gone by then costs no file
_TRACE_DELAY = 0.1


async def start(house: House, live: Live) -> None:
    live.must_be_free()
    async with live.lock:
        await start_locked(house, live)


async def start_locked(house: House, live: Live, stepping: Stepping | None = None) -> None:
    """The caller holds the container's lock. stepping: what stands still before each kernel call."""
    record = live.record
    if record.state.status == "running":
        raise NotModified(f"Container {record.id} is already running")
    if record.state.status == "paused":
        raise Conflict("cannot start a paused container, try unpause instead")
    if record.state.status in ("removing", "dead"):
        raise Conflict("container is marked for removal and cannot be started")
    trace = Trace("daemon")
    steps: Sequence[Step] = ()
    await house.whole()
    try:
        started, endpoints = await _launch(house, live, trace, stepping)
        steps = started.trace
    except sqlite3.Error as error:
        await house.log_writer.release(record.id)
        await remove_locked(house, live, WaitResult(exit_code=128, error=str(error)))
        for name in volumes_of(record.mounts):
            await house.volumes.take_back(name)
        raise
    except EngineError as error:
        steps = getattr(error, "trace", ())
        await _remember_failure(house, live, error)
        raise
    finally:
        _keep_trace(house, record, Steps(trace.own, *trace.adopted, *_parts(steps)))
    state = replace(
        live.record.state,
        status="running",
        pid=started.pid,
        started_at=started.started_at,
        error="",
        exit_code=0,
        finished_at=0.0,
        oom_killed=False,
        health=health.starting(record.config, record.state.health),
    )
    # not waited for where the container goes with its end: the launcher knows the truth, and a restarted daemon asks it
    lasting = not record.config.host.auto_remove
    saved = house.roster.save(
        live, waited_for=lasting, endpoints=endpoints, stopped_by_user=False, state=state, provisional=False
    )
    if endpoints:
        tell_others(house, live.record)
    if state.health is not None:
        from kernel_engine.containers import probing  # whose execs need this module

        probing.begin(house, live)
    networking.announce(house, live.record, "connect")
    house.announce(live, "start")
    if lasting:  # else a power cut right behind the answer would leave one that was never started
        with suppress(sqlite3.Error):  # a full disk gets it later
            await saved


async def _launch(
    house: House, live: Live, trace: Trace, stepping: Stepping | None
) -> tuple[Started, tuple[Endpoint, ...]]:
    """Starts the first process with its network and its streams."""
    record = _named_by_owner(house, live)
    check_links(house, record)
    endpoints: tuple[Endpoint, ...] = ()
    ports = await _reserve_ports(house, record)

    async def connect(born: Born) -> None:
        nonlocal endpoints
        adopted = asyncio.ensure_future(_adopt(house, record, born.stdio))
        try:
            netlink = await born.netlink
            if stepping is not None and netlink is not None:
                await stepping.pause(networking.coming(record, ports), pid=born.pid)
            endpoints = await _attach_networks(house, record, netlink, born.pid, trace, ports)
            if endpoints:  # known to the launcher sooner than to the disk
                house.launcher.hold(record.id, to_json(endpoints), () if ports is None else ports.descriptors())
        finally:
            await adopted
        if endpoints:
            write_hosts(house, replace(record, endpoints=endpoints))
        await recorded(house, live)  # before the program runs; until here the disk had time

    try:
        with recording(trace):
            spec = await _spec(house, record, live.provisions)
        # the disk has the time that the child takes; the message about that goes first
        asyncio.get_running_loop().call_soon(hurry, house, live)
        if stepping is None:
            started = await house.launcher.launch(spec, connect)
        else:
            from kernel_engine.runtime.births import coming  # the launcher's, which nobody else needs

            stepping.follow(trace)
            await stepping.pause(coming(spec))
            started = await house.launcher.launch(spec, connect, stepping.child)
    except BaseException:
        if endpoints:
            await networking.detach_all(house, record.id, endpoints)
        elif ports is not None:
            ports.give_up()
        raise
    finally:
        if ports is not None:
            ports.close()
    try:
        await _adopt(house, record, started.stdio)
    finally:
        for descriptor in started.stdio.descriptors():
            os.close(descriptor)
    return started, endpoints


def _named_by_owner(house: House, live: Live) -> Container:
    """One that shares another's network has its host name too."""
    owner = network_owner(house, live.record).config
    config = replace(live.record.config, hostname=owner.hostname, domainname=owner.domainname)
    live.record = replace(live.record, config=config)
    return live.record


def _identity_files(house: House, record: Container) -> dict[str, str]:
    config = record.config
    if owner_of(config.host.network_mode):
        return identity.places(Path(record.identity))
    memberships = networking.memberships(house, config) if networking.is_networked(config) else []
    named = any(network.resolves_names for network, _ in memberships)
    gateway = house.networks.default.gateway
    return identity.write_identity(
        Path(record.directory), config.hostname, config, host_gateway=gateway, dns=house.dns, named=named
    )


async def _spec(house: House, record: Container, provisions: Provisions) -> Spec:
    config = record.config
    if house.restriction is not None:
        house.restriction.check_record(record)
    joins = joined(house, record)
    await _prepare_mounts(house, record)
    if config.host.init and not house.tini:
        raise StartFailed("--init needs a static init (package tini) on this machine", exit_code=127)
    return container_spec(
        record,
        Surroundings(
            cgroup=house.instance.cgroup,
            rootfs=house.snapshots.rootfs(record.id),
            hostname=config.hostname,
            identity_files=_identity_files(house, record),
            seccomp=await seccomp_program(house, config.host),
            tini=house.tini,
            ipv6=os.path.exists("/proc/sys/net/ipv6"),
            provisions=provisions,
            joined=joins,
            of_machine=of_machine(house, record),
            linked=variables(house, record),
            ids=house.ids if house.remapped(record) else None,
            folder_of=None if house.restriction is None else house.restriction.folder,
        ),
    )


async def _reserve_ports(house: House, record: Container) -> Reservation | None:
    """Before anything is made: a port that cannot be had is the container's end. None for one without ports."""
    wanted = networking.port_wishes(house, record.config)
    if not wanted:
        return None
    try:
        return await house.networks.reserve(wanted)
    except (Unavailable, KernelRefused) as error:
        # Docker's text; the endpoint with that id was never there, and neither is Docker's any more
        error.message = (
            f"driver failed programming external connectivity on endpoint {record.name} ({secrets.token_hex(32)}): "
            f"{error.message}"
        )
        raise


async def _attach_networks(
    house: House, record: Container, netlink: int | None, pid: int, trace: Trace, ports: Reservation | None
) -> tuple[Endpoint, ...]:
    """() for a container that is on no bridge."""
    if netlink is None:
        return ()  # the host's own network
    with recording(trace):
        if not (networking.is_networked(record.config) and record.config.networks):
            loopback_up(netlink)
            return ()
        return await networking.attach_all(house, record, netlink, pid, ports)


async def _adopt(house: House, record: Container, stdio: Stdio) -> None:
    """Gives the log writer the process's ends: pipes before the exec, a terminal after it."""
    if not stdio.descriptors():
        return
    log = log_file(record)
    try:
        await house.log_writer.adopt(record.id, stdio, log=log, stdin_once=record.config.stdin_once)
    except Unavailable:  # it died in this moment: the next one gets them
        await house.whole()
        await house.log_writer.adopt(record.id, stdio, log=log, stdin_once=record.config.stdin_once)


def log_file(record: Container) -> LogFile | None:
    """Where the container's output is kept; None for --log-driver none."""
    log = record.config.host.log
    if log.driver == "none":
        return None
    return LogFile(
        path=Path(record.log_path),
        max_size=parse_size(log.options.get("max-size", "")),
        max_files=int(log.options.get("max-file", _DEFAULT_MAX_FILES)),
    )


def parse_size(word: str) -> int:
    """ "10m" → bytes; 0 = without limit."""
    units = {"k": 1024, "m": 1024**2, "g": 1024**3}
    word = word.strip().lower().removesuffix("b")
    if not word:
        return 0
    return int(word[:-1]) * units[word[-1]] if word[-1] in units else int(word)


async def _prepare_mounts(house: House, record: Container) -> None:
    """`-v /missing:/dir` makes the directory on the host, as Docker does (--mount would refuse)."""
    restriction = house.restriction
    for point in record.mounts:
        if point.create_source and restriction is not None:
            await asyncio.to_thread(_make_inside, restriction.folder(point.source), point.source)
        elif point.create_source and not os.path.exists(point.source):
            os.makedirs(point.source, mode=0o755)
        elif point.type == "volume":
            await house.volumes.prepare(point.name)
    check_sources(record)


def _make_inside(folder: Folder, source: str) -> None:
    """The directory, where nothing is there yet."""
    inner = folder.inner(source) or ""
    try:
        if not folder.has(inner):
            folder.make(inner)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Forbidden(f"this engine is restricted: {source} leads out of {folder.path}") from None
        reason = (error.strerror or "").lower()
        raise EngineError(f"error while creating mount source path '{source}': mkdir {source}: {reason}") from None


def _parts(steps: Sequence[Step]) -> tuple[Iterable[Step] | Packed, ...]:
    return steps.parts if isinstance(steps, Steps) else (steps,)


def _keep_trace(house: House, record: Container, steps: Steps) -> None:
    created = house.traces.recent(record.id) if record.state.started_at == 0.0 else ()
    adopt(steps)
    kept = house.traces.keep(record.id, Steps(created, *steps.parts))
    house.later(_write_trace(Path(record.directory), kept))


async def _write_trace(directory: Path, steps: Steps) -> None:
    await asyncio.sleep(_TRACE_DELAY)
    if directory.exists():
        with suppress(OSError):  # removed meanwhile (--rm), or a full disk; the trace stays in memory
            await asyncio.to_thread(write_trace, directory / "trace.json", steps)


async def _remember_failure(house: House, live: Live, error: EngineError) -> None:
    """As Docker: the container stays as it was (Created, or Exited), with the error and its exit code in its state.

    One with --rm goes, and whoever waits for that hears of it.
    """
    exit_code = error.exit_code if isinstance(error, StartFailed) else 128
    await house.log_writer.release(live.record.id)
    state = replace(live.record.state, exit_code=exit_code, error=error.message, pid=0)
    await house.roster.keep(live, state=state)
    if live.record.config.host.auto_remove:
        await remove_locked(house, live, WaitResult(exit_code=exit_code))
