"""What the caller asks of a container, after the doors have read the JSON and before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    name: str = "no"  #: "no" | "always" | "unless-stopped" | "on-failure"
    maximum_retry_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    driver: str = "json-file"  #: "json-file" | "none"
    options: Mapping[str, str] = field(default_factory=dict)  #: max-size, max-file


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """How the engine finds out whether a container works. Times in nanoseconds; 0 = the image's value, or Docker's."""

    test: tuple[str, ...] = ()  #: () inherits | ("NONE",) | ("CMD", word…) | ("CMD-SHELL", line)
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """How a container wants to be on one network."""

    aliases: tuple[str, ...] = ()
    address: str = ""  #: a fixed IPv4 address
    address6: str = ""  #: a fixed IPv6 address
    link_local: tuple[str, ...] = ()  #: more addresses, which mean something on this one network only
    gateway_priority: int = 0  #: the highest one's network is the way out
    mac: str = ""
    links: tuple[str, ...] = ()
    driver_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MountOptions:
    """One of HostConfig.Mounts: `--mount`."""

    type: str  #: "bind" | "volume" | "tmpfs"
    target: str
    source: str = ""  #: bind: a path of the host; volume: its name, "" = a new one
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True  #: bind: with what is mounted below
    read_only_below: bool = True  #: bind, read-only: what is mounted below is so too
    subpath: str = ""  #: volume: only this part of it
    create_source: bool = False  #: bind-create-src
    no_copy: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    driver_options: Mapping[str, str] = field(default_factory=dict)
    data: str = ""  #: tmpfs: the data string of mount(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """HostConfig: how the container sits on this machine."""

    binds: tuple[str, ...] = ()  #: "host:dir[:ro]" or "volume:dir" as the user wrote it
    mounts: tuple[MountOptions, ...] = ()
    volumes_from: tuple[str, ...] = ()  #: "container[:ro]"
    network_mode: str = "default"  #: default|bridge|host|none|container:ID|NAME
    links: tuple[str, ...] = ()  #: "container[:alias]"
    restart: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    privileged: bool = False
    read_only: bool = False
    init: bool | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    pid_mode: str = ""  #: "" | "host" | container:ID
    ipc_mode: str = ""  #: "" | "private" | "shareable" | "host" | "none" | container:ID
    uts_mode: str = ""  #: "" | "host"
    cgroupns_mode: str = ""  #: "" | "private" | "host"
    userns_mode: str = ""  #: "" = the daemon's | "host"
    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    nano_cpus: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    shm_size: int = 0
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    ulimits: tuple[tuple[str, int, int], ...] = ()  #: name, soft, hard
    sysctls: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    log: LogConfig = LogConfig()
    port_bindings: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  #: "80/tcp" → (ip, port)…
    publish_all: bool = False
    console_size: tuple[int, int] = (0, 0)  #: rows, columns
    #: the HostConfig object as the client sent it, for `inspect`: unknown fields are accepted and shown again
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """The body of POST /containers/create. None = not said, the image's value counts."""

    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None  #: () or ("",) = cleared
    environment: tuple[str, ...] = ()  #: "A=b"; "A" alone removes the image's A
    working_dir: str = ""
    user: str = ""
    hostname: str = ""
    domainname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    stop_timeout: int | None = None
    network_disabled: bool = False
    mac_address: str = ""
    networks: Mapping[str, EndpointOptions] = field(default_factory=dict)  #: by name or id, as the caller says
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ()  #: what CMD-SHELL is run with; () = /bin/sh -c
    host: HostOptions = HostOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOptions:
    """The body of POST /containers/{id}/exec."""

    command: tuple[str, ...]
    environment: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    privileged: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach_keys: str = ""
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachOptions:
    """How a client wants a container's or an exec's streams."""

    stream: bool = True
    logs: bool = False
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    detach_keys: str = ""  #: "" = ctrl-p,ctrl-q


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    since: float = 0.0  #: seconds since the epoch
    until: float = 0.0
    tail: int | None = None  #: None = all


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOptions:
    container: str
    repository: str = ""
    tag: str = ""
    author: str = ""
    comment: str = ""
    pause: bool = True
    changes: tuple[str, ...] = ()  #: Dockerfile instructions: "CMD [\"bash\"]"
    config: Mapping[str, object] | None = None  #: a Docker container config that overrides the container's
