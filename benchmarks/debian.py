"""Debian for the benchmarks: the hub's base image, and packages from a mirror, fetched before any clock runs."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labs.hub.registry import DEFAULT_DATA, RegistryFailed, serving
from tests.busybox_registry import Image
from tests.dockerd import Unavailable

SUITE = "bookworm"
BASE = f"debian:{SUITE}"
MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def base_blobs(scratch: Path) -> tuple[bytes, bytes]:
    """debian out of the offline hub: its configuration and its one layer, as they lie there."""
    accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"

    def fetch(url: str) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept})) as reply:
            data: bytes = reply.read()
            return data

    try:
        with serving(DEFAULT_DATA, scratch) as hub:
            place = f"{hub}/v2/library/debian"
            index: dict[str, Any] = json.loads(fetch(f"{place}/manifests/{SUITE}"))
            manifest = json.loads(fetch(f"{place}/manifests/{index['manifests'][0]['digest']}"))
            config = fetch(f"{place}/blobs/{manifest['config']['digest']}")
            (layer,) = (fetch(f"{place}/blobs/{entry['digest']}") for entry in manifest["layers"])
    except (RegistryFailed, OSError) as error:
        raise Unavailable(f"{BASE} in the offline hub (./lab up fills it): {error}") from error
    return config, layer


def base_image(scratch: Path) -> Image:
    config, layer = base_blobs(scratch)
    return Image(config, gzip.decompress(layer))


def fetch_packages(image: Image, names: Sequence[str], folder: Path) -> None:
    """Into `folder` the .deb files of these packages, and of everything they need that `image` lacks."""
    apt = folder.with_name(f"{folder.name}-apt")
    for place in ("state/lists/partial", "cache/archives/partial", "etc"):
        (apt / place).mkdir(parents=True)
    (apt / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {SUITE} main\n")
    with tarfile.open(fileobj=io.BytesIO(image.layer)) as layer:
        status = next(member for member in layer if member.name.removeprefix("./") == "var/lib/dpkg/status")
        data = layer.extractfile(status)
        (apt / "status").write_bytes(data.read() if data else b"")
    settings = {
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": apt / "etc/sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", "-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    for words in (["update"], ["install", "--download-only", "-y", "--no-install-recommends", *names]):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"Debian's packages: {done.stderr.strip()}")
    for package in (apt / "cache/archives").glob("*.deb"):
        package.rename(folder / package.name)
