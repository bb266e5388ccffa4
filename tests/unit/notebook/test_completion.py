"""Tab in a `%%dockerfile` cell, asked of IPython's own completer as the kernel asks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from labs.notebook.building import completion


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    config = Config({"HistoryManager": {"enabled": False}})
    shell: Any = InteractiveShell(config=config)
    completion.install(shell)
    completion.install(shell)  # twice changes nothing
    yield shell
    completion.uninstall(shell)
    assert completion.instructions not in shell.Completer.custom_matchers


def completed(shell: Any, text: str) -> list[str]:
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return [text[: item.start] + item.text + text[item.end :] for item in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%dockerfile -t x\nFR", ["%%dockerfile -t x\nFROM "]),
        ("%%dockerfile\nFROM a\nw", ["%%dockerfile\nFROM a\nWORKDIR "]),
        ("%%dockerfile\nFROM a\nEN", ["%%dockerfile\nFROM a\nENTRYPOINT ", "%%dockerfile\nFROM a\nENV "]),
    ],
)
def test_instructions_at_the_beginning_of_a_line(shell: Any, text: str, expected: list[str]) -> None:
    assert completed(shell, text) == expected


@pytest.mark.parametrize(
    "text", ["FR", "x = 1\nWORKD", "%%dockerfile\nFROM a\nRUN b \\\n WORKD", "%%dockerfile\nFROM a WORKD"]
)
def test_nothing_elsewhere(shell: Any, text: str) -> None:
    assert not [found for found in completed(shell, text) if "FROM " in found[len(text) - 2 :] or "WORKDIR" in found]
