"""A container's record to the runtime's spec: all that can be decided without the kernel. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kernel_engine.containers.merge import arguments, process_environment
from kernel_engine.containers.options import ContainerOptions, ExecOptions, HostOptions
from kernel_engine.containers.record import Container, MountPoint
from kernel_engine.containers.restriction import Folder
from kernel_engine.containers.sysctls import settled
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.environment import override_environment
from kernel_engine.runtime import capabilities
from kernel_engine.runtime.defaults import MASKED_PATHS, READONLY_PATHS
from kernel_engine.runtime.spec import Ids, Joined, Mount, Process, Resources, Rlimit, Rootfs, Spec
from kernel_engine.storage.snapshots import OverlayPlan

_DEFAULT_PERIOD = 100_000
_NAMESPACES = frozenset(("mount", "pid", "uts", "ipc", "net", "cgroup"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the spec needs to know besides the record: where things lie on this host."""

    cgroup: str
    rootfs: OverlayPlan
    hostname: str
    #: files of the engine that are bound into the container: target → host path
    identity_files: Mapping[str, str]
    seccomp: str
    tini: str
    ipv6: bool  #: the kernel has it
    provisions: Provisions
    joined: tuple[Joined, ...] = ()
    #: namespaces that are the machine's, by its own word or by that of the container whose they are
    of_machine: frozenset[str] = frozenset()
    linked: tuple[str, ...] = ()  #: variables that tell of linked containers
    ids: Ids | None = None  #: whom its users are on this machine
    folder_of: Callable[[str], Folder] | None = None  #: a restricted engine: where the source of a bind lies


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """What a step of a build gets besides its options, and what no record ever holds: mounts, and secrets' values."""

    mounts: tuple[Mount, ...] = ()
    environment: tuple[str, ...] = ()
    #: directories beneath the image: what is mounted on them leaves no empty directory in what the step changes
    beneath: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityOptions:
    """`--security-opt`, understood."""

    no_new_privileges: bool = False
    seccomp: str = "default"  #: "default" | "unconfined" | the JSON text of a profile
    unmasked: bool = False


def parse_security_options(words: tuple[str, ...]) -> SecurityOptions:
    no_new_privileges, seccomp, unmasked = False, "default", False
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            key, _, value = word.partition(":")
        if key == "no-new-privileges":
            if value not in ("", "true", "false"):
                raise InvalidRequest(f'invalid --security-opt 2: "{word}"')
            no_new_privileges = value != "false"
        elif key == "seccomp":
            seccomp = value
        elif key == "systempaths" and value == "unconfined":
            unmasked = True
        elif key not in ("apparmor", "label"):
            raise InvalidRequest(f'invalid --security-opt 2: "{word}"')
    return SecurityOptions(no_new_privileges=no_new_privileges, seccomp=seccomp, unmasked=unmasked)


def container_spec(container: Container, around: Surroundings) -> Spec:
    """The spec of the container's first process and its surroundings."""
    config, host = container.config, container.config.host
    security = parse_security_options(host.security_opt)
    open_paths = host.privileged or security.unmasked
    return Spec(
        id=container.id,
        process=_first_process(container, around, security),
        rootfs=_rootfs(around.rootfs, host.read_only, around.provisions.beneath),
        cgroup=around.cgroup,
        hostname="" if host.uts_mode == "host" else around.hostname,
        domainname=config.domainname,
        namespaces=namespaces(host),
        joined=around.joined,
        ids=around.ids,
        mounts=(*_mounts(container, around), *around.provisions.mounts),
        masked_paths=() if open_paths else MASKED_PATHS,
        readonly_paths=() if open_paths else READONLY_PATHS,
        resources=resources(host),
        sysctls=settled(
            host, around.ids, _NAMESPACES - around.of_machine, new=frozenset(namespaces(host)), ipv6=around.ipv6
        ),
        init=around.tini if host.init else "",
        privileged=host.privileged,
        shm_size=0 if host.ipc_mode == "none" else host.shm_size or 64 * 1024 * 1024,
    )


def exec_process(
    container: Container, options: ExecOptions, seccomp: str, hostname: str, linked: tuple[str, ...] = ()
) -> Process:
    """The process that `docker exec` adds: the container's environment and user unless said otherwise."""
    host = container.config.host
    environment = process_environment(container.config, hostname, linked)
    if options.tty and not container.config.tty:
        environment = override_environment(("TERM=xterm",), environment)
    return Process(
        args=options.command,
        env=override_environment(environment, options.environment),
        cwd=options.working_dir or container.config.working_dir or "/",
        user=options.user or container.config.user,
        groups=host.group_add,
        terminal=options.tty,
        rows=options.console_size[0],
        columns=options.console_size[1],
        open_stdin=options.attach_stdin,
        capabilities=capabilities.resolve(host.cap_add, host.cap_drop, host.privileged or options.privileged),
        no_new_privileges=parse_security_options(host.security_opt).no_new_privileges,
        seccomp=seccomp,
        rlimits=tuple(Rlimit(name=name, soft=soft, hard=hard) for name, soft, hard in host.ulimits),
        oom_score_adj=host.oom_score_adj or None,
    )


