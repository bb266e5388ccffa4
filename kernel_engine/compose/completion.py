"""What the words of `docker compose` may become at a Tab; `cli/completion.py` asks."""

from __future__ import annotations

from kernel_engine.cli import completion
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused, options_of, parse
from kernel_engine.compose.commands import COMMANDS, GLOBAL_OPTIONS, HIDDEN
from kernel_engine.compose.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel_engine.client import Client

#: commands whose arguments are no services, or only the first of them is one
ALONE = ("attach", "exec", "port", "run")
WITHOUT = ("cp", "ls", "version")


def candidates(client: Client, words: Sequence[str]) -> tuple[list[str], bool]:
    """For the words behind `compose`."""
    *before, current = words
    given, waiting = completion.read(GLOBAL_OPTIONS, before, interspersed=False)
    known = _Services(client, before[: len(before) - len(given)])
    if not given:
        shown = "\n".join(line for line in GLOBAL_OPTIONS.splitlines() if line.partition(" ")[0] not in HIDDEN)
        return completion.pick(list(COMMANDS), shown, waiting, current, known)
    name, rest = given[0], given[1:]
    if name not in COMMANDS:
        return [], False
    command = COMMANDS[name]
    arguments, waiting = completion.read(command.options, rest, interspersed=command.interspersed)
    options = command.options if command.interspersed or not arguments else ""
    services = name not in WITHOUT and not (name in ALONE and arguments)
    return completion.pick("service" if services else "", options, waiting, current, known)


class _Services:
    """Names of a kind: the project's own services, else what the engine has."""

    def __init__(self, client: Client, options: Sequence[str]) -> None:
        self._client = client
        self._options = options

    def __call__(self, kind: str) -> list[str]:
        if kind != "service":
            return completion.names(self._client, kind)
        try:
            options = parse(options_of(GLOBAL_OPTIONS), self._options)
            return list(Session(self._client, options, options, "compose").project().services)
        except (Failed, Misused):  # no file here, or none that can be read
            return []
