"""Does what `plan_creation.py` and `plan_running.removal` decided: networks, volumes, containers come and go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError, Client
from kernel_engine.compose import labels
from kernel_engine.compose.converge.body import Making, create_body, resolved
from kernel_engine.compose.converge.hooks import run_hooks
from kernel_engine.compose.converge.mounts import Injected, copied_paths, injected
from kernel_engine.compose.converge.observed import RUNNING, Container, Observed, container
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.hashes import config_hash, made_hash
from kernel_engine.compose.model import Network, Project, Service
from kernel_engine.compose.progress import DONE, ERROR, WARNING, Silent

NOT_FOUND, CONFLICT, FORBIDDEN = 404, 409, 403
IN_USE = "Resource is still in use"


@dataclass(kw_only=True)
class Maker:
    """Steps of one plan; `do` may be called from several threads at once."""

    client: Client
    project: Project
    observed: Observed
    display: Silent
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: service → GET /images/NAME/json
    timeout: int | None = None  #: seconds for a stop; None: the container's own
    inherit: bool = True  #: anonymous volumes go on in the next container
    remove_volumes: bool = False  #: anonymous ones go with the container
    made: dict[tuple[str, int], Container] = field(default_factory=dict)  #: (service, number) → what this plan made

    def do(self, step: Step) -> None:
        subject = self.subject(step)
        try:
            getattr(self, f"_{step.what.replace(' ', '_')}")(step, subject)
        except (APIError, Failed) as error:
            self.display.show(subject, _short(error), ERROR)
            raise

    @staticmethod
    def subject(step: Step) -> str:
        """What the display calls it: "Network demo_default"."""
        return f"{(step.what.partition(' ')[2] or 'container').capitalize()} {step.name}"

    def _keep(self, step: Step, subject: str) -> None:
        running = step.container is not None and step.container.state == RUNNING
        self.display.show(subject, "Running" if running else "Created", DONE)

    def _create_network(self, step: Step, subject: str) -> None:
        network = self.project.networks[step.key]
        self.display.show(subject, "Creating")
        try:
            self.client.post("/networks/create", body=network_body(self.project, step.key, network)).read()
        except APIError as error:
            if error.status != CONFLICT or not self._is_there(network.name):  # another `up` was faster
                raise Failed(
                    f"failed to create network {network.name}: Error response from daemon: {error.message}",
                    about=error.message,
                ) from error
        self.display.show(subject, "Created", DONE)

    def _is_there(self, network: str) -> bool:
        filters = json.dumps({"name": [network]})
        return any(item["Name"] == network for item in self.client.get("/networks", query={"filters": filters}).json())

    def _create_volume(self, step: Step, subject: str) -> None:
        volume = self.project.volumes[step.key]
        self.display.show(subject, "Creating")
        body = {
            "Name": volume.name,
            "Driver": volume.driver or "local",
            "DriverOpts": dict(volume.driver_opts),
            "Labels": {
                **volume.labels,
                labels.HASH: made_hash(volume),
                **labels.of_volume(self.project.name, step.key),
            },
        }
        self.client.post("/volumes/create", body=body).read()
        self.display.show(subject, "Created", DONE)

    def _create(self, step: Step, subject: str) -> None:
        self.display.show(subject, "Creating")
        self._make(step, step.name)
        self.display.show(subject, "Created", DONE)

    def _recreate(self, step: Step, subject: str) -> None:
        """The new one stands, under a name for the time being, before the old one goes."""
        assert step.container is not None
        service = self.project.services[step.service]
        from kernel_engine.compose.converge.body import container_name

        name = container_name(self.project, service, step.replica)
        self.display.show(subject, "Recreate")
        new = self._make(step, f"{step.container.id[:12]}_{name}", final=name)
        self.stop(step.container)
        self.client.delete(f"/containers/{step.container.id}").read()
        self.client.post(f"/containers/{new}/rename", query={"name": name}).read()
        self.display.show(subject, "Recreated", DONE)

    def _rename(self, step: Step, subject: str) -> None:
        assert step.container is not None
        self.client.post(f"/containers/{step.container.id}/rename", query={"name": step.name}).read()

    def _make(self, step: Step, name: str, final: str = "") -> str:
        service = self.project.services[step.service]
        peers = {other: self.peers(other) for other in self.project.services}
        actual = resolved(service, peers)
        image = self.images.get(service.name) or {}
        marks = labels.of_container(
            self.project, service, config_hash=config_hash(actual, self.project), image=str(image.get("Id", ""))
        )
        marks[labels.NUMBER] = str(step.replica)
        if final:
            marks[labels.REPLACES] = final
        making = Making(
            name=final or name,
            number=step.replica,
            labels=marks,
            peers=peers,
            inherits=step.container if self.inherit else None,
            image_volumes=frozenset((image.get("Config") or {}).get("Volumes") or ()),
        )
        made = create_container(self.client, self.project, actual, making, name=name)
        summary = {"Id": made, "Names": [f"/{final or name}"], "Labels": marks, "State": "created"}
        self.made[service.name, step.replica] = container(summary)
        return made

    def peers(self, service: str) -> list[Container]:
        """The service's containers as they are at this point of the plan."""
        there = {(service, item.number): item for item in self.observed.of(service)}
        new = {key: item for key, item in self.made.items() if key[0] == service}
        return [item for _, item in sorted({**there, **new}.items())]

    def _stop(self, step: Step, subject: str) -> None:
        assert step.container is not None
        self.display.show(subject, "Stopping")
        self.stop(step.container)
        self.display.show(subject, "Stopped", DONE)

    def stop(self, item: Container) -> None:
        if item.state in ("created", "exited", "dead"):
            return
        service = self.project.services.get(item.service)
        if service is not None and item.state == RUNNING:
            run_hooks(self.client, item.id, service, service.pre_stop)
        self.client.post(f"/containers/{item.id}/stop", query={"t": self.timeout}).read()

    def _remove(self, step: Step, subject: str) -> None:
        assert step.container is not None
        self.display.show(subject, "Stopping")
        try:
            self.stop(step.container)
            self.display.show(subject, "Stopped")
            self.display.show(subject, "Removing")
            query = {"force": True, "v": self.remove_volumes or None}
            self.client.delete(f"/containers/{step.container.id}", query=query).read()
        except APIError as error:
            if error.status != NOT_FOUND:  # somebody else was faster
                raise
        self.display.show(subject, "Removed", DONE)

    def _remove_network(self, step: Step, subject: str) -> None:
        network = self.observed.networks[step.key]["Id"]
        self.display.show(subject, "Removing")
        try:
            self.client.delete(f"/networks/{network}").read()
        except APIError as error:
            self._excused(error, subject)
        else:
            self.display.show(subject, "Removed", DONE)

    def _remove_volume(self, step: Step, subject: str) -> None:
        self._removed(subject, f"/volumes/{step.name}")

    def _remove_image(self, step: Step, subject: str) -> None:
        self._removed(subject, f"/images/{step.name}")

    def _removed(self, subject: str, path: str) -> None:
        self.display.show(subject, "Removing")
        try:
            self.client.delete(path).read()
        except APIError as error:
            self._excused(error, subject)
        else:
            self.display.show(subject, "Removed", DONE)

    def _excused(self, error: APIError, subject: str) -> None:
        """What is in use stays, and what has gone already needs no removing; neither is a failure."""
        if error.status == NOT_FOUND:
            self.display.show(subject, "Warning: No resource found to remove", DONE)
        elif error.status == CONFLICT or (error.status == FORBIDDEN and "active endpoints" in error.message):
            self.display.show(subject, IN_USE, WARNING)
        else:
            raise error


