"""Debian's `docker-registry`: its configuration, a writable one for filling, and pushing to it.

The hub that learners reach is read-only. It is filled through a second registry process on the same files, which
listens on a unix socket that only root can reach.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from labs.hub.layers import Layer
from labs.hub.oci import INDEX, MANIFEST, RECIPE_KEY, Documents

PROGRAM = "docker-registry"
DEFAULT_DATA = Path("/var/lib/docker-labs/hub")
DEFAULT_ADDRESS = "127.0.0.1"
DEFAULT_PORT = 5555
MAKER_PORT = 5556


class RegistryFailed(Exception):
    """The registry did not start, or refused a request."""


def configuration(data: Path, *, listen: str, net: str = "tcp", read_only: bool = True) -> str:
    """The text of a registry configuration (JSON is YAML). `listen`: `address:port`, or a path when net is unix."""
    storage: dict[str, Any] = {
        "filesystem": {"rootdirectory": str(data / "registry")},
        "maintenance": {"readonly": {"enabled": read_only}, "uploadpurging": {"enabled": False}},
    }
    document = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": {"addr": listen, "net": net, "headers": {"X-Content-Type-Options": ["nosniff"]}},
    }
    return json.dumps(document, indent=2) + "\n"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=300)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An image in the registry: its recipe's key, its configuration, its layers' descriptors, lowest first."""

    key: str
    config: dict[str, Any]
    layers: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry behind a unix socket. One connection a request: pushes are few."""

    socket: Path

    def request(
        self, method: str, path: str, body: bytes | IO[bytes] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = _UnixConnection(self.socket)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def has_blob(self, repository: str, digest: str) -> bool:
        return self.request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200

    def parts(self, repository: str, tag: str) -> Parts | None:
        """What `repository:tag` consists of; None when it or a part of it is missing."""
        index = self._document(repository, tag, INDEX)
        for entry in index.get("manifests", ()) if index else ():
            manifest = self._document(repository, entry["digest"], MANIFEST)
            if manifest is None:
                return None
            blobs = (manifest["config"], *manifest["layers"])
            if not all(self.has_blob(repository, blob["digest"]) for blob in blobs):
                return None
            _, _, config = self.request("GET", f"/v2/{repository}/blobs/{manifest['config']['digest']}")
            key = str(index.get("annotations", {}).get(RECIPE_KEY, "")) if index else ""
            return Parts(key=key, config=json.loads(config), layers=tuple(manifest["layers"]))
        return None

    def recipe_key(self, repository: str, tag: str) -> str:
        """The key of the recipe that `repository:tag` was built from; "" when it or a part of it is missing."""
        parts = self.parts(repository, tag)
        return parts.key if parts else ""

    def push(self, repository: str, tags: Sequence[str], layers: Sequence[Layer], documents: Documents) -> None:
        """Layers and configuration first, the tags last: an interrupted push leaves no tag that lacks a part."""
        for layer in layers:
            with layer.path.open("rb") as content:
                self._push_blob(repository, layer.digest, layer.size, content)
        config = documents.config
        self._push_blob(repository, config.digest, len(config.data), config.data)
        self._put_manifest(repository, documents.manifest.digest, MANIFEST, documents.manifest.data)
        for tag in tags:
            self._put_manifest(repository, tag, INDEX, documents.index.data)

    def mount(self, repository: str, digest: str, source: str) -> None:
        """`repository` gets a blob that `source` has, without a copy."""
        place = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}"
        status, _, data = self.request("POST", place, Content_Length="0")
        _expect(201, status, data, f"mounting {digest} from {source} in {repository}")

    def _document(self, repository: str, reference: str, media_type: str) -> dict[str, Any] | None:
        status, _, data = self.request("GET", f"/v2/{repository}/manifests/{reference}", Accept=media_type)
        return json.loads(data) if status == 200 else None

    def _push_blob(self, repository: str, digest: str, size: int, content: bytes | IO[bytes]) -> None:
        if self.has_blob(repository, digest):
            return
        status, headers, data = self.request("POST", f"/v2/{repository}/blobs/uploads/", Content_Length="0")
        _expect(202, status, data, f"starting an upload to {repository}")
        place = urlsplit(headers["location"])
        status, _, data = self.request(
            "PUT",
            f"{place.path}?{place.query}&digest={digest}",
            content,
            Content_Length=str(size),
            Content_Type="application/octet-stream",
        )
        _expect(201, status, data, f"uploading {digest} to {repository}")

    def _put_manifest(self, repository: str, reference: str, media_type: str, data: bytes) -> None:
        path = f"/v2/{repository}/manifests/{reference}"
        status, _, reply = self.request("PUT", path, data, Content_Type=media_type)
        _expect(201, status, reply, f"putting the manifest {repository}:{reference}")


def _expect(wanted: int, status: int, data: bytes, doing: str) -> None:
    if status != wanted:
        raise RegistryFailed(f"{doing}: the registry answered {status}: {data.decode(errors='replace')[:500]}")


@contextmanager
def _running(config: Path, ready: tuple[int, Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A registry process while the block runs. `ready`: the family and address that must accept a connection."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 20
        while not _accepts(*ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RegistryFailed(f"{PROGRAM} did not start:\n{log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _accepts(family: int, address: Any) -> bool:
    with socket.socket(family) as probe:
        probe.settimeout(2)
        with suppress(OSError):
            probe.connect(address)
            return True
    return False


@contextmanager
def filling(data: Path) -> Iterator[Registry]:
    """A writable registry on the hub's files, for root only, while the block runs."""
    place = data / "filling"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    address, config = place / "registry.sock", place / "registry.yml"
    config.write_text(configuration(data, listen=str(address), net="unix", read_only=False))
    try:
        with _running(config, (socket.AF_UNIX, str(address)), place / "log"):
            yield Registry(address)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def serving(data: Path, run: Path, *, port: int = 0) -> Iterator[str]:
    """A read-only hub on 127.0.0.1 while the block runs; gives its URL.

    `port` 0 takes a free one. `run` gets the configuration and the log.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((DEFAULT_ADDRESS, port))
        except OSError as error:
            raise RegistryFailed(f"{DEFAULT_ADDRESS}:{port}: {error.strerror}") from error
        port = probe.getsockname()[1]
    config = run / "hub.yml"
    config.write_text(configuration(data, listen=f"{DEFAULT_ADDRESS}:{port}"))
    with _running(config, (socket.AF_INET, (DEFAULT_ADDRESS, port)), run / "hub.log"):
        yield f"http://{DEFAULT_ADDRESS}:{port}"
