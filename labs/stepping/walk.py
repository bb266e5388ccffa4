"""One start on its way: which of the engine's stops a person sees, and what they did there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kernel_engine.cli.explain_table import meaning
from kernel_engine.client import APIError, Client, EngineUnreachable

#: where the engine itself could not say why
LOST = "the engine has ended, and the start with it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A stop that is shown. `view`: the answer of GET …/steps; `done`: the kernel calls since the last one shown."""

    number: int  #: of those shown
    stop: int  #: the engine's own number of it
    view: Mapping[str, Any]
    done: tuple[Mapping[str, Any], ...]

    @property
    def group(self) -> str:
        return group_of(self.view["Next"][0])


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """`error`: why there is no container, "" where it runs."""

    error: str
    given_up: bool


class Walk:
    """Begins when it is made. Iterating waits for the next stop that is shown; `end` is known when there is none."""

    def __init__(self, client: Client, container: str, *, every_call: bool) -> None:
        self.end: End | None = None
        self.container = container
        self._client = client
        self._every_call = every_call
        self._path = f"/kernel-engine/containers/{container}/steps"
        self.answer = client.post(self._path, query={"remove": "1"})
        self._lines = self.answer.lines()

    def __iter__(self) -> Iterator[Standing]:
        number, last = 0, ("", "")
        done: list[Mapping[str, Any]] = []
        while self.end is None and (stop := self._next()) is not None:
            done += stop["Done"]
            group = stop["Next"][0]["Process"], group_of(stop["Next"][0])
            if group == last and not self._every_call:
                self.on(stop["Number"])
                continue
            last = group
            view = self._look()
            if view is None:
                continue  # it has moved on, or ended, meanwhile
            number += 1
            yield Standing(number=number, stop=stop["Number"], view=view, done=tuple(done))
            done = []

    def on(self, stop: int, *, to_the_end: bool = False) -> None:
        """Nothing happens where it stands there no more: the next line says why."""
        with suppress(APIError, EngineUnreachable):
            self._client.post(f"{self._path}/next", query={"after": stop, "to": "end" if to_the_end else "next"})

    def give_up(self) -> None:
        """Returns when nothing of it is left."""
        with suppress(APIError, EngineUnreachable):
            self._client.delete(self._path)

    def _next(self) -> Mapping[str, Any] | None:
        try:
            line: dict[str, Any] = json.loads(next(self._lines, b"null")) or {"Error": LOST, "GivenUp": True}
        except EngineUnreachable:
            line = {"Error": LOST, "GivenUp": True}
        stop: Mapping[str, Any] | None = line.get("Stop")
        if stop is None:
            self.end = End(error=line.get("Error", ""), given_up=line.get("GivenUp", False))
            self.answer.close()
        return stop

    def _look(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._client.get(self._path).json()
        except (APIError, EngineUnreachable):
            return None
        return found


def group_of(call: Mapping[str, Any]) -> str:
    return meaning(call["Name"], call["Arguments"], call["Source"])[0]
