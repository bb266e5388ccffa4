"""`engine.build`: a request becomes an image. Everything is done by the files beside this one; here they only meet."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import replace

from kernel_engine.build import arguments as build_arguments
from kernel_engine.build import mounting, remote
from kernel_engine.build.cache import Cache
from kernel_engine.build.cache_mounts import CacheMounts
from kernel_engine.build.context import Context
from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.options import BuildOptions, Emit
from kernel_engine.build.output import Output
from kernel_engine.build.plan import BuildPlan, plan
from kernel_engine.build.prune import Pruned, prune, spare
from kernel_engine.build.register import Entry, Register
from kernel_engine.build.secrets import Secrets
from kernel_engine.build.site import Built, Site
from kernel_engine.build.stage import StageBuild
from kernel_engine.containers.house import House
from kernel_engine.errors import EngineError, InvalidRequest, NotFound
from kernel_engine.formats import reference as references
from kernel_engine.formats.dockerfile.instructions import Dockerfile, Instruction, Label
from kernel_engine.formats.dockerfile.parse import parse
from kernel_engine.images import platforms
from kernel_engine.images.digest import short
from kernel_engine.images.image import Image
from kernel_engine.records import Records
from kernel_engine.syscalls.trace import adopt, recording


class Builder:
    """`load` first."""

    def __init__(self, house: House, records: Records) -> None:
        self._house = house
        self.cache = Cache(records, self._has)
        self.register = Register()
        self.secrets = Secrets()
        self._caches = CacheMounts(house.instance.root / "build-cache")
        self._sites: list[Site] = []  #: builds under way

    async def load(self) -> None:
        mounting.sweep(self._house.instance.run)
        await self.cache.load()

    async def build(self, options: BuildOptions, body: AsyncIterable[bytes], emit: Emit) -> Image:
        """The image of the target stage, tagged. What is wrong with the request is raised before the first `emit`.

        BuildFailed for a step that fails: nothing of it is left, and what was built before it stays for the cache. A
        cancelled build is undone in the same way.
        """
        if self._house.restriction is not None:
            self._house.restriction.check_host(options.host)
            self._house.restriction.check_remote(options.remote)
        names = tuple(_name(tag) for tag in options.tags)
        entry = self.register.open(options.id or secrets.token_hex(16), names)
        with recording(entry.calls):
            entry.work = asyncio.ensure_future(self._build(options, body, emit, entry))
        try:
            image: Image = await entry.work
        except asyncio.CancelledError:
            work, caller = entry.work, asyncio.current_task()
            self.register.close(entry, error="the build was cancelled")
            if caller is not None and caller.cancelling():  # the client has left
                if work is not None:
                    work.cancel()
                    await asyncio.wait((work,))
                raise
            raise BuildFailed("build cancelled: context canceled") from None
        except BaseException as error:
            self.register.close(entry, error=error.message if isinstance(error, EngineError) else str(error))
            raise
        self.register.close(entry, image=image.id)
        adopt(entry.calls.whole)
        return image

    async def _build(self, options: BuildOptions, body: AsyncIterable[bytes], emit: Emit, entry: Entry) -> Image:
        staging = self._house.instance.staging
        if options.remote:
            context, name = await remote.receive(options.remote, options.dockerfile, staging)
            options = replace(options, dockerfile=name)
        else:
            context = await Context.receive(body, staging)
        try:
            parsed = await asyncio.to_thread(_read, context, options.dockerfile)
            dockerfile = _with_labels(parsed, options)
            drawn = plan(
                dockerfile, target=options.target, arguments=options.arguments, triggers=self._triggers,
                **_platforms(options),
            )  # fmt: skip
            output = Output(emit, stages=len(drawn.stages), quiet=options.quiet, steps=options.steps)
            for warning in dockerfile.warnings:
                await output.say({"stream": f"{warning}\n"})
            site = self._site(options, context, drawn, output, entry)
            self._sites.append(site)
            try:
                with site.held:
                    return await self._finish(site, await _built(site), entry.tags)
            finally:
                if site.recording:
                    await asyncio.wait(site.recording)
                self._sites.remove(site)
        finally:
            context.close()

    async def prune(self, *, all: bool, filters: Mapping[str, tuple[str, ...]], keep: int = 0) -> Pruned:
        busy = {image_id for site in self._sites for image_id in site.images}
        done = await prune(self._house, self.cache, all=all, filters=filters, keep=keep, busy=busy)
        if filters or keep:
            return done
        return replace(done, reclaimed=done.reclaimed + await self._caches.prune())

    def spare_steps(self) -> tuple[tuple[Image, int], ...]:
        """Steps that lead to no image, each with the bytes that are its own: what `prune` could take."""
        return spare(self._house)

    def _site(self, options: BuildOptions, context: Context, drawn: BuildPlan, output: Output, entry: Entry) -> Site:
        loop = asyncio.get_running_loop()
        return Site(
            house=self._house,
            cache=self.cache,
            options=options,
            context=context,
            plan=drawn,
            output=output,
            entry=entry,
            caches=self._caches,
            sources=self._sources(options.cache_from) if options.cache_from else None,
            secrets=self.secrets.take(options.secrets),
            stages={stage.index: loop.create_future() for stage in drawn.stages},
        )

    def _sources(self, names: Iterable[str]) -> frozenset[str]:
        """`--cache-from`: these images and the steps beneath them. A name that nothing has counts for nothing."""
        found: set[str] = set()
        for name in names:
            reference = name
            while reference and reference not in found:
                try:
                    image = self._house.images.get(reference)
                except (NotFound, InvalidRequest):
                    break
                found.add(image.id)
                reference = image.parent
        return frozenset(found)

    async def _finish(self, site: Site, image: Image | None, names: tuple[str, ...]) -> Image:
        if image is None:
            raise BuildFailed("No image was generated. Is your Dockerfile empty?")
        await asyncio.gather(*site.recording)
        image = await self._house.images.publish(image.id)
        warning = build_arguments.unused_warning(site.plan.unused_arguments(site.triggered))
        if warning:
            await site.output.say({"stream": f"{warning}\n"})
        await site.output.say({"stream": f"Successfully built {short(image.id)}\n"})
        for name in names:
            await self._house.images.tag(image.id, name)
            self._house.events.publish("image", "tag", image.id, {**image.labels, "name": name})
            await site.output.say({"stream": f"Successfully tagged {name}\n"})
        if site.options.quiet:
            await site.output.result(f"{image.id}\n")
        return self._house.images.get(image.id)

    def _triggers(self, name: str) -> Iterable[str]:
        """ONBUILD of an image, if it is here."""
        try:
            return self._house.images.get(name).settings.get("OnBuild") or ()
        except EngineError:
            return ()

    def _has(self, image_id: str) -> bool:
        try:
            self._house.images.get(image_id)
        except EngineError:
            return False
        return True


async def _built(site: Site) -> Image | None:
    """All stages beside each other. The target's image."""
    tasks: dict[int, asyncio.Task[Built]] = {}
    try:
        async with asyncio.TaskGroup() as group:
            for stage in site.plan.stages:
                tasks[stage.index] = group.create_task(
                    _build_stage(site, stage.index, StageBuild(site, stage, site.output.voice()))
                )
    except BaseExceptionGroup as errors:
        await site.output.failed()
        raise _first(errors) from None
    return tasks[site.plan.target.index].result().image


