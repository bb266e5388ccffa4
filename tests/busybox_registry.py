"""A registry of one image, static busybox, made on the spot: what engine tests and benchmarks pull.

Plain HTTP on a loopback port; `docker.io/library/busybox` and any other name answer with the same image.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from typing import Any

BUSYBOX = "/bin/busybox"


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


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """A registry of one image, for an engine that only pulls: its address."""
    layer = root_tar()
    packed = gzip.compress(layer, mtime=0)
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created_by": "busybox"}],
        }
    ).encode()
    docker = "application/vnd.docker.distribution.manifest.v2+json"

    def descriptor(data: bytes, kind: str) -> dict[str, Any]:
        return {"mediaType": kind, "size": len(data), "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": docker,
            "config": descriptor(config, "application/vnd.docker.container.image.v1+json"),
            "layers": [descriptor(packed, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
        }
    ).encode()
    blobs = {f"sha256:{hashlib.sha256(data).hexdigest()}": data for data in (config, packed, manifest)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, data = "application/octet-stream", b"{}"
            last = self.path.rpartition("/")[2]
            if "/manifests/" in self.path:
                kind, data = docker, manifest
            elif "/blobs/" in self.path:
                data = blobs[last]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(data).hexdigest()}")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *words: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
