"""Which networks a container is on: attached when it starts, taken off when it ends, changed while it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from kernel_engine.containers import identity, sysctls
from kernel_engine.containers.house import House
from kernel_engine.containers.leading import Membership, bequeath, leaders, settle
from kernel_engine.containers.links import write_hosts
from kernel_engine.containers.naming import found_by_name, name_of, places_of
from kernel_engine.containers.options import ContainerOptions, EndpointOptions
from kernel_engine.containers.publishing import wishes
from kernel_engine.containers.record import Container
from kernel_engine.containers.roster import Live
from kernel_engine.containers.sharing import owner_of, sharers
from kernel_engine.errors import EngineError, Forbidden, InvalidRequest, NotFound
from kernel_engine.network.endpoint import ANYWHERE, ANYWHERE6, Endpoint
from kernel_engine.network.nat import publish
from kernel_engine.network.network import HOST, HOST_BINDING, INTERFACE_PREFIX, NONE, Network
from kernel_engine.network.networks import Networks, Wanted
from kernel_engine.network.ports import Reservation, Wish
from kernel_engine.network.veth import INSIDE, loopback_up, plug
from kernel_engine.syscalls.trace import Call, source_of


def settled(options: ContainerOptions, networks: Networks) -> Mapping[str, EndpointOptions]:
    """The networks of a new container by name: the one of its network mode first, then the others. One that is not
    there keeps the caller's word: that it is missing is said when the container starts, as Docker does."""
    if owner_of(options.host.network_mode):
        return {}

    def name_of_network(word: str) -> str:
        try:
            return networks.find(word or "default").name
        except (NotFound, InvalidRequest):
            return word

    mode = name_of_network(options.host.network_mode)
    named = {name_of_network(word): item for word, item in options.networks.items()}
    first = named.pop(mode, EndpointOptions(mac=options.mac_address))
    return {mode: first, **named}


def is_networked(config: ContainerOptions) -> bool:
    """Whether it has bridges to be on, in a network namespace of its own."""
    mode = config.host.network_mode
    return mode != HOST and NONE not in config.networks and not owner_of(mode) and not config.network_disabled


def memberships(house: House, config: ContainerOptions) -> list[Membership]:
    """In the order in which it joins them. NotFound."""
    return [(house.networks.find(name), options) for name, options in config.networks.items()]


def port_wishes(house: House, config: ContainerOptions) -> tuple[Wish, ...]:
    """The ports that it wants open on the host: none where it is on no bridge, or on such as have no way in.

    InvalidRequest for words that mean nothing.
    """
    network = leaders(memberships(house, config))[0] if is_networked(config) else None
    if network is None:
        wishes(config)  # words that mean nothing are said in any case
        return ()
    binding = network.options.get(HOST_BINDING, "")
    both = (ANYWHERE, ANYWHERE6) if network.subnet6 else (ANYWHERE,)
    found = wishes(config, everywhere=(binding,) if binding and binding != ANYWHERE else both)
    return tuple(replace(wish, relayed=_is_relayed(wish, network)) for wish in found)


def _is_relayed(wish: Wish, network: Network) -> bool:
    """The kernel leads on within one kind of address, and never from ::1."""
    return any(":" in address and (address == "::1" or not network.subnet6) for address in wish.host_addresses)


async def attach_all(
    house: House, record: Container, netlink: int, pid: int, ports: Reservation | None
) -> tuple[Endpoint, ...]:
    """Every network of a container that starts; all of them or none."""
    endpoints: list[Endpoint] = []
    try:
        members = memberships(house, record.config)
        first, first6 = leaders(members)
        for network, options in members:
            interface = _free_interface(network, endpoints)
            wanted = _wanted(record.config, options, interface, network is first, network is first6)
            reserved = ports if network is first else None
            endpoints.append(await _attach(house, record, network, options, wanted, netlink, pid, reserved))
        if any(house.networks.find(item.network_id).resolves_names for item in endpoints):
            await _open_names(house, record.id, pid, tuple(endpoints))
    except BaseException:
        for endpoint in endpoints:
            await house.networks.detach(endpoint)
        raise
    return tuple(endpoints)


