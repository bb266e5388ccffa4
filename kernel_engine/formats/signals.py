"""Names of signals as Docker takes them. Pure."""

from __future__ import annotations

import signal as signals

from kernel_engine.errors import InvalidRequest


def parse_signal(word: str) -> int:
    """ "TERM", "SIGTERM", "15", "RTMIN+3" → 15; Docker's refusal for what is no signal."""
    name = word.upper().removeprefix("SIG")
    if name.isdigit():
        number = int(name)
        if 0 < number < signals.NSIG:
            return number
        raise InvalidRequest(f"Invalid signal: {word}")
    base, plus, offset = name.partition("+")
    if base in ("RTMIN", "RTMAX") or (plus and offset.isdigit()):
        start = {"RTMIN": signals.SIGRTMIN, "RTMAX": signals.SIGRTMAX}.get(base)
        if start is not None:
            return int(start) + int(offset or 0)
    try:
        return int(signals.Signals[f"SIG{name}"])
    except KeyError:
        raise InvalidRequest(f"Invalid signal: {word}") from None
