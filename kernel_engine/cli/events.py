"""`docker events`: what happens, line by line."""

from __future__ import annotations

import json
import time

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.listing import filters_json
from kernel_engine.cli.logs import moment
from kernel_engine.formats.times import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernel_engine.cli.grammar import Call
    from kernel_engine.formats.templates import Fields


def events(call: Call) -> int:
    """Prints what happens as it happens, until --until (or Ctrl+C)."""
    words = call.words
    line = _event_line(words["format"])
    now = time.time()
    query = {
        "since": moment(words["since"], now),
        "until": moment(words["until"], now),
        "filters": filters_json(words["filter"]),
    }
    with call.client.get("/events", query=query) as response:
        for event in response.objects():
            print(line(event), flush=True)
    return 0


def _event_line(form: str) -> Callable[[dict[str, Any]], str]:
    """What makes a line of an event. A template is tried out before anything happens, as Docker does."""
    if form == "json":
        return lambda event: json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    if not form:
        return event_line
    from kernel_engine.formats.templates import TemplateError, compile_template

    try:
        template = compile_template(form)
        template.execute(_message({}))
    except TemplateError as error:
        raise Failed(f"Error parsing format: {error}", 64, about="template parsing error") from error
    return lambda event: template.execute(_message(event))


def _message(event: dict[str, Any]) -> Fields:
    """An event with the names of Go's struct; its JSON has some in small letters."""
    from kernel_engine.formats.template_functions import Fields, Words

    actor = event.get("Actor") or {}
    named = {"ID": actor.get("ID", ""), "Attributes": Words(actor.get("Attributes") or {})}
    fields = {
        "Status": event.get("status", ""),
        "ID": event.get("id", ""),
        "From": event.get("from", ""),
        "Type": event.get("Type", ""),
        "Action": event.get("Action", ""),
        "Actor": Fields(named, "events.Actor", actor),
        "Scope": event.get("scope", ""),
        "Time": event.get("time", 0),
        "TimeNano": event.get("timeNano", 0),
    }
    return Fields(fields, "*events.Message", event)


def event_line(event: dict[str, Any]) -> str:
    """Docker's own line."""
    actor = event["Actor"]
    attributes = ", ".join(f"{key}={value}" for key, value in sorted((actor.get("Attributes") or {}).items()))
    suffix = f" ({attributes})" if attributes else ""
    return f"{rfc3339(event['timeNano'])} {event['Type']} {event['Action']} {actor['ID']}{suffix}"
