"""What a terminal has printed: kept for pages that come (back), and as plain text when it is over. Runs nothing."""

from __future__ import annotations

import re
from collections import deque
from typing import Self

from labs.notebook.transcript import Transcript

#: characters that are kept
_MOST = 1 << 20
_PIECE = 4096
#: questions to the terminal (cursor's place, kind, colours, modes). Shown anew they would be answered anew, and the
#: answers typed into a program that asks no more
_QUESTIONS = re.compile(
    r"\x1b\[[?>=]?[0-9;]*[cn]|\x1b\[\??[0-9;]*\$p|\x1b\[>[0-9]*q|\x1b\[1[4-9]t|\x1bP\$q[^\x1b]*\x1b\\"
    r"|\x1b\][0-9;]*;\?(?:\x07|\x1b\\)"
)
_OTHER_SCREEN = re.compile(r"\x1b\[\?(?:1049|1047|47)h.*?(?:\x1b\[\?(?:1049|1047|47)l|\Z)", re.DOTALL)
_CLEARED = re.compile(r"\x1b\[[23]J|\x1b\[(?:1;1)?H\x1b\[0?J|\x1bc")
#: lines that an output keeps, and characters that are looked through for them
LINES = 200
_LAST = 1 << 16


class ScrollBack(deque[str]):
    """In place of a terminado terminal's `read_buffer`, which keeps a thousand pieces, however small they are."""

    def __init__(self, pieces: deque[str] | None = None) -> None:
        super().__init__(pieces or (), maxlen=_MOST // _PIECE)
        self._seen = False

    def append(self, piece: str) -> None:
        if self and len(self[-1]) + len(piece) <= _PIECE:
            self[-1] += piece
        else:
            super().append(piece)

    def copy(self) -> Self:
        """What a page gets that connects. Only the first one answers the program's questions."""
        text = "".join(self)
        made = type(self)(deque([_QUESTIONS.sub("", text) if self._seen else text]))
        self._seen = True
        return made


def still(text: str) -> str:
    """The screen as it stands at the end, plain: what a full-screen program drew, and what was cleared, has gone."""
    shown = _CLEARED.split(_OTHER_SCREEN.sub("", text))[-1]
    if len(shown) > _LAST:
        shown = shown[-_LAST:].partition("\n")[2]
    transcript = Transcript()
    whole = transcript.feed(shown.encode("utf-8", "replace")) + transcript.take_unfinished()
    lines = [line.rstrip() for line in whole.splitlines()]
    return "\n".join(lines[-LINES:]).strip("\n")
