"""What the engine's daemon reads of what the launcher says."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.errors import Unavailable
from kernel_engine.paths import Instance
from kernel_engine.runtime.channel import Channel
from kernel_engine.runtime.client import Launcher
from kernel_engine.runtime.spec import Process, Rootfs, Spec


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


@pytest.mark.parametrize("known", [{"launches": 1}, {}], ids=["other", "none"])
async def test_a_launcher_of_older_code_starts_nothing_more(known: dict[str, Any]) -> None:
    """Its containers run on; what it would make of a launch is not known."""
    ours, theirs = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    ours.socket.setblocking(False)
    client = Launcher(ours, lambda _: None, lambda: None)
    asked = asyncio.ensure_future(client.may_be_replaced())
    request = (await asyncio.to_thread(theirs.receive_one))[0]["request"]
    theirs.send({"reply": request, "edition": "older", "idle": False, **known})
    assert not await asked
    spec = Spec(
        id="one",
        process=Process(args=("true",)),
        rootfs=Rootfs(base="/", lower=("a",), upper="b", work="c", target="d"),
        cgroup="group",
    )

    async def never(_: object) -> None:
        raise AssertionError

    with pytest.raises(Unavailable, match="was updated while containers were running"):
        await client.launch(spec, never)
    client.shut()
    theirs.close()
