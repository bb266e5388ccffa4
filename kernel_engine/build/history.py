"""What `docker history` shows of a step: the words of Docker's classic builder (moby, `dispatchers.go`). Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kernel_engine.formats.dockerfile.instructions import (
    Arg,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from kernel_engine.formats.dockerfile.settings import Settings


def run_words(words: Sequence[str], arguments: Sequence[str], *, any: bool) -> str:
    """`|2 A=1 B=2 /bin/sh -c apt-get update`. any: there are arguments, though perhaps none that may be shown."""
    before = (f"|{len(arguments)}", *arguments) if any else ()
    return " ".join((*before, *words))


def nop(comment: str, shell: Sequence[str]) -> str:
    """A step that starts no program of its own."""
    return f"{' '.join(shell)} #(nop) {comment}"


def copied(keyword: str, what: str, destination: str, chown: str, shell: Sequence[str]) -> str:
    """what: `file:<hash>`, `dir:<hash>`, `multi:<hash>`; destination: as it is written."""
    return nop(f"{keyword} {f'--chown={chown} ' if chown else ''}{what} in {destination} ", shell)


def setting_words(instruction: Instruction, after: Settings) -> str:
    """An instruction that only changes settings; its variables are replaced. after: the settings that it made."""
    comment = _COMMENTS[type(instruction)](instruction, after)
    space = "" if isinstance(instruction, Workdir) else " "
    return nop(f"{space}{comment}", after.shell)


def quoted(words: Iterable[str]) -> str:
    """Go's %q of a list of strings."""
    return f"[{' '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"


def _pairs(keyword: str, pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join((keyword, *(f"{name}={value}" for name, value in pairs)))


def _arg(arg: Arg, after: Settings) -> str:
    return " ".join(("ARG", *(name if value is None else f"{name}={value}" for name, value in arg.arguments)))


def _healthcheck(check: Healthcheck, after: Settings) -> str:
    """Go's %q of a pointer to a structure, odd as it is."""
    found = after.config["Healthcheck"]
    times = " ".join(
        f'"{_duration(found.get(key, 0))}"' for key in ("Interval", "Timeout", "StartPeriod", "StartInterval")
    )
    return f"HEALTHCHECK &{{{quoted(found['Test'])} {times} '\\x{found.get('Retries', 0):02x}'}}"


def _duration(nanoseconds: int) -> str:
    """Go's time.Duration.String, for whole milliseconds and more."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if not seconds:
        return f"{rest / 1_000_000:g}ms" if rest else "0s"
    hours, minutes = seconds // 3600, seconds // 60 % 60
    text = f"{seconds % 60 + rest / 1_000_000_000:g}s"
    if seconds >= 60:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


_COMMENTS: dict[type[Instruction], Callable[[Any, Settings], str]] = {
    Arg: _arg,
    Cmd: lambda cmd, after: f"CMD {quoted(after.config['Cmd'])}",
    Entrypoint: lambda entrypoint, after: f"ENTRYPOINT {quoted(after.config['Entrypoint'])}",
    Env: lambda env, after: _pairs("ENV", env.pairs),
    Expose: lambda expose, after: " ".join(("EXPOSE", *expose.ports)),
    Healthcheck: _healthcheck,
    Label: lambda label, after: _pairs("LABEL", label.pairs),
    Maintainer: lambda maintainer, after: f"MAINTAINER {maintainer.name}",
    OnBuild: lambda on_build, after: f"ONBUILD {on_build.trigger}",
    Shell: lambda shell, after: f"SHELL [{' '.join(shell.words)}]",
    StopSignal: lambda stop, after: f"STOPSIGNAL {stop.signal}",
    User: lambda user, after: f"USER {user.user}",
    Volume: lambda volume, after: f"VOLUME [{' '.join(volume.paths)}]",
    Workdir: lambda workdir, after: f"WORKDIR {after.config['WorkingDir']}",
}
