"""Tab in a `%%dockerfile` cell: the instructions of a Dockerfile, at the beginning of a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from kernel_engine.formats.dockerfile.readers import KEYWORDS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MAGIC = re.compile(r"\s*%%dockerfile\b")
_WORD = re.compile(r"[A-Za-z]+$")


@context_matcher()  # type: ignore[untyped-decorator]  # IPython's own
def instructions(context: CompletionContext) -> SimpleMatcherResult:
    """Nothing in other cells, on the magic's own line, and on a line that another one is continued on."""
    found: list[SimpleCompletion] = []
    before = context.full_text.split("\n")[: context.cursor_line]
    if before and _MAGIC.match(context.full_text) and not before[-1].rstrip().endswith("\\"):
        word = context.text_until_cursor
        if _WORD.match(word):
            found = [SimpleCompletion(f"{name} ", type="keyword") for name in KEYWORDS if name.startswith(word.upper())]
    return {"completions": found, "suppress": True, "matched_fragment": context.text_until_cursor}


def install(shell: InteractiveShell) -> None:
    uninstall(shell)
    _matchers(shell).append(instructions)


def uninstall(shell: InteractiveShell) -> None:
    matchers = _matchers(shell)
    matchers[:] = [matcher for matcher in matchers if matcher is not instructions]


def _matchers(shell: Any) -> list[Any]:
    found: list[Any] = shell.Completer.custom_matchers
    return found
