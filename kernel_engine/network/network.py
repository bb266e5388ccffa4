"""What a network is, as values: what its maker asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: the three that every instance has
DEFAULT, HOST, NONE = "bridge", "host", "none"
#: the drivers' options (`--opt`) that mean something here
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
BRIDGE_NAME = "com.docker.network.bridge.name"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
MTU = "com.docker.network.driver.mtu"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A subnet as somebody wants it; "" = the engine chooses."""

    subnet: str = ""  #: "10.9.0.0/24", "fd00::/64"
    gateway: str = ""
    ip_range: str = ""  #: part of the subnet that addresses are given from
    reserved: Mapping[str, str] = field(default_factory=dict)  #: --aux-address: name → address that nobody gets


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The body of POST /networks/create, as far as a bridge knows it."""

    name: str
    driver: str = "bridge"
    pools: tuple[Pool, ...] = ()
    internal: bool = False
    attachable: bool = False
    ipv6: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)  #: --opt


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network of the instance. `host` and `none` have a driver and nothing else."""

    id: str
    name: str
    driver: str  #: "bridge" | "host" | "null"
    created: float = 0.0  #: seconds since the epoch
    subnet: str = ""
    gateway: str = ""  #: the bridge's own address
    ip_range: str = ""
    reserved: Mapping[str, str] = field(default_factory=dict)  #: of both kinds of address
    chosen: bool = False  #: somebody named the subnet, so that containers may have fixed addresses
    subnet6: str = ""  #: IPv6; "" = the network has none
    gateway6: str = ""
    ip_range6: str = ""
    chosen6: bool = False
    interface: str = ""  #: the bridge on the host
    internal: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def predefined(self) -> bool:
        return self.name in (DEFAULT, HOST, NONE)

    @property
    def resolves_names(self) -> bool:
        """Containers find each other by name on user-defined networks only, as with Docker."""
        return self.driver == "bridge" and not self.predefined

    def is_on(self, option: str) -> bool:
        """A switch among the options; on where nobody says otherwise. True, 1 and t are on (Go's strconv.ParseBool)."""
        return self.options.get(option, "true").lower() in ("true", "1", "t")
