"""Which cells are commands: an IPython input transformer, before Python sees the cell.

A cell whose first word, after blank lines and comments, is `docker` or `docker-compose` goes to bash as it is. A Python
cell that happens to begin with a name `docker` stays Python.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MAGIC = "docker_cell"
_FIRST = re.compile(r"(docker-compose|docker)(?![\w-])([ \t]*)(.*)")
#: what follows a name in Python and never a command of Docker's
_PYTHON_WORDS = re.compile(r"(in|is|and|or|if|not|for|else)\b")
_WORD = re.compile(r"--?[A-Za-z]|[a-z]|\\$|\$|\"|'|\{")


def is_command_cell(source: str, *, docker_is_a_variable: bool = False) -> bool:
    """Does this cell's text go to the shell? `docker_is_a_variable`: a bare `docker` then shows its value."""
    for line in source.splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _FIRST.match(text)
        if found is None:
            return False
        blank, rest = found[2], found[3]
        if not rest:
            return not docker_is_a_variable
        return bool(blank and _WORD.match(rest)) and not _PYTHON_WORDS.match(rest)
    return False


class Transformer:
    """The callable that IPython keeps; finds the shell's own variables when it is asked."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def __call__(self, lines: list[str]) -> list[str]:
        source = "".join(lines)
        if not is_command_cell(source, docker_is_a_variable="docker" in self._shell.user_ns):
            return lines
        return [f"get_ipython().run_cell_magic({MAGIC!r}, '', {source!r})\n"]


def install(shell: InteractiveShell) -> None:
    uninstall(shell)
    shell.input_transformer_manager.cleanup_transforms.insert(0, Transformer(shell))


def uninstall(shell: InteractiveShell) -> None:
    transforms = shell.input_transformer_manager.cleanup_transforms
    transforms[:] = [item for item in transforms if not isinstance(item, Transformer)]
