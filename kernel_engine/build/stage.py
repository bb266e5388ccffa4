"""One stage: FROM, the base image's triggers, then its instructions one after the other."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kernel_engine.build import base, copy_step, history, run_mounts, run_step
from kernel_engine.build.cache import Question
from kernel_engine.build.copy_step import Copying
from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.events import Reason, Step
from kernel_engine.build.output import Voice
from kernel_engine.build.plan import SCRATCH, Stage
from kernel_engine.build.run_step import Program
from kernel_engine.build.site import Built, Site
from kernel_engine.build.tree import Tree
from kernel_engine.errors import EngineError
from kernel_engine.formats.dockerfile import settings as effects
from kernel_engine.formats.dockerfile.expansion import expand
from kernel_engine.formats.dockerfile.instructions import Add, Arg, Copy, Instruction, Run, Workdir
from kernel_engine.formats.dockerfile.parse import parse_instruction
from kernel_engine.formats.dockerfile.settings import Settings
from kernel_engine.images.digest import short
from kernel_engine.storage.refusal import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from kernel_engine.images.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step."""

    cached: bool
    reason: Reason = ""
    detail: str = ""


class StageBuild:
    """`await StageBuild(site, stage, voice).build()`."""

    def __init__(self, site: Site, stage: Stage, voice: Voice) -> None:
        self._site = site
        self._stage = stage
        self._voice = voice
        self._image: Image | None = None
        self._settings = Settings()
        self._arguments = site.plan.arguments
        self._missed = False  #: a step of this stage was built anew

    async def build(self) -> Built:
        await self._step(self._stage.step, self._stage.start, self._from)
        for number, instruction in enumerate(self._stage.instructions, self._stage.step + 1):
            await self._step(number, instruction, partial(self._do, instruction, number))
        if self._image is not None:
            await self._voice.say({"aux": {"ID": self._image.id}})
        await self._voice.end()
        return Built(image=self._image, settings=self._settings, arguments=self._arguments)

    async def _step(self, number: int, instruction: Instruction, work: Callable[[], Awaitable[Outcome]]) -> None:
        """Docker's lines and our events around one step."""
        started = time.monotonic()
        await self._voice.stream(f"Step {number}/{self._site.plan.steps} : {instruction.text}")
        await self._voice.stream("\n")
        event = await self._tell(self._event(number, instruction))
        before = self._image
        try:
            outcome = await work()
        except (EngineError, OSError, sqlite3.Error) as error:
            failure = self._placed(error, instruction)
            seconds = round(time.monotonic() - started, 6)
            await self._tell(
                replace(event, state="failed", error=failure.message, detail=failure.detail, seconds=seconds)
            )
            raise failure from error
        await self._voice.stream(f" ---> {short(self._image.id) if self._image else ''}\n")
        await self._tell(
            replace(
                event,
                state="cached" if outcome.cached else "done",
                reason=outcome.reason,
                detail=outcome.detail,
                seconds=round(time.monotonic() - started, 6),
                image=self._image.id if self._image else "",
                **_layer(before, self._image, instruction is self._stage.start),
            )
        )

    async def _tell(self, event: Step) -> Step:
        self._site.entry.steps[event.step] = event
        await self._voice.event(event)
        return event

    def _event(self, number: int, instruction: Instruction) -> Step:
        return Step(
            step=number,
            total=self._site.plan.steps,
            stage=self._stage.label,
            instruction=instruction.keyword,
            text=instruction.text,
            line=instruction.location.start,
            end_line=instruction.location.end,
        )

    def _placed(self, error: EngineError | OSError | sqlite3.Error, instruction: Instruction) -> BuildFailed:
        if isinstance(error, BuildFailed) and error.line:
            return error
        if isinstance(error, sqlite3.Error):
            message = refusal("record the step", error).message
        elif isinstance(error, OSError):
            message = (error.strerror or str(error)).lower()
        else:
            message = error.message
        return BuildFailed(
            message,
            code=error.code if isinstance(error, BuildFailed) else 0,
            detail=error.detail if isinstance(error, BuildFailed) else "",
            file=self._site.plan.dockerfile.name,
            line=instruction.location.start,
            instruction=instruction.text,
        )

    # FROM -------------------------------------------------------------------------------------------------------
    async def _from(self) -> Outcome:
        outcome = await self._stand_on_base()
        config = self._image.settings if self._image is not None else None
        self._settings, triggers = effects.start(config)
        if triggers:
            plural = "" if len(triggers) == 1 else "s"
            await self._voice.stream(f"# Executing {len(triggers)} build trigger{plural}\n")
        for trigger in triggers:
            instruction = replace(parse_instruction(trigger), location=self._stage.start.location)
            if isinstance(instruction, Arg):
                self._site.triggered.append(instruction)
            done = await self._do(instruction, self._stage.step)
            outcome = outcome if done.cached else done
        return outcome

    async def _stand_on_base(self) -> Outcome:
        source = self._stage.base
        if source.stage is not None:
            built = await asyncio.shield(self._site.stages[source.stage])
            self._image, self._arguments = built.image, built.arguments
            return Outcome(cached=True, reason="same")
        if source.image == SCRATCH:
            return Outcome(cached=True, reason="same")
        self._image, was_here = await base.find(self._site, source.image, self._stage.platform, self._voice)
        return Outcome(cached=was_here, reason="same" if was_here else "")

    # instructions -----------------------------------------------------------------------------------------------
    async def _do(self, instruction: Instruction, number: int) -> Outcome:
        variables = self._arguments.variables(self._settings.environment)
        expanded = expand(instruction, variables, self._site.plan.dockerfile.escape)
        if isinstance(expanded, Run):
            return await self._run(expanded, number)
        if isinstance(expanded, Copy):
            return await self._copy(expanded)
        if isinstance(expanded, Workdir):
            return await self._workdir(expanded)
        if isinstance(expanded, Arg):
            self._arguments = self._arguments.declare(expanded)
        else:
            note = effects.note(expanded, self._settings)
            if note:
                await self._voice.stream(f"{note}\n")
            self._settings = effects.apply(expanded, self._settings)
        created_by = history.setting_words(expanded, self._settings)
        return await self._made(Question(**self._question(created_by)), created_by)

    def _question(self, words: str) -> dict[str, Any]:
        return {
            "parent": self._image.id if self._image else "",
            "instruction": words,
            "epoch": self._site.options.epoch,
        }

    async def _run(self, run: Run, number: int) -> Outcome:
        environment = self._settings.environment
        process = effects.run_process(run, self._settings.shell)
        working_dir = str(self._settings.config.get("WorkingDir") or "/")
        mounts = await run_mounts.find(self._site, run, process, working_dir, self._image_of)
        program = Program(
            run=run,
            process=process,
            settings=self._settings,
            arguments=self._arguments.for_run(environment),
            host=self._site.options.host,
            mounts=mounts,
        )
        seen = self._arguments.in_cache(environment)
        flags = () if run.network == "default" else (f"--network={run.network}",)
        words = " ".join((*flags, *mounts.words, *process.words))
        question = Question(**self._question(words), arguments=seen, content=mounts.content, files=mounts.files)
        outcome = await self._cached(question)
        if outcome.cached:
            return outcome
        async with AsyncExitStack() as stack:
            ran = await run_step.run(self._site, program, self._image, self._voice, number, stack)
            await self._add(question, history.run_words(process.words, seen, any=bool(program.arguments)), ran.upper)
        await self._voice.stream(f"Removing intermediate container {ran.container_id[:12]}\n")
        return outcome

    async def _copy(self, copy: Copy) -> Outcome:
        keyword = "ADD" if isinstance(copy, Add) else "COPY"
        working_dir = str(self._settings.config.get("WorkingDir") or "/")
        copying = await copy_step.prepare(self._site, copy, await self._source(copy.from_), working_dir)
        try:
            words = " ".join((keyword, *copy_step.words(copy), copying.shown_destination))
            content = await self._content(copy, copying, words)
            question = Question(**self._question(words), content=content, files=copying.selection.shown)
            outcome = await self._cached(question)
            if not outcome.cached:
                with copy_step.place_on(self._site, self._image) as place:
                    await copy_step.copy_files(self._site, copying, place)
                    what = copying.selection.described(content)
                    shown = history.copied(keyword, what, copy.destination, copy.chown, self._settings.shell)
                    await self._add(question, shown, place.upper)
            return outcome
        finally:
            copying.close()

    async def _content(self, copy: Copy, copying: Copying, words: str) -> str:
        """The digest of all that is taken; what an image's layers hold is read once, for they never change."""
        if not copy.from_:
            return await asyncio.to_thread(copying.selection.digest)
        image = await self._image_of(copy.from_)
        place = (image.chain_id if image else None, words)
        known = self._site.cache.contents.get(place)
        if known is None:
            try:
                known = await asyncio.to_thread(copying.selection.digest)
            except RecursionError:
                raise BuildFailed(f"COPY failed: {copy.from_} holds directories that are nested too deeply") from None
            self._site.cache.contents.put(place, known)
        return known

    async def _source(self, word: str) -> Tree:
        """The files that a `--from` names; the context where there is none."""
        if not word:
            return self._site.context.tree
        image = await self._image_of(word)
        if image is None:
            return Tree()
        known = self._site.trees.get(image.chain_id)
        if known is None:
            known = self._site.trees[image.chain_id] = copy_step.tree_of(self._site, image)
        return known

    async def _image_of(self, word: str) -> Image | None:
        source = self._site.plan.source(self._stage, word)
        if source.stage is not None:
            return (await asyncio.shield(self._site.stages[source.stage])).image
        return (await base.find(self._site, source.image, "", self._voice))[0]

    async def _workdir(self, workdir: Workdir) -> Outcome:
        self._settings = effects.apply(workdir, self._settings)
        words = history.setting_words(workdir, self._settings)
        question = Question(**self._question(words))
        outcome = await self._cached(question)
        if outcome.cached:
            return outcome
        path = str(self._settings.config["WorkingDir"])
        if copy_step.is_there(self._site, self._image, path):
            await self._add(question, words, None)
            return outcome
        with copy_step.place_on(self._site, self._image) as place:
            await copy_step.make_working_directory(self._site, path, place)
            await self._add(question, words, place.upper)
        return outcome

    # results ----------------------------------------------------------------------------------------------------
    async def _made(self, question: Question, created_by: str, upper: Path | None = None) -> Outcome:
        """The step's image, found or made; `upper` is what it changes."""
        outcome = await self._cached(question)
        if not outcome.cached:
            await self._add(question, created_by, upper)
        return outcome

    async def _cached(self, question: Question) -> Outcome:
        """Takes the step's image where it is known; else why it is not."""
        if self._site.options.no_cache:
            self._site.expect_work()
            return Outcome(cached=False, reason="no-cache")
        found, sources = self._site.cache.find(question), self._site.sources
        counts = sources is None or found in sources
        if found is not None and counts:
            self._image = self._site.hold(self._site.house.images.get(found))
            await self._voice.stream(" ---> Using cache\n")
            return Outcome(cached=True, reason="same")
        self._site.expect_work()
        if self._missed:
            return Outcome(cached=False, reason="parent")
        if found is not None:
            return Outcome(cached=False, reason="source")
        reason, detail = await self._site.cache.why(question)
        return Outcome(cached=False, reason=reason, detail=detail)

    async def _add(self, question: Question, created_by: str, upper: Path | None) -> None:
        site = self._site
        made = await site.house.images.add(
            parent=self._image,
            config=self._settings.config,
            upper=upper,
            take=True,
            latest=site.options.epoch,
            created_by=created_by,
            author=self._settings.author,
            created=site.created(),
            step=True,
        )
        self._image = site.hold(made)
        self._missed = True
        site.recording.append(site.house.later(site.cache.remember(question, made.id)))


def _layer(before: Image | None, after: Image | None, is_from: bool) -> Mapping[str, Any]:
    """The layer that a step has put on top."""
    if is_from or after is None:
        return {}
    beneath = before.diff_ids if before else ()
    if len(after.diff_ids) <= len(beneath):
        return {}
    return {"layer": after.diff_ids[-1], "size": after.size - (before.size if before else 0)}
