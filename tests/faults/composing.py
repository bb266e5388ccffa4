"""`docker compose` again and again: each command is a fork of one process that has loaded it.

    python -I composing.py

Lines of JSON on stdin: `{"words": […], "environment": {…}, "folder": "/", "output": "/path"}`; on stdout a line with
the exit code when that command has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

_PATIENCE = 120.0
_ROOMS = ("kernel_engine.compose", "kernel_engine.cli", "kernel_engine.client", "kernel_engine.formats")


class Composer:
    """The other end: asks, and waits."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, folder: Path, environment: dict[str, str], *words: str) -> tuple[int, str]:
        """Exit code, and what it printed. TimeoutError where it does not end."""
        output = folder / "composed"
        output.unlink(missing_ok=True)
        order = {"words": words, "environment": environment, "folder": str(folder), "output": str(output)}
        process = self._there()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], _PATIENCE)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            self.close()
            raise TimeoutError(f"docker compose {' '.join(words)} does not end: {output.read_text()}")
        return int(process.stdout.readline()), output.read_text()

    def _there(self) -> subprocess.Popen[str]:
        if self._process is None:
            command = (sys.executable, "-I", str(Path(__file__).resolve()))
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
        return self._process

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with process:  # which closes its stdin, and it ends
                return


def main() -> None:
    for room in _ROOMS:
        for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _live(order: dict[str, Any]) -> None:
    """A command's whole life."""
    try:
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for number, descriptor in enumerate((null, output, output)):
            os.dup2(descriptor, number)
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        from kernel_engine.cli.main import leave
        from kernel_engine.compose.main import main as compose

        leave(compose(order["words"]))
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
