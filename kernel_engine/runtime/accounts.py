"""Docker's USER word looked up in a container's own /etc/passwd and /etc/group: parsed here, never by the C library.

Pure but for `read_file`, which must be called inside the container's root. The rules are those of runc's
libcontainer/user (GetExecUser): a name wins over a number, a number needs no entry.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernel_engine.errors import InvalidRequest

MAXIMUM_ID = (1 << 31) - 1
#: more than any real passwd file; an endless file must not fill the memory
READ_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a process runs as."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def find(user: str, additional: Sequence[str], passwd: str, group: str) -> Account:
    """`user` is "name|uid[:group|gid]" or "". Raises InvalidRequest with Docker's texts.

    The user's own group is always among the additional ones: else who sets another group (setgid, newgrp) would no
    longer be refused what is denied to that group (CVE-2022-36109).
    """
    user_word, _, group_word = user.partition(":")
    name, uid, gid, home = _find_user(user_word, passwd)
    groups: list[int] = []
    if group_word:
        gid = _find_group(group_word, group)
    elif name:
        groups = [number for _, number, members in _groups(group) if name in members]
    groups = [gid, *groups, *(_find_additional(word, group) for word in additional)]
    return Account(uid=uid, gid=gid, groups=tuple(dict.fromkeys(groups)), home=home)


def find_owner(word: str, passwd: str, group: str) -> tuple[int, int]:
    """`COPY --chown`: "name|uid[:group|gid]" → uid, gid; a name alone is also the group's, or has the user's own.

    InvalidRequest with Docker's texts.
    """
    user_word, colon, group_word = word.partition(":")
    uid, gid = _number(user_word), _number(group_word if colon else user_word)
    own: int | None = None
    if uid is None:
        found = next(((number, group) for name, number, group, _ in _users(passwd) if name == user_word), None)
        uid, own = found or (None, None)
    if uid is None:
        raise InvalidRequest(f"can't find uid for user {user_word}: no such user: {user_word}")
    group_word = group_word if colon else user_word
    if gid is None:
        gid = next((number for name, number, _ in _groups(group) if name == group_word), None if colon else own)
    if gid is None:
        raise InvalidRequest(f"can't find gid for group {group_word}: no such group: {group_word}")
    return _in_range(uid), _in_range(gid)


def read_file(path: str) -> str:
    """The text of a regular file; "" where there is none (an image without /etc/passwd is fine)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        chunks, size = [], 0
        while size < READ_LIMIT and (chunk := os.read(fd, 1 << 16)):
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks).decode("utf-8", "surrogateescape")
    finally:
        os.close(fd)


def _find_user(word: str, passwd: str) -> tuple[str, int, int, str]:
    """name ("" = not in the file), uid, gid, home."""
    wanted = _number(word) if word else 0
    for name, uid, gid, home in _users(passwd):
        if (word and name == word) or uid == wanted:
            return name, uid, gid, home or "/"
    if wanted is None:
        raise InvalidRequest(f"unable to find user {word}: no matching entries in passwd file")
    return "", _in_range(wanted), 0, "/"


def _find_group(word: str, group: str) -> int:
    wanted = _number(word)
    for name, gid, _members in _groups(group):
        # a numeric group is only ever a number, unlike a numeric user (GetExecUser)
        if (gid == wanted) if wanted is not None else (name == word):
            return gid
    if wanted is None:
        raise InvalidRequest(f"unable to find group {word}: no matching entries in group file")
    return _in_range(wanted)


def _find_additional(word: str, group: str) -> int:
    for name, gid, _members in _groups(group):
        if name == word or str(gid) == word:
            return gid
    number = _number(word)
    if number is None:
        raise InvalidRequest(f"Unable to find group {word}: no matching entries in group file")
    return _in_range(number)


def _users(passwd: str) -> Iterator[tuple[str, int, int, str]]:
    for line in passwd.splitlines():
        parts = line.strip().split(":")
        uid = _number(parts[2]) if len(parts) > 2 else None
        if uid is None or line.lstrip().startswith("#"):
            continue
        gid = _number(parts[3]) if len(parts) > 3 else 0
        yield parts[0], uid, gid or 0, parts[5] if len(parts) > 5 else ""


def _groups(group: str) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for line in group.splitlines():
        parts = line.strip().split(":")
        gid = _number(parts[2]) if len(parts) > 2 else None
        if gid is None or line.lstrip().startswith("#"):
            continue
        yield parts[0], gid, tuple(parts[3].split(",")) if len(parts) > 3 else ()


def _number(word: str) -> int | None:
    sign = word[1:] if word.startswith("-") else word
    if not (sign.isascii() and sign.isdigit()) or len(sign) > 20:
        return None
    return int(word)


def _in_range(number: int) -> int:
    if not 0 <= number <= MAXIMUM_ID:
        raise InvalidRequest(f"uids and gids must be in range 0-{MAXIMUM_ID}")
    return number
