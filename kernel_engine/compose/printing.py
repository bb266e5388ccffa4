"""A project as docker compose prints it: its canonical form, in plain values. Pure.

Attributes that have their default are left out; the order is docker compose's (that of its Go structs: attributes of a
service by name, with few exceptions). Reading the printed form again gives the same project; a test holds it.
"""

from __future__ import annotations

from kernel_engine.compose.model import FileObject, Network, Project, Volume
from kernel_engine.compose.printing_parts import Kept, Values, by_key, by_name, said
from kernel_engine.compose.printing_service import printed_service


def printed(project: Project) -> Values:
    """The whole project. Strings hold `$` as they are; a file wants them doubled."""
    sections = {
        "networks": {key: _network(item) for key, item in sorted(project.networks.items())},
        "volumes": {key: _volume(item) for key, item in sorted(project.volumes.items())},
        "secrets": {key: _file_object(item, secret=True) for key, item in sorted(project.secrets.items())},
        "configs": {key: _file_object(item) for key, item in sorted(project.configs.items())},
    }
    services = {name: printed_service(item) for name, item in sorted(project.services.items())}
    return {
        "name": project.name,
        "services": services,
        **said(sections),
        **by_key(project.extensions),
    }


def _network(network: Network) -> Values:
    pools = [
        said(
            {
                "subnet": pool.subnet,
                "gateway": pool.gateway,
                "ip_range": pool.ip_range,
                "aux_addresses": by_name(pool.aux_addresses),
            }
        )
        for pool in network.pools
    ]
    return said(
        {
            "name": network.name,
            "driver": network.driver,
            "driver_opts": by_name(network.driver_opts),
            "ipam": said({"driver": network.ipam_driver, "config": pools, "options": by_name(network.ipam_options)}),
            "external": network.external,
            "internal": network.internal,
            "attachable": network.attachable,
            "labels": by_name(network.labels),
            "enable_ipv4": None if network.enable_ipv4 is None else Kept(network.enable_ipv4),
            "enable_ipv6": None if network.enable_ipv6 is None else Kept(network.enable_ipv6),
            **by_key(network.extensions),
        }
    )


def _volume(volume: Volume) -> Values:
    return said(
        {
            "name": volume.name,
            "driver": volume.driver,
            "driver_opts": by_name(volume.driver_opts),
            "external": volume.external,
            "labels": by_name(volume.labels),
            **by_key(volume.extensions),
        }
    )


def _file_object(item: FileObject, *, secret: bool = False) -> Values:
    """A secret's value is never printed, nor a config's that came from the environment."""
    return said(
        {
            "name": item.name,
            "file": item.file,
            "environment": item.environment,
            "content": None if secret or item.environment or item.content is None else Kept(item.content),
            "external": item.external,
            "labels": by_name(item.labels),
            **by_key(item.extensions),
        }
    )
