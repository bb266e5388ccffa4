"""A log writer for each test, killed at its end."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel_engine.runtime.companion import connected
from tests.kernel.streams.house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    there = House(tmp_path)
    await there.connect()
    yield there
    there.writer.shut()
    if (end := connected(there.instance.log_writer_socket)) is not None:  # whichever it is by now
        with end:
            credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        os.kill(struct.unpack("=3i", credentials)[0], signal.SIGKILL)
