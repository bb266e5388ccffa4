"""`kernel-engine serve`: one daemon for one instance, from the lock to the last answer."""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import pwd
import resource
import signal
import socket
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine import __version__
from kernel_engine.api.server import Api
from kernel_engine.api.tcp import Certificates, TcpAddress
from kernel_engine.containers.restriction import Restriction
from kernel_engine.daemon import disk
from kernel_engine.daemon.folders import find_folder
from kernel_engine.daemon.lock import daemon_lock
from kernel_engine.daemon.notify import Notifier
from kernel_engine.daemon.remapping import find_ids
from kernel_engine.engine import Engine, Guard
from kernel_engine.errors import EngineError, Forbidden, InvalidRequest
from kernel_engine.images.certificates import DIRECTORY
from kernel_engine.paths import SOCKET_GROUP, Instance
from kernel_engine.runtime.cgroups import NO_LIMITS, Limits
from kernel_engine.runtime.spec import Ids
from kernel_engine.runtime.user_namespace import check_store

log = logging.getLogger("kernel_engine")

#: how long the engine may take to put its things away; containers are not waited for
_CLOSING = 15.0
#: seconds that a thread that reads a build's context may keep the loop waiting; Python's own 5 ms add up in a request
_SWITCH = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    instance: Instance
    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    certificates: Path = DIRECTORY
    group: str = ""  #: "" = docker-labs, if there is one
    subnet: str | None = None
    dns: tuple[str, ...] = ()
    userns_remap: str = ""  #: "" = containers' users are this machine's
    tcp: tuple[TcpAddress, ...] = ()  #: beside the socket
    tls: Certificates | None = None  #: whom `tcp` serves; None: loopback addresses only
    restrict: bool = False
    restrict_binds: tuple[Path, ...] = ()
    own_network: bool = False  #: this process's network namespace is its clients' own
    limits: Limits = NO_LIMITS
    limit_disk: int = 0  #: bytes; 0 = what the file system of the root has
    limit_servers: int | None = None  #: servers beside this one; None = one where `restrict`, else as many as wanted
    user: str = ""  #: whose the socket is; "" = root's
    verbose: bool = False


def serve(settings: Settings) -> int:
    """Blocks until SIGTERM or SIGINT. Raises EngineError for all that can be foreseen."""
    if os.geteuid() != 0:
        raise Forbidden("the engine must run as root", hint="run it with sudo")
    _start_logging(settings.verbose)
    os.umask(0o022)
    _allow_many_files()
    sys.setswitchinterval(_SWITCH)
    notifier = Notifier()
    try:
        # 0711: whoever is in the socket's group must pass, and sees no names
        settings.instance.run.mkdir(mode=0o711, parents=True, exist_ok=True)
        with daemon_lock(settings.instance):
            if settings.instance.rootless:
                from kernel_engine.daemon import rootless  # an ordinary user's alone

                rootless.check(settings.instance)
            disk.provide(settings.instance.root, settings.limit_disk)
            asyncio.run(_serve(settings, notifier, _guard(settings)))
    except (OSError, sqlite3.Error) as error:
        if settings.verbose:
            log.exception("the daemon ends")
        raise EngineError(f"cannot serve {settings.instance.root}: {error}") from error
    return 0


def _check_rootless(settings: Settings) -> None:
    """Its containers' users are in a user namespace already, and its only other user is the machine's root."""
    refused = {
        "--userns-remap": settings.userns_remap,
        "--restrict": settings.restrict,
        "--limit-disk": settings.limit_disk,
        "--group": settings.group,
        "--socket-user": settings.user,
    }
    for option, value in refused.items():
        if value:
            raise InvalidRequest(f"{option} is not for a rootless engine", hint="run kernel-engine as root for it")


def _remapping(settings: Settings) -> Ids | None:
    value = settings.userns_remap or ("default" if settings.restrict else "")
    ids = find_ids(value) if value else None
    if ids is not None:
        settings.instance.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_store(str(settings.instance.root), ids)
        log.info("the root of containers is user %d and group %d of this machine", *ids.root)
    elif value:
        log.warning("root cannot be remapped to itself: user namespaces are off")
    return ids


def _guard(settings: Settings) -> Guard:
    """InvalidRequest for what would be no restriction, or what is not an ordinary user's to ask for."""
    if settings.instance.rootless:
        _check_rootless(settings)
    ids = _remapping(settings)
    restriction = None
    if settings.restrict:
        if ids is None:
            raise InvalidRequest("--restrict needs containers' users to be others than this machine's: not root")
        folders = tuple(find_folder(path, ids) for path in settings.restrict_binds)
        restriction = Restriction(folders=folders, own_network=settings.own_network)
    elif settings.restrict_binds:
        raise InvalidRequest("--restrict-binds means nothing without --restrict")
    most = 1 if settings.restrict and settings.limit_servers is None else settings.limit_servers
    return Guard(ids=ids, restriction=restriction, limits=settings.limits, words=_guard_words(settings), servers=most)


