"""Names of signals as Docker takes them. Pure."""

from __future__ import annotations

import signal as signals

from kernel_engine.errors import InvalidRequest

_REAL_TIME = {"RTMIN": int(signals.SIGRTMIN), "RTMAX": int(signals.SIGRTMAX)}


def parse_signal(word: str) -> int:
    """ "TERM", "SIGTERM", "15", "RTMIN+3" → 15; Docker's refusal for what is no signal."""
    name = word.upper().removeprefix("SIG")
    base, plus, offset = name.partition("+")
    number = 0
    if _is_number(name):
        number = int(name)
    elif base in _REAL_TIME and (_is_number(offset) or not plus):
        number = _REAL_TIME[base] + int(offset or 0)
    elif f"SIG{name}" in signals.Signals.__members__:
        number = int(signals.Signals[f"SIG{name}"])
    if not 0 < number < signals.NSIG:
        raise InvalidRequest(f"Invalid signal: {word}")
    return number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4
