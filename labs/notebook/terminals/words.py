"""Which cells and which command lines open a terminal. Runs nothing but bash's own reading of a line's words."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence

from kernel_engine.cli.commands import GLOBAL_OPTIONS, Command, find
from kernel_engine.cli.grammar import Misused, Parsed, options_of, parse
from kernel_engine.compose import commands as compose

#: the programs that a terminal is opened for
PROGRAMS = ("docker", "docker-compose")
_PUNCTUATION = frozenset("();<>|&")
#: prints the words that docker would get, each with a zero behind it
_PRINTED = '{0}() {{ printf "%s\\0" {0} "$@"; }}\n'


def of_cell(source: str) -> tuple[str, ...] | None:
    """The words of a cell that is one plain `docker` command, as written; None for several commands, pipes, files."""
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    if "\n" in text or "`" in text:
        return None
    reader = shlex.shlex(text, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        words = tuple(reader)
    except ValueError:  # a quotation mark without its second: bash says so
        return None
    if not words or words[0] not in PROGRAMS or any(word and set(word) <= _PUNCTUATION for word in words):
        return None
    return words


def expanded(source: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The words of such a cell as bash hands them over: variables, `~` and patterns replaced."""
    functions = "".join(_PRINTED.format(program) for program in PROGRAMS)
    found = subprocess.run(
        ["bash", "-c", functions + source],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return tuple(found.stdout.decode(errors="surrogateescape").split("\0")[:-1])


def opens(words: Sequence[str]) -> bool:
    """Does this command line, the program's name first, hold a terminal in the foreground?"""
    if not words or words[0] not in PROGRAMS:
        return False
    try:
        rest = list(words[1:])
        if words[0] == "docker":
            rest = parse(options_of(GLOBAL_OPTIONS), rest, interspersed=False).arguments
            if rest[:1] != ["compose"]:
                return bool(rest) and _docker(rest)
            rest = rest[1:]
        rest = parse(options_of(compose.GLOBAL_OPTIONS), rest, interspersed=False).arguments
        return bool(rest) and _compose(rest[0], rest[1:])
    except Misused:
        return False


def _docker(words: list[str]) -> bool:
    path, command, rest = find(words)
    if command is None:
        return False
    given = _given(command, rest)
    name = path.split()[-1]
    if given is None:
        return False
    if name in ("run", "exec"):
        return bool(given["tty"] and given["interactive"] and not given["detach"])
    return name == "attach" or (name == "start" and bool(given["attach"] and given["interactive"]))


def _compose(name: str, words: list[str]) -> bool:
    if name not in ("exec", "run", "attach"):
        return False
    given = _given(compose.COMMANDS[name], words)
    if given is None or name == "attach":
        return given is not None
    return bool(given["tty"] and given["interactive"] and not given["detach"] and not given["no-TTY"])


def _given(command: Command, words: list[str]) -> Parsed | None:
    """What the command got; None when it only shows its help, or refuses the number of its arguments."""
    given = parse(options_of(command.options), words, interspersed=command.interspersed)
    return None if given.wants_help or len(given.arguments) < command.minimum else given
