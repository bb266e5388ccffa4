"""A process of the engine's own that accepts and says nothing: the daemon says so, instead of waiting for ever."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kernel_engine.errors import Unavailable
from kernel_engine.gate.client import Gate
from kernel_engine.paths import Instance
from kernel_engine.runtime import answering
from kernel_engine.runtime.client import Launcher
from kernel_engine.runtime.log_writer.client import LogWriter

Connect = Callable[[Instance], Awaitable[object]]
PLACES: dict[str, tuple[str, Connect]] = {
    "launcher": (
        "launcher.sock",
        lambda instance: Launcher.connect(instance, on_exit=lambda _: None, on_lost=lambda: None),
    ),
    "log writer": (
        "log-writer.sock",
        lambda instance: LogWriter.connect(instance, on_lost=lambda: None, on_stdin_closed=lambda _: None),
    ),
    "gate": ("gate.sock", lambda instance: Gate.connect(instance, on_lost=lambda: None)),
}


@pytest.mark.parametrize("name", PLACES)
async def test_one_that_does_not_answer(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "PATIENCE", 0.2)
    file, connect = PLACES[name]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as mute:
        mute.bind(str(tmp_path / file))
        mute.listen(1)
        with pytest.raises(Unavailable, match=f"the {name} does not answer") as raised:
            await connect(Instance.at(tmp_path / "root", tmp_path))
        assert "kernel-engine cleanup" in raised.value.hint
        accepted, _ = mute.accept()
        with accepted:
            assert accepted.recv(1000), "it was asked"
            assert accepted.recv(1000) == b"", "and left alone"
