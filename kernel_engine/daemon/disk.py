"""`--limit-disk SIZE`: an instance's `--root` on a file system of its own, in one file beside it.

Whatever fills it (images, layers, logs, volumes, a container's files, inodes) fills nothing else of the machine. A
twentieth is root's: where containers have a user namespace, the engine can still write its records. The file is sparse:
it takes what is in use.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from kernel_engine.errors import EngineError, InvalidRequest

#: less, and there would be no room for an image beside the file system's own things
SMALLEST = 64 << 20
_MAKE = ("mkfs.ext4", "-q", "-m", "5", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def file_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.disk")


def provide(root: Path, size: int) -> None:
    """Mounts it on `root`, made where there is none yet. size: bytes, 0 = as it was made, none where none was made.

    InvalidRequest for a root that holds something already, and for another size than it has; EngineError where the
    machine has no loop devices.
    """
    file = file_of(root)
    if not file.exists():
        if size:
            _make(root, file, size)
        else:
            return
    has = file.stat().st_size
    if size and size != has:
        hint = f"kernel-engine cleanup, then: truncate -s {size} {file}; e2fsck -f {file}; resize2fs {file}"
        raise InvalidRequest(f"the disk of {root} has {has} bytes, and --limit-disk is {size}", hint=hint)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not root.is_mount():
        _run("mount", "-t", "ext4", "-o", "loop,nodev", str(file), str(root))


def take_away(root: Path, *, everything: bool) -> None:
    """Unmounts it; `everything`: its file goes too."""
    if root.is_mount():
        _run("umount", str(root))
    if everything:
        file_of(root).unlink(missing_ok=True)


def _make(root: Path, file: Path, size: int) -> None:
    if size < SMALLEST:
        raise InvalidRequest(f"--limit-disk is {size} bytes, and less than {SMALLEST} are of no use")
    if root.exists() and (root.is_mount() or any(root.iterdir())):
        raise InvalidRequest(f"--limit-disk is for a new --root, and {root} holds something already")
    file.parent.mkdir(parents=True, exist_ok=True)
    making = file.with_name(f"{file.name}.new")
    try:
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
        _run(*_MAKE, str(making))
        making.rename(file)
    finally:
        making.unlink(missing_ok=True)


def _run(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, env={"PATH": _PATH, "LC_ALL": "C"})
    except FileNotFoundError:
        raise EngineError(f"--limit-disk needs {words[0]}, which is not on this machine") from None
    except subprocess.CalledProcessError as error:
        raise EngineError(f"--limit-disk: {words[0]}: {error.stderr.strip()}") from None
