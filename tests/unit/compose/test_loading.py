"""Whole compose files: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel_engine.cli import korean
from kernel_engine.cli.failures import Failed
from kernel_engine.compose.loading import load
from kernel_engine.compose.model import Wanted
from kernel_engine.compose.printing import printed
from kernel_engine.compose.writing import written
from tests.unit.compose.cases import ENVIRONMENT, Case, cases, wanted


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", ENVIRONMENT["HOME"])


def _silent(_: str) -> None:
    pass


def _place(tmp_path: Path) -> Path:
    """A directory whose name is the project's in every case."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("case", cases("read.cases"), ids=lambda case: case.name)
def test_files_mean_what_docker_compose_reads_in_them(case: Case, tmp_path: Path) -> None:
    directory = _place(tmp_path)
    text = written(printed(load(case.lay(directory), warn=_silent)))
    assert text.replace(str(directory), "/DIR") == case.expected


#: a service that is not active is not printed, also where another one could do without it
WHOLE = [case for case in cases("read.cases") if not any("profiles:" in text for text in case.files.values())]


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_what_is_printed_means_the_same(case: Case, tmp_path: Path) -> None:
    directory = _place(tmp_path)
    text = written(printed(load(case.lay(directory), warn=_silent)))
    again = tmp_path / "again.yaml"
    again.write_text(text.replace("$", "$$"))
    assert written(printed(load(wanted(tmp_path, ["-f", str(again)])))) == text


@pytest.mark.parametrize("case", cases("refused.cases"), ids=lambda case: case.name)
def test_what_is_wrong_is_said_in_docker_composes_words(case: Case, tmp_path: Path) -> None:
    directory = _place(tmp_path)
    with pytest.raises(Failed) as failure:
        load(case.lay(directory), warn=_silent)
    assert failure.value.about.replace(str(directory), "/DIR") + "\n" == case.expected
    assert failure.value.message.startswith(failure.value.about)


@pytest.mark.parametrize(
    ("service", "advice"),
    [
        ("environment:\n      - LANG: ko", "이름=값"),
        ("labels:\n      - a: b", "이름=값"),
        ("ports:\n      - 8080: 80", "콜론 뒤에 빈칸 없이"),
        ("volumes:\n      - ./a: /b", "콜론 뒤에 빈칸 없이"),
        ("port:\n      - '80'", "port라는 키는 없어요"),
        ("ports: '80:80'", "목록이 와야"),
        ("build:\n      contxt: .", "contxt라는 키는 없어요"),
        ("healthcheck:\n      test: [curl, x]", "CMD-SHELL"),
        ("mem_limit: 1x", "64m, 1g"),
        ("stop_grace_period: 10", "글자가 와야"),
        ("stop_grace_period: '10'", "10s, 1m30s"),
        ("ports: ['99999:80']", "65535"),
        ("depends_on: [db]", "기다리는 서비스 db"),
        ("command: echo: hi", "콜론(:)이 두 번"),
    ],
)
def test_a_learners_mistake_has_its_advice(tmp_path: Path, service: str, advice: str) -> None:
    message = _failure(tmp_path, compose=f"services:\n  web:\n    image: nginx\n    {service}\n")
    assert advice in korean.line(message.partition(f"\n{tmp_path}/compose.yaml")[0])


def _failure(directory: Path, **files: str) -> str:
    case = Case(name="", files={f"{name}.yaml": text for name, text in files.items()}, words=[], expected="")
    with pytest.raises(Failed) as failure:
        load(case.lay(directory), warn=_silent)
    return failure.value.message


def test_a_refusal_shows_the_line(tmp_path: Path) -> None:
    message = _failure(tmp_path, compose="services:\n  web:\n    image: nginx\n    prots:\n      - 80:80\n")
    assert message.splitlines()[1:] == [
        f"{tmp_path}/compose.yaml:4",
        "--------------------",
        "   2 |       web:",
        "   3 |         image: nginx",
        "   4 | >>>     prots:",
        "   5 |           - 80:80",
        "--------------------",
    ]


def test_the_line_is_that_of_the_file_that_says_it(tmp_path: Path) -> None:
    base = "services:\n  web:\n    image: nginx\n    networks: [front]\nnetworks:\n  front:\n"
    over = "services:\n  web:\n    networks:\n    - back\n"
    message = _failure(tmp_path, **{"compose": base, "compose.override": over})
    assert 'service "web" refers to undefined network back' in message
    assert "compose.override.yaml:" in message


def test_an_anchors_line_is_where_it_is_used(tmp_path: Path) -> None:
    text = "x-web: &web\n  image: nginx\n  tty: maybe\nservices:\n  one: {image: x}\n  web:\n    <<: *web\n"
    assert "compose.yaml:3" in _failure(tmp_path, compose=text)


