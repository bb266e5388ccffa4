"""`events`: what happens to the project's containers, as it happens."""

from __future__ import annotations

import json
import time

from kernel_engine.cli.logs import moment
from kernel_engine.compose import labels
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.compose.model import Project


def events(session: Session) -> int:
    words = session.words
    project, name = session.project_or_name()
    if project is not None:
        check_names(project, session.services)
    now = time.time()
    query = {
        "filters": json.dumps({"type": ["container"], "label": [f"{labels.PROJECT}={name}"]}),
        "since": moment(words["since"], now),
        "until": moment(words["until"], now),
    }
    with session.client.get("/events", query=query) as response:
        for event in response.objects():
            marks = event["Actor"]["Attributes"]
            if marks.get(labels.ONE_OFF, "").lower() == "true" or not _is_of(marks, session, project):
                continue
            line = as_json(event) if words["json"] else as_words(event)
            print(line, flush=True)
    return 0


def _is_of(marks: dict[str, str], session: Session, project: Project | None) -> bool:
    service = marks.get(labels.SERVICE, "")
    return service in session.services if session.services else project is None or service in project.services


def _attributes(event: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in event["Actor"]["Attributes"].items() if not key.startswith(labels.PREFIX)}


def _stamp(event: dict[str, Any]) -> tuple[str, int]:
    nanoseconds = event.get("timeNano") or event["time"] * 10**9
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(nanoseconds // 10**9)), nanoseconds % 10**9 // 1000


def as_words(event: dict[str, Any]) -> str:
    """`2026-01-02 03:04:05.000006 container start 0123… (image=…, name=…)`"""
    moment_, micro = _stamp(event)
    listed = ", ".join(f"{key}={value}" for key, value in sorted(_attributes(event).items()))
    return f"{moment_}.{micro:06d} container {event['Action']} {event['Actor']['ID']} ({listed})"


def as_json(event: dict[str, Any]) -> str:
    moment_, micro = _stamp(event)
    return json.dumps(
        {
            "action": event["Action"],
            "attributes": _attributes(event),
            "id": event["Actor"]["ID"],
            "service": event["Actor"]["Attributes"].get(labels.SERVICE, ""),
            "time": f"{moment_.replace(' ', 'T')}.{micro:06d}",
            "type": "container",
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )
