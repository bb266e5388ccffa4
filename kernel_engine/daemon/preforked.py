"""What an engine starts as programs of their own, forked instead: launcher, log writer, and the process of workers.

For an engine that has been forked itself (`forkserver`), before it does anything: it has one thread, has loaded all of
them, and runs sealed, as the launcher must. The engine then finds them as it would find those of a daemon before it.
"""

from __future__ import annotations

import importlib

from kernel_engine.engine import WORKER_MODULES
from kernel_engine.paths import Instance
from kernel_engine.runtime import companion, launcher
from kernel_engine.runtime.log_writer import __main__ as log_writer
from kernel_engine.workers import pool


def load() -> None:
    """What the workers' process would import."""
    for module in WORKER_MODULES:
        importlib.import_module(module)


def prefork(instance: Instance) -> None:
    """Unavailable where one of them cannot start."""
    run = str(instance.run)
    instance.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    companion.fork(instance.launcher_socket, lambda: launcher.live(run, instance.cgroup))
    companion.fork(instance.log_writer_socket, lambda: log_writer.live(run))
    pool.fork(WORKER_MODULES)
