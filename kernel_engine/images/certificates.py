"""TLS with a registry: Docker's folder of certificates for one host, beside those that the machine trusts.

`DIRECTORY/HOST[:PORT]/` holds `*.crt` (authorities), and pairs of `NAME.cert` and `NAME.key` (ours, for a registry that
wants to know who asks). Source: docs.docker.com, "Verify repository client with certificates".
"""

from __future__ import annotations

import ssl
from pathlib import Path

from kernel_engine.errors import InvalidRequest

DIRECTORY = Path("/etc/docker/certs.d")


def trust(folder: Path) -> ssl.SSLContext | bool:
    """What aiohttp takes as `ssl`: True is the machine's own trust. InvalidRequest for a file that cannot be used."""
    if not folder.is_dir():
        return True
    context = ssl.create_default_context()
    for path in sorted(folder.iterdir()):
        try:
            if path.suffix == ".crt":
                context.load_verify_locations(path)
            elif path.suffix == ".cert":
                key = path.with_suffix(".key")
                if not key.exists():
                    raise InvalidRequest(f"missing key {key.name} for client certificate {path.name}")
                context.load_cert_chain(path, key)
            elif path.suffix == ".key" and not path.with_suffix(".cert").exists():
                raise InvalidRequest(f"missing client certificate {path.stem}.cert for key {path.name}")
        except (OSError, ssl.SSLError) as error:
            raise InvalidRequest(f"cannot use {path}: {error}") from None
    return context
