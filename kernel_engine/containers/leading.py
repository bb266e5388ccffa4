"""Which of a container's networks is its way out: the one with the highest --gw-priority, then the first by name (as
Docker has it), of those that have a way out at all. For IPv4 and IPv6 each. Its ports are open there, too.

Choosing is pure; `settle` changes a container that runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kernel_engine.containers.house import House
from kernel_engine.containers.naming import options_on
from kernel_engine.containers.options import EndpointOptions
from kernel_engine.containers.record import Container
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.network import Network

Membership = tuple[Network, EndpointOptions]


def leaders(memberships: Iterable[Membership]) -> tuple[Network | None, Network | None]:
    """The ways out over IPv4 and IPv6, before anything is attached."""
    outward = [(network, options) for network, options in memberships if not network.internal]
    ranked = [network for network, _ in sorted(outward, key=lambda pair: _rank(pair[0].name, pair[1]))]
    return next(iter(ranked), None), next((network for network in ranked if network.subnet6), None)


async def settle(house: House, record: Container, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """Endpoints of a container that runs, after one came or went: default routes and ports where they belong now.

    An endpoint that has just been plugged has no route; one that went has taken its own with it. KernelRefused.
    """
    ranked = sorted(
        (item for item in endpoints if item.gateway),
        key=lambda item: _rank(item.network_name, options_on(record, item)),
    )
    first = next(iter(ranked), None)
    first6 = next((item for item in ranked if item.gateway6), None)
    former = next((item for item in endpoints if item.routes), None)
    former6 = next((item for item in endpoints if item.routes6), None)
    turns = []
    if first is not None and first is not former:
        turns.append((former.gateway if former else "", first.gateway))
    if first6 is not None and first6 is not former6:
        turns.append((former6.gateway6 if former6 else "", first6.gateway6))
    if turns:
        await house.networks.lead_out(record.state.pid, turns)
    settled = tuple(replace(item, routes=item is first, routes6=item is first6) for item in endpoints)
    now = next((item for item in settled if item.routes), None)
    holder = next((item for item in settled if item.published), None)
    if now is None or holder is None or holder is now:
        return settled
    left, heir = await house.networks.hand_over(holder, now)
    return tuple(left if item is holder else heir if item is now else item for item in settled)


async def bequeath(
    house: House, record: Container, gone: Endpoint, left: tuple[Endpoint, ...]
) -> tuple[Endpoint, tuple[Endpoint, ...]]:
    """Before an endpoint goes: its published ports lead on into the container, through the next way in."""
    outward = [item for item in left if item.gateway]
    heir = min(outward, key=lambda item: _rank(item.network_name, options_on(record, item)), default=None)
    if not gone.published or heir is None:
        return gone, left
    gone, new = await house.networks.hand_over(gone, heir)
    return gone, tuple(new if item is heir else item for item in left)


def _rank(name: str, options: EndpointOptions | None) -> tuple[int, str]:
    return -(options.gateway_priority if options is not None else 0), name