def test_a_warning_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("version: '3'\nservices:\n  a: {image: 'a:$TAG', hostname: '$TAG'}\n")
    said: list[str] = []
    load(wanted(tmp_path, []), warn=said.append)
    assert said == [
        'The "TAG" variable is not set. Defaulting to a blank string.',
        f"{tmp_path}/compose.yaml: the attribute `version` is obsolete, it will be ignored, "
        "please remove it to avoid potential confusion",
    ]


def test_standard_input_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"services: {a: {image: x, build: .}}")))
    project = load(Wanted(files=("-",), working_directory=str(tmp_path)))
    assert project.services["a"].image == "x"
    assert project.directory == str(tmp_path)
    assert project.files == ("-",)


def test_extending_in_a_row_is_bounded(tmp_path: Path) -> None:
    services = "".join(f"  s{at}: {{extends: s{at + 1}}}\n" for at in range(2000))
    message = _failure(tmp_path, compose=f"services:\n{services}  s2000: {{image: x}}\n")
    assert "more than 100 services in a row" in message


def test_including_in_a_row_is_bounded(tmp_path: Path) -> None:
    for at in range(60):
        (tmp_path / f"{at}.yaml").write_text(f"include: [{at + 1}.yaml]\nservices: {{s{at}: {{image: x}}}}\n")
    (tmp_path / "60.yaml").write_text("services: {last: {image: x}}\n")
    with pytest.raises(Failed, match="more than 50 files include each other"):
        load(wanted(tmp_path, ["-f", "0.yaml"]))
    assert "last" in load(wanted(tmp_path, ["-f", "30.yaml"])).services


# hostile files: whatever they hold, the answer is a project or one sentence ------------------------------------------

ATTRIBUTES = """image build command environment env_file ports volumes networks depends_on healthcheck deploy secrets
    configs extends links labels ulimits devices gpus logging tmpfs dns extra_hosts expose scale mem_limit cpus tty
    profiles volumes_from network_mode container_name sysctls blkio_config post_start annotations stop_grace_period
    extends label_file cap_add restart x-a context target source type condition""".split()
WORDS = [
    "",
    "a",
    "b:c",
    "80:80",
    "/a:/b",
    "./x",
    "${A:-b}",
    "${",
    "$$",
    "1",
    "-1",
    "10m",
    "1h",
    "service:a",
    "a=b",
    "~",
]
SCALARS = st.one_of(
    st.sampled_from(WORDS), st.integers(-5, 10**6), st.booleans(), st.none(), st.floats(), st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*ATTRIBUTES, "a", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SERVICES = st.dictionaries(
    st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES, max_size=4)
)
FILES = st.fixed_dictionaries(
    {"services": SERVICES},
    optional={
        section: st.dictionaries(st.sampled_from(["a", "b", "default"]), VALUES, max_size=2)
        for section in ("networks", "volumes", "secrets", "configs", "include", "name", "x-a")
    },
)


@given(st.lists(FILES, min_size=1, max_size=2))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_are_a_project_or_one_sentence(tmp_path: Path, files: list[object]) -> None:
    names = []
    for at, values in enumerate(files):
        (tmp_path / f"{at}.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))
        names += ["-f", f"{at}.yaml"]
    try:
        project = load(wanted(tmp_path, names), warn=_silent)
    except Failed as failure:
        assert failure.message
    else:
        written(printed(project))


def _steps(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _steps(item, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    items = dict(value.items() if isinstance(value, dict) else enumerate(value))
    items[path[0]] = _changed(items[path[0]], path[1:], other)
    return items if isinstance(value, dict) else list(items.values())


SOUND = [
    (values, list(_steps(values)))
    for case in cases("read.cases")
    for text in case.files.values()
    if text.startswith("services:") and "\n---" not in text and "!" not in text
    for values in [yaml.safe_load(text)]
]


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_value_is_a_project_or_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    values, steps = data.draw(st.sampled_from(SOUND), label="file")
    changed = _changed(values, data.draw(st.sampled_from(steps), label="place"), data.draw(VALUES, label="value"))
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(changed, allow_unicode=True))
    try:
        project = load(wanted(tmp_path, []), warn=_silent)
    except Failed as failure:
        assert failure.message
    else:
        written(printed(project))


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_project_or_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "compose.yaml").write_bytes(data)
    with pytest.raises(Failed):
        load(wanted(tmp_path, []), warn=_silent)


@pytest.mark.parametrize("case", cases("refused.cases"), ids=lambda case: case.name)
def test_what_is_wrong_has_its_korean_line(case: Case) -> None:
    assert korean.line(case.expected.rstrip("\n"), ["compose", "up"])
