"""A `%%dockerfile` cell understood, and the file that it writes: never over somebody's own work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labs.notebook.building.recipe import BadRecipe, Recipe, Written, understand, write

TEXT = "FROM debian\nRUN make\n"


@pytest.fixture(autouse=True)
def notebooks_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe(line: str = "-t web", text: str = TEXT) -> Recipe:
    return understand(line, text)


@pytest.mark.parametrize(
    ("line", "folder", "file"),
    [
        ("-t web", "web", "web/Dockerfile"),
        ("-t lab/wiki:1 -t other", "wiki", "wiki/Dockerfile"),
        ("-t localhost:5000/team/app:v1", "app", "app/Dockerfile"),
        ("", "dockerfile", "dockerfile/Dockerfile"),
        ("-t UPPER", "dockerfile", "dockerfile/Dockerfile"),  # the engine says what is wrong with the name
        ("-t web site", "site", "site/Dockerfile"),
        ("-t web .", ".", "Dockerfile"),
        ("-t web -f site/dev.Dockerfile site", "site", "site/dev.Dockerfile"),
        ("--build-arg 'A=b c' --no-cache 'my site'", "my site", "my site/Dockerfile"),
    ],
)
def test_where_the_file_goes(line: str, folder: str, file: str) -> None:
    found = recipe(line)
    assert (str(found.folder), str(found.file)) == (folder, file)


def test_options_are_those_of_docker_build() -> None:
    options = recipe("-t web:1 -t web:2 --build-arg A=b --target tools --no-cache").options
    assert (options["tag"], options["build-arg"], options["target"]) == (["web:1", "web:2"], ["A=b"], "tools")
    assert options["no-cache"]


@pytest.mark.parametrize(
    ("line", "text", "told"),
    [
        ("-t", TEXT, "flag needs an argument"),
        ("--nonsense", TEXT, "unknown flag: --nonsense"),
        ("-q -t web", TEXT, "--quiet: %%dockerfile에서는 쓸 수 없는 옵션"),
        ("--help", TEXT, "쓰는 법"),
        ("'", TEXT, "쓰는 법"),
        ("-t web", " \n", "내용을 써 주세요"),
        ("one two", TEXT, "하나만"),
        ("-", TEXT, "폴더 이름을"),
        ("https://example.org/x.git", TEXT, "폴더 이름을"),
        ("-f - web", TEXT, "폴더 이름을"),
    ],
)
def test_what_cannot_be_built_is_one_sentence_and_how_to_write_it(line: str, text: str, told: str) -> None:
    with pytest.raises(BadRecipe, match=re.escape(told)):
        understand(line, text)


def test_the_cells_text_is_the_file(notebooks_folder: Path) -> None:
    assert write(recipe(text="\nFROM debian\n\n\n"), notebooks_folder) is Written.NEW
    assert Path("web/Dockerfile").read_text() == "\nFROM debian\n"  # lines keep their numbers


def test_a_cell_goes_over_what_a_cell_wrote(notebooks_folder: Path) -> None:
    write(recipe(), notebooks_folder)
    assert write(recipe(), notebooks_folder) is Written.SAME
    assert write(recipe(text="FROM busybox\n"), notebooks_folder) is Written.CHANGED
    assert Path("web/Dockerfile").read_text() == "FROM busybox\n"


@pytest.mark.parametrize("before", [None, TEXT])
def test_it_never_goes_over_somebodys_own_file(notebooks_folder: Path, before: str | None) -> None:
    if before is not None:
        write(recipe(text=before), notebooks_folder)
    Path("web").mkdir(exist_ok=True)
    Path("web/Dockerfile").write_text("FROM mine\n")
    with pytest.raises(BadRecipe, match="--overwrite"):
        write(recipe(), notebooks_folder)
    assert Path("web/Dockerfile").read_text() == "FROM mine\n"
    assert write(recipe("-t web --overwrite"), notebooks_folder) is Written.CHANGED
    assert write(recipe(text="FROM third\n"), notebooks_folder) is Written.CHANGED


def test_somebodys_own_file_of_the_same_text_is_taken_over(notebooks_folder: Path) -> None:
    Path("web").mkdir()
    Path("web/Dockerfile").write_text(TEXT)
    assert write(recipe(), notebooks_folder) is Written.SAME
    assert write(recipe(text="FROM busybox\n"), notebooks_folder) is Written.CHANGED


def test_a_place_that_cannot_be_written_is_one_sentence(notebooks_folder: Path) -> None:
    Path("web").write_text("a file")
    with pytest.raises(BadRecipe, match="web/Dockerfile에 쓸 수 없어요"):
        write(recipe(), notebooks_folder)
    assert Path("web").read_text() == "a file"


def test_damaged_notes_make_it_careful(notebooks_folder: Path) -> None:
    write(recipe(), notebooks_folder)
    (notebooks_folder / ".docker-labs/dockerfiles.json").write_text("[")
    with pytest.raises(BadRecipe):
        write(recipe(text="FROM busybox\n"), notebooks_folder)
