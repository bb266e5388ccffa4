"""What the instructions that touch no file do to an image's settings: CMD, ENTRYPOINT, ENV, LABEL, EXPOSE, VOLUME,
USER, WORKDIR, STOPSIGNAL, HEALTHCHECK, SHELL, ONBUILD and MAINTAINER. Pure: settings in, settings out.

An instruction comes here with its variables replaced (`expansion`). RUN, COPY, ADD, ARG and FROM leave the settings as
they are; the words of a RUN are `run_words`. The effects are those of Docker's builder (`dispatchers.go`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.dockerfile import heredocs, ports
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import (
    Cmd,
    CommandLine,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from kernel_engine.formats.environment import DEFAULT_PATH, override_environment
from kernel_engine.formats.signals import parse_signal

DEFAULT_SHELL = ("/bin/sh", "-c")
#: where the file of `RUN <<EOF` with a `#!` line stands while it runs
SCRIPTS = "/dev/pipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An image's `config` object (Docker's and OCI's shape: Env, Cmd, Labels, …) in the middle of a stage."""

    config: Mapping[str, Any] = field(default_factory=dict)
    author: str = ""
    #: CMD stood in this stage: ENTRYPOINT leaves it then, and clears an inherited one
    command_set: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """ENV as names and values."""
        pairs = (item.partition("=") for item in self.config.get("Env") or ())
        return {name: value for name, _, value in pairs}

    @property
    def shell(self) -> tuple[str, ...]:
        """What stands before a line in shell form."""
        return tuple(self.config.get("Shell") or DEFAULT_SHELL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What a RUN starts: argument words, and the script that must stand, executable, at `SCRIPTS`/name."""

    words: tuple[str, ...]
    script: Heredoc | None = None


def start(config: Mapping[str, Any] | None) -> tuple[Settings, tuple[str, ...]]:
    """A stage's settings after FROM, and the base image's triggers, to be run next. None: FROM scratch.

    The author of the base image is not inherited, its triggers are used up, and a PATH is there in any case.
    """
    found = dict(config or {})
    triggers = tuple(found.pop("OnBuild", None) or ())
    environment = list(found.get("Env") or ())
    if not any(item.partition("=")[0] == "PATH" for item in environment):
        found["Env"] = [*environment, f"PATH={DEFAULT_PATH}"]
    return Settings(config=found), triggers


def apply(instruction: Instruction, settings: Settings) -> Settings:
    """The settings after an instruction. DockerfileError with Docker's text, the line and the instruction."""
    effect = _EFFECTS.get(type(instruction))
    if effect is None:
        return settings
    try:
        return effect(settings, instruction)
    except InvalidRequest as error:
        line, text = instruction.location.start, instruction.text
        raise DockerfileError(error.message, line=line, instruction=text) from None


def note(instruction: Instruction, settings: Settings) -> str:
    """What Docker remarks before an instruction's effect: a health check that another one replaces."""
    before = (settings.config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if not isinstance(instruction, Healthcheck) or before[0] == "NONE":
        return ""
    return f"Note: overriding previous HEALTHCHECK: [{' '.join(before)}]"


def command_words(command: CommandLine, shell: tuple[str, ...]) -> tuple[str, ...]:
    """The words that an image holds of a CMD or ENTRYPOINT."""
    return (*shell, *command.words) if command.shell else command.words


def run_process(run: Run, shell: tuple[str, ...]) -> Process:
    """`RUN <<EOF` gives the shell the text, or is a file of its own where that starts with `#!`; any other heredoc is
    left to the shell to read.
    """
    if not run.heredocs or not run.command.words:
        return Process(words=command_words(run.command, shell))
    line = run.command.words[0]
    script = heredocs.script(line, run.heredocs)
    if script:
        return Process(words=(f"{SCRIPTS}/{script.name}",), script=script)
    return Process(words=(*shell, heredocs.shell_line(line, run.heredocs)))


def _with(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, config={**settings.config, **changes})


def _cmd(settings: Settings, cmd: Cmd) -> Settings:
    changed = _with(settings, Cmd=list(command_words(cmd.command, settings.shell)))
    return replace(changed, command_set=settings.command_set or bool(cmd.command.words))


def _entrypoint(settings: Settings, entrypoint: Entrypoint) -> Settings:
    words = list(command_words(entrypoint.command, settings.shell)) if entrypoint.command.words else []
    changed = _with(settings, Entrypoint=words)
    if settings.command_set:
        return changed
    return replace(changed, config={key: value for key, value in changed.config.items() if key != "Cmd"})


def _env(settings: Settings, env: Env) -> Settings:
    changes = tuple(f"{name}={value}" for name, value in env.pairs)
    for change in changes:
        if change.startswith("="):
            raise DockerfileError(f"invalid environment variable: {change}")
    return _with(settings, Env=list(override_environment(settings.config.get("Env") or (), changes)))


def _label(settings: Settings, label: Label) -> Settings:
    return _with(settings, Labels={**(settings.config.get("Labels") or {}), **dict(label.pairs)})


def _expose(settings: Settings, expose: Expose) -> Settings:
    found: dict[str, Any] = {port: {} for port in ports.exposed(expose.ports)}
    if not found:
        return settings
    return _with(settings, ExposedPorts={**(settings.config.get("ExposedPorts") or {}), **found})


def _volume(settings: Settings, volume: Volume) -> Settings:
    if not all(volume.paths):
        raise DockerfileError("VOLUME specified can not be an empty string")
    found: dict[str, Any] = {path: {} for path in volume.paths}
    return _with(settings, Volumes={**(settings.config.get("Volumes") or {}), **found})


def _user(settings: Settings, user: User) -> Settings:
    return _with(settings, User=user.user)


def _workdir(settings: Settings, workdir: Workdir) -> Settings:
    path = workdir.path
    if not path:
        raise DockerfileError("cannot normalize nothing")
    if not path.startswith("/"):
        joined = posixpath.join("/", settings.config.get("WorkingDir") or "", path)
        path = "/" + posixpath.normpath(joined).lstrip("/")
    return _with(settings, WorkingDir=path)


def _stop_signal(settings: Settings, stop: StopSignal) -> Settings:
    parse_signal(stop.signal)
    return _with(settings, StopSignal=stop.signal)


def _healthcheck(settings: Settings, check: Healthcheck) -> Settings:
    if check.command is None:
        return _with(settings, Healthcheck={"Test": ["NONE"]})
    found = {
        "Test": ["CMD-SHELL" if check.command.shell else "CMD", *check.command.words],
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return _with(settings, Healthcheck={key: value for key, value in found.items() if value})


def _shell(settings: Settings, shell: Shell) -> Settings:
    return _with(settings, Shell=list(shell.words))


def _on_build(settings: Settings, on_build: OnBuild) -> Settings:
    return _with(settings, OnBuild=[*(settings.config.get("OnBuild") or ()), on_build.trigger])


def _maintainer(settings: Settings, maintainer: Maintainer) -> Settings:
    return replace(settings, author=maintainer.name)


_EFFECTS: dict[type[Instruction], Callable[[Settings, Any], Settings]] = {
    Cmd: _cmd,
    Entrypoint: _entrypoint,
    Env: _env,
    Expose: _expose,
    Healthcheck: _healthcheck,
    Label: _label,
    Maintainer: _maintainer,
    OnBuild: _on_build,
    Shell: _shell,
    StopSignal: _stop_signal,
    User: _user,
    Volume: _volume,
    Workdir: _workdir,
}
