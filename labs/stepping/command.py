"""`labs step docker run …` in a terminal. Where nobody can answer (a pipe, --all) it goes on by itself."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence

from kernel_engine.cli.commands import find
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.korean import report
from kernel_engine.cli.main import carry_out
from kernel_engine.cli.run import run
from kernel_engine.client import APIError, Client
from labs.stepping import sides, text
from labs.stepping.walk import Standing, Walk
from labs.stepping.words import USAGE, Wish, wish

PROMPT = "Enter 다음 · e 끝까지 · q 그만두기 > "
#: as a command that Ctrl+C has ended
GAVE_UP_CODE = 130


class GivenUp(Exception):
    """There is no container any more."""


def command(client: Client, words: Sequence[str]) -> int:
    """The container's own exit code, 130 when it was given up, 2 for words that are no `docker run`."""
    wanted = wish(words)
    if wanted is None:
        print(USAGE, file=sys.stderr)
        return 2
    path, found, _ = find(wanted.path.split())
    assert found is not None
    asked = not wanted.unasked and os.isatty(0) and os.isatty(1)
    try:
        return carry_out(
            client, path, found, list(wanted.words),
            handler=lambda call: run(call, lambda client, container: _begin(client, container, wanted, asked=asked)),
        )  # fmt: skip
    except GivenUp:
        return GAVE_UP_CODE
    except Failed as failure:
        report(failure.message, failure.about, ["run", *wanted.words])
        return failure.code


def _begin(client: Client, container: str, wanted: Wish, *, asked: bool) -> None:
    walk = Walk(client, container, every_call=wanted.every_call)
    before: tuple[sides.Row, ...] = ()
    try:
        for found in walk:
            now = sides.rows(found.view)
            print(text.standing(found, now, before, fixed=not asked), flush=True)
            before = now
            if not asked:
                walk.on(found.stop)
            else:
                _ask(walk, found)
    except KeyboardInterrupt:
        print()
        walk.give_up()
        for _ in walk:  # up to the line that says so
            continue
    assert walk.end is not None
    if walk.end.given_up or not walk.end.error:
        print(text.end(walk.end), flush=True)
    if walk.end.given_up:
        raise GivenUp
    if walk.end.error:
        raise APIError(400, walk.end.error)


def _ask(walk: Walk, found: Standing) -> None:
    """The time may be up before an answer comes."""
    print(PROMPT, end="", flush=True)
    ready, _, _ = select.select([sys.stdin, walk.answer], [], [])
    if sys.stdin not in ready:
        print()
        return
    word = sys.stdin.readline()
    if not word or word.strip() == "q":
        walk.give_up()
    else:
        walk.on(found.stop, to_the_end=word.strip() == "e")
