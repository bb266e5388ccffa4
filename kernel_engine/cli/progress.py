"""Docker's progress messages on a terminal (one line a layer, with a bar) and elsewhere (one line a state).

The rules are those of moby's jsonmessage: a message with an id and a progress owns a line; any other message ends the
block of lines.
"""

from __future__ import annotations

import os

from kernel_engine.cli.cell import tell
from kernel_engine.formats.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO

BAR = 50
ERASE_LINE = "\x1b[2K\r"


class Display:
    def __init__(self, out: TextIO, *, terminal: bool, width: int | None = None) -> None:
        self._out = out
        self._terminal = terminal
        self._width = _columns(out) if width is None and terminal else width or 200
        self._lines: dict[str, int] = {}

    def show(self, message: Mapping[str, Any]) -> None:
        """One message: {"id", "status", "progressDetail": {"current", "total"}, "stream", "aux"}."""
        if message.get("aux") is not None:
            return
        name, progress = message.get("id", ""), message.get("progressDetail")
        if not self._terminal:
            tell(message)
            if not bar(progress, self._width):
                self._out.write(plain(message) + ("" if "stream" in message else "\n"))
                self._out.flush()
            return
        up = 0
        if name and progress is not None:
            if name not in self._lines:
                self._lines[name] = len(self._lines)
                self._out.write("\n")
            up = len(self._lines) - self._lines[name]
            self._out.write(f"\x1b[{up}A")
        else:
            self._lines = {}
        self._out.write(self._line(message, progress))
        if up:
            self._out.write(f"\x1b[{up}B")
        self._out.flush()

    def _line(self, message: Mapping[str, Any], progress: Mapping[str, Any] | None) -> str:
        if progress is None:
            return plain(message) + ("" if "stream" in message else "\n")
        return f"{ERASE_LINE}{plain(message)} {bar(progress, self._width)}\r"


def plain(message: Mapping[str, Any]) -> str:
    name = f"{message['id']}: " if message.get("id") else ""
    return f"{name}{message.get('stream') or message.get('status', '')}"


def bar(progress: Mapping[str, Any] | None, width: int) -> str:
    """`[=====>     ]  1.02MB/1.98MB`; "" when there is nothing to show."""
    if not progress:
        return ""
    current, total = progress.get("current", 0), progress.get("total", 0)
    if current <= 0 and total <= 0:
        return ""
    units = progress.get("units", "")
    if total <= 0:
        return f"{current} {units}" if units else f"{human_size(current):>8}"
    filled = min(BAR, int(current / total * 100) // 2)
    box = f"[{'=' * filled}>{' ' * (BAR - filled)}] " if width > 110 else ""
    if progress.get("hidecounts"):
        return box
    if units:
        return f"{box}{current}/{total} {units}" if current <= total else f"{box}{current} {units}"
    return f"{box}{human_size(current):>8}" + (f"/{human_size(total)}" if current <= total else "")


def _columns(out: TextIO) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns
    except OSError:
        return 200
