"""The worker process: `python -I -m kernel_engine.images.worker`. Unpacks or packs one layer, then ends.

It gets one JSON line on stdin ({"do", "daemon", "blob", "root", …}: process id and descriptor numbers), and writes JSON
lines to stdout: {"progress": bytes} now and then, one {"done": {…}} or {"error": {"kind", "message"}} at last. Alone,
so that the daemon's loop is never held up and a hostile archive meets a process that sees one directory only.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from typing import Any

from kernel_engine import errors
from kernel_engine.images.compression import Deflater, Inflater
from kernel_engine.images.pack import pack
from kernel_engine.images.tar_reader import Stream, TarReader
from kernel_engine.images.unpack import Unpacker, enter
from kernel_engine.syscalls.process import Prctl, prctl

#: seconds between two lines of progress
_EVERY = 0.1


class Progress:
    """Writes progress lines, not too many."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, count: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            _say({"progress": count})


def unpack_layer(blob: int, root: int, limit: int) -> dict[str, Any]:
    enter(root)
    inflater = Inflater(blob, limit=limit, on_progress=Progress())
    unpacked = Unpacker().unpack(TarReader(Stream(inflater)))
    return {
        "digest": inflater.digest,
        "compressed": inflater.size,
        "diff_id": inflater.diff_id,
        "size": unpacked.size,
        "implied": [os.fsdecode(path) for path in unpacked.implied],
    }


def pack_layer(blob: int, root: int) -> dict[str, Any]:
    deflater = Deflater(blob)
    pack(root, deflater)
    digest, diff_id, size = deflater.finish()
    return {"digest": digest, "compressed": size, "diff_id": diff_id}


def main() -> int:
    order = json.loads(sys.stdin.readline())
    # a daemon that was killed is followed at once: its successor empties the directory that is being filled here
    prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order["daemon"]:
        return 1
    try:
        if order["do"] == "unpack":
            done = unpack_layer(order["blob"], order["root"], order["limit"])
        else:
            done = pack_layer(order["blob"], order["root"])
    except errors.EngineError as error:
        _say({"error": {"kind": type(error).__name__, "message": error.message}})
        return 1
    except OSError as error:
        kind = "NoSpace" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "KernelRefused"
        where = f"/{os.fsdecode(error.filename)}: " if isinstance(error.filename, bytes) else ""
        message = where + os.strerror(error.errno or 0).lower()
        _say({"error": {"kind": kind, "message": message, "errno": error.errno}})
        return 1
    _say({"done": done})
    return 0


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the inflating thread may still wait with bytes that nobody wants
