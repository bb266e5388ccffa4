"""What `docker network create` asks for, checked and planned, in Docker's texts (libnetwork, moby). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_network,
)

from kernel_engine.errors import Forbidden, InvalidRequest, NotFound, NotSupported, Unavailable
from kernel_engine.network.addresses import first_address, first_address6
from kernel_engine.network.network import (
    BRIDGE_NAME,
    DEFAULT,
    HOST,
    HOST_BINDING,
    ICC,
    MASQUERADE,
    MTU,
    NONE,
    Network,
    NetworkOptions,
    Pool,
)
from kernel_engine.paths import Instance

_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_GATEWAY_MODES = ("com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6")
#: IFNAMSIZ without the NUL
_LONGEST_INTERFACE = 15
_SMALLEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where the bridge is to stand: its address in each kind of subnet; None = the engine chooses one."""

    gateway: IPv4Interface | None
    gateway6: IPv6Interface | None
    ipv6: bool


def planned(
    options: NetworkOptions, instance: Instance, others: Iterable[Network], network_id: str
) -> tuple[Network, Wish]:
    """The network to be made, and where. Its name is free already.

    InvalidRequest, Forbidden (subnet or bridge in use), NotFound (driver), NotSupported.
    """
    present = tuple(others)
    _check_name(options.name)
    if options.driver != "bridge":
        raise _unknown_driver(options.driver)
    _check_options(options)
    pools, pools6 = _by_kind(options)
    interface = _interface(options, instance, present, network_id)
    network = Network(
        id=network_id,
        name=options.name,
        driver="bridge",
        ip_range=pools.ip_range,
        ip_range6=pools6.ip_range,
        reserved={**pools.reserved, **pools6.reserved},
        chosen=bool(pools.subnet),
        chosen6=bool(pools6.subnet),
        interface=interface,
        internal=options.internal,
        attachable=options.attachable,
        labels=dict(options.labels),
        options=dict(options.options),
    )
    wish = Wish(gateway=_wanted(pools), gateway6=_wanted6(pools6), ipv6=options.ipv6)
    _check_overlaps(wish, present)
    return network, wish


def check_predefined(name: str) -> None:
    """Forbidden for the names that every engine has."""
    if name in ("default", DEFAULT, HOST, NONE):
        raise Forbidden(f"operation is not permitted on predefined {name} network")


def _check_name(name: str) -> None:
    """Docker takes whatever is not blank. What a terminal would obey is no name here."""
    if not name.strip():
        raise InvalidRequest("invalid name: name is empty")
    if not name.isprintable():
        raise InvalidRequest(f"invalid name: {name!r} holds characters that cannot be printed")


def _unknown_driver(driver: str) -> Exception:
    if driver in ("host", "null"):
        return Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver == "overlay":
        return Unavailable(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
            "swarm and try again."
        )
    if driver in ("macvlan", "ipvlan"):
        return NotSupported(f"the network driver {driver} is not served by this engine; bridge is")
    return NotFound(f'plugin "{driver}" not found')


def _check_options(options: NetworkOptions) -> None:
    for key, value in options.options.items():
        if key in (MASQUERADE, ICC) and value not in _BOOLEANS:
            reason = f'strconv.ParseBool: parsing "{value}": invalid syntax'
            raise InvalidRequest(f"failed to parse {key} value: {value} ({reason})")
        if key == MTU:
            _check_mtu(value)
        if key == HOST_BINDING and not _is_ipv4(value):
            raise InvalidRequest(f"failed to parse {key} value: {value} (nil ip)")
        if key in _GATEWAY_MODES and value not in ("", "nat"):
            raise NotSupported(f"{key}={value} is not served by this engine; nat is")


def _check_mtu(value: str) -> None:
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        reason = f'strconv.Atoi: parsing "{value}": invalid syntax'
        raise InvalidRequest(f"failed to parse {MTU} value: {value} ({reason})")
    if value != "0" and not 68 <= int(value) <= 65535:
        raise InvalidRequest(f"invalid MTU number: {value}")


def _is_ipv4(text: str) -> bool:
    try:
        return bool(IPv4Address(text))
    except ValueError:
        return False


