"""What a machine of another processor needs: that its programs run while it is made, and Python packages for it.

The kernel hands programs of another processor to QEMU's emulator of a single process (binfmt_misc); packages with
compiled parts come as wheels from the index that pip(1) uses.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

#: mmdebstrap asks arch-test whether programs of the other processor run
NEEDS = ("arch-test", "qemu-aarch64-static")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
#: where Debian's package qemu-user-static says how its programs are to be told to the kernel (binfmt.d(5))
_WRITTEN = Path("/usr/lib/binfmt.d")
#: of the packages with compiled parts, what no engine's test needs
_LEFT_OUT = ("ast_serialize", "debugpy", "greenlet", "librt", "mypy", "ruff")
#: mmdebstrap's words for an initial ramdisk of what QEMU's machine has: to gather all drivers takes as long as the rest
SMALL_RAMDISK = (
    "--essential-hook=mkdir -p $1/etc/initramfs-tools/conf.d",
    "--essential-hook=echo MODULES=list >$1/etc/initramfs-tools/conf.d/machine",
    "--essential-hook=printf 'virtio_pci\\nvirtio_blk\\next4\\n' >$1/etc/initramfs-tools/modules",
)
_GLIBC = (17, 24, 28, 31, 34)  #: 2.N: what Debian 12's 2.36 runs


def missing(processor: str) -> tuple[str, ...]:
    """What this host lacks to run programs of `processor` ("aarch64"), beside NEEDS."""
    if (_BINFMT / f"qemu-{processor}").exists():
        return ()
    told = (_WRITTEN / f"qemu-{processor}.conf").exists()
    known = "binfmt_misc" in Path("/proc/filesystems").read_text()
    return (() if told else ("qemu-user-static",)) + (() if known else ("binfmt_misc",))


@contextmanager
def programs_run(processor: str) -> Iterator[None]:
    """Programs of `processor` run on this host meanwhile; those who can already are left alone."""
    mine = _BINFMT / f"qemu-{processor}"
    if mine.exists():
        yield
        return
    if not (_BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)], check=True)
    (_BINFMT / "register").write_bytes((_WRITTEN / f"qemu-{processor}.conf").read_bytes().strip())
    try:
        yield
    finally:
        mine.write_text("-1")


def bring_native_packages(site: Path, processor: str, python: tuple[int, int]) -> None:
    """Those of this Python's packages that have compiled parts into `site`, for `processor`, in the same versions."""
    native = [
        f"{one.name}=={one.version}"
        for one in distributions()
        if any(file.suffix == ".so" for file in one.files or ()) and one.name.replace("-", "_") not in _LEFT_OUT
    ]
    platforms = [f"--platform=manylinux_2_{minor}_{processor}" for minor in _GLIBC]
    version = "{}{}".format(*python)
    words = (
        "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--upgrade", "--only-binary=:all:",
        f"--python-version={version}", "--implementation=cp", f"--abi=cp{version}", "--abi=abi3", "--abi=none",
        f"--platform=manylinux2014_{processor}", *platforms, f"--target={site}",
    )  # fmt: skip
    subprocess.run([sys.executable, "-m", "pip", "install", *words, *native], check=True)