def create_container(client: Client, project: Project, service: Service, making: Making, *, name: str) -> str:
    """Its ID. `service` is resolved. One that does not become whole is taken away again."""
    several = _version(client) >= (1, 44)
    body = create_body(project, service, making, several_networks=several)
    query = {"name": name, "platform": service.platform or None}
    made = str(client.post("/containers/create", query=query, body=body).json()["Id"])
    try:
        if not several:
            _join(client, project, service, making, made)
        files = injected(project, service, _contents(project, service))
        if files:
            client.put(
                f"/containers/{made}/archive",
                query={"path": "/", "copyUIDGID": True},
                body=archive(files),
                headers={"Content-Type": "application/x-tar"},
            ).read()
    except BaseException:
        client.delete(f"/containers/{made}", query={"force": True, "v": True}).read()
        raise
    return made


def _version(client: Client) -> tuple[int, ...]:
    return tuple(int(part) for part in client.version.split("."))


def _join(client: Client, project: Project, service: Service, making: Making, made: str) -> None:
    """An older engine takes one network at create: the others are joined before the start."""
    whole = create_body(project, service, making, several_networks=True)
    endpoints = whole["NetworkingConfig"]["EndpointsConfig"]
    for network, endpoint in endpoints.items():
        if network != whole["HostConfig"]["NetworkMode"]:
            body = {"Container": made, "EndpointConfig": endpoint}
            client.post(f"/networks/{network}/connect", body=body).read()


def _contents(project: Project, service: Service) -> dict[str, bytes]:
    found = {}
    for path in copied_paths(project, service):
        try:
            with open(path, "rb") as file:
                found[path] = file.read()
        except OSError as error:
            raise Failed(f"open {path}: {(error.strerror or str(error)).lower()}") from error
    return found


def archive(files: list[Injected]) -> bytes:
    """A tar archive with these files at their places beneath the root."""
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.target.lstrip("/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(file.content), file.mode, file.uid, file.gid
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def network_body(project: Project, key: str, network: Network) -> dict[str, Any]:
    marks = {**network.labels, labels.HASH: made_hash(network), **labels.of_network(project.name, key)}
    body: dict[str, Any] = {
        "Name": network.name,
        "CheckDuplicate": True,
        "Driver": network.driver or "bridge",
        "Options": dict(network.driver_opts),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Labels": marks,
    }
    if network.enable_ipv6 is not None:
        body["EnableIPv6"] = network.enable_ipv6
    if network.enable_ipv4 is not None:
        body["EnableIPv4"] = network.enable_ipv4
    if network.ipam_driver or network.pools:
        body["IPAM"] = {
            "Driver": network.ipam_driver or "default",
            "Options": dict(network.ipam_options) or None,
            "Config": [
                {
                    "Subnet": pool.subnet,
                    "Gateway": pool.gateway,
                    "IPRange": pool.ip_range,
                    "AuxiliaryAddresses": dict(pool.aux_addresses),
                }
                for pool in network.pools
            ],
        }
    return body


def _short(error: APIError | Failed) -> str:
    return f"Error response from daemon: {error.message}" if isinstance(error, APIError) else error.message
