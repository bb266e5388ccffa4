"""The caller's words over the image's."""

from __future__ import annotations

import pytest

from kernel_engine.containers.merge import arguments, merge, process_environment
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.environment import override_environment

IMAGE = {
    "Cmd": ["serve"],
    "Entrypoint": ["/entry"],
    "Env": ["PATH=/bin", "MODE=image"],
    "WorkingDir": "/app",
    "User": "web",
    "Labels": {"a": "image", "b": "image"},
    "ExposedPorts": {"80/tcp": {}},
}


def test_the_image_speaks_where_the_caller_is_silent() -> None:
    merged = merge(ContainerOptions(image="x"), IMAGE)
    assert arguments(merged) == ("/entry", "serve")
    assert (merged.working_dir, merged.user, merged.exposed_ports) == ("/app", "web", ("80/tcp",))


def test_a_command_replaces_only_the_command() -> None:
    assert arguments(merge(ContainerOptions(image="x", command=("other",)), IMAGE)) == ("/entry", "other")


def test_an_entrypoint_drops_the_images_command() -> None:
    assert arguments(merge(ContainerOptions(image="x", entrypoint=("sh",)), IMAGE)) == ("sh",)


def test_an_empty_entrypoint_clears_the_images() -> None:
    assert arguments(merge(ContainerOptions(image="x", entrypoint=("",), command=("ls",)), IMAGE)) == ("ls",)


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="No command specified"):
        merge(ContainerOptions(image="x"), {})


def test_environment_and_labels_of_the_caller_win() -> None:
    merged = merge(ContainerOptions(image="x", environment=("MODE=mine",), labels={"a": "mine"}), IMAGE)
    assert merged.environment == ("MODE=mine", "PATH=/bin")
    assert merged.labels == {"a": "mine", "b": "image"}


def test_a_bare_name_takes_the_variable_away() -> None:
    assert override_environment(("A=1", "B=2"), ("A",)) == ("B=2",)


def test_a_terminal_brings_term_and_the_images_path_wins() -> None:
    merged = merge(ContainerOptions(image="x", tty=True), IMAGE)
    assert process_environment(merged, "abc") == ("PATH=/bin", "HOSTNAME=abc", "TERM=xterm", "MODE=image")
