from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kernel_engine.daemon.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@ke-notify-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(name.replace("@", "\0"))
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notifier = Notifier()
        assert "NOTIFY_SOCKET" not in os.environ, "containers must not inherit it"
        notifier.tell("READY=1")
        assert end.recv(100) == b"READY=1"


def test_nobody_asked_or_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().tell("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nothing"))
    Notifier().tell("READY=1")
