"""--format at the commands: names of Go's structs beside JSON's, what is absent, refusals before anything is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_main import outcome
from tests.unit.client.served import Answer, in_json, serving

CONTAINER = {
    "Id": "abc",
    "Name": "/web",
    "State": {"Status": "running", "ExitCode": 0},
    "Config": {"Labels": {"a": "1"}, "Entrypoint": None, "Cmd": ["sh"]},
}
EVENT = {
    "status": "start",
    "id": "abc",
    "from": "busybox",
    "Type": "container",
    "Action": "start",
    "Actor": {"ID": "abc", "Attributes": {"image": "busybox", "name": "web"}},
    "scope": "local",
    "time": 5,
    "timeNano": 5000000001,
}
ANSWERS: dict[str, Answer] = {
    "GET /containers/web/json": in_json(CONTAINER),
    "GET /containers/json": in_json([]),
    "GET /events": in_json(EVENT),
    "GET /info": in_json({"ServerVersion": "1"}),
    "GET /version": in_json({"Version": "1", "ApiVersion": "1.47"}),
    "GET /images/json": in_json([]),
}


@pytest.fixture
def host(tmp_path: Path) -> Any:
    with serving(tmp_path, ANSWERS) as served:
        yield served.host


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{{.ID}} {{.Id}}", "abc abc"),
        ("{{.State.Health}}", "<nil>"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
        ("{{json .State.Health}}{{json .SizeRw}}", "nullnull"),
        ('{{index .Config.Labels "a"}}{{.Config.Labels.a}} {{.Config.Labels.b}}', "11 <no value>"),
        ("{{.Config.Entrypoint}}{{json .Config.Cmd}}", '[]["sh"]'),
        ("{{.Config.Entrypoint}} {{.Config.Cmd}}", "[] [sh]"),
        ("{{json .Config.Entrypoint}}", "null"),
    ],
)
def test_inspect(host: str, form: str, text: str) -> None:
    assert outcome(host, "inspect", "--format", form, "web") == (0, f"{text}\n", "")


def test_what_json_shows_has_no_further_names(host: str) -> None:
    code, shown, _ = outcome(host, "inspect", "--format", "{{json .}}", "web")
    assert (code, json.loads(shown)) == (0, CONTAINER)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", "1970-01-01T00:00:05.000000001Z container start abc (image=busybox, name=web)"),
        ("{{.Type}} {{.Action}} {{.ID}} {{.Actor.ID}} {{.Status}} {{.From}}", "container start abc abc start busybox"),
        ("{{.Actor.Attributes.name}} {{.Actor.Attributes.none}}", "web <no value>"),
        ("{{.Scope}} {{.Time}} {{.TimeNano}}", "local 5 5000000001"),
    ],
)
def test_events(host: str, form: str, text: str) -> None:
    assert outcome(host, "events", "--format", form, TZ="UTC") == (0, f"{text}\n", "")


@pytest.mark.parametrize("form", ["json", "{{json .}}"])
def test_events_as_json(host: str, form: str) -> None:
    code, shown, _ = outcome(host, "events", "--format", form)
    assert (code, json.loads(shown)) == (0, EVENT)


NOT = 'template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type '


@pytest.mark.parametrize(
    ("words", "code", "printed", "error"),
    [
        (["inspect", "web"], 64, "", "template parsing error: template: :1: unclosed action"),
        (["ps"], 1, "", "failed to parse template: template: :1: unclosed action"),
        (["images"], 1, "", "template parsing error: template: :1: unclosed action"),
        (["events"], 64, "", "Error parsing format: template: :1: unclosed action"),
        (["info"], 64, "", "template parsing error: template: :1: unclosed action"),
        (["version"], 64, "", "template parsing error: template: version:1: unclosed action"),
    ],
)
def test_a_template_that_cannot_be_read(host: str, words: list[str], code: int, printed: str, error: str) -> None:
    assert outcome(host, *words, "--format", "{{.Id") == (code, printed, f"{error}\n")


@pytest.mark.parametrize(
    ("words", "code", "printed", "error"),
    [
        (["ps"], 1, "", f"failed to execute template: {NOT}*formatter.ContainerContext"),
        (["images"], 1, "", f"template parsing error: {NOT}*formatter.imageContext"),
        (["events"], 64, "", f"Error parsing format: {NOT}*events.Message"),
        (["info"], 1, "\n", f"{NOT}system.dockerInfo"),
    ],
)
def test_a_field_that_there_is_not(host: str, words: list[str], code: int, printed: str, error: str) -> None:
    assert outcome(host, *words, "--format", "{{.Nope}}") == (code, printed, f"{error}\n")
