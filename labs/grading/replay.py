"""A notebook, replayed: `main(NOTEBOOK, CONNECTION, REPORT, DEAD, SANITIZE, CELL-SECONDS[, TURNS])`.

nbval over a kernel that somebody else started in a container: strict for cells tagged `nbval-check-output`, lax
elsewhere. Runs in a container of its own, since what it reads comes from the learner's kernel. A line of JSON for each
cell goes to REPORT; the file DEAD says that the kernel has ended. With the folder TURNS, what follows a graded cell
waits until a file there is called as that cell.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import nbval.kernel  # type: ignore[import-untyped]
import nbval.plugin  # type: ignore[import-untyped]
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from labs.replayed import ANSWER_MIME, CELL_BYTES

#: what pytest imports only when it runs: it is loaded with this module instead, once for all submissions
for _name in (
    "unittest",
    "xml.etree.ElementTree",
    "pdb",
    "faulthandler",
    "_pytest.tracemalloc",
    "_pytest._argcomplete",
):
    importlib.import_module(_name)

#: of all cells: more is neither kept nor waited for
NOTEBOOK_BYTES = 20 << 20
_LOOK = 0.2
#: how long a cell that printed too much, and was interrupted, may take to come to its end
_GRACE = 60.0
_ASK_AGAIN = 5.0
#: how long what a cell printed may be on its way; nbval's own 5 seconds are little on a machine that does much else
_OUTPUT = 60.0
_STARTUP = 120
TOO_MUCH = "출력이 너무 많아서 멈췄어요."
DIED = "커널이 도중에 끝나서 실행하지 못했어요."


class TooMuch(Exception):
    """A cell printed more than a page can hold."""


class ContainedKernel(nbval.kernel.RunningKernel):  # type: ignore[misc]
    """nbval's way to a kernel, with a connection file instead of a process."""

    connection: Path
    dead: Path

    def __init__(self, kernel_name: str, cwd: str | None = None, startup_timeout: float = _STARTUP) -> None:
        until = time.monotonic() + _STARTUP
        self.kc: Any = BlockingKernelClient(connection_file=str(self.connection))
        self.kc.load_connection_file()
        self.kc.start_channels()
        self._held: deque[Any] = deque()
        self._asked = ""
        self._bytes = self._all_bytes = 0
        self._replied = self._stopped = False
        while not (self._ready() and self._is_heard()):
            if self.dead.exists() or time.monotonic() > until:
                raise RuntimeError(DIED)

    def _ready(self) -> bool:
        try:
            self.kc.wait_for_ready(timeout=5)
        except RuntimeError:
            return False
        return True

    def _is_heard(self) -> bool:
        """Whether what the kernel publishes arrives: a subscription takes a moment."""
        asked = self.kc.kernel_info()
        try:
            self.await_idle(asked, 1)
        except Empty:
            return False
        return True

    def execute_cell_input(self, cell_input: str, allow_stdin: bool | None = None) -> Any:
        self._held.clear()
        self._bytes = 0
        self._replied = False
        self._asked = str(super().execute_cell_input(cell_input, allow_stdin=allow_stdin))
        return self._asked

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        """Hears both channels, so that a cell that prints without end is seen while it does."""
        until = time.monotonic() + (timeout or 0)
        while timeout is None or time.monotonic() < until:
            self._hear()
            try:
                message = self.kc.get_shell_msg(timeout=_LOOK)
            except Empty:
                if not self.is_alive():
                    raise RuntimeError(DIED) from None
                continue
            if _is_about(message, msg_id):
                self._replied = True
                return
        raise Empty

    def _hear(self) -> None:
        """What has been printed, kept until it is asked for."""
        while True:
            try:
                message = self.kc.get_iopub_msg(timeout=0)
            except Empty:
                return
            self._weigh(message)
            self._held.append(message)

    def _weigh(self, message: Any) -> None:
        size = len(json.dumps(message["content"], default=str))
        self._bytes += size
        self._all_bytes += size
        if self._all_bytes > NOTEBOOK_BYTES:
            self.stop()
        elif self._bytes > CELL_BYTES:
            self._quiet()
        else:
            return
        raise TooMuch(TOO_MUCH)

    def _quiet(self) -> None:
        """Hears the cell to its end, interrupting it if it does not come to that; a kernel that does not listen is
        given up. No interrupt is left on its way to the next cell: the kernel has answered each.

        A learner's own kernel stops printing by itself (labs.notebook.replaying): most need no interrupt.
        """
        self._held.clear()
        until = time.monotonic() + _GRACE
        asked, unanswered, idle = time.monotonic(), 0, False
        while time.monotonic() < until:
            idle = self._dropped(_LOOK) or idle
            self._replied = self._replied or _is_about(_waiting(self.kc.get_shell_msg), self._asked)
            unanswered -= _waiting(self.kc.get_control_msg).get("msg_type") == "interrupt_reply"
            if self._replied and idle and unanswered <= 0:
                return
            if not self._replied and unanswered <= 0 and time.monotonic() - asked > _ASK_AGAIN:
                self.interrupt()
                asked, unanswered = time.monotonic(), 1
        self.stop()

    def _dropped(self, seconds: float) -> bool:
        """Throws away what is published; whether the cell's end was among it."""
        idle = False
        while message := _waiting(self.kc.get_iopub_msg, seconds):
            seconds = 0.0
            ended = message["msg_type"] == "status" and message["content"].get("execution_state") == "idle"
            idle = idle or (ended and _is_about(message, self._asked))
        return idle

    def get_message(self, stream: str, timeout: float | None = None) -> Any:
        if stream != "iopub":
            return super().get_message(stream, timeout)
        if self._held:
            return self._held.popleft()
        patience = max(timeout or 0, _OUTPUT) if self._asked else timeout or 0
        until = time.monotonic() + patience
        while True:
            try:
                message = self.kc.get_iopub_msg(timeout=_LOOK)
            except Empty:
                if not self.is_alive():
                    raise RuntimeError(DIED) from None
                if timeout is not None and time.monotonic() > until:
                    raise
                continue
            self._weigh(message)
            return message

    def is_alive(self) -> bool:
        return not self._stopped and not self.dead.exists()

    def interrupt(self) -> None:
        request = self.kc.session.msg("interrupt_request", {})
        self.kc.control_channel.send(request)

    def stop(self) -> None:
        """Whoever started it ends it; from now on it counts as ended."""
        self._stopped = True

    @property
    def language(self) -> str:
        return "python"


