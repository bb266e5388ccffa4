"""Which words of which instruction have their variables replaced. The grammar of one word is `shell_word`.

What RUN, CMD, ENTRYPOINT, SHELL and a health check run is left to the shell that will run it; ONBUILD's trigger is
expanded where it is triggered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from kernel_engine.formats.dockerfile import mounts
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import (
    Add,
    Arg,
    Copy,
    Env,
    Expose,
    Heredoc,
    Instruction,
    Label,
    Run,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from kernel_engine.formats.dockerfile.shell_word import Word

Kind = TypeVar("Kind", bound=Instruction)


def expand_word(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """One word with its variables replaced and its quotes taken away. DockerfileError(`failed to process "…": …`)."""
    return Word(word, variables, escape).text()


def expand(instruction: Kind, variables: Mapping[str, str], escape: str = "\\") -> Kind:
    """The instruction with its variables replaced.

    `variables` is what is known before it (ENV over ARG); all values of one instruction see the same. `escape` is the
    Dockerfile's. DockerfileError with the instruction's line and text.
    """
    replacer = _REPLACERS.get(type(instruction))
    if replacer is None:
        return instruction
    try:
        return replace(instruction, **replacer(instruction, _Expander(variables, escape)))
    except DockerfileError as error:
        line, text = instruction.location.start, instruction.text
        raise DockerfileError(error.reason, line=line, instruction=text) from None


class _Expander:
    def __init__(self, variables: Mapping[str, str], escape: str) -> None:
        self._variables = variables
        self._escape = escape

    def one(self, word: str) -> str:
        return Word(word, self._variables, self._escape).text()

    def each(self, words: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.one(word) for word in words)

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple((self.one(name), self.one(value)) for name, value in pairs)

    def split(self, words: Iterable[str]) -> tuple[str, ...]:
        """A variable may hold several words: EXPOSE's `$PORTS`."""
        return tuple(found for word in words for found in Word(word, self._variables, self._escape).words())

    def heredoc(self, body: Heredoc) -> Heredoc:
        """Variables and escapes (always `\\`), but quotes stay."""
        if not body.expand:
            return body
        return replace(body, content=Word(body.content, self._variables, quotes=False).text())


def _pairs(instruction: Env | Label, expander: _Expander) -> dict[str, Any]:
    return {"pairs": expander.pairs(instruction.pairs)}


def _copy(copy: Copy, expander: _Expander) -> dict[str, Any]:
    return {
        "sources": expander.each(copy.sources),
        "destination": expander.one(copy.destination),
        "heredocs": tuple(expander.heredoc(body) for body in copy.heredocs),
        "chown": expander.one(copy.chown),
        "chmod": expander.one(copy.chmod),
    }


def _add(add: Add, expander: _Expander) -> dict[str, Any]:
    return {**_copy(add, expander), "checksum": expander.one(add.checksum)}


def _arg(arg: Arg, expander: _Expander) -> dict[str, Any]:
    return {
        "arguments": tuple(
            (expander.one(name), value if value is None else expander.one(value)) for name, value in arg.arguments
        )
    }


def _run(run: Run, expander: _Expander) -> dict[str, Any]:
    return {"mounts": tuple(mounts.read(text, expander.one) for text in run.mount_flags)}


_REPLACERS: dict[type[Instruction], Callable[[Any, _Expander], dict[str, Any]]] = {
    Add: _add,
    Arg: _arg,
    Copy: _copy,
    Env: _pairs,
    Expose: lambda expose, expander: {"ports": expander.split(expose.ports)},
    Label: _pairs,
    Run: _run,
    StopSignal: lambda stop, expander: {"signal": expander.one(stop.signal)},
    User: lambda user, expander: {"user": expander.one(user.user)},
    Volume: lambda volume, expander: {"paths": expander.each(volume.paths)},
    Workdir: lambda workdir, expander: {"path": expander.one(workdir.path)},
}
