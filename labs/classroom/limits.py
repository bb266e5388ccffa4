"""A learner's JupyterLab in a cgroup of its own. The containers' limits are the engine's (`--limit-memory` …)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from kernel_engine.formats.sizes import parse_size
from labs.classroom.engines import Limits
from labs.classroom.learners import Learner

ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000  #: microseconds, of cpu.max and cpu.cfs_period_us


def values(limits: Limits, *, unified: bool) -> dict[str, dict[str, str]]:
    """Controller → file → what is written."""
    memory, quota = str(parse_size(limits.memory)), int(limits.cpus * _PERIOD)
    if unified:
        return {
            "memory": {"memory.max": memory},
            "cpu": {"cpu.max": f"{quota} {_PERIOD}"},
            "pids": {"pids.max": str(limits.processes)},
        }
    return {
        "memory": {"memory.limit_in_bytes": memory},
        "cpu": {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(quota)},
        "pids": {"pids.max": str(limits.processes)},
    }


def make(learner: Learner, limits: Limits, root: Path = ROOT) -> tuple[Path, ...]:
    """The groups, limited; a process of theirs writes itself into each one's cgroup.procs."""
    unified = (root / "cgroup.controllers").exists()
    name, wanted = f"docker-labs-{learner.name}", values(limits, unified=unified)
    if unified:
        for controller in wanted:
            (root / "cgroup.subtree_control").write_text(f"+{controller}")
        places = dict.fromkeys(wanted, root / name)
    else:
        places = {controller: root / controller / name for controller in wanted if (root / controller).is_dir()}
    for controller, place in places.items():
        place.mkdir(exist_ok=True)
        for file, text in wanted[controller].items():
            (place / file).write_text(text)
    return tuple(dict.fromkeys(places.values()))


def enter(groups: tuple[Path, ...]) -> None:
    """This process, as root, before it becomes the learner's."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove(learner: Learner, root: Path = ROOT) -> None:
    """Those that are empty; one that is not goes when its last process does, next time."""
    name = f"docker-labs-{learner.name}"
    for place in (root / name, *(root / controller / name for controller in values(Limits(), unified=False))):
        with suppress(OSError):
            place.rmdir()
