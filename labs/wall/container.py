"""The room inside a container of the engine: `docker run` of it, limited, with this machine's Python mounted read-only.

For kernels that let no ordinary user make a user namespace, and for what such a namespace does not give: cgroups. Pure.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

IMAGE = "busybox"
#: pictures leave it out, as they do what a check starts
LABEL = "docker-labs.check"
LIMITS = ("--memory", "512m", "--pids-limit", "256", "--network", "none")
#: what it takes to build walls in there. All others stay as in any container.
WALLS = (
    *("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"),
    *("--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"),
    *("--userns", "host"),  # a learner is the same user in there
)
#: where a Linux keeps its programs and libraries
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")


def command(program: list[str], folder: Path) -> list[str]:
    """The words that run the room's program in a container, for this user; `folder` is there, too."""
    docker = str(Path(sys.executable).with_name("docker"))
    volumes = [word for place in _places(folder) for word in ("--volume", f"{place}:{place}:ro")]
    whose = ("--container", "--owner", f"{os.geteuid()}:{os.getegid()}")
    return [docker, "run", "--rm", "-i", "--label", LABEL, *LIMITS, *WALLS, *volumes, IMAGE, *program, *whose]


def _places(folder: Path) -> list[str]:
    """Each once, none beneath another one."""
    packages = {str(Path(__file__).resolve().parents[2]), sys.prefix, sys.base_prefix}
    wanted = sorted({*_SYSTEM, *packages, str(folder)}, key=len)
    there = [place for place in wanted if os.path.exists(place)]
    return [place for place in there if not any(place != other and place.startswith(f"{other}/") for other in there)]
