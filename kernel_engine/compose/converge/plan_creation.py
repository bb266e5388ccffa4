"""Which networks, volumes and containers are made, made anew, kept or removed so that a project is as it says. Pure."""

from __future__ import annotations

from dataclasses import replace

from kernel_engine.cli.failures import Failed
from kernel_engine.compose import labels
from kernel_engine.compose.converge.body import container_name, resolved, shares_with
from kernel_engine.compose.converge.observed import RUNNING, Container, Observed
from kernel_engine.compose.converge.order import dependencies_first, dependents
from kernel_engine.compose.converge.plan import Plan, Step, Wishes
from kernel_engine.compose.hashes import config_hash, made_hash
from kernel_engine.compose.model import Project, Service


def creation(project: Project, observed: Observed, wishes: Wishes) -> tuple[Step, ...]:
    """Every network, volume and container as the project wants it; containers are not started.

    Failed where that cannot be: an external network or volume that is missing, a name for several containers.
    """
    return _Creation(project, observed, wishes).planned()


def doubts(project: Project, observed: Observed) -> list[str]:
    """What is taken as it is, although it may not be what the file means: a warning for each, in compose's words."""
    found = []
    for key, network in project.networks.items():
        marks = (observed.networks.get(key) or {}).get("Labels") or {}
        if key in observed.networks and not network.external and labels.PROJECT not in marks:
            found.append(
                f"a network with name {network.name} exists but was not created by compose.\n"
                "Set `external: true` to use an existing network"
            )
    for key, volume in project.volumes.items():
        if key not in observed.volumes or volume.external:
            continue
        marks = observed.volumes[key].get("Labels") or {}
        owner = marks.get(labels.PROJECT)
        if owner is None:
            found.append(
                f'volume "{volume.name}" already exists but was not created by Docker Compose. '
                "Use `external: true` to use an existing volume"
            )
        elif owner != project.name:
            found.append(
                f'volume "{volume.name}" already exists but was created for project "{owner}" '
                f'(expected "{project.name}"). Use `external: true` to use an existing volume'
            )
        elif marks.get(labels.HASH, "") not in ("", made_hash(volume)):
            found.append(
                f'Volume "{volume.name}" exists but doesn\'t match configuration in compose file. It is left as it is; '
                "`down --volumes` removes it and its data"
            )
    return found


