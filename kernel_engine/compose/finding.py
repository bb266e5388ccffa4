"""Which files, which directory, which variables and which name a command line means. Reads directories and .env files.

The shell's variables come before those of `--env-file` or `.env`; COMPOSE_FILE, COMPOSE_PROJECT_NAME, COMPOSE_PROFILES
and COMPOSE_ENV_FILES count where the options are not given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kernel_engine.compose import dotenv
from kernel_engine.compose.interpolation import Warn
from kernel_engine.compose.model import Wanted
from kernel_engine.compose.refusals import Refused

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    files: tuple[str, ...]  #: absolute, or "-"; never none
    directory: str  #: absolute
    environment: Mapping[str, str]
    env_files: tuple[str, ...]
    profiles: tuple[str, ...]
    name: str  #: "" where a file may say it, and else the directory's name is taken


def find(wanted: Wanted, warn: Warn) -> Found:
    """Refused when there is no compose file, or a file that is named cannot be read."""
    here = os.path.abspath(wanted.working_directory)
    given = tuple(file if file == STDIN else os.path.join(here, file) for file in wanted.files)
    directory = os.path.join(here, wanted.directory) if wanted.directory else _directory_of(given, here)
    variables = {"PWD": here, **wanted.environment}
    env_files = _env_files(wanted, directory, here, variables)
    environment = {**read_env_files(env_files, variables), **variables}
    files = given or _by_variable(environment, here) or _searched(directory, warn)
    if not files:
        raise Refused("no configuration file provided: not found")
    if not wanted.directory:
        directory = _directory_of(files, here)
        if not env_files:
            env_files = _env_files(wanted, directory, here, variables)
            environment = {**read_env_files(env_files, variables), **variables}
    profiles = wanted.profiles or tuple(environment.get("COMPOSE_PROFILES", "").split(","))
    name = wanted.project_name or environment.get("COMPOSE_PROJECT_NAME", "")
    return Found(
        files=tuple(file if file == STDIN else os.path.normpath(file) for file in files),
        directory=os.path.normpath(directory),
        environment=environment,
        env_files=env_files,
        profiles=tuple(profile.strip() for profile in profiles if profile.strip()),
        name=checked_name(name, legacy=wanted.legacy) if name else "",
    )


def _directory_of(files: Iterable[str], here: str) -> str:
    return next((os.path.dirname(file) for file in files if file != STDIN), here)


def _by_variable(environment: Mapping[str, str], here: str) -> tuple[str, ...]:
    """The files of COMPOSE_FILE."""
    words = environment.get("COMPOSE_FILE", "")
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    files = tuple(word if word == STDIN else os.path.join(here, word) for word in words.split(separator) if word)
    for file in files:
        if file != STDIN and not os.path.exists(file):
            raise Refused(f"stat {file}: no such file or directory")
    return files


def _searched(directory: str, warn: Warn) -> tuple[str, ...]:
    """The compose file of this directory, or of the nearest one above it that has one, and its override."""
    while True:
        found = _existing(directory, NAMES)
        if found:
            overrides = _existing(directory, OVERRIDES)
            for kind, files in (("config", found), ("override", overrides)):
                if len(files) > 1:
                    warn(f"Found multiple {kind} files with supported names: {', '.join(files)}")
                    warn(f"Using {files[0]}")
            return (found[0], *overrides[:1])
        above = os.path.dirname(directory)
        if above == directory:
            return ()
        directory = above


def _existing(directory: str, names: Iterable[str]) -> list[str]:
    return [path for name in names if os.path.exists(path := os.path.join(directory, name))]


def _env_files(wanted: Wanted, directory: str, here: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    given = wanted.env_files or tuple(file for file in variables.get("COMPOSE_ENV_FILES", "").split(",") if file)
    if given:
        return tuple(os.path.join(here, file) for file in given)
    if variables.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in {"1", "t", "true"}:
        return ()
    default = os.path.join(directory, ".env")
    return (default,) if os.path.exists(default) and not os.path.isdir(default) else ()


def read_env_files(paths: Iterable[str], around: Mapping[str, str]) -> dict[str, str]:
    """What the files say together. Refused for one that is missing or broken."""
    said: dict[str, str] = {}
    for path in paths:
        if not os.path.exists(path):
            raise Refused(f"couldn't find env file: {path}")
        if os.path.isdir(path):
            raise Refused(f"{path} is a directory")
        said |= read_variables(path, around.get, said)
    return said


def read_variables(path: str, look: Callable[[str], str | None], known: dict[str, str] | None = None) -> dict[str, str]:
    """One file of variables. Refused with the line."""
    try:
        return dotenv.read(read_file(path).decode("utf-8", "replace"), look, known)
    except dotenv.Broken as broken:
        raise Refused(f"failed to read {path}: {broken}") from None


def read_file(path: str) -> bytes:
    """Refused in Go's words."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except IsADirectoryError:
        raise Refused(f"read {path}: is a directory") from None
    except OSError as error:
        raise Refused(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def checked_name(name: str, *, legacy: bool = False) -> str:
    """A name that the user gave. Refused when it does not fit, except by 1.29, which makes it fit."""
    if legacy:
        return normalised_name(name, legacy=True)
    if normalised_name(name) != name:
        raise Refused(
            f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, and '
            "underscores as well as start with a letter or number"
        )
    return name


def normalised_name(name: str, *, legacy: bool = False) -> str:
    """A directory's name, or a file's `name:`, as a project's. 1.29 keeps `-` and `_` at its beginning."""
    letters = re.sub(r"[^a-z0-9_-]", "", name.lower())
    return (letters or "default") if legacy else letters.lstrip("_-")
