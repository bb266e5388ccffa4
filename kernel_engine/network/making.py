"""What `docker network create` asks for, checked and planned, in Docker's texts (libnetwork, moby). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_network

from kernel_engine.errors import Forbidden, InvalidRequest, NotFound, NotSupported
from kernel_engine.network.addresses import first_address
from kernel_engine.network.network import Network, NetworkOptions
from kernel_engine.paths import Instance

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
_MTU = "com.docker.network.driver.mtu"
#: options that say what is so anyway, or that change nothing a container could notice
_NEUTRAL = {"com.docker.network.bridge.enable_icc": "true", "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0"}
_SMALLEST = 30


def planned(
    options: NetworkOptions, instance: Instance, others: Iterable[Network], network_id: str
) -> tuple[Network, IPv4Interface | None]:
    """The network to be made and the address that its bridge is to have; None = the engine chooses a subnet.

    Its name is free already. InvalidRequest, Forbidden (subnet in use), NotSupported.
    """
    if not _NAME.fullmatch(options.name):
        raise InvalidRequest(f"{options.name} includes invalid characters, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    if options.name == "default":
        raise Forbidden("operation is not permitted on predefined default network")
    if options.driver != "bridge":
        raise _unknown_driver(options.driver)
    if options.ipv6:
        raise NotSupported("IPv6 networks are not served yet")
    _check_options(options)
    wanted = _wanted(options)
    if wanted is not None:
        for other in others:
            if other.subnet and IPv4Network(other.subnet).overlaps(wanted.network):
                raise Forbidden("Pool overlaps with other one on this address space")
    network = Network(
        id=network_id,
        name=options.name,
        driver="bridge",
        ip_range=options.ip_range,
        reserved=dict(options.reserved),
        chosen=wanted is not None,
        interface=f"{instance.bridge}-{network_id[:5]}",
        internal=options.internal,
        attachable=options.attachable,
        labels=dict(options.labels),
        options=dict(options.options),
    )
    return network, wanted


def _unknown_driver(driver: str) -> Exception:
    if driver in ("overlay", "macvlan", "ipvlan"):
        return NotSupported(f"the network driver {driver} is not served by this engine; bridge is")
    if driver in ("host", "null"):
        return Forbidden(f'only one instance of "{driver}" network is allowed')
    return NotFound(f"could not find plugin {driver} in v1 plugin registry: plugin not found")


def _check_options(options: NetworkOptions) -> None:
    for key, value in options.options.items():
        if key == _MASQUERADE:
            if value.lower() not in ("true", "false", "1", "0"):
                raise InvalidRequest(f"failed to parse {key} value: {value}")
        elif key == _MTU:
            if not value.isdigit() or not 68 <= int(value) <= 65535:
                raise InvalidRequest(f"failed to parse {key} value: {value} (an MTU is a number from 68 to 65535)")
        elif key in _NEUTRAL and value.lower() != _NEUTRAL[key]:
            raise NotSupported(f"{key}={value} is not served by this engine yet")
        elif key == "com.docker.network.bridge.name":
            raise NotSupported(f"{key} is not served by this engine: it names its bridges itself")


def _wanted(options: NetworkOptions) -> IPv4Interface | None:
    if not options.subnet:
        if options.gateway or options.ip_range or options.reserved:
            word = options.gateway or options.ip_range or next(iter(options.reserved.values()))
            raise InvalidRequest(f"no matching subnet for {'gateway' if options.gateway else 'range'} {word}")
        return None
    network = _subnet(options.subnet)
    if options.ip_range:
        part = _subnet(options.ip_range)
        if not part.subnet_of(network):
            raise InvalidRequest(f"no matching subnet for range {options.ip_range}")
    for name, text in options.reserved.items():
        if _address(text) not in network:
            raise InvalidRequest(f"no matching subnet for aux-address {text} ({name})")
    if not options.gateway:
        return first_address(network)
    gateway = _address(options.gateway)
    if gateway not in network:
        raise InvalidRequest(f"no matching subnet for gateway {options.gateway}")
    return IPv4Interface((gateway, network.prefixlen))


def _subnet(text: str) -> IPv4Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidRequest(f"invalid CIDR address: {text}") from None
    if not isinstance(network, IPv4Network):
        raise NotSupported("IPv6 networks are not served yet")
    if network.prefixlen > _SMALLEST or network.is_loopback or network.is_multicast or "/" not in text:
        raise InvalidRequest(f"invalid CIDR address: {text}")
    return network


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise InvalidRequest(f"invalid IP address: {text}") from None