class _Creation:
    def __init__(self, project: Project, observed: Observed, wishes: Wishes) -> None:
        self.project = project
        self.observed = observed
        self.wishes = wishes
        self.plan = Plan()
        self.networks: dict[str, int] = {}  #: key → the step that makes it
        self.volumes: dict[str, int] = {}
        self.services: dict[str, list[int]] = {}  #: service → the steps that make containers of it
        self.emptied: dict[str, int] = {}  #: container's ID → the step that removes it for a network's sake

    def planned(self) -> tuple[Step, ...]:
        if self.wishes.remove_orphans:
            for orphan in self.observed.orphans(self.project):
                self.plan.add(Step(what="remove", name=orphan.name, cause="orphan", container=orphan))
        for key in self.project.networks:
            self._network(key)
        for key in self.project.volumes:
            self._volume(key)
        for name in dependencies_first(self.project.services):
            self._service(self.project.services[name])
        return tuple(self.plan.steps)

    def _network(self, key: str) -> None:
        network = self.project.networks[key]
        there = self.observed.networks.get(key)
        if network.external:
            if there is None and network.name not in ("host", "none", "bridge"):
                raise Failed(f"network {network.name} declared as external, but could not be found")
            return
        if there is None:
            step = Step(what="create network", name=network.name, key=key, cause="missing")
            self.networks[key] = self.plan.add(step)
            return
        marks = there.get("Labels") or {}
        if labels.PROJECT in marks and marks.get(labels.NETWORK) != key:
            raise Failed(
                f"network {network.name} was found but has incorrect label {labels.NETWORK} set to "
                f'"{marks.get(labels.NETWORK, "")}" (expected: "{key}")'
            )
        if marks.get(labels.HASH, "") not in ("", made_hash(network)):
            self._network_anew(key)

    def _network_anew(self, key: str) -> None:
        """It can only be removed when no container is on it: the project's own are made anew as well."""
        network = self.project.networks[key]
        on_it = [item for service in self.project.services.values() if key in service.networks
                 for item in self.observed.of(service.name)]  # fmt: skip
        for item in on_it:
            if item.id not in self.emptied:
                cause = f"network {network.name} has changed"
                self.emptied[item.id] = self.plan.add(
                    Step(what="remove", name=item.name, cause=cause, container=item, service=item.service)
                )
        removed = self.plan.add(
            Step(what="remove network", name=network.name, key=key, cause="changed"),
            [self.emptied[item.id] for item in on_it],
        )
        step = Step(what="create network", name=network.name, key=key, cause="changed")
        self.networks[key] = self.plan.add(step, [removed])

    def _volume(self, key: str) -> None:
        volume = self.project.volumes[key]
        if key in self.observed.volumes:
            return
        if volume.external:
            raise Failed(f'external volume "{volume.name}" not found')
        step = Step(what="create volume", name=volume.name, key=key, cause="missing")
        self.volumes[key] = self.plan.add(step)

    def _service(self, service: Service) -> None:
        if service.scale > 1 and service.container_name:
            raise Failed(
                f'WARNING: The "{service.name}" service is using the custom container name '
                f'"{service.container_name}". Docker requires each container to have a unique name. '
                "Remove the custom name to scale the service"
            )
        after = [step for key, step in self.networks.items() if key in service.networks]
        after += [step for key, step in self.volumes.items() if any(key == mount.source for mount in service.volumes)]
        referred = [*shares_with(service), *(link.partition(":")[0] for link in service.links)]
        after += [step for name in referred for step in self.services.get(name, ())]
        made = self.services[service.name] = []
        items, mended = self._whole(service)
        after += mended
        there = [(item, self._reason(service, item)) for item in items]
        # scaling down takes those that would have to be made anew first, then the highest numbers
        there.sort(key=lambda pair: (bool(pair[1]), pair[0].number))
        for item, _ in there[service.scale :]:
            if item.id not in self.emptied:
                self.plan.add(
                    Step(what="remove", name=item.name, service=service.name, cause="scaled down", container=item)
                )
        for item, reason in sorted(there[: service.scale], key=lambda pair: pair[0].number):
            made += self._there(service, item, reason, after)
        number = max((item.number for item, _ in there), default=0)
        for _ in range(service.scale - len(there)):
            number += 1
            name = container_name(self.project, service, number)
            step = Step(what="create", name=name, service=service.name, replica=number, cause="missing")
            made.append(self.plan.add(step, after))

    def _whole(self, service: Service) -> tuple[list[Container], list[int]]:
        """Its containers as they are after what an `up` left behind that was ended in the middle: one that was to
        replace another goes while that one is there, and gets its name where it has gone."""
        items, steps = [], []
        there = self.observed.of(service.name)
        numbers = {item.number for item in there if not item.lasting_name}
        for item in there:
            name = item.lasting_name
            step = Step(what="remove", name=item.name, service=service.name, cause="left behind", container=item)
            if not name:
                items.append(item)
            elif item.number in numbers or item.id in self.emptied:
                steps.append(self.emptied[item.id] if item.id in self.emptied else self.plan.add(step))
            else:
                steps.append(self.plan.add(replace(step, what="rename", name=name)))
                items.append(replace(item, name=name))
        return items, steps

    def _there(self, service: Service, item: Container, reason: str, after: list[int]) -> list[int]:
        """The step for a container that stays; [] when nobody has to wait for it."""
        step = Step(what="keep", name=item.name, service=service.name, replica=item.number, container=item)
        if item.id in self.emptied:
            # its place is free already; what it held goes on
            name = container_name(self.project, service, item.number)
            again = replace(step, what="create", name=name, cause="network changed")
            return [self.plan.add(again, [*after, self.emptied[item.id]])]
        if reason:
            stopped = self._stop_dependents(service)
            return [self.plan.add(replace(step, what="recreate", cause=reason), [*after, *stopped])]
        self.plan.add(step)
        return []

    def _stop_dependents(self, service: Service) -> list[int]:
        """Those that are to be restarted with it stop before it goes, and start with everything else."""
        return [
            self.plan.add(
                Step(what="stop", name=item.name, service=name, cause=f"{service.name} is made anew", container=item)
            )
            for name in dependents(self.project.services, service.name)
            if self.project.services[name].depends_on[service.name].restart
            for item in self.observed.of(name)
            if item.state == RUNNING
            and not any(step.what == "stop" and step.container == item for step in self.plan.steps)
        ]

    def _reason(self, service: Service, item: Container) -> str:
        """Why the container must be made anew; "" when it may stay."""
        targeted = not self.wishes.targets or service.name in self.wishes.targets
        policy = self.wishes.recreate if targeted else self.wishes.recreate_dependencies
        if policy == "never":
            return ""
        if policy == "force":
            return "forced"
        if any(self.services.get(name) for name in shares_with(service)):
            return "what it shares is made anew"
        peers = {name: self.observed.of(name) for name in shares_with(service)}
        if item.config_hash != config_hash(resolved(service, peers), self.project):
            return "configuration changed"
        if item.image != self.wishes.images.get(service.name, item.image):
            return "image changed"
        wanted = {self.observed.networks[key].get("Id") for key in service.networks if key in self.observed.networks}
        if item.state == RUNNING and not wanted <= item.networks:
            return "networks changed"
        held = {mount.name for mount in item.mounts if mount.type == "volume"}
        named = {self.project.volumes[mount.source].name for mount in service.volumes
                 if mount.type == "volume" and mount.source in self.project.volumes}  # fmt: skip
        return "" if named <= held else "volumes changed"