def _by_kind(options: NetworkOptions) -> tuple[Pool, Pool]:
    """The pool of each kind of address. An IPv6 one counts only with --ipv6, as with Docker."""
    found: dict[int, Pool] = {}
    for pool in options.pools:
        if not pool.subnet:
            if pool.gateway or pool.ip_range or pool.reserved:
                word = pool.gateway or pool.ip_range or next(iter(pool.reserved.values()))
                raise InvalidRequest(f"no matching subnet for {'gateway' if pool.gateway else 'range'} {word}")
            continue
        version = _subnet(pool.subnet).version
        if version in found:
            raise Forbidden("bridge driver doesn't support multiple subnets")
        found[version] = pool
    return found.get(4, Pool()), found.get(6, Pool()) if options.ipv6 else Pool()


def _interface(options: NetworkOptions, instance: Instance, others: Iterable[Network], network_id: str) -> str:
    """The bridge's name. Forbidden where another network's has it."""
    name = options.options.get(BRIDGE_NAME) or f"{instance.bridge}-{network_id[:5]}"
    if len(name) > _LONGEST_INTERFACE or "/" in name or any(letter.isspace() for letter in name) or name in (".", ".."):
        raise InvalidRequest(f"invalid bridge name {name}: 15 characters at most, no blanks, no slashes")
    for other in others:
        if other.interface == name:
            raise Forbidden(
                f"cannot create network {network_id} ({name}): conflicts with network {other.id} ({name}): "
                "networks have same bridge name"
            )
    return name


def _check_overlaps(wish: Wish, others: Iterable[Network]) -> None:
    for other in others:
        taken = wish.gateway is not None and other.subnet and IPv4Network(other.subnet).overlaps(wish.gateway.network)
        taken6 = (
            wish.gateway6 is not None and other.subnet6 and IPv6Network(other.subnet6).overlaps(wish.gateway6.network)
        )
        if taken or taken6:
            raise Forbidden("Pool overlaps with other one on this address space")


def _wanted(pool: Pool) -> IPv4Interface | None:
    network = _checked(pool)
    if not isinstance(network, IPv4Network):
        return None
    if network.prefixlen > _SMALLEST:
        raise InvalidRequest(f"failed to allocate gateway ({pool.gateway}): No available addresses on this pool")
    if network.is_loopback or network.is_multicast:
        raise InvalidRequest(f"invalid CIDR address: {pool.subnet}")
    if not pool.gateway:
        return first_address(network)
    return IPv4Interface((IPv4Address(pool.gateway), network.prefixlen))


def _wanted6(pool: Pool) -> IPv6Interface | None:
    network = _checked(pool)
    if not isinstance(network, IPv6Network):
        return None
    if network.is_loopback or network.is_multicast or network.is_link_local or network.prefixlen > 126:
        raise InvalidRequest(f"invalid CIDR address: {pool.subnet}")
    if not pool.gateway:
        return first_address6(network)
    return IPv6Interface((IPv6Address(pool.gateway), network.prefixlen))


def _checked(pool: Pool) -> IPv4Network | IPv6Network | None:
    """The subnet; everything else that the pool names lies in it."""
    if not pool.subnet:
        return None
    network = _subnet(pool.subnet)
    if pool.ip_range:
        part = _subnet(pool.ip_range)
        if part.version != network.version or not part.subnet_of(network):  # type: ignore[arg-type]
            raise InvalidRequest(f"no matching subnet for range {pool.ip_range}")
    if pool.gateway and _address(pool.gateway) not in network:
        raise InvalidRequest(f"no matching subnet for gateway {pool.gateway}")
    gateway = _address(pool.gateway) if pool.gateway else network.network_address + 1
    for name, text in pool.reserved.items():
        if _address(text) not in network:
            raise InvalidRequest(f"no matching subnet for aux-address {text}")
        if _address(text) == gateway:
            raise Forbidden(f"failed to allocate secondary ip address ({name}:{text}): Address already in use")
    return network


def _subnet(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidRequest(f"invalid CIDR address: {text}") from None
    if "/" not in text:
        raise InvalidRequest(f"invalid CIDR address: {text}")
    return network


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise InvalidRequest(f"invalid IP address: {text}") from None
