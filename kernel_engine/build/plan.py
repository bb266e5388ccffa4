"""Which stages a target needs, in which order, and from where each takes files: a Dockerfile as a plan. Pure.

Only what stands before any image is known is decided here: FROM lines with their variables, `--from`, the target. Words
that depend on a base image's environment stay raw; `formats.dockerfile.expansion` replaces them step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from kernel_engine.build.arguments import Arguments, unused
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.expansion import expand, expand_word
from kernel_engine.formats.dockerfile.instructions import Arg, Copy, Dockerfile, From, Instruction, OnBuild, Run
from kernel_engine.formats.dockerfile.parse import parse_instruction
from kernel_engine.images import platforms

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where files come from: a stage of this Dockerfile (its index), or an image."""

    stage: int | None = None
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """FROM and what follows it.

    `index` is its place in the file, from 0 (what `--from=0` names). `base` is the stage it stands on, an image, or an
    image named `scratch` (nothing). `step` is the number of its FROM among `BuildPlan.steps`; its instructions follow
    with step+1, step+2, …. `needs` are the stages that must be built before it.
    """

    index: int
    name: str
    start: From  #: as written
    base: Source
    platform: str  #: with its variables replaced; empty: the build's own
    instructions: tuple[Instruction, ...]
    sources: Mapping[str, Source]  #: each word that a `--from` of COPY or RUN --mount holds
    needs: tuple[int, ...] = ()
    step: int = 0

    @property
    def label(self) -> str:
        """Its name, or its number where it has none."""
        return self.name or str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The stages that the target needs, each after those that it needs; the last one is the target.

    Steps are numbered as Docker prints them: first each of `global_arguments` (1, 2, …), then stage by stage.
    """

    dockerfile: Dockerfile
    global_arguments: tuple[Arg, ...]  #: ARG before FROM, as written
    stages: tuple[Stage, ...]
    steps: int  #: the N of `Step 1/N`
    arguments: Arguments  #: what each stage on an image starts with

    @property
    def target(self) -> Stage:
        return self.stages[-1]

    def stage(self, index: int) -> Stage:
        """A needed stage by its place in the file."""
        return next(stage for stage in self.stages if stage.index == index)

    def source(self, stage: Stage, word: str) -> Source:
        """What a `--from` means in a stage; a word that only a trigger of its base image holds is looked up now."""
        if word in stage.sources:
            return stage.sources[word]
        before = (other for other in self.stages if other.index < stage.index)
        named = (other.index for other in before if word.lower() in (other.name, str(other.index)))
        index = next(named, None)
        return Source(image=word) if index is None else Source(stage=index)

    def images(self) -> tuple[str, ...]:
        """Every image that must be here, once each, in order of use; `scratch` is none."""
        used = (source for stage in self.stages for source in (stage.base, *stage.sources.values()))
        return tuple(dict.fromkeys(source.image for source in used if source.image and source.image != SCRATCH))

    def unused_arguments(self, triggered: Iterable[Arg] = ()) -> tuple[str, ...]:
        """Arguments that were given and that no ARG took; `triggered` are those of the base images' ONBUILD."""
        stages = (instruction for stage in self.stages for instruction in stage.instructions)
        taken = (item for item in (*self.global_arguments, *stages, *triggered) if isinstance(item, Arg))
        return unused(self.arguments.given, (name for arg in taken for name, _ in arg.arguments))


