"""Which files, variables and name a command line means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.finding import find, normalised_name
from kernel_engine.compose.loading import load
from kernel_engine.compose.model import Wanted

FILE = "services: {a: {image: 'x:${TAG:-none}'}}\n"


def _lay(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(FILE)


def _found(directory: Path, *, said: list[str] | None = None, **options: object) -> list[str]:
    found = find(Wanted(working_directory=str(directory), **options), (said or []).append)  # type: ignore[arg-type]
    return [os.path.relpath(file, directory) for file in found.files]


def test_the_nearest_file_above_counts(tmp_path: Path) -> None:
    _lay(tmp_path, "docker-compose.yml", "in/deep/x")
    assert _found(tmp_path / "in" / "deep") == ["../../docker-compose.yml"]
    _lay(tmp_path, "in/compose.yml", "in/docker-compose.override.yml")
    assert _found(tmp_path / "in" / "deep") == ["../compose.yml", "../docker-compose.override.yml"]


def test_of_several_the_first_name_counts_with_a_warning(tmp_path: Path) -> None:
    _lay(tmp_path, "compose.yaml", "docker-compose.yml")
    said: list[str] = ["first"]
    assert _found(tmp_path, said=said) == ["compose.yaml"]
    assert said[1:] == [
        f"Found multiple config files with supported names: {tmp_path}/compose.yaml, {tmp_path}/docker-compose.yml",
        f"Using {tmp_path}/compose.yaml",
    ]


def test_variables_stand_in_for_options(tmp_path: Path) -> None:
    _lay(tmp_path, "a.yaml", "b.yaml", "compose.yaml")
    environment = {"COMPOSE_FILE": "a.yaml,b.yaml", "COMPOSE_PATH_SEPARATOR": ",", "COMPOSE_PROFILES": "p, q"}
    assert _found(tmp_path, environment=environment) == ["a.yaml", "b.yaml"]
    assert _found(tmp_path, environment=environment, files=("compose.yaml",)) == ["compose.yaml"]
    assert find(Wanted(working_directory=str(tmp_path), environment=environment), print).profiles == ("p", "q")
    (tmp_path / ".env").write_text("COMPOSE_FILE=b.yaml\nCOMPOSE_PROJECT_NAME=fromenv\n")
    assert _found(tmp_path) == ["b.yaml"]
    assert find(Wanted(working_directory=str(tmp_path)), print).name == "fromenv"


def test_the_shell_comes_before_env_files(tmp_path: Path) -> None:
    _lay(tmp_path, "compose.yaml")
    (tmp_path / ".env").write_text("TAG=env\n")
    (tmp_path / "one.env").write_text("TAG=one\nOTHER=1\n")
    (tmp_path / "two.env").write_text("TAG=two$OTHER\n")

    def image(**options: object) -> str:
        return load(Wanted(working_directory=str(tmp_path), **options)).services["a"].image  # type: ignore[arg-type]

    assert image() == "x:env"
    assert image(environment={"TAG": "shell"}) == "x:shell"
    assert image(env_files=("one.env", "two.env")) == "x:two1"
    assert image(environment={"COMPOSE_ENV_FILES": "one.env"}) == "x:one"
    assert image(environment={"COMPOSE_DISABLE_ENV_FILE": "true"}) == "x:none"


def test_the_env_file_beside_the_compose_file_counts(tmp_path: Path) -> None:
    _lay(tmp_path, "in/compose.yaml")
    (tmp_path / "in" / ".env").write_text("TAG=in\n")
    for options in ({"files": ("in/compose.yaml",)}, {"working_directory": str(tmp_path / "in" / "deep")}):
        (tmp_path / "in" / "deep").mkdir(exist_ok=True)
        wanted = Wanted(**{"working_directory": str(tmp_path), **options})  # type: ignore[arg-type]
        assert load(wanted).services["a"].image == "x:in"


@pytest.mark.parametrize(
    ("name", "modern", "legacy"),
    [
        ("My App", "myapp", "myapp"),
        ("_-x_Y-", "x_y-", "_-x_y-"),
        ("한글", "", "default"),
        ("07_container", "07_container", "07_container"),
    ],
)
def test_names_are_made_to_fit(name: str, modern: str, legacy: str) -> None:
    assert (normalised_name(name), normalised_name(name, legacy=True)) == (modern, legacy)


def test_the_name_comes_from_the_option_the_file_or_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "My Dir"
    _lay(directory, "compose.yaml")

    def name(**options: object) -> str:
        return load(Wanted(working_directory=str(directory), **options)).name  # type: ignore[arg-type]

    assert name() == "mydir"
    (directory / "compose.yaml").write_text("name: in-${FILE:-file}\n" + FILE)
    assert name() == "in-file"
    assert name(environment={"COMPOSE_PROJECT_NAME": "fromenv"}) == "fromenv"
    assert name(environment={"COMPOSE_PROJECT_NAME": "fromenv"}, project_name="opt") == "opt"
    assert name(project_name="Opt", legacy=True) == "opt"
    with pytest.raises(Failed, match='invalid project name "Opt"'):
        name(project_name="Opt")


def test_a_directory_without_a_letter_needs_a_name(tmp_path: Path) -> None:
    _lay(tmp_path / "한글", "compose.yaml")
    with pytest.raises(Failed, match=r"^project name must not be empty$"):
        load(Wanted(working_directory=str(tmp_path / "한글")))


def test_the_project_knows_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("name: n\nservices: {a: {image: '${COMPOSE_PROJECT_NAME}'}}\n")
    assert load(Wanted(working_directory=str(tmp_path))).services["a"].image == "n"


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^no configuration file provided: not found$"):
        _found(tmp_path)
