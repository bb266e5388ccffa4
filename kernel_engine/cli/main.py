"""The `docker` command's entry: words in, exit code out. Finds the command, carries it out, prints its failure once.

Exit codes as Docker's: 125 for words that do not fit, 125/126/127 from run, a container's own code from run, start -a
and exec, 1 for the rest. Imports late: `docker run` must be on its way within 20 ms.
"""

from __future__ import annotations

import os
import sys

from kernel_engine.cli.commands import COMMANDS, GLOBAL_OPTIONS, GROUPS, Command, find
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Call, Misused, Parsed, options_of, parse, wrong_count
from kernel_engine.client import APIError, Client, default_context, target
from kernel_engine.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

#: what Docker's own client prints for --version; the engine's version is in `docker version`
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
#: first words that another module answers, as Docker hands them to a plugin: word → `module:function`, which gets the
#: engine's client and the words that follow. Loaded when it is called, so that nothing else has to know it
PLUGINS = {
    "compose": "kernel_engine.compose.main:command",
    "completion": "kernel_engine.cli.completion:script",
    "__complete": "kernel_engine.cli.completion:answer",
}
GLOBAL_USAGE = "[OPTIONS] COMMAND [ARG...]"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name); the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _guarded(words)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return 130
    return code


def leave(code: int) -> NoReturn:
    """The process's end. Threads that still wait for the engine's word end with it: at the interpreter's own end they
    may touch what it has taken away already (SIGSEGV in Python 3.11)."""
    threading = sys.modules.get("threading")  # a command without threads has not loaded it
    if threading is not None and threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass  # nobody reads it any more
        os._exit(code)
    sys.exit(code)


def _guarded(words: list[str]) -> int:
    try:
        return _dispatch(words)
    except Failed as failure:
        message, about, code = failure.message, failure.about, failure.code
    except APIError as error:
        message, about, code = f"Error response from daemon: {error.message}", error.message, 1
    except EngineError as error:  # nobody answers, or the context names nobody
        message, about, code = error.message, error.message, 1
    from kernel_engine.cli.korean import report

    report(message, about, words)
    return code


def _dispatch(words: list[str]) -> int:
    options = options_of(GLOBAL_OPTIONS)
    try:
        parsed = parse(options, words, interspersed=False)
    except Misused as misuse:
        raise _misuse("", GLOBAL_USAGE, misuse) from misuse
    rest = parsed.arguments
    if parsed["version"]:
        from kernel_engine.cli.system import client_line

        print(client_line())
        return 0
    if rest[:1] == ["help"] and rest[1:2] and rest[1] in PLUGINS:
        rest = [rest[1], "help", *rest[2:]]
    if parsed.wants_help or not rest or rest[0] == "help":
        return _help(rest[1:] if rest and rest[0] == "help" else rest)
    if parsed["log-level"] not in LOG_LEVELS:
        raise Failed(f"Unable to parse logging level: {parsed['log-level']}")
    if rest[0] in PLUGINS:
        return _hand_over(_target(parsed, rest[0])[0], rest)
    path, command, arguments = find(rest)
    if command is None:
        return _no_command(path, arguments)
    client, context = _target(parsed, path)
    return carry_out(client, path, command, arguments, context)


def _hand_over(client: Client, rest: list[str]) -> int:
    module, _, name = PLUGINS[rest[0]].partition(":")
    answer: Callable[[Client, list[str]], int] = getattr(__import__(module, fromlist=[name]), name)
    return answer(client, rest[1:])


def _target(parsed: Parsed, path: str) -> tuple[Client, str]:
    """The engine to speak to, and the context that named it."""
    if parsed["config"]:
        os.environ["DOCKER_CONFIG"] = parsed["config"]
    hosts, context = parsed["host"], parsed["context"]
    if hosts and context:
        raise Failed("conflicting options: cannot specify both --host and --context")
    if len(hosts) > 1:
        raise Failed("Failed to initialize: unable to resolve docker endpoint: Specify only one -H")
    name = target.context_name(hosts, context)
    if hosts:
        return Client(default_context.addressed(hosts[0]), tls=_tls(parsed)), name
    # `docker context` itself speaks to no engine: it must mend a choice that leads nowhere
    asked = default_context.DEFAULT_CONTEXT if path.startswith("context ") else name
    host = target.host(asked)
    return Client(host, tls=_tls(parsed) if asked == default_context.DEFAULT_CONTEXT else target.tls(asked)), name


def _tls(parsed: Parsed) -> default_context.Tls | None:
    """Of an address that no context names."""
    return default_context.default_tls(
        *(parsed[option] for option in ("tlscacert", "tlscert", "tlskey")),
        asked=parsed["tls"],
        verify=parsed["tlsverify"],
    )


def carry_out(
    client: Client,
    path: str,
    command: Command,
    words: list[str],
    context: str = "",
    handler: Callable[[Call], int] | None = None,
) -> int:
    """One command with its words; what `main` does once it knows which. handler: in place of the command's own."""
    try:
        parsed = parse(options_of(command.options), words, interspersed=command.interspersed)
    except Misused as misuse:
        raise _misuse(path, command.usage, misuse) from misuse
    if parsed.wants_help:
        return _help(path.split())
    refusal = wrong_count(path, command.usage, command.minimum, command.maximum, len(parsed.arguments))
    if refusal is not None:
        raise refusal
    try:
        return (handler or _handler(command.handler))(Call(client, parsed, path, context))
    except Misused as misuse:
        raise _misuse(path, command.usage, misuse) from misuse


def _handler(place: str) -> Callable[[Call], int]:
    module, _, name = place.partition(":")
    return getattr(__import__(f"kernel_engine.cli.{module}", fromlist=[name]), name)  # type: ignore[no-any-return]


def _misuse(path: str, usage: str, misuse: Misused) -> Failed:
    spaced = f"docker {path}" if path else "docker"
    return Failed(
        f"{misuse}\n\nUsage:  {spaced} {usage}\n\nRun '{spaced} --help' for more information", 125, about=str(misuse)
    )


def _no_command(path: str, arguments: list[str]) -> int:
    group, _, word = path.partition(" ")
    if group not in GROUPS:
        raise Failed(f"docker: unknown command: docker {path}\n\nRun 'docker --help' for more information")
    if not word:
        return _help([group], sys.stderr.fileno())
    if word in {"--help", "-h"}:
        return _help([group])
    if word.startswith("-"):
        kind = "unknown flag: " + word if word.startswith("--") else f"unknown shorthand flag: {word[1:2]!r} in {word}"
        raise Failed(f"{kind}\n\nUsage:  docker {group}\n\nRun 'docker {group} --help' for more information", 125)
    raise Failed(
        f"docker: unknown command: docker {path}\n\nUsage:  docker {group}\n\n"
        f"Run 'docker {group} --help' for more information"
    )


def _help(words: list[str], descriptor: int = 1) -> int:
    from kernel_engine.cli.help import command_help, group_help, overview

    if not words:
        text = overview()
    elif words[0] in GROUPS and len(words) == 1:
        text = group_help(words[0])
    else:
        path, command, _ = find(words)
        if command is None:
            raise Failed(f"unknown help topic: {' '.join(words)}")
        text = command_help(path, command)
    print(text, file=sys.stderr if descriptor == 2 else sys.stdout)
    return 0


def _reader_left() -> int:
    """Whoever read our output has gone (`| head`): end as a program does that SIGPIPE ends, without a word."""
    # what Python still holds back must not be written when it ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141


if __name__ == "__main__":
    leave(main())

__all__ = ["COMMANDS", "Call", "leave", "main"]
