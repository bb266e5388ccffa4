"""Projects and what an engine has of them, as short as a test needs them."""

from __future__ import annotations

from typing import Any

from kernel_engine.compose import labels
from kernel_engine.compose.converge.body import resolved, shares_with
from kernel_engine.compose.converge.observed import Container, Observed, container
from kernel_engine.compose.hashes import config_hash, made_hash
from kernel_engine.compose.model import Attachment, Dependency, Network, Project, Service, Volume


def service(name: str, *needs: str, **more: Any) -> Service:
    """`needs`: names, or "name:condition"."""
    needed = {}
    for item in needs:
        other, _, condition = item.partition(":")
        needed[other] = Dependency(condition=condition or "service_started")
    given: dict[str, Any] = {"image": "busybox", "networks": {"default": Attachment()}, "depends_on": needed} | more
    return Service(name=name, **given)


def project(*services: Service, volumes: tuple[str, ...] = (), **more: Any) -> Project:
    given: dict[str, Any] = {
        "networks": {"default": Network(name="demo_default")},
        "volumes": {name: Volume(name=f"demo_{name}") for name in volumes},
    } | more
    return Project(
        name="demo",
        directory="/demo",
        files=("/demo/compose.yaml",),
        services={item.name: item for item in services},
        **given,
    )


def there(owner: Project, item: Service, number: int = 1, *, state: str = "running", **changes: Any) -> Container:
    """A container as `up` would have made it. `changes`: "image", "hash", "one_off", "mounts", "peers"."""
    peers: dict[str, list[Container]] = changes.get("peers", {name: [] for name in shares_with(item)})
    actual = resolved(item, peers) if shares_with(item) else item
    marks = labels.of_container(
        owner,
        item,
        config_hash=changes.get("hash", config_hash(actual, owner)),
        image=changes.get("image", "sha256:busybox"),
    )
    marks[labels.NUMBER] = str(number)
    if changes.get("one_off"):
        marks[labels.ONE_OFF] = "True"
    return container(
        {
            "Id": f"{item.name}{number}".ljust(64, "0"),
            "Names": [f"/{changes.get('name', f'demo-{item.name}-{number}')}"],
            "Labels": marks,
            "State": state,
            "Mounts": changes.get("mounts", []),
            "NetworkSettings": {"Networks": {"demo_default": {"NetworkID": changes.get("network", "net")}}},
        }
    )


def observed(owner: Project, *containers: Container, **more: Any) -> Observed:
    """With all networks and volumes of the project made as it says."""
    networks = {
        key: {
            "Id": "net",
            "Name": network.name,
            "Labels": {**labels.of_network(owner.name, key), labels.HASH: made_hash(network)},
        }
        for key, network in owner.networks.items()
    }
    given: dict[str, Any] = {
        "networks": networks,
        "volumes": {key: {"Name": volume.name} for key, volume in owner.volumes.items()},
    } | more
    return Observed(containers=containers, **given)
