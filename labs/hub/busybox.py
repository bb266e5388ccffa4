"""The busybox image's one layer: the distribution's static busybox, a link for each command, and a bare /etc."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from labs.hub.layers import Layer, layer_writer
from labs.hub.recipes import File

BINARY = Path("/bin/busybox")
DIRECTORIES = {
    "bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "sbin": 0o755,
    "sys": 0o755, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "var": 0o755, "var/spool": 0o755,
    "var/spool/mail": 0o755, "var/www": 0o755,
}  # fmt: skip
ETC = {
    "etc/passwd": File(
        text="root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
        "bin:x:2:2:bin:/bin:/bin/false\n"
        "www-data:x:33:33:www-data:/var/www:/bin/false\n"
        "nobody:x:65534:65534:nobody:/home:/bin/false\n"
    ),
    "etc/group": File(text="root:x:0:\ndaemon:x:1:\nbin:x:2:\nwww-data:x:33:\nnogroup:x:65534:\n"),
    "etc/shadow": File(text="root:*:::::::\n", mode=0o600),
    "etc/nsswitch.conf": File(text="passwd: files\ngroup: files\nhosts: files dns\n"),
}


def applets(binary: Path = BINARY) -> tuple[str, ...]:
    """The commands that this busybox holds, as paths relative to /, for example `bin/sh`."""
    listing = subprocess.run([binary, "--list-full"], capture_output=True, text=True, check=True).stdout
    return tuple(sorted(set(listing.split()) - {"bin/busybox"}))


def links(names: Iterable[str]) -> dict[str, str]:
    """Link → target. A name outside the four usual folders is left out: nobody has it in PATH."""
    folders = ("bin", "sbin", "usr/bin", "usr/sbin")
    return {name: "/bin/busybox" for name in sorted(names) if name.rpartition("/")[0] in folders}


def pack(path: Path, *, epoch: int, binary: Path = BINARY) -> Layer:
    """Write the layer to `path`."""
    with layer_writer(path, epoch) as writer:
        for name, mode in DIRECTORIES.items():
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, mode, epoch
            writer.add(directory)
        program = tarfile.TarInfo("bin/busybox")
        program.mode, program.size, program.mtime = 0o755, binary.stat().st_size, epoch
        with binary.open("rb") as content:
            writer.add(program, content)
        for name, target in links(applets(binary)).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname, link.mode, link.mtime = tarfile.SYMTYPE, target, 0o777, epoch
            writer.add(link)
        for name, file in ETC.items():
            writer.put(name, file)
        return writer.close()
