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
    """One pool for each --subnet; the other options belong to it by their place."""
    from kernel_engine.cli.body import key_values

    words = call.words
    subnets = words["subnet"]
    if not subnets and (words["gateway"] or words["ip-range"]):
        raise Failed("every ip-range or gateway must have a corresponding subnet")
    pools: list[dict[str, Any]] = [{"Subnet": subnet} for subnet in subnets]
    for option, key in (("gateway", "Gateway"), ("ip-range", "IPRange")):
        for number, value in enumerate(words[option]):
            if number >= len(pools):
                raise Failed(f"no matching subnet for {option} {value}")
            pools[number][key] = value
    if words["aux-address"]:
        if not pools:
            raise Failed(f"no matching subnet for aux-address {words['aux-address'][0].partition('=')[2]}")
        pools[0]["AuxiliaryAddresses"] = key_values(words["aux-address"])
    return pools


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
