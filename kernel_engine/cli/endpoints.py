"""`--network`, and the options that say how a container is on it: EndpointsConfig of the body. Pure.

The first network gets what the options without a network's name say (--ip, --network-alias, --link, --mac-address).
"""

from __future__ import annotations

import re

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Parsed

_LONG = re.compile(r"\w+=\w+")
_LISTED = {"alias": "Aliases", "link-local-ip": "LinkLocalIPs"}
_SIMPLE = {"ip": "IPv4Address", "ip6": "IPv6Address"}
#: option, key of an endpoint (or of its IPAMConfig), how Docker's command calls it where both say it
_DOUBLES = (
    ("--ip", "IPv4Address", "per-network IPv4 address"),
    ("--ip6", "IPv6Address", "per-network IPv6 address"),
    ("--network-alias", "Aliases", "per-network alias"),
    ("--link-local-ip", "LinkLocalIPs", "per-network link-local IP addresses"),
    ("--mac-address", "MacAddress", "per-network MAC address"),
)


def network_mode(words: Parsed) -> str:
    named = words["network"] + words["net"]
    return read_network(named[0])[0] if named else "default"


def endpoints(words: Parsed) -> dict[str, Any]:
    """One endpoint for each network that the container starts in, by name."""
    named = [read_network(text) for text in words["network"] + words["net"]] or [("default", {})]
    if len(named) > 1 and not all(is_user_defined(name) for name, _ in named):
        raise Failed("conflicting options: cannot attach both user-defined and non-user-defined network-modes", 125)
    name, first = named[0]
    _apply(words, name, first, explicit=bool(words["network"] + words["net"]))
    found: dict[str, Any] = {}
    for name, endpoint in named:
        if name in found:
            raise Failed(f'network "{name}" is specified multiple times', 125)
        found[name] = endpoint
    return found


def is_user_defined(mode: str) -> bool:
    return mode not in ("default", "bridge", "host", "none") and not mode.startswith("container:")


def read_network(text: str) -> tuple[str, dict[str, Any]]:
    """`n1`, or the long form `name=n1,alias=a,ip=1.2.3.4`: the name, and the endpoint."""
    if not text.strip():
        raise Failed("no name set for network", 125)
    if not _LONG.match(text):
        return text, {}
    name = ""
    endpoint: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not equals:
            raise _bad(text, f"invalid field {part}")
        if key == "name":
            name = value
        elif key in _LISTED:
            target = endpoint if key == "alias" else endpoint.setdefault("IPAMConfig", {})
            target.setdefault(_LISTED[key], []).append(value)
        elif key in _SIMPLE:
            endpoint.setdefault("IPAMConfig", {})[_SIMPLE[key]] = value
        elif key == "mac-address":
            endpoint["MacAddress"] = value
        elif key == "gw-priority":
            endpoint["GwPriority"] = _priority(text, value)
        elif key == "driver-opt":
            option, _, rest = value.partition("=")
            endpoint.setdefault("DriverOpts", {})[option] = rest
        else:
            raise _bad(text, f"invalid field key {key}")
    if not name:
        raise _bad(text, "network name/id is not specified")
    return name, endpoint


def _priority(text: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _bad(text, f'invalid gw-priority: strconv.Atoi: parsing "{value}": invalid syntax') from None


def _bad(text: str, reason: str) -> Misused:
    return Misused(f'invalid argument "{text}" for "--network" flag: {reason}')


def _apply(words: Parsed, name: str, endpoint: dict[str, Any], *, explicit: bool) -> None:
    """What the options without a network's name say, to the first network. explicit: the user has named it."""
    given: dict[str, Any] = {
        "IPv4Address": words["ip"],
        "IPv6Address": words["ip6"],
        "LinkLocalIPs": words["link-local-ip"],
        "Aliases": words["network-alias"] + words["net-alias"],
        "MacAddress": words["mac-address"],
    }
    addresses = endpoint.get("IPAMConfig", {})
    for option, key, description in _DOUBLES:
        if given[key] and (key in endpoint or key in addresses):
            raise Failed(f"conflicting options: cannot specify both {option} and {description}", 125)
    addresses |= {key: given[key] for key in ("IPv4Address", "IPv6Address", "LinkLocalIPs") if given[key]}
    endpoint |= {key: given[key] for key in ("Aliases", "MacAddress") if given[key]}
    if addresses:
        endpoint["IPAMConfig"] = addresses
    if endpoint.get("Aliases") and not is_user_defined(name):
        raise Failed("network-scoped aliases are only supported for user-defined networks", 125)
    if words["link"] and explicit:
        if not is_user_defined(name):
            raise Failed("links are only supported for user-defined networks", 125)
        endpoint["Links"] = words["link"]


def check_links(given: list[str]) -> None:
    """`--link NAME[:ALIAS]`."""
    for item in given:
        if item.count(":") > 1 or not item.partition(":")[0]:
            raise Misused(f'invalid argument "{item}" for "--link" flag: bad format for links: {item}')
