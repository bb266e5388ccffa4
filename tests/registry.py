"""Debian's docker-registry, writable and empty, for tests that push: plain, with passwords, or with TLS."""

from __future__ import annotations

import contextlib
import ctypes
import json
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROGRAM = "docker-registry"


def bcrypt(password: str) -> str:
    """A password's hash as the registry's htpasswd wants it (crypt(3), crypt(5))."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed = crypt(password.encode(), f"$2b$04${secrets.token_hex(11)}".encode())
    assert hashed is not None
    return bytes(hashed).decode()


def certificate(directory: Path, address: str) -> tuple[Path, Path]:
    """A certificate for an IP address, its own authority, and its key."""
    crt, key = directory / "ca.crt", directory / "registry.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=registry", "-addext", f"subjectAltName=IP:{address}", "-keyout", str(key), "-out", str(crt)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return crt, key


@contextlib.contextmanager
def debian_registry(
    directory: Path,
    *,
    address: str = "127.0.0.1",
    users: Mapping[str, str] | None = None,
    tls: tuple[Path, Path] | None = None,
) -> Iterator[str]:
    """`host:port` of a registry that runs while the block does. `directory` is its own."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = probe.getsockname()[1]
    http: dict[str, Any] = {"addr": f"{address}:{port}", "secret": "test"}
    if tls is not None:
        http["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    document: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if users is not None:
        file = directory / "htpasswd"
        file.write_text("".join(f"{name}:{bcrypt(password)}\n" for name, password in users.items()))
        document["auth"] = {"htpasswd": {"realm": "tests", "path": str(file)}}
    config = directory / "config.yml"
    config.write_text(json.dumps(document))
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((address, port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.05)
        yield f"{address}:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def breaking(target: str, after: int, *, times: int) -> Iterator[str]:
    """`host:port` in front of a registry. The first `times` connections break where `after` bytes have gone one way."""
    host, _, port = target.rpartition(":")
    left = [times]
    with contextlib.ExitStack() as ends, socket.create_server(("127.0.0.1", 0)) as listener:

        def pass_on(source: socket.socket, sink: socket.socket) -> None:
            carried = 0
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    carried += len(data)
                    if carried >= after and left[0] > 0:
                        left[0] -= 1
                        break
                    sink.sendall(data)
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near = ends.enter_context(listener.accept()[0])
                    far = ends.enter_context(socket.create_connection((host, int(port))))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=pass_on, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
