"""The three files by which a container knows itself: /etc/hostname, /etc/hosts and /etc/resolv.conf.

They lie in the container's directory and are bound over the image's, as Docker does, so that no layer ever holds them.
"""

from __future__ import annotations

from pathlib import Path

from kernel_engine.containers.options import ContainerOptions, HostOptions
from kernel_engine.errors import InvalidRequest
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.names import SYSTEMD_STUB, hosts_file, is_address, name_servers, resolv_conf
from kernel_engine.network.nameserver import ADDRESS

_HOST_GATEWAY = "host-gateway"
_HOST_RESOLV_CONF = Path("/etc/resolv.conf")
_SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")


def places(directory: Path) -> dict[str, str]:
    """Where each file is to be bound: path inside → path on the host."""
    return {f"/etc/{name}": f"{directory}/{name}" for name in ("hostname", "hosts", "resolv.conf")}


def write_identity(
    directory: Path,
    hostname: str,
    config: ContainerOptions,
    *,
    host_gateway: str,
    dns: tuple[str, ...] = (),
    named: bool = False,
) -> dict[str, str]:
    """Writes the files and returns their `places`.

    host_gateway: what `--add-host NAME:host-gateway` means. dns: the engine's own --dns.
    named: it is on a network where containers find each other by name.
    """
    found = places(directory)
    _write(found["/etc/hostname"], f"{hostname}\n")
    _write(found["/etc/hosts"], _hosts(hostname, config, host_gateway))
    _write(found["/etc/resolv.conf"], _resolvers(config.host, dns, named=named))
    return found


def write_hosts(
    directory: Path,
    hostname: str,
    config: ContainerOptions,
    endpoints: tuple[Endpoint, ...],
    linked: tuple[tuple[str, str], ...] = (),
    *,
    host_gateway: str,
) -> None:
    """Again, when the addresses are known; in place, because the file is bound already. linked: (names, address) of
    other containers."""
    _write(f"{directory}/hosts", _hosts(hostname, config, host_gateway, endpoints, linked))


def write_resolvers(directory: Path, host: HostOptions, dns: tuple[str, ...] = (), *, named: bool) -> None:
    """Again, when it joins its first network with names."""
    _write(f"{directory}/resolv.conf", _resolvers(host, dns, named=named))


def upstream(host: HostOptions, dns: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Who is asked what no container is called: its --dns, the engine's, or the host's own, loopback ones too."""
    return host.dns or dns or name_servers(_read(_HOST_RESOLV_CONF))


def extra_host(word: str) -> tuple[str, str]:
    """`--add-host NAME:ADDRESS`. InvalidRequest in Docker's texts."""
    name, colon, address = word.partition(":")
    if not colon or not name:
        raise InvalidRequest(f'bad format for add-host: "{word}"')
    if address != _HOST_GATEWAY and not is_address(address):
        raise InvalidRequest(f'invalid IP address in add-host: "{address}"')
    return name, address


def _hosts(
    hostname: str,
    config: ContainerOptions,
    host_gateway: str,
    endpoints: tuple[Endpoint, ...] = (),
    linked: tuple[tuple[str, str], ...] = (),
) -> str:
    extra = tuple(map(extra_host, config.host.extra_hosts))
    if config.host.network_mode == "host" and not extra:
        try:
            return Path("/etc/hosts").read_text()
        except OSError:
            pass
    extra = tuple((name, host_gateway if address == _HOST_GATEWAY else address) for name, address in extra)
    names = f"{hostname}.{config.domainname} {hostname}" if config.domainname else hostname
    own = [address for item in endpoints for address in (item.address, item.address6) if address]
    return hosts_file(own, names, (*extra, *linked))


def _resolvers(host: HostOptions, dns: tuple[str, ...], *, named: bool) -> str:
    if host.network_mode == "host" and not (host.dns or host.dns_search or host.dns_options):
        return _read(_HOST_RESOLV_CONF)
    given = _read(_HOST_RESOLV_CONF)
    return resolv_conf(
        given,
        _read(_SYSTEMD_RESOLV_CONF) if SYSTEMD_STUB in given else "",
        servers=host.dns or dns,
        search=host.dns_search,
        options=host.dns_options,
        embedded=ADDRESS if named else "",
    )


def _read(path: Path) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall().decode(errors="replace")
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    """In place, because it may be bound already. As bytes: a text file asks the kernel seven times for what is three
    lines here, four times for each start."""
    with open(path, "wb", buffering=1 << 16) as file:
        file.write(text.encode())
