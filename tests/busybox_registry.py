"""A registry of one image, static busybox, made on the spot: what engine tests and benchmarks pull.

Plain HTTP on a loopback port; `docker.io/library/busybox` and any other name answer with the same image.
Another registry takes whatever is pushed to it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import itertools
import json
import os
import subprocess
import tarfile
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

BUSYBOX = "/bin/busybox"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def root_tar() -> bytes:
    """A root of one static busybox and its links."""
    if not os.access(BUSYBOX, os.X_OK):
        raise FileNotFoundError(f"{BUSYBOX} (package busybox-static)")
    names = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add(BUSYBOX, "bin/busybox")
        for name in names:
            if name != "busybox":
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(entry)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Image:
    """One image: its config file and its one layer, as they are and as a registry serves them."""

    config: bytes
    layer: bytes

    @property
    def packed(self) -> bytes:
        return gzip.compress(self.layer, mtime=0)

    @property
    def manifest(self) -> bytes:
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(self.config, "application/vnd.docker.container.image.v1+json"),
                "layers": [_descriptor(self.packed, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
            }
        ).encode()

    def archive(self, tag: str) -> bytes:
        """As `docker save` writes it, for `docker load` of an engine that reaches no registry."""
        names = {"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}
        files = {"config.json": self.config, "layer.tar": self.layer, "manifest.json": json.dumps([names]).encode()}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()


def busybox() -> Image:
    layer = root_tar()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        "history": [{"created_by": "busybox"}],
    }
    return Image(json.dumps(config).encode(), layer)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(data: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "size": len(data), "digest": _digest(data)}


@contextlib.contextmanager
def registry(image: Image | None = None) -> Iterator[str]:
    """A registry of one image (busybox), for an engine that only pulls: its address."""
    image = image or busybox()
    manifest = image.manifest
    blobs = {_digest(data): data for data in (image.config, image.packed, manifest)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, data = "application/octet-stream", b"{}"
            last = self.path.rpartition("/")[2]
            if "/manifests/" in self.path:
                kind, data = MANIFEST, manifest
            elif "/blobs/" in self.path:
                data = blobs[last]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", _digest(data))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *words: object) -> None:
            """Silent."""

    with _serving(Handler) as address:
        yield f"http://{address}"


@dataclass(slots=True)
class Pushed:
    """A registry that takes whatever is pushed to it, and keeps it in memory."""

    address: str = ""  #: host:port, the first part of an image's name
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)  #: by repository:tag


@contextlib.contextmanager
def receiving_registry() -> Iterator[Pushed]:
    pushed = Pushed()
    uploads: dict[str, bytes] = {}
    numbers = itertools.count()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/v2/":
                return self._answer(200)
            repository, manifests, last = self.path.removeprefix("/v2/").partition("/manifests/")
            found = pushed.manifests.get(f"{repository}:{last}") if manifests else None
            found = found or pushed.blobs.get(self.path.rpartition("/")[2])
            if found is None:
                return self._answer(404)
            headers = {"Docker-Content-Digest": _digest(found), "Content-Length": str(len(found))}
            if manifests:
                headers["Content-Type"] = json.loads(found)["mediaType"]
            self._answer(200, headers)
            if self.command == "GET":
                self.wfile.write(found)
            return None

        do_HEAD = do_GET

        def do_POST(self) -> None:
            self._body()
            place = f"/v2/x/blobs/uploads/{next(numbers)}"
            uploads[place] = b""
            self._answer(202, {"Location": place})

        def do_PATCH(self) -> None:
            place = self.path.partition("?")[0]
            uploads[place] += self._body()
            self._answer(202, {"Location": place, "Range": f"0-{len(uploads[place]) - 1}"})

        def do_PUT(self) -> None:
            path, _, query = self.path.partition("?")
            data = self._body()
            if "/manifests/" in path:
                repository, _, tag = path.removeprefix("/v2/").partition("/manifests/")
                pushed.manifests[f"{repository}:{tag}"] = pushed.blobs[_digest(data)] = data
            else:
                data = uploads.pop(path) + data
                assert urllib.parse.parse_qs(query)["digest"] == [_digest(data)]
                pushed.blobs[_digest(data)] = data
            self._answer(201, {"Docker-Content-Digest": _digest(data), "Location": path})

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": "0"} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Silent."""

    with _serving(Handler) as pushed.address:
        yield pushed


@contextlib.contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