def _guard_words(settings: Settings) -> tuple[str, ...]:
    """For a server that a client of this engine makes: it may do no more there than here, and make none itself. Its
    limits are its own; its disk lies on this one's."""
    limits = settings.limits
    given = {
        "--userns-remap": settings.userns_remap,
        "--socket-user": settings.user,
        "--limit-memory": limits.memory,
        "--limit-cpus": limits.nano_cpus / 1e9,
        "--limit-pids": limits.pids,
        "--limit-containers": limits.containers,
    }
    words = [word for name, value in given.items() if value for word in (name, str(value))]
    for folder in settings.restrict_binds:
        words += ["--restrict-binds", str(folder)]
    if settings.own_network:
        words.append("--own-network")
    return (*words, "--restrict", "--limit-servers", "0") if settings.restrict else tuple(words)


async def _serve(settings: Settings, notifier: Notifier, guard: Guard) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note_failure)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    instance = settings.instance
    engine = await Engine.open(
        instance,
        mirrors=settings.mirrors,
        insecure=settings.insecure,
        certificates=settings.certificates,
        subnet=settings.subnet,
        dns=settings.dns,
        group=settings.group,
        verbose=settings.verbose,
        guard=guard,
    )
    api: Api | None = None
    try:
        api = await Api.serve(engine, listen(instance, settings.group, settings.user))
        api.open_tcp(settings.tcp, settings.tls)
        log.info("kernel-engine %s serves %s (instance %s)", __version__, instance.socket, instance.id)
        if instance.rootless:
            log.info("rootless: export DOCKER_HOST=unix://%s", instance.socket)
        notifier.tell("READY=1")
        await stopping.wait()
    finally:
        log.info("stopping; containers go on")
        notifier.tell("STOPPING=1")
        instance.socket.unlink(missing_ok=True)
        if api is not None:
            await api.close()
        try:
            async with asyncio.timeout(_CLOSING):
                await engine.close()
        except TimeoutError:
            log.warning("the engine was not closed within %.0f seconds", _CLOSING)


def listen(instance: Instance, group: str, user: str = "") -> socket.socket:
    """The API's socket: root and one group, and one user where that is said. The instance's lock is held, so whatever
    lies there is left over."""
    members, owner = None if instance.rootless else _group_id(group), _user_id(user)
    instance.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)  # nobody may connect before the group is set
    try:
        listener.bind(str(instance.socket))
    except OSError as error:
        listener.close()
        raise EngineError(f"cannot listen on {instance.socket}: {error}") from None
    finally:
        os.umask(before)
    if members is not None or owner:
        os.chown(instance.socket, owner, members or 0)
    os.chmod(instance.socket, 0o600 if instance.rootless else 0o660)
    return listener


def _user_id(name: str) -> int:
    """Also a number that is nobody's yet: one whose processes are in containers, say."""
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if name else 0
    except KeyError:
        raise InvalidRequest(f"there is no user {name}", hint=f"make it: useradd {name}") from None


def _group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name or SOCKET_GROUP).gr_gid
    except KeyError:
        if name and name != SOCKET_GROUP:
            raise InvalidRequest(f"there is no group {name}", hint=f"make it: groupadd {name}") from None
        log.warning("there is no group %s: only root may use the socket", SOCKET_GROUP)
        return None


def _allow_many_files() -> None:
    """A descriptor for each stream of each container; launcher and containers inherit it, as under dockerd."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _start_logging(verbose: bool) -> None:
    """One line an event on stderr; journald adds the time by itself (systemd.exec(5), JOURNAL_STREAM)."""
    form = "%(levelname)s %(name)s: %(message)s"
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format=form if "JOURNAL_STREAM" in os.environ else f"%(asctime)s {form}",
    )
    if not verbose:
        logging.getLogger("asyncio").setLevel(logging.WARNING)


def _note_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Work that nobody waits for has failed: a line for what can be foreseen, the traceback for a mistake of ours."""
    error = context.get("exception")
    if isinstance(error, EngineError):
        log.error("%s: %s", context.get("message"), error.message)
    elif error is not None:
        log.error("%s", context.get("message"), exc_info=error)
    else:
        log.error("%s", context.get("message"))
