"""Where one engine instance keeps its things, and the names it gives to kernel objects.

Pure: nothing here touches the disk. An instance is a pair of `--root` (what must survive a reboot) and `--run` (what
must not). Its id is six hex digits of both, so that several instances on one machine never meet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path("/var/lib/kernel-engine")
DEFAULT_RUN = Path("/run/kernel-engine")
DEFAULT_SOCKET = DEFAULT_RUN / "engine.sock"
SOCKET_GROUP = "docker-labs"
#: one lock for the whole machine: subnets and shared sysctls are claimed under it
MACHINE_LOCK = Path("/run/lock/kernel-engine.lock")


@dataclass(frozen=True, slots=True)
class Instance:
    """The paths and kernel names of one engine instance. `root` and `run` are absolute and resolved."""

    root: Path
    run: Path
    #: an ordinary user's: its networks stand in a network namespace of its own, and it is root in a user namespace only
    rootless: bool = False
    #: rootless: the group of cgroup v2 that its user was given, from the mount on, no slash at its ends; "" = none
    cgroup_parent: str = ""

    @classmethod
    def at(cls, root: Path | str = DEFAULT_ROOT, run: Path | str = DEFAULT_RUN, *, rootless: bool = False) -> Instance:
        return cls(Path(root).resolve(), Path(run).resolve(), rootless)

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.root}\0{self.run}".encode()).hexdigest()[:6]

    # kernel objects ---------------------------------------------------------------------------------------------
    @property
    def bridge(self) -> str:
        return f"ke-{self.id}"

    @property
    def veth_prefix(self) -> str:
        """Host ends of veth pairs are this and seven more characters (IFNAMSIZ is 16 with the final NUL)."""
        return f"ke{self.id}"

    @property
    def nft_table(self) -> str:
        return f"ke_{self.id}"

    @property
    def cgroup(self) -> str:
        """The directory beneath each controller's mount (v1) or the unified mount (v2)."""
        name = f"kernel-engine-{self.id}"
        return f"{self.cgroup_parent}/{name}" if self.cgroup_parent else name

    # other servers of this machine ------------------------------------------------------------------------------
    @property
    def servers_bridge(self) -> str:
        """No `ke-…`: to the containers it is a way out of this machine, like its network card."""
        return f"kes-{self.id}"

    @property
    def servers_table(self) -> str:
        return f"ke_{self.id}_servers"

    @property
    def servers(self) -> tuple[Path, Path]:
        """Where their roots and run directories lie."""
        return self.root / "servers", self.run / "servers"

    def server(self, name: str) -> Instance:
        """Another instance, whose things lie beneath this one's."""
        root, run = self.servers
        return Instance(root / name, run / name)

    def server_namespace(self, name: str) -> Path:
        """Its network namespace, bound to a file: it lasts while nobody is in it."""
        return self.run / "servers" / f"{name}.net"

    # rootless -----------------------------------------------------------------------------------------------------
    @property
    def network_namespace(self) -> Path:
        """Where the networks stand, bound to a file (in the mount namespace of the engine's processes)."""
        return self.run / "network.net"

    @property
    def machine_lock(self) -> Path:
        """Nobody else has networks where those of a rootless engine stand."""
        return self.run / "network.lock" if self.rootless else MACHINE_LOCK

    @property
    def gate_socket(self) -> Path:
        return self.run / "gate.sock"

    # --root -----------------------------------------------------------------------------------------------------
    @property
    def database(self) -> Path:
        return self.root / "engine.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    @property
    def staging(self) -> Path:
        """Half-made things; emptied at start. On the same file system as blobs and layers, so that rename works."""
        return self.root / "staging"

    @property
    def containers(self) -> Path:
        return self.root / "containers"

    def container(self, container_id: str) -> Path:
        return self.containers / container_id

    # --run ------------------------------------------------------------------------------------------------------
    @property
    def socket(self) -> Path:
        return self.run / "engine.sock"

    @property
    def launcher_socket(self) -> Path:
        return self.run / "launcher.sock"

    @property
    def log_writer_socket(self) -> Path:
        return self.run / "log-writer.sock"

    @property
    def daemon_lock(self) -> Path:
        """Held (flock) by the running daemon, so that two never serve one instance."""
        return self.run / "daemon.lock"
