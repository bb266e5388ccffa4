"""`--userns-remap VALUE`: which ids of this machine the users of all containers are.

VALUE is `default`, or a user (a name or a number) with an optional group behind a colon, as dockerd takes it; the ids
are those that /etc/subuid and /etc/subgid set aside for them (subuid(5)).
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from kernel_engine.errors import EngineError, InvalidRequest
from kernel_engine.network.claims import machine_lock
from kernel_engine.runtime.spec import IdRange, Ids

#: whom `default` means, made where nobody has that name
DEFAULT_USER = "dockremap"
SUBUID, SUBGID = Path("/etc/subuid"), Path("/etc/subgid")
_FIRST, _COUNT = 100_000, 65_536
#: one line of uid_map for each range, and the kernel takes 340 (user_namespaces(7))
_MOST_RANGES = 340


def find_ids(value: str) -> Ids | None:
    """The ids of VALUE; None for root, which would be remapped to itself. InvalidRequest with one sentence."""
    if value in ("default", DEFAULT_USER):
        with machine_lock():  # no other engine makes the user, or takes the ids, at the same time
            _provide_default_user()
        value = DEFAULT_USER
    user, colon, group = value.partition(":")
    if not user or (colon and not group) or ":" in group:
        raise InvalidRequest(f'invalid userns-remap value "{value}": it is default, USER or USER:GROUP')
    account = _user(user)
    members = _group(group) if group else _group(account.pw_name)
    if account.pw_uid == 0:
        return None
    return Ids(
        users=ranges(SUBUID, account.pw_name, account.pw_uid), groups=ranges(SUBGID, members.gr_name, members.gr_gid)
    )


def ranges(path: Path, name: str, number: int) -> tuple[IdRange, ...]:
    """All that the file gives to a user or group, joined from 0 on. InvalidRequest where that is nothing."""
    found: list[IdRange] = []
    inside = 0
    for owner, first, count in _lines(path):
        if owner in (name, str(number)) and count > 0:
            found.append(IdRange(inside=inside, outside=first, count=count))
            inside += count
    if not found:
        kind = "subuid" if path == SUBUID else "subgid"
        hint = f"give it some: echo {name}:{_next_free(_lines(path))}:{_COUNT} >> {path}"
        raise InvalidRequest(f'no {kind} ranges found for "{name}" in {path}', hint=hint)
    return tuple(found[:_MOST_RANGES])


def _lines(path: Path) -> Iterator[tuple[str, int, int]]:
    """owner, first, count of each line that is one."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    for line in text.splitlines():
        words = line.strip().split(":")
        if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
            yield words[0], int(words[1]), int(words[2])


def _next_free(given: Iterable[tuple[str, int, int]]) -> int:
    return max((first + count for _, first, count in given), default=_FIRST)


def _user(word: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(word)) if word.isdecimal() else pwd.getpwnam(word)
    except (KeyError, OverflowError):
        raise InvalidRequest(f'there is no user "{word}" for --userns-remap', hint=f"make it: useradd {word}") from None


def _group(word: str) -> grp.struct_group:
    try:
        return grp.getgrgid(int(word)) if word.isdecimal() else grp.getgrnam(word)
    except (KeyError, OverflowError):
        raise InvalidRequest(
            f'there is no group "{word}" for --userns-remap', hint=f"make it: groupadd {word}"
        ) from None


def _provide_default_user() -> None:
    """The user and group dockremap, and ranges for them, where there are none yet; as dockerd does."""
    try:
        pwd.getpwnam(DEFAULT_USER)
    except KeyError:
        # --user-group: its group has its name; no home and no shell: nobody ever logs in as it
        _run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", DEFAULT_USER)
    account, members = _user(DEFAULT_USER), _group(DEFAULT_USER)
    for path, owners in ((SUBUID, (DEFAULT_USER, str(account.pw_uid))), (SUBGID, (DEFAULT_USER, str(members.gr_gid)))):
        given = tuple(_lines(path))
        if not any(owner in owners and count > 0 for owner, _, count in given):
            with path.open("a") as file:
                file.write(f"{DEFAULT_USER}:{_next_free(given)}:{_COUNT}\n")


def _run(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise EngineError(f"cannot make the user {DEFAULT_USER}: there is no {words[0]} on this machine") from None
    except subprocess.CalledProcessError as error:
        raise EngineError(f"cannot make the user {DEFAULT_USER}: {error.stderr.strip()}") from None
