"""Given words → an instruction, one function a keyword. The second of two looks at a statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kernel_engine.formats.dockerfile import healthcheck, heredocs, mounts, options
from kernel_engine.formats.dockerfile.errors import DockerfileError, quote
from kernel_engine.formats.dockerfile.given import Given
from kernel_engine.formats.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
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

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)


def read(given: Given) -> Instruction:
    """DockerfileError with a reason only."""
    reader = _READERS.get(given.keyword)
    if reader is None:
        raise DockerfileError(f"unknown instruction: {given.keyword}")
    return reader(given)


def _place(given: Given) -> dict[str, Any]:
    return {"location": given.statement.location, "text": given.statement.text}


def _plain(given: Given) -> options.Options:
    return options.read(given.statement.flags)


def _exactly_one(given: Given) -> str:
    if len(given.words) != 1:
        raise DockerfileError(f"{given.keyword} requires exactly one argument")
    _plain(given)
    return given.words[0]


def _from(given: Given) -> From:
    name = ""
    if len(given.words) == 3 and given.words[1].lower() == "as":
        name = given.words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise DockerfileError(
                f"invalid name for build stage: {quote(given.words[2])}, "
                "name can't start with a number or contain symbols"
            )
    elif len(given.words) != 1:
        raise DockerfileError("FROM requires either one or three arguments")
    given_options = options.read(given.statement.flags, texts=("platform",))
    return From(**_place(given), image=given.words[0], name=name, platform=given_options.text("platform"))


def _run(given: Given) -> Run:
    found = options.read(given.statement.flags, texts=("network", "security"), lists=("mount",))
    network, security = found.text("network", "default"), found.text("security", "sandbox")
    understood = tuple(mounts.read(text) for text in found.all("mount"))
    if network not in ("default", "none", "host"):
        raise DockerfileError(f"invalid network mode {quote(network)}")
    if security not in ("sandbox", "insecure"):
        raise DockerfileError(f"security {quote(security)} is not valid")
    return Run(
        **_place(given),
        command=given.command,
        heredocs=given.statement.heredocs,
        mount_flags=found.all("mount"),
        mounts=understood,
        network=network,
        security=security,
    )


def _copy(given: Given) -> Copy:
    found = options.read(
        given.statement.flags, texts=("from", "chown", "chmod"), switches=("link", "parents"), lists=("exclude",)
    )
    return Copy(
        **_place(given),
        **_sources(given),
        from_=found.text("from"),
        chown=found.text("chown"),
        chmod=found.text("chmod"),
        link=bool(found.switch("link")),
        parents=bool(found.switch("parents")),
        exclude=found.all("exclude"),
    )


def _add(given: Given) -> Add:
    found = options.read(
        given.statement.flags,
        texts=("chown", "chmod", "checksum"),
        switches=("link", "keep-git-dir", "unpack"),
        lists=("exclude",),
    )
    return Add(
        **_place(given),
        **_sources(given),
        chown=found.text("chown"),
        chmod=found.text("chmod"),
        link=bool(found.switch("link")),
        exclude=found.all("exclude"),
        checksum=found.text("checksum"),
        keep_git_dir=bool(found.switch("keep-git-dir")),
        unpack=found.switch("unpack"),
    )


def _sources(given: Given) -> dict[str, Any]:
    if len(given.words) < 2:
        raise DockerfileError(
            f"{given.keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    *sources, destination = given.words
    if given.json:
        return {"sources": tuple(sources), "destination": destination}
    if heredocs.mark(destination):
        raise DockerfileError(f"{given.keyword} cannot accept a heredoc as a destination")
    paths, files = heredocs.paired(tuple(sources), given.statement.heredocs)
    return {"sources": paths, "destination": destination, "heredocs": files}


def _pairs(given: Given) -> tuple[tuple[str, str], ...]:
    _plain(given)
    if not given.pairs:
        raise DockerfileError(f"{given.keyword} requires at least one argument")
    if not all(name for name, _ in given.pairs):
        raise DockerfileError(f"{given.keyword} names can not be blank")
    return given.pairs


def _env(given: Given) -> Env:
    return Env(**_place(given), pairs=_pairs(given))


def _label(given: Given) -> Label:
    return Label(**_place(given), pairs=_pairs(given))


def _arg(given: Given) -> Arg:
    arguments: list[tuple[str, str | None]] = []
    for word in given.at_least_one():
        name, equals, value = word.partition("=")
        if not name:
            raise DockerfileError("ARG names can not be blank")
        arguments.append((name, value if equals else None))
    return Arg(**_place(given), arguments=tuple(arguments))


def _cmd(given: Given) -> Cmd:
    _plain(given)
    return Cmd(**_place(given), command=given.command)


def _entrypoint(given: Given) -> Entrypoint:
    _plain(given)
    return Entrypoint(**_place(given), command=given.command)


def _shell(given: Given) -> Shell:
    _plain(given)
    given.at_least_one()
    if not given.json:
        raise DockerfileError("SHELL requires the arguments to be in JSON form")
    return Shell(**_place(given), words=given.words)


def _expose(given: Given) -> Expose:
    ports = given.at_least_one()
    _plain(given)
    return Expose(**_place(given), ports=tuple(sorted(ports)))


def _volume(given: Given) -> Volume:
    paths = tuple(word.strip() for word in given.at_least_one())
    _plain(given)
    if not all(paths):
        raise DockerfileError("VOLUME specified can not be an empty string")
    return Volume(**_place(given), paths=paths)


def _workdir(given: Given) -> Workdir:
    return Workdir(**_place(given), path=_exactly_one(given))


def _user(given: Given) -> User:
    return User(**_place(given), user=_exactly_one(given))


def _stop_signal(given: Given) -> StopSignal:
    return StopSignal(**_place(given), signal=_exactly_one(given))


def _maintainer(given: Given) -> Maintainer:
    return Maintainer(**_place(given), name=_exactly_one(given))


def _on_build(given: Given) -> OnBuild:
    (keyword,) = given.at_least_one()
    _plain(given)
    if keyword == "ONBUILD":
        raise DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if keyword in ("FROM", "MAINTAINER"):
        raise DockerfileError(f"{keyword} isn't allowed as an ONBUILD trigger")
    trigger = _ONBUILD.sub("", given.statement.line, count=1)
    bodies = "".join(f"\n{body.content}{body.name}" for body in given.statement.heredocs)
    return OnBuild(**_place(given), trigger=trigger + bodies)


_READERS: dict[str, Callable[[Given], Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": healthcheck.read,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _on_build,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
#: what an instruction may begin with
KEYWORDS = tuple(_READERS)