def _waiting(get: Callable[..., Any], seconds: float = 0.0) -> dict[str, Any]:
    """The next message of a channel; {} where none has come by then."""
    try:
        message: dict[str, Any] = get(timeout=seconds)
    except Empty:
        return {}
    return message


def _is_about(message: Mapping[str, Any], msg_id: str) -> bool:
    return bool((message.get("parent_header") or {}).get("msg_id") == msg_id)


class Report:
    """A pytest plugin that writes what became of each cell, as soon as it is known."""

    def __init__(self, path: Path, turns: Path | None) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._turns = turns

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        report = yield
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            self._write(item, call)
            self._await_turn(item.cell)
        return report

    def _await_turn(self, cell: Any) -> None:
        """Whoever judges it answers in any case; whoever started us ends us when the time is over."""
        if self._turns is None or not cell.metadata.get("nbgrader", {}).get("grade"):
            return
        judged = self._turns / cell.id
        while not judged.exists():
            time.sleep(_LOOK / 4)

    def _write(self, item: Any, call: Any) -> None:
        error = call.excinfo.value if call.excinfo is not None else None
        told = {
            "cell": item.cell.get("id", ""),
            "passed": error is None,
            "why": _sentence(error)[:2000] if error is not None else "",
            "seconds": round(call.duration, 3),
            "answer": _answer(item.test_outputs or ()),
        }
        self._file.write(json.dumps(told, ensure_ascii=False) + "\n")
        self._file.flush()


def _answer(outputs: Any) -> str | None:
    """What the learner gave to `%check`; None where the cell holds none."""
    for output in outputs:
        said = (output.get("data") or {}).get(ANSWER_MIME) if isinstance(output.get("data"), dict) else None
        if isinstance(said, dict) and isinstance(said.get("answer"), str):
            return str(said["answer"])[:1000]
    return None


#: nbval's words → a learner's
_KOREAN = {
    "Cell execution caused an exception": "오류가 났어요",
    "Cell outputs differ": "출력이 나눠 준 것과 달라요.",
    "Kernel dead on test start": DIED,
}


def _sentence(error: BaseException) -> str:
    """Why a cell failed; of a traceback the last line."""
    text = str(error)
    if text.startswith("Timeout of"):
        return "셀 하나의 시간이 다 되어서 멈췄어요."
    trace = (getattr(error, "inner_traceback", "") or "").strip().splitlines()
    said = _KOREAN.get(text, text)
    return f"{said}: {trace[-1]}" if trace and text != "Cell outputs differ" else said


def main(
    notebook: str, connection: str, report: str, dead: str, sanitize: str, seconds: str, turns: str | None = None
) -> None:
    ContainedKernel.connection, ContainedKernel.dead = Path(connection), Path(dead)
    nbval.plugin.RunningKernel = ContainedKernel  # nbval has no other way to be given a kernel
    os.chdir(Path(notebook).parent)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whatever else this Python has takes time and is not wanted
    arguments = [
        *("-p", "nbval.plugin", "--nbval-lax", "--nbval-sanitize-with", sanitize, "--nbval-cell-timeout", seconds),
        *("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--assert", "plain", "--color", "no", "--tb", "no"),
        *("--rootdir", str(Path(notebook).parent), notebook),
    ]
    pytest.main(arguments, plugins=[Report(Path(report), Path(turns) if turns else None)])
