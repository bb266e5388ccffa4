"""The three networks that every instance has, and a container's place on one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kernel_engine.api.wire.moments import rfc3339
from kernel_engine.containers.record import Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    id: str
    name: str
    driver: str
    subnet: str = ""
    gateway: str = ""
    interface: str = ""


def fixed_network(instance_id: str, name: str) -> Network:
    """`host` and `none` exist without being made; their ids are the instance's own and do not change."""
    driver = "null" if name == "none" else name
    return Network(id=hashlib.sha256(f"{instance_id}/{name}".encode()).hexdigest(), name=name, driver=driver)


def network_name(item: Container) -> str:
    """Which network a container is on: "" where it shares another container's."""
    mode = item.config.host.network_mode
    if mode.startswith("container:"):
        return ""
    return "bridge" if mode in ("", "default") else mode


def endpoints_json(item: Container, network_id: str) -> dict[str, Any]:
    """NetworkSettings.Networks. `network_id` is that of `network_name(item)`."""
    name = network_name(item)
    if not name:
        return {}
    place = item.endpoint
    joined = item.state.running or place is not None
    return {
        name: {
            "IPAMConfig": None,
            "Links": None,
            "Aliases": None,
            "MacAddress": place.mac if place else "",
            "DriverOpts": None,
            "NetworkID": network_id if joined else "",
            "EndpointID": place.endpoint_id if place else "",
            "Gateway": place.gateway if place else "",
            "IPAddress": place.address if place else "",
            "IPPrefixLen": place.prefix_length if place else 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": None,
        }
    }


def network_json(network: Network, created: float, members: Iterable[Container] | None) -> dict[str, Any]:
    """GET /networks and /networks/{id}; the list names no members."""
    pool = [{"Subnet": network.subnet, "Gateway": network.gateway}] if network.subnet else []
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": pool},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {item.id: _member_json(item) for item in members or ()},
        "Options": _options(network),
        "Labels": {},
    }


def _member_json(item: Container) -> dict[str, str]:
    place = item.endpoint
    return {
        "Name": item.name,
        "EndpointID": place.endpoint_id if place else "",
        "MacAddress": place.mac if place else "",
        "IPv4Address": f"{place.address}/{place.prefix_length}" if place else "",
        "IPv6Address": "",
    }


def _options(network: Network) -> dict[str, str]:
    if network.driver != "bridge":
        return {}
    return {
        "com.docker.network.bridge.default_bridge": "true",
        "com.docker.network.bridge.enable_icc": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.name": network.interface,
    }
