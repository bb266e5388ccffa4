"""A log writer for each test, killed at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kernel.streams.house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    there = House(tmp_path)
    await there.connect()
    yield there
    await there.writer.close()
    os.kill(there.writer.pid, signal.SIGKILL)
