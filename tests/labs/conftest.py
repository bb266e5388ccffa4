"""Engines for labs, fresh and with the offline hub's images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labs.build import fixed_ports
from tests.daemon import Daemon, running_daemon


@contextmanager
def fresh_engine(*mirrors: str) -> Iterator[Daemon]:
    if os.geteuid() != 0:
        pytest.skip("needs root: real namespaces, mounts and cgroups")
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place, running_daemon(Path(place), mirrors) as engine:
        yield engine


@pytest.fixture
def engine(hub: str, hub_maker: str) -> Iterator[Daemon]:
    """An engine that has never seen an image, and the ports that labs publish for itself alone."""
    with fixed_ports(), fresh_engine(hub, hub_maker) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared_engine(hub: str, hub_maker: str) -> Iterator[Daemon]:
    """One engine for a module's exercises, which clean up after themselves."""
    with fresh_engine(hub, hub_maker) as engine:
        yield engine
