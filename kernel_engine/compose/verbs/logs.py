"""`logs`: what the project's containers have printed, and with -f what they go on to print."""

from __future__ import annotations

import threading
import time
from typing import Any

from kernel_engine.cli.logs import moment
from kernel_engine.client import APIError, EngineUnreachable
from kernel_engine.compose.converge.observed import RUNNING, Container, containers_of
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.converge.watching import Watch
from kernel_engine.compose.following import after, heading, log
from kernel_engine.compose.screen import Printer
from kernel_engine.compose.session import Session, coloured


def logs(session: Session) -> int:
    words = session.words
    project, name = session.project_or_name()
    if project is not None:
        check_names(project, session.services)
    now = time.time()
    query = {
        "since": moment(words["since"], now, 'invalid value for "since": '),
        "until": moment(words["until"], now, 'invalid value for "until": '),
        "tail": words["tail"],
        "timestamps": words["timestamps"] or None,
    }
    painted, prefixed = coloured(session) and not words["no-color"], not words["no-log-prefix"]
    if words["follow"]:
        _Following(session, name, query, coloured=painted, prefixed=prefixed).run()
        return 0
    printer = Printer(coloured=painted, prefixed=prefixed)
    chosen = _chosen(session, name)
    printer.register(heading(item) for item in chosen)
    for item in chosen:
        log(session.client, item, printer, query)
    return 0


def _chosen(session: Session, name: str) -> list[Container]:
    index = session.words["index"]
    return [
        item
        for item in containers_of(session.client, name)
        if not item.one_off
        and (not session.services or item.service in session.services)
        and (not index or item.number == index)
    ]


class _Following:
    """Until none of them runs any more. One that is started again, or is new, is followed as well."""

    def __init__(
        self, session: Session, name: str, query: dict[str, object], *, coloured: bool, prefixed: bool
    ) -> None:
        self._session = session
        self._name = name
        self._query = query
        self._printer = Printer(coloured=coloured, prefixed=prefixed, left=self._fail)
        self._changed = threading.Event()
        self._failed: list[Exception] = []
        self._followed: dict[str, threading.Thread] = {}
        self._ended: dict[str, str] = {}  #: container → when it ended last

    def run(self) -> None:
        """Raises what one of the threads has met."""
        watch = Watch(self._session.client, self._name, self._hear, self._fail)
        try:
            while self._follow_all():
                self._changed.wait()
            for thread in self._followed.values():
                thread.join(2)
        finally:
            watch.close()
        self._check()

    def _follow_all(self) -> bool:
        """Whether there is anything left to wait for."""
        self._changed.clear()
        self._check()
        chosen = _chosen(self._session, self._name)
        self._printer.register(heading(item) for item in chosen)
        for item in chosen:
            known = self._followed.get(item.id)
            if known is None:
                self._begin(item, {})
            elif item.state == RUNNING and not known.is_alive() and item.id in self._ended:
                self._begin(item, {"tail": None, "since": self._ended.pop(item.id)})
        return any(item.state in (RUNNING, "paused", "restarting") for item in chosen)

    def _begin(self, item: Container, more: dict[str, object]) -> None:
        if item.state != RUNNING:
            self._ended.setdefault(item.id, f"{time.time():.9f}")  # what it will have printed is of its next run
        self._followed[item.id] = threading.Thread(target=self._follow, args=(item, more), daemon=True)
        self._followed[item.id].start()

    def _follow(self, item: Container, more: dict[str, object]) -> None:
        try:
            log(self._session.client, item, self._printer, {**self._query, "follow": True, **more})
        except (APIError, EngineUnreachable) as error:
            if getattr(error, "status", 0) != 404:  # it has been removed meanwhile
                self._fail(error)
        self._changed.set()

    def _hear(self, event: dict[str, Any]) -> None:
        if event["Action"] == "die":
            self._ended[event["Actor"]["ID"]] = after(event)
        self._changed.set()

    def _fail(self, error: Exception) -> None:
        self._failed.append(error)
        self._changed.set()

    def _check(self) -> None:
        if self._failed:
            raise self._failed[0]
