"""Networks, and a container's places on them, in Docker's JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from kernel_engine.api.wire.fields import Fields
from kernel_engine.api.wire.moments import rfc3339
from kernel_engine.containers.naming import names_on
from kernel_engine.containers.options import EndpointOptions
from kernel_engine.containers.record import Container
from kernel_engine.errors import InvalidRequest, NotSupported
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.network import Network, NetworkOptions, Pool


# requests -----------------------------------------------------------------------------------------------------------
def read_network(body: Mapping[str, Any]) -> NetworkOptions:
    """The body of POST /networks/create."""
    fields = Fields(body)
    if fields.flag("Ingress") or fields.flag("ConfigOnly") or fields.inner("ConfigFrom").text("Network"):
        raise NotSupported("swarm networks and config-only networks are not served by this engine")
    if fields.data.get("EnableIPv4") is False:
        raise NotSupported("networks without IPv4 are not served by this engine")
    ipam = fields.inner("IPAM")
    if ipam.text("Driver") not in ("", "default"):
        raise InvalidRequest(f"could not find plugin {ipam.text('Driver')} in v1 plugin registry: plugin not found")
    return NetworkOptions(
        name=fields.text("Name"),
        driver=fields.text("Driver") or "bridge",
        pools=tuple(_pool(item) for item in ipam.objects("Config") if item.data),
        internal=fields.flag("Internal"),
        attachable=fields.flag("Attachable"),
        ipv6=fields.flag("EnableIPv6"),
        labels=fields.mapping("Labels"),
        options=fields.mapping("Options"),
    )


def _pool(item: Fields) -> Pool:
    return Pool(
        subnet=item.text("Subnet"),
        gateway=item.text("Gateway"),
        ip_range=item.text("IPRange"),
        reserved=item.mapping("AuxiliaryAddresses") or item.mapping("AuxAddress"),
    )


def read_endpoint(fields: Fields) -> EndpointOptions:
    """EndpointSettings, as far as they are a wish."""
    addresses = fields.inner("IPAMConfig")
    return EndpointOptions(
        aliases=fields.words("Aliases"),
        address=_address(addresses.text("IPv4Address"), 4),
        address6=_address(addresses.text("IPv6Address"), 6),
        link_local=tuple(_link_local(word) for word in addresses.words("LinkLocalIPs")),
        gateway_priority=fields.number("GwPriority"),
        mac=fields.text("MacAddress"),
        links=fields.words("Links"),
        driver_options=fields.mapping("DriverOpts"),
    )


def _link_local(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or address.is_unspecified:
        raise InvalidRequest(f"invalid link-local IP address: {text}")
    return str(address)


def _address(text: str, version: int) -> str:
    try:
        if text and ip_address(text).version != version:
            raise ValueError
    except ValueError:
        raise InvalidRequest(f"invalid IPv{version} address: {text}") from None
    return str(ip_address(text)) if text else ""


# answers ------------------------------------------------------------------------------------------------------------
def endpoints_json(item: Container, id_of: Callable[[str], str]) -> dict[str, Any]:
    """NetworkSettings.Networks. id_of: the id that a network's name has now, "" for one that is gone."""
    places = {place.network_name: place for place in item.endpoints}
    known = {place.network_id for place in item.endpoints}
    found: dict[str, Any] = {}
    for name, options in item.config.networks.items():
        network_id = id_of(name)
        place = places.pop(name, None) or next((one for one in item.endpoints if one.network_id == network_id), None)
        joined = item.state.running or network_id in known
        found[place.network_name if place else name] = _endpoint_json(
            item, options, place, network_id if joined else ""
        )
    return found


def _endpoint_json(
    item: Container, options: EndpointOptions, place: Endpoint | None, network_id: str
) -> dict[str, Any]:
    return {
        "IPAMConfig": _wished(options) or None,
        "Links": list(options.links) or None,
        "Aliases": list(options.aliases) or None,
        "MacAddress": place.mac if place else options.mac,
        "DriverOpts": dict(options.driver_options) or None,
        "NetworkID": network_id,
        "EndpointID": place.endpoint_id if place else "",
        "Gateway": place.gateway if place else "",
        "IPAddress": place.address if place else "",
        "IPPrefixLen": place.prefix_length if place else 0,
        "IPv6Gateway": place.gateway6 if place else "",
        "GlobalIPv6Address": place.address6 if place else "",
        "GlobalIPv6PrefixLen": place.prefix_length6 if place else 0,
        "GwPriority": options.gateway_priority,
        "DNSNames": list(names_on(item, place)) if place and place.network_name != "bridge" else None,
    }


def _wished(options: EndpointOptions) -> dict[str, Any]:
    wished = {
        "IPv4Address": options.address,
        "IPv6Address": options.address6,
        "LinkLocalIPs": list(options.link_local),
    }
    return {key: value for key, value in wished.items() if value}


def network_json(network: Network, members: Iterable[Container] | None) -> dict[str, Any]:
    """GET /networks and /networks/{id}; None: a list's, which names no members."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": bool(network.subnet6),
        "IPAM": {"Driver": "default", "Options": None, "Config": _pools_json(network)},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {item.id: _member_json(item, network) for item in members or ()},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _pools_json(network: Network) -> list[dict[str, Any]]:
    pools = (
        (network.subnet, network.gateway, network.ip_range),
        (network.subnet6, network.gateway6, network.ip_range6),
    )
    found: list[dict[str, Any]] = []
    for subnet, gateway, ip_range in pools:
        if not subnet:
            continue
        pool: dict[str, Any] = {"Subnet": subnet, "Gateway": gateway}
        if ip_range:
            pool["IPRange"] = ip_range
        reserved = {name: text for name, text in network.reserved.items() if (":" in text) == (":" in subnet)}
        if reserved:
            pool["AuxiliaryAddresses"] = reserved
        found.append(pool)
    return found


def _member_json(item: Container, network: Network) -> dict[str, str]:
    place = next((one for one in item.endpoints if one.network_id == network.id), None)
    return {
        "Name": item.name,
        "EndpointID": place.endpoint_id if place else "",
        "MacAddress": place.mac if place else "",
        "IPv4Address": f"{place.address}/{place.prefix_length}" if place else "",
        "IPv6Address": f"{place.address6}/{place.prefix_length6}" if place and place.address6 else "",
    }