def coming(record: Container, ports: Reservation | None) -> tuple[Call, ...]:
    """The calls that `attach_all` will be seen to make, in one go."""
    if not (is_networked(record.config) and record.config.networks):
        return (Call("daemon", "netlink RTM_NEWLINK", "index 1 up", source_of(loopback_up)),)
    cable = source_of(plug)
    words = [("RTM_NEWLINK", f"veth peer {INSIDE}"), ("RTM_NEWADDR", ""), ("RTM_NEWROUTE", "")]
    calls = [Call("daemon", f"netlink {name}", arguments, cable) for name, arguments in words]
    if ports is not None and any(not port.relayed for port in ports.published):
        calls.append(Call("daemon", "netlink NFT_MSG_NEWSETELEM", "", source_of(publish)))
    return tuple(calls)


async def detach_all(house: House, container_id: str, endpoints: tuple[Endpoint, ...]) -> None:
    """A container that has ended (or never began)."""
    house.networks.names.close(container_id)
    kept = bool(sharers(house, container_id))  # then the kernel keeps the namespace, and the cables with it
    # ports first: a restart wants them at once, while the kernel takes its time over a cable
    for endpoint in sorted(endpoints, key=lambda item: not item.published):
        await house.networks.detach(endpoint, running=kept)


async def names_again(house: House, live: Live) -> None:
    """After a daemon's death: its name servers went with it."""
    record = live.record
    if any(house.networks.find(item.network_id).resolves_names for item in record.endpoints):
        await _open_names(house, record.id, record.state.pid, record.endpoints)


async def connect(house: House, live: Live, network: Network, options: EndpointOptions) -> None:
    """`docker network connect`. A container that does not run joins when it starts."""
    live.must_be_free()
    async with live.lock:
        record = live.record
        if owner_of(record.config.host.network_mode) or record.config.host.network_mode == HOST:
            raise InvalidRequest(
                "container sharing network namespace with another container or host cannot be connected to any other "
                "network"
            )
        if network.name == HOST:
            raise InvalidRequest("container cannot be disconnected from host network or connected to host network")
        if network.name == NONE or not is_networked(record.config):
            raise InvalidRequest(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode"
            )
        if _key(house, record, network) is not None:
            raise Forbidden(f"endpoint with name {record.name} already exists in network {network.name}")
        check(network, options)
        config = replace(record.config, networks={**record.config.networks, network.name: options})
        if not record.state.running or not record.state.pid:
            await house.roster.change(live, config=config)
            return
        netlink = await house.networks.open_netlink(record.state.pid)
        try:
            wanted = _wanted(config, options, _free_interface(network, record.endpoints), False, False)
            endpoint = await _attach(house, record, network, options, wanted, netlink, record.state.pid, None)
        finally:
            os.close(netlink)
        joined = (*record.endpoints, endpoint)
        try:
            joined = await settle(house, replace(record, config=config), joined)
            await house.roster.change(live, config=config, endpoints=joined)
        except EngineError:
            await house.roster.keep(live, endpoints=await _part(house, record, joined[-1], joined))
            raise
        if network.resolves_names and not house.networks.names.has(record.id):
            await _open_names(house, record.id, record.state.pid, record.endpoints)
            identity.write_resolvers(Path(record.directory), record.config.host, house.dns, named=True)
        write_hosts(house, live.record)
        house.events.publish("network", "connect", network.id, _attributes(network, record))


async def disconnect(house: House, live: Live, network: Network, *, force: bool) -> None:
    """`docker network disconnect`."""
    live.must_be_free()
    async with live.lock:
        record = live.record
        key = _key(house, record, network)
        if key is None:
            raise Forbidden(f"container {record.id} is not connected to network {network.name}")
        if network.name == HOST:
            raise InvalidRequest("container cannot be disconnected from host network or connected to host network")
        config = replace(
            record.config, networks={name: item for name, item in record.config.networks.items() if name != key}
        )
        endpoint = next((item for item in record.endpoints if item.network_id == network.id), None)
        left = record.endpoints if endpoint is None else await _part(house, record, endpoint, record.endpoints)
        # what a full disk refuses is known all the same: a new daemon finds no cable
        await house.roster.keep(live, config=config, endpoints=left)
        if endpoint is not None:
            write_hosts(house, live.record)
        house.events.publish("network", "disconnect", network.id, _attributes(network, record))