def _first_process(container: Container, around: Surroundings, security: SecurityOptions) -> Process:
    config, host = container.config, container.config.host
    return Process(
        args=arguments(config),
        env=override_environment(
            process_environment(config, around.hostname, around.linked), around.provisions.environment
        ),
        cwd=config.working_dir or "/",
        user=config.user,
        groups=host.group_add,
        terminal=config.tty,
        rows=host.console_size[0],
        columns=host.console_size[1],
        open_stdin=config.open_stdin,
        capabilities=capabilities.resolve(host.cap_add, host.cap_drop, host.privileged),
        no_new_privileges=security.no_new_privileges,
        seccomp=around.seccomp,
        rlimits=tuple(Rlimit(name=name, soft=soft, hard=hard) for name, soft, hard in host.ulimits),
        oom_score_adj=host.oom_score_adj or None,
    )


def namespaces(host: HostOptions) -> tuple[str, ...]:
    """Which namespaces are new; one that a `--pid host` or the like names is left out."""
    shared = {
        "pid": host.pid_mode == "host" or host.pid_mode.startswith("container:"),
        "uts": host.uts_mode == "host",
        "ipc": host.ipc_mode == "host" or host.ipc_mode.startswith("container:"),
        "net": host.network_mode == "host" or host.network_mode.startswith("container:"),
        "cgroup": host.cgroupns_mode == "host" or (host.privileged and host.cgroupns_mode != "private"),
    }
    return tuple(name for name in ("mount", "pid", "uts", "ipc", "net", "cgroup") if not shared.get(name))


def cgroup_namespace(host: HostOptions, *, unified: bool) -> str:
    """private or host, settled when the container is made. Docker lets a privileged one share the host's on v1 only:
    on v2 (`unified`) it would get the host's whole tree to write in."""
    return host.cgroupns_mode or ("host" if host.privileged and not unified else "private")


def resources(host: HostOptions) -> Resources:
    """Docker's numbers to the cgroup's: --cpus becomes a quota in a period of 100 ms, swap defaults to memory x 2."""
    period, quota = host.cpu_period, host.cpu_quota
    if host.nano_cpus:
        period, quota = _DEFAULT_PERIOD, host.nano_cpus * _DEFAULT_PERIOD // 1_000_000_000
    swap = host.memory_swap
    if host.memory and swap == 0:
        swap = host.memory * 2
    return Resources(
        memory=host.memory,
        memory_swap=swap,
        memory_reservation=host.memory_reservation,
        cpu_period=period,
        cpu_quota=quota,
        cpu_shares=host.cpu_shares,
        cpuset_cpus=host.cpuset_cpus,
        cpuset_mems=host.cpuset_mems,
        pids=max(host.pids_limit, 0),
        oom_kill_disable=host.oom_kill_disable,
        every_controller=host.privileged,
    )


def _rootfs(plan: OverlayPlan, read_only: bool, beneath: tuple[str, ...]) -> Rootfs:
    return Rootfs(
        base=str(plan.base),
        lower=(*map(str, plan.lower), *beneath),
        upper=str(plan.upper),
        work=str(plan.work),
        target=str(plan.target),
        store=str(plan.store),
        read_only=read_only,
        volatile=plan.volatile,
    )


def _mounts(container: Container, around: Surroundings) -> tuple[Mount, ...]:
    """The engine's own files first, then tmpfs, then what the caller mounts, so that it can cover any of them."""
    host = container.config.host
    covered = {point.destination for point in container.mounts}
    mounts = [
        Mount(type="bind", target=target, source=source, mapped=True)
        for target, source in around.identity_files.items()
        if target not in covered
    ]
    mounts += [Mount(type="tmpfs", target=target, options=_tmpfs_data(words)) for target, words in host.tmpfs.items()]
    mounts += [
        _mount(point, around.folder_of)
        for point in sorted(container.mounts, key=lambda point: point.destination.count("/"))
    ]
    return tuple(mounts)


def _mount(point: MountPoint, folder_of: Callable[[str], Folder] | None) -> Mount:
    if point.type == "tmpfs":
        return Mount(type="tmpfs", target=point.destination, options=point.data, read_only=point.read_only)
    if point.subpath:
        base, _, volume = point.source.rpartition("/")
        return Mount(
            type="inside",
            target=point.destination,
            source=point.subpath,
            base=base,
            lower=(volume,),
            read_only=point.read_only,
            mapped=not point.foreign,
        )
    if point.type == "bind" and folder_of is not None:
        folder = folder_of(point.source)
        return Mount(
            type="inside",
            target=point.destination,
            source=folder.inner(point.source) or "",
            base="/",
            lower=(folder.path,),
            owner=folder.owner if folder.shifted else None,
            read_only=point.read_only,
        )
    return Mount(
        type="bind",
        target=point.destination,
        source=point.source,
        read_only=point.read_only,
        propagation=point.propagation or "rprivate",
        recursive=point.recursive,
        read_only_below=point.read_only_below,
        mapped=point.type == "volume" and not point.foreign,
    )


def _tmpfs_data(words: str) -> str:
    """Docker's --tmpfs options, without those that change nothing on a file system in memory (atime and the like)."""
    flags = {"rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev"}
    return ",".join(word for word in words.split(",") if word in flags or "=" in word)


def hostname_of(config: ContainerOptions, container_id: str, host_name: str) -> str:
    """The name that the container sees as its own."""
    if config.hostname:
        return config.hostname
    if config.host.network_mode == "host" or config.host.uts_mode == "host":
        return host_name
    return container_id[:12]
