"""What the engine remembers of a container: the frozen value that the doors show and the database keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from kernel_engine.containers.options import ContainerOptions, ExecOptions
from kernel_engine.network.endpoint import Endpoint

HealthStatus = Literal["starting", "healthy", "unhealthy"]
Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One health check that was run. Times are seconds since the epoch."""

    start: float
    end: float
    exit_code: int  #: 0 healthy; -1 it could not be run, or took too long
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Docker's `.State.Health`."""

    status: HealthStatus = "starting"
    failing_streak: int = 0
    log: tuple[Probe, ...] = ()  #: the last five, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Docker's `.State`. Times are seconds since the epoch, 0.0 = never."""

    status: Status = "created"
    pid: int = 0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    health: Health | None = None  #: None: nothing is checked

    @property
    def running(self) -> bool:
        """Docker counts a paused and a restarting container as running."""
        return self.status in ("running", "paused", "restarting")

    @property
    def unwatched(self) -> Health | None:
        """The health once nobody probes any more (paused, ended): Docker calls it unhealthy."""
        return None if self.health is None else replace(self.health, status="unhealthy")


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoint:
    """Something that is mounted into the container."""

    type: str  #: "bind" | "volume" | "tmpfs"
    destination: str  #: absolute, without a slash at its end
    source: str = ""  #: a path of the host
    name: str = ""  #: of the volume
    driver: str = "local"
    mode: str = ""  #: the words behind the second colon of `-v`
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True  #: bind: with what is mounted below
    read_only_below: bool = True
    subpath: str = ""  #: the part of a volume that is mounted; links in it are not trusted
    copy: bool = True  #: a new volume is filled from the image
    create_source: bool = False  #: a missing directory of the host is made, as `-v` does
    anonymous: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    foreign: bool = False  #: a volume whose options mount something from elsewhere, with the owners that are there
    data: str = ""  #: tmpfs: the data string of mount(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """`--link` on the default bridge: another container under a name of this one's own."""

    container_id: str
    name: str  #: what it was called when the link was made
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. `config` is merged: the caller's words over the image's."""

    id: str
    name: str  #: without the leading slash
    created: float
    image_id: str
    image_name: str  #: as the user wrote it
    config: ContainerOptions
    state: State
    path: str  #: argv[0]
    args: tuple[str, ...]  #: argv[1:]
    mounts: tuple[MountPoint, ...] = ()
    links: tuple[Link, ...] = ()
    restart_count: int = 0
    endpoints: tuple[Endpoint, ...] = ()  #: while it runs: its places on networks
    stopped_by_user: bool = False  #: `docker stop`: unless-stopped and always look at it
    directory: str = ""  #: /…/containers/<id>
    #: a step of a build: never on disk, so that a new daemon ends and sweeps it like anything unknown
    transient: bool = False
    #: made for a start that is looked at step by step, and not started yet: a new daemon removes it
    provisional: bool = False
    #: it is being removed with its unnamed volumes: a new daemon takes them, too
    with_volumes: bool = False

    @property
    def endpoint(self) -> Endpoint | None:
        """Its first place: the one that publishes its ports."""
        return self.endpoints[0] if self.endpoints else None

    @property
    def identity(self) -> str:
        """The directory with its hostname, hosts and resolv.conf: of the container whose network it shares."""
        kind, _, owner = self.config.host.network_mode.partition(":")
        return f"{self.directory.rpartition('/')[0]}/{owner}" if kind == "container" else self.directory

    @property
    def log_path(self) -> str:
        return f"{self.directory}/{self.id}-json.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """One `docker exec`. Kept in memory until its container is removed or the daemon ends."""

    id: str
    container_id: str
    options: ExecOptions
    running: bool = False
    exit_code: int | None = None
    pid: int = 0
    can_remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitResult:
    exit_code: int
    error: str = ""
