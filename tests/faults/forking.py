"""Engines that are forked from a process that has loaded them (`kernel-engine forkserver`): a start, a stop and a
cleanup cost a tenth of what they cost otherwise."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel_engine.daemon.lock import holder
from kernel_engine.paths import Instance
from labs.grading.engines import Engines, Forked
from tests.daemon import SLOWNESS, Daemon

_PATIENCE = 120.0 * SLOWNESS


def start(engines: Engines, daemon: Daemon) -> Forked:
    """Returns when it serves."""
    mirrors = (word for mirror in daemon.mirrors for word in ("--registry-mirror", mirror))
    life = engines.start(("serve", *daemon.places(), *mirrors), daemon.log)
    daemon.wait_until_serving()
    return life


@contextmanager
def forked_daemon(engines: Engines, directory: Path, mirror: str, *, kept: bool = False) -> Iterator[Daemon]:
    """As `running_daemon`. kept: what is beneath its root stays."""
    daemon = Daemon(Instance.at(directory / "root", directory / "run"), (mirror,))
    try:
        life = start(engines, daemon)
        try:
            yield daemon
        finally:
            if pid := holder(daemon.instance):
                os.kill(pid, signal.SIGTERM)
            assert life.wait(_PATIENCE) == 0, daemon.log.read_text()
    finally:
        words = ("cleanup", *daemon.places(), *(() if kept else ("--all",)))
        assert engines.start(words, daemon.log).wait(_PATIENCE) == 0, daemon.log.read_text()
