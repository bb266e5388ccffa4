"""`docker network …`: make, list, look at, join, leave and remove networks."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.lifecycle import SILENT, each
from kernel_engine.cli.table import Listing, short_id
from kernel_engine.client import APIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Call

NETWORKS = Listing(
    "*network.networkContext",
    {
        "ID": "NETWORK ID",
        "Name": "NAME",
        "Driver": "DRIVER",
        "Scope": "SCOPE",
        "IPv6": "IPV6",
        "Internal": "INTERNAL",
        "Labels": "LABELS",
        "CreatedAt": "CREATED AT",
    },
)
WARNING = "WARNING! This will remove all custom networks not used by at least one container."


def create(call: Call) -> int:
    from kernel_engine.cli.body import key_values, labels

    words = call.words
    body: dict[str, Any] = {
        "Name": call.arguments[0],
        "Driver": words["driver"],
        "Internal": words["internal"],
        "Attachable": words["attachable"],
        "EnableIPv6": words["ipv6"],
        "IPAM": {"Driver": words["ipam-driver"], "Config": _pools(call)},
        "Options": key_values(words["opt"]),
        "Labels": labels(words["label"], []),
    }
    print(call.client.post("/networks/create", body=body).json()["Id"])
    return 0


def _pools(call: Call) -> list[dict[str, Any]]:
    """One pool for each --subnet; each of the other options belongs to the one that it lies in."""
    words = call.words
    if not words["subnet"] and (words["gateway"] or words["ip-range"]):
        raise Failed("every ip-range or gateway must have a corresponding subnet")
    pools: list[dict[str, Any]] = [{"Subnet": subnet} for subnet in words["subnet"]]
    for option, key, plural in (("ip-range", "IPRange", "ranges"), ("gateway", "Gateway", "gateways")):
        for value in words[option]:
            pool = _pool_of(pools, value, "range" if option == "ip-range" else option)
            if key in pool:
                where = "on the same" if option == "ip-range" else "for the same"
                both = f"{value}, {pool[key]}"
                raise Failed(f"cannot configure multiple {plural} ({both}) {where} subnet ({pool['Subnet']})")
            pool[key] = value
    for entry in words["aux-address"]:
        name, _, value = entry.partition("=")
        _pool_of(pools, value, "aux-address").setdefault("AuxiliaryAddresses", {})[name] = value
    return pools


def _pool_of(pools: list[dict[str, Any]], value: str, kind: str) -> dict[str, Any]:
    from ipaddress import ip_network

    for pool in pools:
        try:
            outer, inner = ip_network(pool["Subnet"], strict=False), ip_network(value, strict=False)
        except ValueError:
            continue  # the engine says what is wrong with it
        if outer.version == inner.version and inner.subnet_of(outer):  # type: ignore[arg-type]
            return pool
    raise Failed(f"no matching subnet for {kind} {value}")


def list_(call: Call) -> int:
    from kernel_engine.cli.listing import filters_json

    words = call.words
    found = call.client.get("/networks", query={"filters": filters_json(words["filter"])}).json()
    found.sort(key=lambda item: item["Name"])
    if words["quiet"] and not words["format"]:
        for item in found:
            print(short_id(item["Id"], whole=words["no-trunc"]))
        return 0
    rows = [row(item, whole=words["no-trunc"]) for item in found]
    print(NETWORKS.text(words["format"], ("ID", "Name", "Driver", "Scope"), rows), end="")
    return 0


def row(item: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    labels = item.get("Labels") or {}
    return {
        "ID": short_id(item["Id"], whole=whole),
        "Name": item["Name"],
        "Driver": item["Driver"],
        "Scope": item["Scope"],
        "IPv6": str(item["EnableIPv6"]).lower(),
        "Internal": str(item["Internal"]).lower(),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
        "CreatedAt": item["Created"],
    }


def remove(call: Call) -> int:
    def do(name: str) -> str | None:
        try:
            call.client.delete(f"/networks/{name}").read()
        except APIError as error:
            if not (call.words["force"] and error.status == 404):
                raise
            return SILENT
        return None

    return each(call, do)


def connect(call: Call) -> int:
    from kernel_engine.cli.body import key_values
    from kernel_engine.cli.endpoints import check_links

    words = call.words
    check_links(words["link"])
    endpoint: dict[str, Any] = {}
    addresses = {"IPv4Address": words["ip"], "IPv6Address": words["ip6"], "LinkLocalIPs": words["link-local-ip"]}
    if any(addresses.values()):
        endpoint["IPAMConfig"] = {key: value for key, value in addresses.items() if value}
    if words["alias"]:
        endpoint["Aliases"] = words["alias"]
    if words["link"]:
        endpoint["Links"] = words["link"]
    if words["gw-priority"]:
        endpoint["GwPriority"] = words["gw-priority"]
    if words["driver-opt"]:
        endpoint["DriverOpts"] = key_values(words["driver-opt"])
    network, container = call.arguments
    call.client.post(f"/networks/{network}/connect", body={"Container": container, "EndpointConfig": endpoint}).read()
    return 0


def disconnect(call: Call) -> int:
    network, container = call.arguments
    body = {"Container": container, "Force": call.words["force"]}
    call.client.post(f"/networks/{network}/disconnect", body=body).read()
    return 0


def prune(call: Call) -> int:
    from kernel_engine.cli.prune import deleted_networks, sure

    if sure(call, WARNING):
        deleted_networks(call)
    return 0
