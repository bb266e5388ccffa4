"""/etc/resolv.conf and /etc/hosts of a container, as texts. Pure: whoever calls reads and writes the files."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from kernel_engine.errors import InvalidRequest

#: moby, libnetwork/resolvconf: where the host names no resolver that a container could reach
_PUBLIC = ("8.8.8.8", "8.8.4.4")
#: systemd-resolved on the host, which no container reaches
SYSTEMD_STUB = "127.0.0.53"
#: moby, libnetwork/etchosts
_LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def resolv_conf(
    host: str,
    systemd: str = "",
    *,
    servers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
    embedded: str = "",
) -> str:
    """A container's resolv.conf, by Docker's rules.

    host: the host's /etc/resolv.conf; systemd: /run/systemd/resolve/resolv.conf ("" where there is none), which
    counts instead when the host's names nothing but systemd-resolved's stub. A resolver on a loopback address is the
    host's own and is left out; so are IPv6 ones, which the default bridge cannot reach; when none is left, Google's are
    named, as Docker does. servers, search, options: --dns, --dns-search, --dns-option; each replaces the host's.
    embedded: the engine's own server, which asks the others itself.
    """
    for server in servers:
        if not is_address(server):
            raise InvalidRequest(f"{server} is not an ip address")
    text = systemd if systemd and _words(host, "nameserver") == [SYSTEMD_STUB] else host
    named = [server for server in _words(text, "nameserver") if _reachable(server)]
    chosen = [embedded] if embedded else list(servers) or named or list(_PUBLIC)
    # the last line of a kind counts, resolv.conf(5)
    domains = list(search) or _last(text, "search") or _last(text, "domain")
    flags = list(options) or [word for line in _lines(text, "options") for word in line]
    if embedded and not any(word.startswith("ndots:") for word in flags):
        flags.append("ndots:0")  # names of containers have no dot (libnetwork, resolvconf)
    lines = [f"search {' '.join(domains)}"] if domains and domains != ["."] else []
    lines += [f"nameserver {server}" for server in chosen]
    lines += [f"options {' '.join(flags)}"] if flags else []
    return "\n".join(lines) + "\n"


def name_servers(text: str) -> tuple[str, ...]:
    """The resolvers that a resolv.conf names, whatever their address."""
    return tuple(server for server in _words(text, "nameserver") if is_address(server))


def hosts_file(addresses: Sequence[str], names: str, extra: Sequence[tuple[str, str]] = ()) -> str:
    """A container's /etc/hosts.

    addresses: its own (none without a network); names: its host name, or "host.domain host". extra: (name, address) of
    --add-host, in order.
    """
    if "." in names and " " not in names:
        names = f"{names} {names.partition('.')[0]}"
    text = _LOCAL + "".join(f"{where}\t{name}\n" for name, where in extra)
    return text + "".join(f"{address}\t{names}\n" for address in addresses)


def _lines(text: str, keyword: str) -> list[list[str]]:
    """The words after `keyword`, line by line. A comment is a line of its own, or what follows a blank and # or ;"""
    found = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] != keyword:
            continue
        end = next((at for at, word in enumerate(words) if word[0] in "#;"), len(words))
        found.append(words[1:end])
    return found


def _words(text: str, keyword: str) -> list[str]:
    """The first word of each line with `keyword`."""
    return [words[0] for words in _lines(text, keyword) if words]


def _last(text: str, keyword: str) -> list[str]:
    lines = _lines(text, keyword)
    return lines[-1] if lines else []


def is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _reachable(server: str) -> bool:
    if not is_address(server):
        return False
    address = ip_address(server.partition("%")[0])
    return address.version == 4 and not address.is_loopback
