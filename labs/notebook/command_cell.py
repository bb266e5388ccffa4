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
from contextlib import ExitStack

from labs.notebook import server
from labs.notebook.bars.page import Page
from labs.notebook.learning import markup


def run(source: str) -> int:
    """The exit code of the cell's last command. An interrupted cell interrupts the command, as Ctrl+C would."""
    with ExitStack() as closing:
        page = None if markup.still() else closing.enter_context(Page())
        output, theirs = os.pipe()
        closing.callback(os.close, output)
        try:
            process = subprocess.Popen(
                ["bash", "-c", source],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                pass_fds=page.inherited if page else (),
                env={
                    **server.environment(),
                    # by its inode the command knows the cell's pipe from one of the shell's: Korean lines go only there
                    "DOCKER_LABS_CELL": str(os.fstat(theirs).st_ino),
                    **(page.environment if page else {}),
                },
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        ended = os.pidfd_open(process.pid)
        closing.callback(os.close, ended)
        try:
            _relay(output, ended, page)
        except KeyboardInterrupt:
            _interrupt(process)
            _relay(output, ended, page)
        return process.wait()


def _relay(output: int, ended: int, page: Page | None) -> None:
    """Until the pipe's end, or until bash has ended and the pipe is empty: `sleep 100 &` keeps it open."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    heard = [page.told] if page else []
    while True:
        ready, _, _ = select.select([output, ended, *heard], [], [], page.wait if page else None)
        if page:
            if page.told in ready:
                page.hear()
            page.draw()
            if output not in ready and ended not in ready:
                continue
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
