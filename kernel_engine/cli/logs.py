"""`docker logs`: what a container has printed, and with -f what it goes on to print."""

from __future__ import annotations

import time

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.streams import write_all
from kernel_engine.client import Demultiplexer
from kernel_engine.formats.times import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.cli.grammar import Call


def logs(call: Call) -> int:
    """What went to standard output and standard error goes there again."""
    words = call.words
    now = time.time()
    found = call.client.get(f"/containers/{call.arguments[0]}/json").json()
    query = {
        "stdout": True,
        "stderr": True,
        "details": words["details"] or None,
        "follow": words["follow"] or None,
        "since": moment(words["since"], now, 'invalid value for "since": '),
        "until": moment(words["until"], now, 'invalid value for "until": '),
        "tail": words["tail"],
        "timestamps": words["timestamps"] or None,
    }
    frames = None if found["Config"]["Tty"] else Demultiplexer()
    with call.client.get(f"/containers/{found['Id']}/logs", query=query) as response:
        for piece in response.pieces():
            if frames is None:
                write_all(1, piece)
                continue
            for stream, payload in frames.feed(piece):
                write_all(2 if stream == 2 else 1, payload)
    return 0


def moment(text: str, now: float, before: str = "") -> str | None:
    """A user's time as the API takes it; Failed with Docker's words, which differ in what stands before them."""
    if not text:
        return None
    try:
        return timestamp(text, now)
    except ValueError as error:
        raise Failed(f'{before}failed to parse value as time or duration: "{text}"') from error