async def _build_stage(site: Site, index: int, work: StageBuild) -> Built:
    """Waits for another stage only where a step needs it."""
    built = await work.build()
    site.stages[index].set_result(built)
    return built


def _read(context: Context, name: str) -> Dockerfile:
    """Takes as long as the context and the file are large."""
    return parse(context.prepare(name), name)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What was wrong first; the other stages were only cut off."""
    return next((error for error in errors.exceptions if isinstance(error, EngineError)), errors.exceptions[0])


def _name(tag: str) -> str:
    name = references.parse(tag)
    if name.digest:
        raise InvalidRequest("refusing to create a tag with a digest reference")
    return name.tagged().familiar


def _platforms(options: BuildOptions) -> dict[str, str]:
    here = platforms.host()
    own = "/".join(part for part in (here.os, here.architecture, here.variant) if part)
    return {"platform": options.platform or own, "build_platform": own}


def _with_labels(dockerfile: Dockerfile, options: BuildOptions) -> Dockerfile:
    """--label: more instructions at the end of the target."""
    if not options.labels or not dockerfile.stages:
        return dockerfile
    names = [start.name for start, _ in dockerfile.stages]
    wanted = names.index(options.target.lower()) if options.target.lower() in names else len(names) - 1
    start, instructions = dockerfile.stages[wanted]
    last: Instruction = instructions[-1] if instructions else start
    labels = tuple(
        Label(location=last.location, text=f"LABEL {name}={value}", pairs=((_literal(name), _literal(value)),))
        for name, value in sorted(options.labels.items())
    )
    stages = (*dockerfile.stages[:wanted], (start, (*instructions, *labels)), *dockerfile.stages[wanted + 1 :])
    return replace(dockerfile, stages=stages)


def _literal(word: str) -> str:
    """A word of which nothing is to be replaced."""
    return "'" + word.replace("'", "'\"'\"'") + "'"