async def _part(
    house: House, record: Container, gone: Endpoint, endpoints: tuple[Endpoint, ...]
) -> tuple[Endpoint, ...]:
    """Takes a container that runs off one of its networks: the endpoints that are left, as they are now."""
    left = tuple(item for item in endpoints if item is not gone)
    gone, left = await bequeath(house, record, gone, left)
    await house.networks.detach(gone, running=True)
    return await settle(house, record, left)


async def remove(house: House, network: Network) -> None:
    """`docker network rm`. Forbidden while a container that runs is on it, and for the predefined ones."""
    if any(place.network_id == network.id for live in house.roster.all() for place in live.record.endpoints):
        raise Forbidden(f"error while removing network: network {network.name} id {network.id} has active endpoints")
    await house.networks.remove(network)


def check(network: Network, options: EndpointOptions) -> None:
    """What Docker refuses before anything is made."""
    if options.aliases and not network.resolves_names:
        raise InvalidRequest("network-scoped alias is supported only for containers in user defined networks")
    fixed = options.address or options.address6
    if fixed and not network.resolves_names:
        raise InvalidRequest("user specified IP address is supported on user defined networks only")
    if (options.address and not network.chosen) or (options.address6 and not network.chosen6):
        raise InvalidRequest(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
        )
    sysctls.check_endpoint(options.driver_options)


async def _attach(
    house: House,
    record: Container,
    network: Network,
    options: EndpointOptions,
    wanted: Wanted,
    netlink: int,
    pid: int,
    ports: Reservation | None,
) -> Endpoint:
    check(network, options)
    return await house.networks.attach(network, record.id, netlink, pid, wanted=wanted, reservation=ports)


def _wanted(config: ContainerOptions, options: EndpointOptions, interface: str, routes: bool, routes6: bool) -> Wanted:
    settings = sysctls.of_interface(config.host.sysctls, options.driver_options, interface)
    return Wanted(
        interface=interface,
        address=options.address,
        address6=options.address6,
        link_local=options.link_local,
        mac=options.mac,
        routes=routes,
        routes6=routes6,
        sysctls=tuple(settings.items()),
    )


async def _open_names(house: House, container_id: str, pid: int, attached: Sequence[Endpoint]) -> None:
    live = house.roster.by_id(container_id)
    if live is None:
        return
    await house.networks.names.open(
        container_id,
        pid,
        lookup=partial(found_by_name, house, container_id, attached),
        reverse=partial(name_of, house, container_id, attached),
        version=lambda: house.roster.version,
        upstream=partial(_upstream, house, live, attached),
    )


def _upstream(house: House, live: Live, attached: Sequence[Endpoint]) -> tuple[str, ...]:
    """Nobody for one that is on internal networks only: names of the world would lead out of them."""
    outward = any(item.gateway for item in places_of(live, attached))
    return identity.upstream(live.record.config.host, house.dns) if outward else ()


def _key(house: House, record: Container, network: Network) -> str | None:
    """Under which word the container's configuration holds this network."""
    for name in record.config.networks:
        try:
            if house.networks.find(name).id == network.id:
                return name
        except NotFound:
            continue
    return None


def _free_interface(network: Network, endpoints: Sequence[Endpoint]) -> str:
    used = {item.interface for item in endpoints}
    prefix = network.options.get(INTERFACE_PREFIX) or "eth"
    return next(name for number in range(len(used) + 1) if (name := f"{prefix}{number}") not in used)


def announce(house: House, record: Container, action: str) -> None:
    """`connect` and `disconnect` for each network of a container that starts or has ended, host and none too."""
    for name in record.config.networks:
        try:
            network = house.networks.find(name)
        except (NotFound, InvalidRequest):
            continue  # `container:…`, or removed meanwhile
        house.events.publish("network", action, network.id, _attributes(network, record))


def _attributes(network: Network, record: Container) -> dict[str, str]:
    return {"container": record.id, "name": network.name, "type": network.driver}
