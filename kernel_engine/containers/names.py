"""Container names and references: which words are allowed, how a new one is invented, which container is meant."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from kernel_engine.errors import InvalidRequest, NotFound

_ALLOWED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_MOODS = """
agile amber autumn brave bright brisk calm candid clever cosmic crisp curious dapper dawn deft eager earnest fair
fluent gentle glad golden happy honest humble jolly keen kind lively loyal lucid lunar mellow merry misty modest
neat noble patient placid plucky polite proud quick quiet rapid ready sharp silent silver smart snowy solar spry
steady sunny swift tidy upbeat vivid warm wise witty zesty
""".split()
_PEOPLE = """
backus boole cerf codd conway curie dijkstra diffie einstein euler fermat feynman floyd gauss godel goldberg
hamilton hamming heo hoare hopper jang jeong kahan kay kernighan knuth lamport lee liskov lovelace maxwell mccarthy
meitner milner newton noether pascal perlman ritchie sejong shannon stallman tarjan thompson torvalds turing
wiles wilkes wirth wozniak yi yun
""".split()


def check_name(name: str) -> str:
    """The name without its leading slash, or Docker's refusal (names have at least two characters)."""
    bare = name.removeprefix("/")
    if not _ALLOWED.fullmatch(bare):
        raise InvalidRequest(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return bare


def invent_name(taken: Iterable[str]) -> str:
    """A free name of two words, as `docker run` without --name gives."""
    used = set(taken)
    for attempt in range(100):
        name = f"{secrets.choice(_MOODS)}_{secrets.choice(_PEOPLE)}" + (str(attempt) if attempt > 8 else "")
        if name not in used:
            return name
    return f"container_{secrets.token_hex(6)}"


def find(reference: str, ids: Iterable[str], id_by_name: dict[str, str]) -> str:
    """The id that `reference` means: a whole id, a name, or an unambiguous beginning of an id, in that order."""
    bare = reference.removeprefix("/")
    if not bare:
        raise InvalidRequest("no container name or ID supplied")
    all_ids = ids if isinstance(ids, dict | set | frozenset) else set(ids)
    if bare in all_ids:
        return bare
    if bare in id_by_name:
        return id_by_name[bare]
    matches = [item for item in all_ids if item.startswith(bare)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InvalidRequest(f"Multiple IDs found with provided prefix: {reference}")
    raise NotFound(f"No such container: {reference}")