def plan(
    dockerfile: Dockerfile,
    *,
    target: str = "",
    arguments: Mapping[str, str | None] | None = None,
    platform: str = "linux/amd64",
    build_platform: str = "linux/amd64",
    triggers: Callable[[str], Iterable[str]] = lambda image: (),
) -> BuildPlan:
    """The plan for a target stage (a name; empty: the last stage).

    `arguments` are the caller's --build-arg values, `platform` is what is built for, `build_platform` this machine.
    `triggers` gives the ONBUILD texts of an image, as far as they are known: a stage that one of them copies from is
    needed too.
    DockerfileError with Docker's texts for an unknown target or stage, a name used twice, a stage that needs itself.
    """
    if not dockerfile.stages:
        raise DockerfileError("no build stage in current context", file=dockerfile.name)
    for name, value in (arguments or {}).items():
        if "\0" in name or "\0" in (value or ""):
            raise DockerfileError(f"build-arg {name!r}: a NUL byte stands in it", file=dockerfile.name)
    wanted = _target(dockerfile, target)
    scope = Arguments(given=dict(arguments or {}), shared=_platforms(platform, build_platform, target or "default"))
    try:
        scope = _global_arguments(dockerfile, scope)
        stages = _Stages(dockerfile, scope, triggers).all()
    except DockerfileError as error:
        raise DockerfileError(
            error.reason, file=dockerfile.name, line=error.line, instruction=error.instruction
        ) from None
    chosen = _numbered(stages, _needed(stages, wanted), first=len(dockerfile.arguments) + 1)
    last = chosen[-1]
    return BuildPlan(
        dockerfile=dockerfile,
        global_arguments=dockerfile.arguments,
        stages=chosen,
        steps=last.step + len(last.instructions),
        arguments=scope,
    )


def _target(dockerfile: Dockerfile, target: str) -> int:
    names = [start.name for start, _ in dockerfile.stages]
    if not target:
        return len(names) - 1
    if target.lower() not in names:
        raise DockerfileError(f"failed to reach build target {target} in Dockerfile", file=dockerfile.name)
    return names.index(target.lower())


def _platforms(target: str, build: str, stage: str) -> dict[str, str]:
    """The arguments that BuildKit defines before the first line."""
    found = {"TARGETSTAGE": stage}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        os, _, rest = platform.partition("/")
        architecture, _, variant = rest.partition("/")
        parts = {"PLATFORM": platform, "OS": os, "ARCH": architecture, "VARIANT": variant}
        found.update({prefix + name: value for name, value in parts.items()})
    return found


def _global_arguments(dockerfile: Dockerfile, scope: Arguments) -> Arguments:
    """ARG before FROM, one after the other: what they say counts for FROM lines, and for a stage that names them."""
    shared = {name: scope.given.get(name) or value for name, value in scope.shared.items()}
    for arg in dockerfile.arguments:
        said = expand(arg, {**scope.values(), **shared}, dockerfile.escape)
        for name, default in said.arguments:
            given = scope.given.get(name)
            value = given if given is not None else default
            if value is not None:
                shared[name] = value
    return replace(scope, shared=shared)


def _needed(stages: tuple[Stage, ...], target: int) -> set[int]:
    needed: set[int] = set()
    left = [target]
    while left:
        index = left.pop()
        if index not in needed:
            needed.add(index)
            left += stages[index].needs
    return needed


def _numbered(stages: tuple[Stage, ...], needed: set[int], first: int) -> tuple[Stage, ...]:
    """The needed ones in the file's order: a stage stands after all that it needs."""
    chosen: list[Stage] = []
    for stage in stages:
        if stage.index in needed:
            chosen.append(replace(stage, step=first))
            first += 1 + len(stage.instructions)
    return tuple(chosen)


