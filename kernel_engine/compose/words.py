"""One word of a compose file → what it means: ports, mounts, devices, commands, sizes, durations, hosts. Pure.

Sentences of refusals are those of the libraries that docker compose reads them with (go-connections, go-units,
go-shellwords, str2duration).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from kernel_engine.compose.places import Path
from kernel_engine.compose.refusals import Refused
from kernel_engine.formats.sizes import parse_size

PROTOCOLS = ("tcp", "udp", "sctp")
HIGHEST_PORT = 65535
PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
#: str2duration: beside Go's units days and weeks
_UNITS = {"w": 604800e9, "d": 86400e9, "h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|us|µs|ns|[wdhms])")


def text_of(value: Any) -> str:
    """A value of a file as the word that it stands for: `true`, `1.5`, `1000`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        return re.sub(r"e([-+])(\d)$", r"e\g<1>0\2", repr(value))
    return "" if value is None else str(value)


def parse_size_word(value: Any) -> int:
    """Bytes of 1024, `"512m"`, `"-1"`. ValueError."""
    text = text_of(value)
    return int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else parse_size(text)


def parse_duration(value: Any) -> int:
    """Nanoseconds of `1m30s`, `1.5h`, `2d`. ValueError."""
    text = text_of(value)
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    parts = _DURATION.findall(rest)
    if not rest or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_command(value: Any) -> list[str]:
    """The words of a line as a shell splits them (no variables, no pipes), or the list as it is. ValueError."""
    if isinstance(value, list):
        return [text_of(word) for word in value]
    try:
        return shlex.split(text_of(value))
    except ValueError:
        raise ValueError("invalid command line string") from None


def parse_port(value: Any, path: Path) -> list[dict[str, Any]]:
    """`[HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]` as the long form; a range gives one for each port."""
    text = text_of(value)
    rest, _, protocol = text.partition("/")
    protocol = protocol or "tcp"
    address, published, target = _split_port(rest, path)
    if not target:
        raise Refused(f"No port specified: {text}<empty>", path)
    inside = _range(target, "Invalid containerPort", path)
    outside = _range(published, "Invalid hostPort", path) if published else None
    if outside and outside[1] - outside[0] != inside[1] - inside[0] and inside[0] != inside[1]:
        raise Refused(f"Invalid ranges specified for container and host Ports: {target} and {published}", path)
    if protocol.lower() not in PROTOCOLS:
        raise Refused(f"Invalid proto: {protocol}", path)
    result = []
    for number in range(inside[0], inside[1] + 1):
        port: dict[str, Any] = {"mode": "ingress"}
        if address:
            port["host_ip"] = address
        port["target"] = number
        if outside:
            shared = inside[0] == inside[1] and outside[0] != outside[1]
            port["published"] = published if shared else str(outside[0] + number - inside[0])
        result.append({**port, "protocol": protocol.lower()})
    return result


def _split_port(rest: str, path: Path) -> tuple[str, str, str]:
    head, colon, target = rest.rpartition(":")
    if not colon:
        return "", "", rest
    address, colon, published = head.rpartition(":")
    if not colon:
        return "", published, target
    if ":" in address and not address.startswith("["):
        raise Refused(f"Invalid ip address {address}: address {address}:: too many colons in address", path)
    bare = address.removeprefix("[").removesuffix("]") if address.startswith("[") else address
    if bare:
        try:
            ip_address(bare.partition("%")[0])
        except ValueError:
            raise Refused(f"Invalid ip address: {address}", path) from None
    return bare, published, target


def _range(text: str, fault: str, path: Path) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first]
    if not all(number.isascii() and number.isdigit() and int(number) <= HIGHEST_PORT for number in numbers):
        raise Refused(f"{fault}: {text}", path)
    low, high = int(numbers[0]), int(numbers[-1])
    if high < low:
        raise Refused(f"{fault}: {text}", path)
    return low, high


def parse_mount(text: str, path: Path) -> dict[str, Any]:
    """`[SOURCE:]TARGET[:OPTIONS]` as the long form."""
    if not text:
        raise Refused("invalid empty volume spec", path)
    parts = text.split(":") if len(text) > 2 else [text]
    if not all(parts):
        raise Refused(f"invalid spec: {text}: empty section between colons", path)
    if len(parts) > 3:
        raise Refused(f"invalid spec: {text}: too many colons", path)
    if len(parts) == 1:
        return {"type": "volume", "target": _clean(parts[0])}
    source, target, options = parts[0], _clean(parts[1]), parts[2].split(",") if len(parts) == 3 else []
    bound = source[0] in "./~"
    mount: dict[str, Any] = {"type": "bind" if bound else "volume", "source": source, "target": target}
    if "ro" in options:
        mount["read_only"] = True
    propagation = [option for option in options if option in PROPAGATIONS]
    relabelled = [option for option in options if option in {"z", "Z"}]
    if bound:
        mount["bind"] = {"create_host_path": True}
        if propagation:
            mount["bind"]["propagation"] = propagation[-1]
        if relabelled:
            mount["bind"]["selinux"] = relabelled[-1]
    elif "nocopy" in options:
        mount["volume"] = {"nocopy": True}
    return mount


def _clean(target: str) -> str:
    from posixpath import normpath

    return normpath(target).replace("//", "/") if target else ""


def parse_device(text: str, path: Path) -> dict[str, Any]:
    parts = text.split(":")
    if len(parts) > 3:
        raise Refused(f"confusing device mapping, please use long syntax: {text}", path)
    return {
        "source": parts[0],
        "target": parts[1] if len(parts) > 1 and parts[1] else parts[0],
        "permissions": parts[2] if len(parts) > 2 else "rwm",
    }


def parse_variables(items: Iterable[Any]) -> dict[str, str | None]:
    """`[A=b, C]` as {"A": "b", "C": None}. ValueError."""
    result: dict[str, str | None] = {}
    for item in items:
        name, equals, value = text_of(item).partition("=")
        if name != name.rstrip():
            raise ValueError(f"environment variable {name} is declared with a trailing space")
        result[name] = value if equals else None
    return result


def parse_hosts(value: Any) -> list[str]:
    """`name=address` for each address, sorted by nothing: in the file's order. ValueError."""
    result = []
    if isinstance(value, dict):
        pairs = [
            (name, item) for name, given in value.items() for item in (given if isinstance(given, list) else [given])
        ]
    else:
        pairs = []
        for item in value:
            name, separator, addresses = item.partition("=" if "=" in item else ":")
            if not separator:
                raise ValueError(f"invalid additional host, missing IP: {item}")
            pairs += [(name, address) for address in addresses.split(",")]
    for name, address in pairs:
        if not name or ":" in name or "=" in name:
            raise ValueError(f"bad host name '{name}'")
        bare = text_of(address)
        result.append(f"{name}={bare[1:-1] if len(bare) > 2 and bare[0] == '[' and bare[-1] == ']' else bare}")
    return list(dict.fromkeys(result))
