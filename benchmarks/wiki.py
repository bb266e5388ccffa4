"""The wiki server of lab 03 as a context that needs no network: its packages are fetched once, before any clock runs.

So the row says how long an engine takes, and nothing of how fast a mirror is.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from labs.hub.registry import DEFAULT_DATA, RegistryFailed, serving
from tests.busybox_registry import Image
from tests.dockerd import Unavailable

SUITE = "bookworm"
BASE = f"debian:{SUITE}"
PACKAGES = ("apache2", "libapache2-mod-php", "dokuwiki")
MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DOCKERFILE = f"""\
FROM {BASE}
COPY packages /packages
RUN apt-get install -y --no-install-recommends /packages/*.deb >/dev/null && rm -r /packages
WORKDIR /etc/dokuwiki
COPY local.php .
COPY wiki.conf /etc/apache2/conf-available/
RUN a2enconf wiki
COPY --chown=www-data start.txt /var/lib/dokuwiki/data/pages/
ENV WIKI_TITLE="wiki"
EXPOSE 80
CMD . /etc/apache2/envvars && apache2 -D FOREGROUND
"""
FILES = Path(__file__).parents[1] / "labs" / "course" / "03_dockerfile" / "wiki"


def base_image(scratch: Path) -> Image:
    """debian out of the offline hub, as one image with one layer."""
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
    return Image(config, gzip.decompress(layer))


def lay_out(context: Path, image: Image) -> Path:
    """The context: what lab 03 copies, and every package that `image` lacks."""
    (context / "packages").mkdir(parents=True)
    for file in FILES.iterdir():
        (context / file.name).write_bytes(file.read_bytes())
    (context / "Dockerfile").write_text(DOCKERFILE)
    apt = context.with_name("apt")
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
    for words in (["update"], ["install", "--download-only", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"Debian's packages: {done.stderr.strip()}")
    for package in (apt / "cache/archives").glob("*.deb"):
        package.rename(context / "packages" / package.name)
    return context
