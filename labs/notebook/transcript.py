"""What a terminal showed, as plain text: control sequences resolved line by line, nothing else changed.

Carriage returns overwrite, backspaces step back, erase-to-end-of-line erases; colours, titles and modes vanish. A line
is given out when it is finished, so that a progress display of a hundred states becomes its last one.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+][\x20-\x7e]|[@-Z\\^_=>78])")
#: the beginning of a sequence whose end has not come yet
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[()*+])?$")


class Transcript:
    """Feed it bytes; it returns text that is final."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._line = _Line()

    def feed(self, data: bytes) -> str:
        """Finished lines, each with its newline."""
        text = self._pending + self._decoder.decode(data)
        cut = _UNFINISHED.search(text)
        self._pending = text[cut.start() :] if cut else ""
        finished: list[str] = []
        for piece in _pieces(text[: cut.start()] if cut else text):
            if piece == "\n":
                finished.append(self._line.text() + "\n")
                self._line = _Line()
            else:
                self._line.put(piece)
        return "".join(finished)

    @property
    def unfinished(self) -> str:
        """The line that the cursor is on: a prompt, usually."""
        return self._line.text(strip=False)

    def take_unfinished(self) -> str:
        text = self._line.text(strip=False)
        self._line = _Line()
        return text


class _Line:
    """Cells of one line; a wide character takes two, the second empty."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._at = 0

    def put(self, piece: str) -> None:
        if piece == "\r":
            self._at = 0
        elif piece == "\b":
            self._at = max(self._at - 1, 0)
        elif piece == "\t":
            self._write_cells([" "] * (8 - self._at % 8))
        elif piece.startswith("\x1b["):
            self._control(piece[2:-1], piece[-1])
        elif piece >= " " and not piece.startswith("\x1b") and piece != "\x7f":
            self._write(piece)

    def text(self, *, strip: bool = True) -> str:
        whole = "".join(self._cells)
        return whole.rstrip(" ") if strip else whole

    def _write(self, character: str) -> None:
        if unicodedata.combining(character) and self._at:
            self._cells[self._at - 1] += character
            return
        wide = unicodedata.east_asian_width(character) in "WF"
        self._write_cells([character, ""] if wide else [character])

    def _write_cells(self, cells: list[str]) -> None:
        self._cells += [" "] * (self._at - len(self._cells))
        self._cells[self._at : self._at + len(cells)] = cells
        self._at += len(cells)

    def _control(self, words: str, letter: str) -> None:
        number = int(words) if words.isdigit() else 0
        if letter == "K":
            if number == 0:
                del self._cells[self._at :]
            elif number == 2:
                self._cells = []
        elif letter == "C":
            self._at += max(number, 1)
        elif letter == "D":
            self._at = max(self._at - max(number, 1), 0)
        elif letter == "G":
            self._at = max(number, 1) - 1
        elif letter == "P":
            del self._cells[self._at : self._at + max(number, 1)]


def _pieces(text: str) -> list[str]:
    """Sequences whole, everything else character by character; CR LF is a newline."""
    pieces: list[str] = []
    at = 0
    for found in _SEQUENCE.finditer(text):
        pieces += text[at : found.start()]
        pieces.append(found[0])
        at = found.end()
    return pieces + list(text[at:])
