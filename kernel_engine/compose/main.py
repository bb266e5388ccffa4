"""`docker compose`: words in, exit code out. `docker` hands over to `command` once it knows which engine is meant;
`docker-compose` is the same under its older name.

Exit codes as Docker Compose's: 16 words that do not fit, 130 stopped by the user, 1 for the rest.
"""

from __future__ import annotations

import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused, Parsed, options_of, parse, wrong_count
from kernel_engine.compose.commands import COMMANDS, GLOBAL_OPTIONS
from kernel_engine.compose.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kernel_engine.cli.commands import Command
    from kernel_engine.client import Client

USAGE = "[OPTIONS] COMMAND"
MISUSED = 16
#: what --dry-run tells of without doing it, and what changes nothing anyway
REHEARSED = ("create", "down", "kill", "pause", "restart", "rm", "scale", "start", "stop", "unpause", "up")
READING = ("config", "events", "images", "logs", "ls", "port", "ps", "stats", "top", "version")


def main(argv: Sequence[str] | None = None) -> int:
    """`docker-compose WORDS` is `docker compose WORDS`, with a project's name as `docker-compose` 1.29 makes it."""
    from kernel_engine.cli.main import main as docker

    return docker(["compose", "--legacy", *(sys.argv[1:] if argv is None else argv)])


def command(client: Client, words: list[str]) -> int:
    """Raises Failed and what the client raises; `docker` prints them."""
    try:
        options = parse(options_of(GLOBAL_OPTIONS), words, interspersed=False)
    except Misused as misuse:
        raise _misuse("", USAGE, misuse) from misuse
    rest = options.arguments
    if options["version"]:
        rest = ["version"]
    if not rest or rest[0] == "help" or (options.wants_help and not rest):
        return _help(rest[1:])
    if options.wants_help:
        return _help(rest)
    name, *arguments = rest
    if name not in COMMANDS:
        raise Failed(
            f"unknown docker command: \"compose {name}\"\n\nRun 'docker compose --help' for more information", MISUSED
        )
    return _carry_out(client, options, name, arguments)


def _carry_out(client: Client, options: Parsed, name: str, arguments: list[str]) -> int:
    known = COMMANDS[name]
    path = f"compose {name}"
    try:
        words = parse(options_of(known.options), arguments, interspersed=known.interspersed)
        if words.wants_help:
            return _help([name])
        refusal = wrong_count(path, known.usage, known.minimum, known.maximum, len(words.arguments))
        if refusal is not None:
            raise refusal
        if options["dry-run"] and name not in (*REHEARSED, *READING):
            raise Failed(f"--dry-run is not supported by docker compose {name}: it would do it")
        return _handler(known)(Session(client, options, words, path))
    except Misused as misuse:
        raise _misuse(name, known.usage, misuse) from misuse


def _handler(known: Command) -> Callable[[Session], int]:
    module, _, name = known.handler.partition(":")
    return getattr(__import__(f"kernel_engine.compose.{module}", fromlist=[name]), name)  # type: ignore[no-any-return]


def _misuse(name: str, usage: str, misuse: Misused) -> Failed:
    spaced = f"docker compose {name}".rstrip()
    return Failed(
        f"{misuse}\n\nUsage:  {spaced} {usage}\n\nRun '{spaced} --help' for more information",
        MISUSED,
        about=str(misuse),
    )


def _help(words: list[str]) -> int:
    from kernel_engine.compose.help import command_help, overview

    if words and words[0] not in COMMANDS:
        raise Failed(f"unknown help topic: {' '.join(words)}")
    print(command_help(words[0]) if words else overview())
    return 0


if __name__ == "__main__":
    from kernel_engine.cli.main import leave

    leave(main())
