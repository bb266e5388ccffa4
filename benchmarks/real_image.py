"""An image of the size that people pull: Debian with a compiler and Python, in two gzip layers.

About 400 MB unpacked. Written as a docker archive; the packages come from a mirror before any clock runs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import debian
from tests.busybox_registry import Image

PACKAGES = ("gcc", "python3")
#: in Debian these are links into /usr, and a package may name them still
_MERGED = ("bin/", "sbin/", "lib/", "lib64/")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealImage:
    archive: Path
    packed: int  #: bytes of both layers as a registry has them
    unpacked: int  #: bytes of the files
    files: int  #: entries of both layers

    def __str__(self) -> str:
        return f"{self.packed / 1e6:.0f} MB packed, {self.unpacked / 1e6:.0f} MB unpacked, {self.files} files, 2 layers"


def make(folder: Path, name: str) -> RealImage:
    """The archive in `folder`, of an image called `name`. Unavailable without the hub or a mirror."""
    raw, packed = debian.base_blobs(folder)
    base = Image(raw, gzip.decompress(packed))
    (folder / "packages").mkdir()
    debian.fetch_packages(base, PACKAGES, folder / "packages")
    layer = _layer(sorted((folder / "packages").glob("*.deb")))
    config = json.loads(raw)
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(layer).hexdigest()}")
    config.setdefault("history", []).append({"created_by": f"apt-get install {' '.join(PACKAGES)}"})
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    second = compressor.compress(layer) + compressor.flush()
    archive = folder / "real.tar"
    listing = [{"Config": "config.json", "RepoTags": [name], "Layers": ["1.tar", "2.tar"]}]
    _write(
        archive,
        {
            "config.json": json.dumps(config).encode(),
            "1.tar": packed,
            "2.tar": second,
            "manifest.json": json.dumps(listing).encode(),
        },
    )
    files = unpacked = 0
    for data in (base.layer, layer):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                files += 1
                unpacked += member.size
    return RealImage(archive=archive, packed=len(packed) + len(second), unpacked=unpacked, files=files)


def _layer(packages: list[Path]) -> bytes:
    """The files of all packages as one tar, each name once."""
    buffer = io.BytesIO()
    seen = {"."}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for package in packages:
            data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in _merged(tar):
                    if member.name not in seen:
                        seen.add(member.name)
                        layer.addfile(member, tar.extractfile(member) if member.isreg() else None)
    return buffer.getvalue()


def _merged(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        member.name = _in_usr(member.name)
        if member.islnk():
            member.linkname = _in_usr(member.linkname)
        if f"{member.name}/" not in _MERGED:
            yield member


def _in_usr(name: str) -> str:
    plain = name.removeprefix("./")
    return f"usr/{plain}" if plain.startswith(_MERGED) else plain


def _write(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
