"""A project as frozen values: what the compose files mean, once everything in them is read, merged and resolved.

Nothing here reads a file or knows a syntax. Every attribute is in one form only: durations are nanoseconds, sizes
bytes, processors billionths; paths of the host are absolute; lists that a file may write as a map, or the other way
round, are what the compose specification calls them first. What a file does not say has the attribute's default, so
that the engine's own default applies. Names are the specification's (github.com/compose-spec/compose-spec).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which project a command line means: the options before the command's name, as given, in order."""

    files: tuple[str, ...] = ()  #: -f; "-" is standard input
    project_name: str = ""  #: -p
    directory: str = ""  #: --project-directory
    env_files: tuple[str, ...] = ()  #: --env-file
    profiles: tuple[str, ...] = ()  #: --profile; "*" is all of them
    services: tuple[str, ...] = ()  #: named on the command line: their profiles count as active
    environment: Mapping[str, str] = field(default_factory=dict)  #: the process's own
    working_directory: str = "."
    legacy: bool = False  #: called as `docker-compose`


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret:
    """One secret that a build's steps may read."""

    id: str  #: what `RUN --mount=type=secret,id=` says
    source: str  #: a key of `Project.secrets`
    uid: str = ""
    gid: str = ""
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    context: str  #: an absolute directory, or a URL
    dockerfile: str = "Dockerfile"  #: absolute, or relative to the context; "" when it is inline
    dockerfile_inline: str = ""
    args: Mapping[str, str | None] = field(default_factory=dict)  #: None: known neither in the file nor around it
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()  #: beside the service's image
    network: str = ""
    no_cache: bool = False
    pull: bool = False
    privileged: bool = False
    shm_size: int = 0
    isolation: str = ""
    platforms: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()  #: "name=address"
    secrets: tuple[BuildSecret, ...] = ()
    ssh: tuple[str, ...] = ()
    additional_contexts: Mapping[str, str] = field(default_factory=dict)
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    entitlements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One published port."""

    target: int
    published: str = ""  #: "8080", or a range "8080-8090" to choose from; "" is the engine's choice
    protocol: str = "tcp"
    host_ip: str = ""
    mode: str = "ingress"  #: "ingress" | "host"; the same without a swarm
    name: str = ""
    app_protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One of a service's `volumes`."""

    type: str  #: "volume" | "bind" | "tmpfs" | "image" | "npipe" | "cluster"
    target: str
    source: str = ""  #: volume: a key of `Project.volumes`, "" = anonymous; bind: an absolute path; image: a reference
    read_only: bool = False
    consistency: str = ""
    propagation: str = ""  #: bind
    create_host_path: bool = True  #: bind: make the directory where it is missing
    recursive: str = ""  #: bind
    selinux: str = ""  #: bind: "z" | "Z"
    no_copy: bool = False  #: volume: do not fill a new one from the image
    subpath: str = ""  #: volume and image
    labels: Mapping[str, str] = field(default_factory=dict)  #: volume
    size: int = 0  #: tmpfs
    mode: int | None = None  #: tmpfs


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A secret or config that a service may read."""

    source: str  #: a key of `Project.secrets` or `Project.configs`
    target: str  #: an absolute path in the container
    uid: str = ""
    gid: str = ""
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """How a service is on one network."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    interface_name: str = ""
    priority: int = 0  #: the highest is joined first
    gw_priority: int = 0
    driver_opts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    condition: str = "service_started"  #: | "service_healthy" | "service_completed_successfully"
    restart: bool = False  #: restart with it
    required: bool = True  #: False: go on, with a warning, without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """Times in nanoseconds; None is the image's value, or the engine's."""

    test: tuple[str, ...] = ()  #: () is the image's | ("NONE",) | ("CMD", word…) | ("CMD-SHELL", line)
    disable: bool = False
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    start_interval: int | None = None
    retries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    source: str
    target: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """`gpus`, and devices of `deploy.resources.reservations`."""

    capabilities: tuple[str, ...] = ()
    driver: str = ""
    count: int | None = None  #: -1: all
    device_ids: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    nano_cpus: int = 0
    memory: int = 0
    pids: int = 0
    devices: tuple[DeviceRequest, ...] = ()
    generic: Mapping[str, int] = field(default_factory=dict)  #: kind → value


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRestart:
    """`deploy.restart_policy`."""

    condition: str = "any"  #: "any" | "on-failure" | "none"
    delay: int = 0
    max_attempts: int = 0  #: 0: without end
    window: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """`deploy.update_config` and `rollback_config`: used by a swarm and by Kubernetes, not by compose itself."""

    parallelism: int | None = None
    delay: int = 0
    failure_action: str = ""
    monitor: int = 0
    max_failure_ratio: float = 0.0
    order: str = ""  #: "start-first" | "stop-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    mode: str = ""  #: "replicated" | "global"
    replicas: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)  #: of the service, not of its containers
    limits: Resources = Resources()
    reservations: Resources = Resources()
    restart_policy: DeployRestart | None = None
    update_config: Rollout | None = None
    rollback_config: Rollout | None = None
    endpoint_mode: str = ""
    constraints: tuple[str, ...] = ()
    spread: tuple[str, ...] = ()  #: placement preferences
    max_replicas_per_node: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """`post_start` and `pre_stop`: a command in a running container."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimit:
    """One device's share of `blkio_config`: bytes or operations a second, or a weight."""

    path: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockIO:
    weight: int = 0
    weight_device: tuple[DeviceLimit, ...] = ()
    device_read_bps: tuple[DeviceLimit, ...] = ()
    device_read_iops: tuple[DeviceLimit, ...] = ()
    device_write_bps: tuple[DeviceLimit, ...] = ()
    device_write_iops: tuple[DeviceLimit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service.

    Filled in beyond what the files say, as compose does: `environment` holds what `env_file` says, `labels` what
    `label_file` says; `networks` has `default` where neither it nor `network_mode` was given; `depends_on` has what
    `links`, `volumes_from` and the modes `service:NAME` need; `scale` and `deploy.replicas` are one number.
    """

    name: str
    image: str = ""  #: "" when only `build` is said: the image is then called PROJECT-SERVICE
    build: Build | None = None
    command: tuple[str, ...] | None = None  #: None is the image's; () is none at all
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)  #: None: take the image's value away
    scale: int = 1
    profiles: tuple[str, ...] = ()
    depends_on: Mapping[str, Dependency] = field(default_factory=dict)
    container_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    deploy: Deploy = Deploy()
    restart: str = ""  #: "no" | "always" | "unless-stopped" | "on-failure[:N]"; "" and deploy.restart_policy may apply
    healthcheck: Healthcheck | None = None
    pull_policy: str = (
        ""  #: "always" | "never" | "missing" | "if_not_present" | "build" | "daily" | "weekly" | "every_…"
    )
    platform: str = ""
    attach: bool = True  #: show its output in `up`

    # the process
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    group_add: tuple[str, ...] = ()
    working_dir: str = ""
    tty: bool = False
    stdin_open: bool = False
    init: bool | None = None
    stop_signal: str = ""
    stop_grace_period: int | None = None  #: nanoseconds; None: 10 seconds
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()

    # names and networks
    networks: Mapping[str, Attachment] = field(default_factory=dict)  #: keys of `Project.networks`
    network_mode: str = ""  #: "" (then `networks`) | "host" | "none" | "bridge" | "service:NAME" | "container:NAME"
    ports: tuple[Port, ...] = ()
    expose: tuple[str, ...] = ()  #: "80", "80/udp", "8000-8010"
    links: tuple[str, ...] = ()  #: "SERVICE[:ALIAS]"
    external_links: tuple[str, ...] = ()  #: "CONTAINER[:ALIAS]"
    extra_hosts: tuple[str, ...] = ()  #: "name=address"
    dns: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    mac_address: str = ""

    # data
    volumes: tuple[Mount, ...] = ()
    volumes_from: tuple[str, ...] = ()  #: "SERVICE[:ro]" | "container:NAME[:ro]"
    tmpfs: tuple[str, ...] = ()  #: "PATH[:options]"
    secrets: tuple[Grant, ...] = ()
    configs: tuple[Grant, ...] = ()
    read_only: bool = False
    shm_size: int = 0
    storage_opt: Mapping[str, str] = field(default_factory=dict)

    # what it may do
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    gpus: tuple[DeviceRequest, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    pid: str = ""  #: "" | "host" | "service:NAME" | "container:NAME"
    ipc: str = ""  #: the same, and "shareable" | "private" | "none"
    uts: str = ""
    userns_mode: str = ""
    cgroup: str = ""  #: "" | "host" | "private"
    cgroup_parent: str = ""
    runtime: str = ""
    isolation: str = ""

    # what it may use; the same as deploy.resources where both are said
    nano_cpus: int = 0
    cpu_count: int = 0
    cpu_percent: float = 0.0
    cpu_shares: int = 0
    cpu_quota: int = 0  #: microseconds
    cpu_period: int = 0
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    cpuset: str = ""
    mem_limit: int = 0
    mem_reservation: int = 0
    memswap_limit: int = 0  #: -1: without end
    mem_swappiness: int | None = None
    pids_limit: int = 0
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    blkio: BlockIO | None = None
    logging: Logging | None = None

    #: attributes that are read and printed, and not carried out: develop, provider, models, …
    others: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)  #: x-…


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One of a network's `ipam.config`."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: str  #: as the engine knows it: PROJECT_KEY, or what the file says
    external: bool = False  #: made by somebody else: neither created nor removed
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str = ""
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    name: str
    external: bool = False
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileObject:
    """A secret or a config: what it holds comes from `file` or is `content`, unless it is external."""

    name: str
    file: str = ""  #: an absolute path
    environment: str = ""  #: the variable that it comes from; `content` is its value
    content: str | None = None  #: what a file says inline, or the variable's value when the project was read
    external: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What one or several compose files say together. Mappings are in the files' order."""

    name: str
    directory: str  #: absolute; relative paths began here
    files: tuple[str, ...]  #: absolute, "-" for standard input
    services: Mapping[str, Service]  #: those whose profiles are active, or that have none
    disabled: Mapping[str, Service] = field(default_factory=dict)  #: the others
    networks: Mapping[str, Network] = field(default_factory=dict)  #: that a service uses
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    secrets: Mapping[str, FileObject] = field(default_factory=dict)
    configs: Mapping[str, FileObject] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()  #: active
    environment: Mapping[str, str] = field(default_factory=dict)  #: what `${…}` saw: the shell's over .env
    env_files: tuple[str, ...] = ()  #: absolute paths of the .env files read
    extensions: Mapping[str, Any] = field(default_factory=dict)
