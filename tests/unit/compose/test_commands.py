"""The table of compose's commands: every one has its function, its words and its help."""

from __future__ import annotations

import importlib
import re

import pytest

from kernel_engine.cli.grammar import options_of
from kernel_engine.compose import descriptions
from kernel_engine.compose.commands import COMMANDS, GLOBAL_OPTIONS
from kernel_engine.compose.help import command_help, overview
from kernel_engine.compose.main import main

KOREAN = re.compile("[가-힣]")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_carried_out(name: str) -> None:
    module, _, function = COMMANDS[name].handler.partition(":")
    assert callable(getattr(importlib.import_module(f"kernel_engine.compose.{module}"), function))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_described(name: str) -> None:
    assert KOREAN.search(descriptions.COMMANDS[name])
    for option in options_of(COMMANDS[name].options):
        assert KOREAN.search(descriptions.option(name, option.name)), option.name
    assert KOREAN.search(command_help(name))


def test_nothing_is_described_that_does_not_exist() -> None:
    options = {(name, option.name) for name in COMMANDS for option in options_of(COMMANDS[name].options)}
    names = {name for _, name in options} | {option.name for option in options_of(GLOBAL_OPTIONS)}
    for entry in descriptions.OPTIONS:
        command, dot, option = entry.partition(".")
        assert (command, option) in options if dot else entry in names, entry
    assert set(descriptions.COMMANDS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_named_twice(name: str) -> None:
    options = options_of(COMMANDS[name].options)
    names = [option.name for option in options]
    letters = [option.shorthand for option in options if option.shorthand]
    assert len(set(names)) == len(names)
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("words", [["--help"], [], ["help"], ["help", "up"], ["up", "--help"]])
def test_help_needs_no_engine(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-p", "x", *words] if words == ["--help"] else words) == 0
    assert capsys.readouterr().out.startswith("사용법:  docker compose")


def test_the_overview_names_every_command() -> None:
    assert all(f"  {name} " in overview() for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["foo"], 16, 'unknown docker command: "compose foo"'),
        (["--foo"], 16, "unknown flag: --foo"),
        (["up", "--foo"], 16, "unknown flag: --foo\n\nUsage:  docker compose up [OPTIONS] [SERVICE...]"),
        (["exec", "web"], 1, "'docker compose exec' requires at least 2 arguments"),
        (["version", "x"], 1, "'docker compose version' accepts no arguments"),
    ],
)
def test_words_that_do_not_fit(words: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    assert text in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--short"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("Docker Compose version v")
