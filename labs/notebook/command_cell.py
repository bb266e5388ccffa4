"""A command cell: the whole text in bash, its output relayed through sys.stdout before the cell ends.

Descriptors 1 and 2 are never inherited (Jupyter and nbval would not see what is written there), nothing goes to
stderr, and a failing command is no Python error: its text says what happened, `_exit_code` keeps its number.
"""

from __future__ import annotations

import codecs
import os
import select
import signal
import subprocess
import sys

from labs.notebook import server


def run(source: str) -> int:
    """The exit code of the cell's last command. An interrupted cell interrupts the command, as Ctrl+C would."""
    output, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            ["bash", "-c", source],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            # by its inode the command knows the cell's pipe from one of the shell's: Korean lines go only there
            env={**server.environment(), "DOCKER_LABS_CELL": str(os.fstat(theirs).st_ino)},
            start_new_session=True,
        )
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(theirs)
    ended = os.pidfd_open(process.pid)
    try:
        _relay(output, ended)
    except KeyboardInterrupt:
        _interrupt(process)
        _relay(output, ended)
    finally:
        os.close(ended)
        os.close(output)
    return process.wait()


def _relay(output: int, ended: int) -> None:
    """Until the pipe's end, or until bash has ended and the pipe is empty: `sleep 100 &` keeps it open."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        ready, _, _ = select.select([output, ended], [], [])
        data = os.read(output, 65536) if output in ready else b""
        if not data:
            break
        sys.stdout.write(decoder.decode(data))
        sys.stdout.flush()
    sys.stdout.write(decoder.decode(b"", final=True))


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """SIGINT to all that the cell started, and SIGKILL to what does not mind it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(3)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
