"""`WALL docker run …` to a question for the engine, and its answer."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kernel_engine.cli import korean
from kernel_engine.cli.body import create_body
from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused, Parsed, options_of, parse
from kernel_engine.cli.run import familiar
from kernel_engine.client import APIError, Client
from labs.without.table import NAMES, WALLS

EXAMPLE = "pid docker run --rm busybox ps"
PATH = "/kernel-engine/without"


class Refused(Exception):
    """The message is Korean, below Docker's own where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`command` is the line as it is shown."""

    wall: str
    command: str
    image: str
    body: dict[str, Any]
    pulls: bool


def understood(words: Sequence[str], way: str) -> Wish:
    """The words behind `way` ("%without ", "labs without "). Refused, in one sentence or two."""
    usage = f"이렇게 써 주세요: {way}벽 docker run …  예: {way}{EXAMPLE}"
    if not words:
        raise Refused(f"{usage}\n벽: {NAMES}")
    wall, *rest = words
    if wall not in WALLS:
        raise Refused(f"{wall}: 그런 벽은 없어요. 다음 가운데 하나를 써 주세요: {NAMES}")
    given = rest[1:] if rest[:1] == ["docker"] else rest
    given = given[1:] if given[:1] == ["container"] else given
    if given[:1] != ["run"]:
        raise Refused(f"{way}{wall} 다음에는 docker run …이 와야 해요. 예: {way}{EXAMPLE}")
    parsed = _parsed(given[1:])
    return Wish(
        wall=wall,
        command=shlex.join(("docker", *given)),
        image=parsed.arguments[0],
        body=_body(parsed),
        pulls=parsed["pull"] != "never",
    )


def ask(client: Client, wish: Wish, say: Callable[[str], None]) -> dict[str, Any]:
    """The engine's answer. An image that is not here is pulled first. APIError, Refused, EngineUnreachable."""
    path = f"{PATH}/{wish.wall}"
    try:
        return _answer(client, path, wish)
    except APIError as error:
        if error.status != 404 or "No such image" not in error.message or not wish.pulls:
            raise
    try:
        say(f"Unable to find image '{familiar(wish.image)}' locally")
        from kernel_engine.cli.pull import pull_image

        pull_image(client, wish.image)
    except Failed as failure:
        raise Refused(_with_korean(failure.message, failure.about)) from failure
    return _answer(client, path, wish)


def _answer(client: Client, path: str, wish: Wish) -> dict[str, Any]:
    with client.post(path, body=wish.body) as response:
        found: dict[str, Any] = response.json()
    return found


def _parsed(words: Sequence[str]) -> Parsed:
    try:
        parsed = parse(options_of(COMMANDS["run"].options), list(words), interspersed=False)
    except Misused as misuse:
        raise Refused(_with_korean(str(misuse), str(misuse))) from misuse
    if not parsed.arguments:
        raise Refused(f"docker run 다음에 이미지의 이름을 써 주세요. 예: {EXAMPLE}")
    if parsed["detach"]:
        raise Refused("-d는 쓸 수 없어요. 두 컨테이너가 끝나야 나란히 보여 줄 수 있어요.")
    if parsed["interactive"] or parsed["tty"]:
        raise Refused("-i와 -t는 쓸 수 없어요. 컨테이너 두 개가 함께 돌아서, 입력을 받을 터미널이 없어요.")
    return parsed


def _body(parsed: Parsed) -> dict[str, Any]:
    try:
        return create_body(parsed, detached=False, console=(0, 0))
    except Misused as misuse:
        raise Refused(_with_korean(str(misuse), str(misuse))) from misuse
    except Failed as failure:
        raise Refused(_with_korean(failure.message, failure.about)) from failure


def _with_korean(message: str, about: str) -> str:
    return "\n".join(filter(None, (message, korean.line(about))))
