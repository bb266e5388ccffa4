"""How a kernel tells the Jupyter server which command a terminal is to run: a file in Jupyter's runtime directory.

A page knows a ticket's name only. So no page, and no notebook that somebody has sent, can have a command run: what is
run was written by a kernel of the same user, a moment before. The file's name says how far it is: NAME.wanted,
NAME.open, NAME.ended (then its text is the exit code).
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

PATTERN = "[0-9a-f]{32}"
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A command with its place: the program's name first; `kernel` is the process that the terminal belongs to."""

    words: tuple[str, ...]
    folder: str
    environment: dict[str, str]
    kernel: int


def write(wish: Wish) -> str:
    """The new ticket's name."""
    name = secrets.token_hex(16)
    half = _place(name, "half")
    half.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(asdict(wish), file)
    half.rename(_place(name, "wanted"))
    return name


def take(name: str) -> Wish | None:
    """The wish, once: for the server. None when there is none of this user's."""
    place = _place(name, "wanted")
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            return None
        data = file.read(_MOST_BYTES)
    try:
        given = json.loads(data.decode("utf-8", "surrogateescape"))
        wish = Wish(**{**given, "words": tuple(given["words"])})
        _place(name, "open").touch(mode=0o600)
        place.unlink()  # the environment is nobody's any more
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return wish


def withdraw(name: str) -> bool:
    """For the kernel: nobody shall take it any more. False when somebody has."""
    try:
        _place(name, "wanted").unlink()
    except FileNotFoundError:
        return False
    return True


def is_taken(name: str) -> bool:
    return not _place(name, "wanted").exists()


def end(name: str, code: int) -> None:
    """The command has ended."""
    place = _place(name, "open")
    if place.exists():
        half = _place(name, "half")
        half.write_text(str(code), encoding="utf-8")
        half.rename(_place(name, "ended"))
        place.unlink(missing_ok=True)


def ended(name: str) -> int | None:
    """The exit code; None while the command runs."""
    try:
        return int(_place(name, "ended").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def forget(name: str) -> None:
    for state in ("wanted", "open", "ended"):
        _place(name, state).unlink(missing_ok=True)


def _place(name: str, state: str) -> Path:
    return Path(jupyter_runtime_dir()) / "docker-labs" / f"{name}.{state}"
