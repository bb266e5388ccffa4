"""The one table: every command has its function, its words and its help."""

from __future__ import annotations

import importlib
import re

import pytest

from kernel_engine.cli import descriptions
from kernel_engine.cli.commands import COMMANDS, COMMON, GLOBAL_OPTIONS, GROUPS, find
from kernel_engine.cli.grammar import options_of
from kernel_engine.cli.help import aliases, command_help, group_help, overview

KOREAN = re.compile("[가-힣]")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_carried_out(name: str) -> None:
    module, _, function = COMMANDS[name].handler.partition(":")
    assert callable(getattr(importlib.import_module(f"kernel_engine.cli.{module}"), function))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    assert KOREAN.search(descriptions.COMMANDS[name])
    for option in options_of(COMMANDS[name].options):
        assert KOREAN.search(descriptions.option(name, option.name)), option.name


def test_nothing_is_described_that_does_not_exist() -> None:
    options = {(name, option.name) for name in COMMANDS for option in options_of(COMMANDS[name].options)}
    names = {name for _, name in options} | {option.name for option in options_of(GLOBAL_OPTIONS)} | {"help"}
    for entry in descriptions.OPTIONS:
        command, dot, option = entry.partition(".")
        assert (command, option) in options if dot else entry in names, entry
    assert set(descriptions.COMMANDS) == set(COMMANDS)
    assert set(descriptions.GROUPS) == set(GROUPS)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_named_twice(name: str) -> None:
    options = options_of(COMMANDS[name].options)
    names = [option.name for option in options]
    letters = [option.shorthand for option in options if option.shorthand]
    assert len(set(names)) == len(names)
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize(
    ("words", "path", "command"),
    [
        (["ps", "-a"], "ps", "ps"),
        (["container", "ls"], "container ls", "ps"),
        (["container", "list"], "container list", "ps"),
        (["container", "ps"], "container ps", "ps"),
        (["image", "rm", "x"], "image rm", "rmi"),
        (["image", "remove", "x"], "image remove", "rmi"),
        (["system", "info"], "system info", "info"),
        (["image", "inspect", "x"], "image inspect", "image inspect"),
    ],
)
def test_both_forms_are_one_command(words: list[str], path: str, command: str) -> None:
    found = find(words)
    assert found[:2] == (path, COMMANDS[command])


@pytest.mark.parametrize("words", [["nosuch"], ["image inspect"], ["container", "images"], ["image", "run"]])
def test_what_is_no_command(words: list[str]) -> None:
    assert find(words)[1] is None


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option(name: str) -> None:
    text = command_help(name, COMMANDS[name])
    for option in options_of(COMMANDS[name].options):
        assert f"--{option.name}" in text or option.name in ("net", "net-alias", "time")
    assert f"docker {name} {COMMANDS[name].usage}" in text


def test_the_overview_names_every_command() -> None:
    text = overview()
    for name in COMMANDS:
        assert f"  {name} " in text or " " in name
    assert set(COMMON) <= set(COMMANDS)


def test_a_group_names_its_commands_once() -> None:
    text = group_help("container")
    assert "\n  ls " in text
    assert "list" not in text.split()
    assert aliases("ps") == ["container list", "container ls", "container ps", "ps"]
