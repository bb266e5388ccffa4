"""TLS with a registry: Docker's folder of certificates for one host, beside those that the machine trusts.

`DIRECTORY/HOST[:PORT]/` holds `*.crt` (authorities), and pairs of `NAME.cert` and `NAME.key` (ours, for a registry that
wants to know who asks). Source: docs.docker.com, "Verify repository client with certificates".
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Collection
from pathlib import Path

from kernel_engine.errors import InvalidRequest

DIRECTORY = Path("/etc/docker/certs.d")
#: OpenSSL's x509_vfy.h: the certificate is good, but another host's, or another address's
_OTHER_HOST = frozenset((62, 64))
_PATIENCE = 5.0


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


async def other_host(host: str, port: int, trusted: ssl.SSLContext | bool, error: BaseException) -> str:
    """Go's words for a certificate of another host; "" where `error` says something else.

    OpenSSL does not tell whose certificate it is, so it is looked at once more, without believing it.
    """
    if not isinstance(error, ssl.SSLCertVerificationError) or error.verify_code not in _OTHER_HOST:
        return ""
    context = trusted if isinstance(trusted, ssl.SSLContext) else ssl.create_default_context()
    context.check_hostname = False
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except (OSError, TimeoutError):
        return ""
    names = (writer.get_extra_info("peercert") or {}).get("subjectAltName", ())
    writer.transport.abort()
    return mismatch(host, names)


def mismatch(host: str, names: Collection[tuple[str, str]]) -> str:
    """Go's sentence (crypto/x509, HostnameError). names: a certificate's, as Python's ssl gives them. Pure."""
    try:
        ipaddress.ip_address(host)
        valid = ", ".join(str(ipaddress.ip_address(name.strip())) for kind, name in names if kind == "IP Address")
        if not valid:
            return f"x509: cannot validate certificate for {host} because it doesn't contain any IP SANs"
    except ValueError:
        valid = ", ".join(name for kind, name in names if kind == "DNS")
    if not valid:
        return f"x509: certificate is not valid for any names, but wanted to match {host}"
    return f"x509: certificate is valid for {valid}, not {host}"
