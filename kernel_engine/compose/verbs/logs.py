"""`logs`: what the project's containers have printed, and with -f what they go on to print."""

from __future__ import annotations

import threading
import time
from typing import Any

from kernel_engine.cli.logs import moment
from kernel_engine.client import APIError
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
    printer = Printer(coloured=coloured(session) and not words["no-color"], prefixed=not words["no-log-prefix"])
    if words["follow"]:
        _follow(session, name, printer, query)
        return 0
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


def _follow(session: Session, name: str, printer: Printer, query: dict[str, object]) -> None:
    """Until none of them runs any more. One that is started again, or is new, is followed as well."""
    client = session.client
    followed: dict[str, threading.Thread] = {}
    ended: dict[str, str] = {}  #: container → when it ended last
    changed = threading.Event()

    def hear(event: dict[str, Any]) -> None:
        if event["Action"] == "die":
            ended[event["Actor"]["ID"]] = after(event)
        changed.set()

    def follow(item: Container, more: dict[str, object]) -> None:
        try:
            log(client, item, printer, {**query, "follow": True, **more})
        except APIError as error:
            if error.status != 404:  # it has been removed meanwhile
                raise
        changed.set()

    watch = Watch(client, name, hear)
    try:
        while True:
            changed.clear()
            chosen = _chosen(session, name)
            printer.register(heading(item) for item in chosen)
            for item in chosen:
                known = followed.get(item.id)
                if known is None or (item.state == RUNNING and not known.is_alive() and item.id in ended):
                    more: dict[str, object] = {} if known is None else {"tail": None, "since": ended.pop(item.id)}
                    if item.state != RUNNING:
                        ended.setdefault(item.id, f"{time.time():.9f}")  # what it will have printed is of its next run
                    followed[item.id] = threading.Thread(target=follow, args=(item, more), daemon=True)
                    followed[item.id].start()
            if not any(item.state in (RUNNING, "paused", "restarting") for item in chosen):
                break
            changed.wait()
        for thread in followed.values():
            thread.join(2)
    finally:
        watch.close()
