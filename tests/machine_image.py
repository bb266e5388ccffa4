"""A root file system with a real dockerd in it, made of this machine's own packages: a machine for nested engines.

Static busybox and its links, and each program with the libraries that ldd(1) names. No network is needed.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.busybox_registry import root_tar

PROGRAMS = (
    "dockerd",
    "docker-init",
    "docker-proxy",
    "docker",
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "xtables-nft-multi",
    "xtables-legacy-multi",
    "ip",
)
_SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: what iptables is called, by the program that it is
_NAMES = {
    "xtables-nft-multi": ("iptables", "ip6tables", "iptables-restore", "iptables-save", "ip6tables-restore"),
    "xtables-legacy-multi": ("iptables-legacy", "ip6tables-legacy"),
}


def missing() -> list[str]:
    """Programs that are not on this machine (packages docker.io, iptables, iproute2)."""
    return [name for name in PROGRAMS if shutil.which(name, path=_SEARCH) is None]


def add_program(archive: tarfile.TarFile, *names: str, more: Iterable[Path] = ()) -> None:
    """Programs of this machine, and `more`, with their libraries, to an archive that is a root file system."""
    programs = [Path(shutil.which(name, path=_SEARCH) or name) for name in names]
    present = set(archive.getnames())
    for path in sorted(_with_libraries([*programs, *more])):
        if str(path).lstrip("/") not in present:
            archive.add(os.path.realpath(path), str(path).lstrip("/"), recursive=False)


def machine_tar() -> bytes:
    buffer = io.BytesIO(root_tar())
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        add_program(archive, *PROGRAMS, more=Path("/usr/lib").glob("*-linux-gnu/xtables/*.so"))
        for program, names in _NAMES.items():
            for name in names:
                _link(archive, f"usr/sbin/{name}", program)
        _link(archive, "var/run", "/run")
        for directory in ("etc/docker", "var/lib/docker", "run", "root"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _link(archive: tarfile.TarFile, path: str, target: str) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def _with_libraries(paths: Sequence[Path]) -> set[Path]:
    found = set(paths)
    for path in paths:
        shown = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
        found |= {Path(word) for word in re.findall(r"(/\S+) \(0x", shown)}
    return found
