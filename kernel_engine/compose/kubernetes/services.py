"""How pods are found and reached: Services. Pure.

Inside, a service answers under its name on the ports that it has, as on a compose network: a ClusterIP, or where
compose says no port a headless Service, which answers with the pods' own addresses. What is published is a second
Service, `NAME-published`, because its ports are others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kernel_engine.compose.kubernetes.notes import Notes
from kernel_engine.compose.kubernetes.pods import container_ports
from kernel_engine.compose.kubernetes.words import labels, object_name, selector
from kernel_engine.compose.model import Port, Project, Service

Object = dict[str, Any]


def services(service: Service, project: Project, notes: Notes) -> Iterable[Object]:
    ports = container_ports(service)
    headless = not ports or service.deploy.endpoint_mode == "dnsrr"
    inner: Object = {"clusterIP": "None"} if headless else {}
    if ports:
        inner["ports"] = [_port(number, number, protocol) for number, protocol in ports]
    for name in (service.name, *_other_names(service, project, notes)):
        yield _service(object_name(name), service, project, inner)
    fixed, chosen = _published(service, notes)
    if fixed:
        spec = {"type": "LoadBalancer", "ports": [_port(*port) for port in fixed]}
        yield _service(f"{object_name(service.name)[:50]}-published", service, project, spec)
    if chosen:
        spec = {"type": "NodePort", "ports": [_port(*port) for port in chosen]}
        yield _service(f"{object_name(service.name)[:50]}-nodeport", service, project, spec)


def _service(name: str, service: Service, project: Project, spec: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels(service.name, project)},
        "spec": {"selector": selector(service, project), **spec},
    }


def _port(port: int, target: int, protocol: str) -> Object:
    return {"name": f"{protocol}-{port}", "port": port, "targetPort": target, "protocol": protocol.upper()}


def _published(service: Service, notes: Notes) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """Ports with a number of their own outside, and those whose number the cluster chooses."""
    fixed: dict[tuple[int, str], tuple[int, int, str]] = {}
    chosen: dict[tuple[int, str], tuple[int, int, str]] = {}
    for at, port in enumerate(service.ports):
        place = f"services.{service.name}.ports[{at}]"
        if _only_here(port):
            notes.missing(f"{place} at {port.host_ip} alone", f"use kubectl port-forward service/{service.name}")
            continue
        if port.host_ip not in ("", "0.0.0.0", "::"):
            notes.missing(f"{place} host_ip ({port.host_ip})")
        first, dash, _ = port.published.partition("-")
        if dash:
            notes.add(f"{place}: of the range {port.published} its first port is taken")
        if first:
            fixed[(int(first), port.protocol)] = (int(first), port.target, port.protocol)
        else:
            chosen[(port.target, port.protocol)] = (port.target, port.target, port.protocol)
    return list(fixed.values()), list(chosen.values())


def _only_here(port: Port) -> bool:
    return port.host_ip.startswith("127.") or port.host_ip == "::1"


def _other_names(service: Service, project: Project, notes: Notes) -> list[str]:
    """Aliases on networks, names of links, and the container's own: each one answers, as with compose."""
    names = [alias for attachment in service.networks.values() for alias in attachment.aliases]
    if service.container_name:
        names.append(service.container_name)
    for other in project.services.values():
        for link in other.links:
            target, _, alias = link.partition(":")
            if target == service.name and alias:
                names.append(alias)
    taken = {object_name(name) for name in project.services}
    result = []
    for name in dict.fromkeys(names):
        if object_name(name) != name:
            notes.missing(f"services.{service.name}: its other name {name}", "names are small letters, digits and -")
        elif name not in taken:
            taken.add(name)
            result.append(name)
    return result
