"""Which cells are commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from labs.notebook import transformer
from labs.notebook.transformer import is_command_cell


@pytest.mark.parametrize(
    "source",
    [
        "docker ps",
        "docker",
        "docker --version",
        "docker -v",
        "docker-compose up -d",
        "\n# 설명\n\n  docker run --rm debian \\\n    true",
        "docker ps -q | head -1",
        "docker rm $(docker ps -aq)",
        "docker inspect --format '{{.State.Pid}}' web",
        "docker run debian sh -c 'echo \"hi\n there\"'",
        "docker images\ndocker ps -a",
        "docker run -it debian bash",
        'docker "ps"',
        "docker info > info.txt",
    ],
)
def test_commands(source: str) -> None:
    assert is_command_cell(source)


@pytest.mark.parametrize(
    "source",
    [
        "import docker",
        "from docker import x",
        "docker = 3",
        "docker=3",
        "docker: int = 3",
        "docker == 3",
        "docker.from_env()",
        "docker (1)",
        "docker(1)",
        "docker[0]",
        "docker, other = 1, 2",
        "docker + 1",
        "docker - 1",
        "docker in names",
        "docker is None",
        "docker if x else y",
        "dockers ps",
        "docker_cell = 1",
        "x = 1\ndocker ps",
        "%docker ps",
        "%%docker run -it x sh\nls",
        "# docker ps",
        "",
    ],
)
def test_python_stays_python(source: str) -> None:
    assert not is_command_cell(source)


def test_a_variable_named_docker_shows_its_value() -> None:
    assert not is_command_cell("docker", docker_is_a_variable=True)
    assert is_command_cell("docker ps", docker_is_a_variable=True)


SHELL = InteractiveShell()


@pytest.fixture
def shell() -> InteractiveShell:
    transformer.install(SHELL)
    return SHELL


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60))
def test_the_text_reaches_the_command_untouched(text: str) -> None:
    source = f"docker run {text}"
    [line] = transformer.Transformer(SHELL)(source.splitlines(keepends=True) or [""])
    assert eval(line.partition("'', ")[2].rstrip()[:-1]) == source


def test_through_ipython(shell: InteractiveShell) -> None:
    code = shell.transform_cell("docker inspect --format '{{json .Config}}' x | head -1 && echo $HOME\n")
    assert code.startswith("get_ipython().run_cell_magic('docker_cell', '', ")
    assert "{{json .Config}}" in code
    assert shell.transform_cell("docker = 3\n") == "docker = 3\n"


def test_installing_twice_adds_it_once(shell: InteractiveShell) -> None:
    transformer.install(shell)
    found = [
        item for item in shell.input_transformer_manager.cleanup_transforms if isinstance(item, transformer.Transformer)
    ]
    assert len(found) == 1
