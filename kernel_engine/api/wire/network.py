"""Networks, and a container's places on them, in Docker's JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kernel_engine.api.wire.fields import Fields
from kernel_engine.api.wire.moments import rfc3339
from kernel_engine.containers.naming import names_on
from kernel_engine.containers.options import EndpointOptions
from kernel_engine.containers.record import Container
from kernel_engine.errors import InvalidRequest, NotSupported
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.network import Network, NetworkOptions


# requests -----------------------------------------------------------------------------------------------------------
def read_network(body: Mapping[str, Any]) -> NetworkOptions:
    """The body of POST /networks/create."""
    fields = Fields(body)
    if fields.flag("Ingress") or fields.flag("ConfigOnly") or fields.inner("ConfigFrom").text("Network"):
        raise NotSupported("swarm networks and config-only networks are not served by this engine")
    ipam = fields.inner("IPAM")
    if ipam.text("Driver") not in ("", "default"):
        raise InvalidRequest(f"could not find plugin {ipam.text('Driver')} in v1 plugin registry: plugin not found")
    pools = [pool for pool in ipam.objects("Config") if pool.data]
    if len(pools) > 1:
        raise NotSupported("a network with several subnets is not served yet")
    pool = pools[0] if pools else Fields({})
    return NetworkOptions(
        name=fields.text("Name"),
        driver=fields.text("Driver") or "bridge",
        subnet=pool.text("Subnet"),
        gateway=pool.text("Gateway"),
        ip_range=pool.text("IPRange"),
        reserved=pool.mapping("AuxiliaryAddresses") or pool.mapping("AuxAddress"),
        internal=fields.flag("Internal"),
        attachable=fields.flag("Attachable"),
        ipv6=fields.flag("EnableIPv6"),
        labels=fields.mapping("Labels"),
        options=fields.mapping("Options"),
    )


def read_endpoint(fields: Fields) -> EndpointOptions:
    """EndpointSettings, as far as they are a wish."""
    addresses = fields.inner("IPAMConfig")
    if addresses.text("IPv6Address"):
        raise NotSupported("IPv6 addresses of containers are not served yet")
    return EndpointOptions(
        aliases=fields.words("Aliases"),
        address=addresses.text("IPv4Address"),
        mac=fields.text("MacAddress"),
        links=fields.words("Links"),
        driver_options=fields.mapping("DriverOpts"),
    )


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
        "IPAMConfig": {"IPv4Address": options.address} if options.address else None,
        "Links": list(options.links) or None,
        "Aliases": list(options.aliases) or None,
        "MacAddress": place.mac if place else "",
        "DriverOpts": dict(options.driver_options) or None,
        "NetworkID": network_id,
        "EndpointID": place.endpoint_id if place else "",
        "Gateway": place.gateway if place else "",
        "IPAddress": place.address if place else "",
        "IPPrefixLen": place.prefix_length if place else 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": list(names_on(item, place)) if place and place.network_name != "bridge" else None,
    }


def network_json(network: Network, members: Iterable[Container] | None) -> dict[str, Any]:
    """GET /networks and /networks/{id}; the list names no members."""
    pool: dict[str, Any] = {"Subnet": network.subnet, "Gateway": network.gateway}
    if network.ip_range:
        pool["IPRange"] = network.ip_range
    if network.reserved:
        pool["AuxiliaryAddresses"] = dict(network.reserved)
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": [pool] if network.subnet else []},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {item.id: _member_json(item, network) for item in members or ()},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _member_json(item: Container, network: Network) -> dict[str, str]:
    place = next((one for one in item.endpoints if one.network_id == network.id), None)
    return {
        "Name": item.name,
        "EndpointID": place.endpoint_id if place else "",
        "MacAddress": place.mac if place else "",
        "IPv4Address": f"{place.address}/{place.prefix_length}" if place else "",
        "IPv6Address": "",
    }