class _Stages:
    """Connects the stages. A stage is known by its name, or by its number, to those that come after it."""

    def __init__(self, dockerfile: Dockerfile, scope: Arguments, triggers: Callable[[str], Iterable[str]]) -> None:
        self._dockerfile = dockerfile
        self._triggers = triggers
        self._variables = {**scope.values(), **scope.shared}
        self._indexes: dict[str, int] = {}
        for index, (start, _) in enumerate(dockerfile.stages):
            if start.name in self._indexes:
                raise _at(start, f"{start.name} stage name already used")
            if start.name:
                self._indexes[start.name] = index

    def all(self) -> tuple[Stage, ...]:
        bases = [self._base(index, start) for index, (start, _) in enumerate(self._dockerfile.stages)]
        self._refuse_circles(bases)
        return tuple(self._stage(index, base) for index, base in enumerate(bases))

    def _stage(self, index: int, base: Source) -> Stage:
        start, instructions = self._dockerfile.stages[index]
        sources = {word: self._source(index, word, user) for word, user in _froms(instructions)}
        for word, user in _froms(self._triggered(base)):
            with suppress(DockerfileError):  # it is said when the trigger's turn comes
                sources.setdefault(word, self._source(index, word, user))
        used = (source.stage for source in (base, *sources.values()))
        return Stage(
            index=index,
            name=start.name,
            start=start,
            base=base,
            platform=self._platform(start),
            instructions=instructions,
            sources=sources,
            needs=tuple(sorted({stage for stage in used if stage is not None})),
        )

    def _triggered(self, base: Source) -> Iterator[Instruction]:
        """What the base has its children do."""
        if base.stage is None:
            texts = () if base.image == SCRATCH else self._triggers(base.image)
        else:
            body = self._dockerfile.stages[base.stage][1]
            texts = (instruction.trigger for instruction in body if isinstance(instruction, OnBuild))
        for text in texts:
            with suppress(DockerfileError):
                yield parse_instruction(text)

    def _word(self, start: From, word: str) -> str:
        try:
            return expand_word(word, self._variables, self._dockerfile.escape)
        except DockerfileError as error:
            raise _at(start, error.reason) from None

    def _base(self, index: int, start: From) -> Source:
        image = self._word(start, start.image)
        if not image:
            raise _at(start, f"base name ({start.image}) should not be blank")
        before = self._indexes.get(image.lower(), index)
        return Source(stage=before) if before < index else Source(image=image)

    def _platform(self, start: From) -> str:
        if not start.platform:
            return ""
        platform = self._word(start, start.platform)
        if not platform:
            raise _at(start, f"empty platform value from expression {start.platform}")
        try:
            return str(platforms.parse(platform))
        except InvalidRequest as error:
            raise _at(start, f"failed to parse platform {platform}: {error.message}") from None

    def _source(self, index: int, word: str, user: Instruction) -> Source:
        if "$" in word:
            text = "variable expansion is not supported for --from, "
            raise _at(user, text + "define a new stage with FROM using ARG from global scope as a workaround")
        if word.isascii() and word.isdecimal():
            number = int(word[:9])
            if number >= index:
                reason = "refers to current build stage" if number == index else "index out of bounds"
                raise _at(user, f"invalid from flag value {word}: {reason}")
            return Source(stage=number)
        found = self._indexes.get(word.lower())
        if found is None:
            return Source(image=word)
        if found > index:
            here = self._label(index)
            text = f'cannot copy from stage "{word}", it needs to be defined before current stage "{here}"'
            raise _at(user, text)
        return Source(stage=found)

    def _refuse_circles(self, bases: list[Source]) -> None:
        """A stage that waits for itself, over whichever others: said before a stage that is named too early."""
        waits: dict[int, dict[int, Instruction]] = {}
        for index, (start, instructions) in enumerate(self._dockerfile.stages):
            named = ((self._indexes.get(word.lower()), user) for word, user in _froms(instructions))
            waits[index] = {other: user for other, user in named if other is not None}
            if bases[index].stage is not None:
                waits[index][bases[index].stage or 0] = start
        try:
            TopologicalSorter({index: tuple(others) for index, others in waits.items()}).prepare()
        except CycleError as error:
            circle: list[int] = error.args[1]
            first = min(circle)
            user = next(user for other, user in waits[first].items() if other in circle)
            raise _at(user, f"circular dependency detected on stage: {self._label(first)}") from None

    def _label(self, index: int) -> str:
        """What BuildKit calls a stage in its errors."""
        return self._dockerfile.stages[index][0].name or f"stage-{index}"


def _froms(instructions: Iterable[Instruction]) -> Iterator[tuple[str, Instruction]]:
    for instruction in instructions:
        if isinstance(instruction, Copy) and instruction.from_:
            yield instruction.from_, instruction
        elif isinstance(instruction, Run):
            yield from ((mount.from_, instruction) for mount in instruction.mounts if mount.from_)


def _at(instruction: Instruction, reason: str) -> DockerfileError:
    return DockerfileError(reason, line=instruction.location.start, instruction=instruction.text)
