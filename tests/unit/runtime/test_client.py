"""What the engine's daemon reads of what the launcher says."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from kernel_engine.paths import Instance
from kernel_engine.runtime.channel import Channel
from kernel_engine.runtime.client import Launcher


def test_notes_are_read_behind_what_the_launcher_tells_of_itself(tmp_path: Path) -> None:
    instance = Instance(tmp_path, tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(instance.launcher_socket))
        listening.listen()

        def launcher() -> None:
            channel = Channel(listening.accept()[0])
            channel.receive_one()
            channel.send({"event": "exited", "exited": {"id": "one"}})
            channel.send({"reply": 0, "notes": {"two": "its note"}})
            channel.close()

        answering = threading.Thread(target=launcher)
        answering.start()
        assert Launcher.notes(instance) == {"two": "its note"}
        answering.join()
