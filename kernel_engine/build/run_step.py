"""RUN: a container of our own engine, whose upper directory becomes the layer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kernel_engine.build import mounting, run_mounts
from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.output import Voice
from kernel_engine.build.site import Site
from kernel_engine.containers.options import ContainerOptions, HostOptions, LogConfig
from kernel_engine.containers.transient import Ran, ran
from kernel_engine.formats.dockerfile.instructions import Run
from kernel_engine.formats.dockerfile.settings import Process, Settings
from kernel_engine.syscalls.trace import adopt

if TYPE_CHECKING:
    from kernel_engine.images.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All that a RUN's container is made of."""

    run: Run
    process: Process
    settings: Settings
    arguments: Mapping[str, str]  #: build arguments that become variables
    host: HostOptions
    mounts: run_mounts.Found


def container_options(program: Program) -> ContainerOptions:
    """Pure."""
    config = program.settings.config
    host = replace(program.host, log=LogConfig(driver="none"))
    if program.run.network != "default":
        host = replace(host, network_mode=program.run.network)
    return ContainerOptions(
        image="",
        command=program.process.words,
        environment=(*(f"{name}={value}" for name, value in program.arguments.items()), *(config.get("Env") or ())),
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        host=host,
    )


async def run(site: Site, program: Program, image: Image | None, voice: Voice, step: int, stack: AsyncExitStack) -> Ran:
    """Runs the program; its container is there until `stack` is closed. BuildFailed where it does not end with 0."""
    options = replace(container_options(program), image=image.id if image else "scratch")
    output = voice.program(step)

    async def created(container_id: str) -> None:
        stack.callback(lambda: adopt(site.house.traces.end(container_id)))
        await voice.stream(f" ---> Running in {container_id[:12]}\n")

    provisions = await mounting.provide(site, program.mounts, stack)
    done = await stack.enter_async_context(
        ran(site.house, options, image, provisions=provisions, on_created=created, on_output=output)
    )
    await output.end()
    if done.exit_code:
        words = " ".join(program.process.words)
        message = f"The command '{words}' returned a non-zero code: {done.exit_code}"
        raise BuildFailed(message, code=done.exit_code, detail="out of memory" if done.oom_killed else "")
    return done
