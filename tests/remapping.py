"""An engine whose containers' root is nobody here, on ids that a test gives it: /etc/subuid stays as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kernel_engine.errors import EngineError, NotSupported
from kernel_engine.runtime import user_namespace
from kernel_engine.runtime.spec import IdRange, Ids
from kernel_engine.runtime.user_namespace import check_store

#: whom every distribution has
USER = "nobody:nogroup"
FIRST, COUNT = 1_500_000_000, 65_536
IDS = Ids(
    users=(IdRange(inside=0, outside=FIRST, count=COUNT),), groups=(IdRange(inside=0, outside=FIRST, count=COUNT),)
)
_SERVE = """
import sys
from pathlib import Path
from kernel_engine.daemon import remapping
remapping.SUBUID, remapping.SUBGID = Path({users!r}), Path({groups!r})
from kernel_engine.daemon.__main__ import main
sys.exit(main())
"""


def lacking(directory: Path) -> str:
    """Why this machine cannot give the files of a directory to another user; "" where it can."""
    try:
        user_namespace.check_store(str(directory), IDS)
    except (EngineError, OSError) as error:
        return str(error)
    return ""


def needed(directory: Path) -> None:
    """Skips where an engine in this directory cannot have such containers: an old kernel, another file system."""
    try:
        check_store(str(directory), IDS)
    except NotSupported as error:
        pytest.skip(f"needs idmapped mounts: {error.message}")


def program(directory: Path) -> tuple[str, ...]:
    """`kernel-engine` with /etc/subuid and /etc/subgid of its own in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    users, groups = directory / "subuid", directory / "subgid"
    users.write_text(f"nobody:{FIRST}:{COUNT}\n")
    groups.write_text(f"nogroup:{FIRST}:{COUNT}\n")
    return sys.executable, "-c", _SERVE.format(users=str(users), groups=str(groups))
