"""`build`: the `build:` of services as the words of `docker build`, one after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.main import carry_out as docker
from kernel_engine.compose import labels
from kernel_engine.compose.converge.body import image_name
from kernel_engine.compose.converge.order import dependencies_first
from kernel_engine.compose.model import Build, Project, Service
from kernel_engine.compose.selecting import selected
from kernel_engine.compose.session import Session

#: exit code when an image cannot be built
BUILD_FAILED = 17


def build(session: Session) -> int:
    words = session.words
    project = session.project(session.services)
    if session.services:
        project = selected(project, session.services, dependencies=words["with-dependencies"])
    more = [f"--build-arg={item}" for item in words["build-arg"]]
    more += [f"--{name}" for name in ("no-cache", "pull", "quiet") if words[name]]
    if words["memory"]:
        more.append(f"--memory={words['memory']}")
    built = build_services(session, project, project.services, more)
    if not built:
        from kernel_engine.compose.session import warn

        warn("No services to build")
    if words["push"]:
        from kernel_engine.compose.verbs.push import push_all

        push_all(session, project, quiet=words["quiet"])
    return 0


def build_services(session: Session, project: Project, names: Iterable[str], more: Iterable[str] = ()) -> list[str]:
    """Those of the services that have something to build, dependencies first; which they were."""
    wanted = set(names)
    done: list[str] = []
    images: set[str] = set()
    for name in dependencies_first(project.services):
        service = project.services[name]
        if name not in wanted or service.build is None or image_name(project, service) in images:
            continue
        images.add(image_name(project, service))
        _build(session, project, service, list(more))
        done.append(name)
    return done


def _build(session: Session, project: Project, service: Service, more: list[str]) -> None:
    assert service.build is not None
    refuse(service.name, service.build)
    for granted in service.build.secrets:
        secret = project.secrets[granted.source]
        if secret.environment and secret.content is not None:  # it may come from .env
            os.environ[secret.environment] = secret.content
    with _dockerfile(service.build) as place:
        words = build_words(project, service, place) + more
        try:
            code = docker(session.client, "build", COMMANDS["build"], [*words, "--", service.build.context])
        except Failed as failure:
            failure.code = BUILD_FAILED
            raise
    if code:
        raise Failed(f"failed to build service {service.name}", BUILD_FAILED)


def refuse(name: str, build: Build) -> None:
    """What only BuildKit does."""
    for attribute, value in (
        ("additional_contexts", build.additional_contexts),
        ("ssh", build.ssh),
        ("entitlements", build.entitlements),
        ("privileged", build.privileged),
    ):
        if value:
            raise Failed(f'service "{name}": build.{attribute} is not supported by this engine: it needs BuildKit')
    if len(build.platforms) > 1:
        raise Failed(f'service "{name}": this engine builds for one platform at a time')


@contextmanager
def _dockerfile(build: Build) -> Iterator[str]:
    """The Dockerfile's place; an inline one stands in a file as long as the build lasts."""
    if not build.dockerfile_inline:
        remote = "://" in build.context or build.context.startswith("git@")
        yield build.dockerfile if remote else os.path.join(build.context, build.dockerfile)
        return
    with tempfile.NamedTemporaryFile("w", prefix="compose-", suffix=".Dockerfile", encoding="utf-8") as file:
        file.write(build.dockerfile_inline)
        file.flush()
        yield file.name


def build_words(project: Project, service: Service, dockerfile: str) -> list[str]:
    """The options of `docker build`, without the context. Pure."""
    build = service.build
    assert build is not None
    marks = {**build.labels, **labels.of_image(project.name, service.name)}
    words = [f"--tag={name}" for name in (image_name(project, service), *build.tags)]
    words += [f"--file={dockerfile}"]
    words += [
        f"--build-arg={name}" if value is None else f"--build-arg={name}={value}" for name, value in build.args.items()
    ]
    words += [f"--label={name}={value}" for name, value in marks.items()]
    words += [f"--add-host={item.replace('=', ':', 1)}" for item in build.extra_hosts]
    words += [f"--cache-from={item}" for item in build.cache_from]
    words += [f"--ulimit={name}={item.soft}:{item.hard}" for name, item in build.ulimits.items()]
    words += [f"--secret={_secret(project, item.id, item.source)}" for item in build.secrets]
    platform = next(iter(build.platforms), service.platform)
    for option, value in (("target", build.target), ("network", build.network), ("platform", platform)):
        if value:
            words.append(f"--{option}={value}")
    if build.shm_size:
        words.append(f"--shm-size={build.shm_size}")
    return words + [f"--{option}" for option, wanted in (("no-cache", build.no_cache), ("pull", build.pull)) if wanted]


def _secret(project: Project, name: str, source: str) -> str:
    secret = project.secrets[source]
    if secret.external:
        raise Failed(f"unsupported external secret {secret.name}")
    return f"id={name},env={secret.environment}" if secret.environment else f"id={name},src={secret.file}"
