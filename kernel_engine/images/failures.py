"""What went wrong with a registry, in the words that Docker (Go's net/http and distribution) has for it."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import ssl
from http import HTTPStatus

import aiohttp

from kernel_engine.errors import EngineError, NotFound, Unauthorized, Unavailable
from kernel_engine.formats.reference import Reference


class RegistryAnswer(Exception):
    """The registry answered with an error: its code (`MANIFEST_UNKNOWN`), message and HTTP status.

    `retry_after`: in how many seconds it wants to be asked again, None where it does not say.
    """

    def __init__(self, code: str, message: str, status: int, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        if not self.code:
            return self.message
        return f"{self.code.lower().replace('_', ' ')}: {self.message}"


class Unreachable(Exception):
    """No answer, or a broken one: worth another try, here or elsewhere."""


def answer(status: int, body: bytes, retry_after: str = "") -> RegistryAnswer:
    """From an error response (OCI distribution-spec, "Error Codes"; Docker Hub's token service says `details`).

    retry_after: the header of that name. One that names a date counts as none.
    """
    said = _answer(status, body)
    said.retry_after = int(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
    return said


def _answer(status: int, body: bytes) -> RegistryAnswer:
    try:
        document = json.loads(body)
        if status == HTTPStatus.UNAUTHORIZED and isinstance(document.get("details"), str):
            return RegistryAnswer("UNAUTHORIZED", document["details"], status)
        first = document["errors"][0]
        return RegistryAnswer(str(first["code"]), str(first.get("message") or first["code"]).strip(), status)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        pass
    if status == HTTPStatus.UNAUTHORIZED:
        return RegistryAnswer("UNAUTHORIZED", "authentication required", status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RegistryAnswer("TOOMANYREQUESTS", "too many requests", status)
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    return RegistryAnswer("", f"received unexpected HTTP status: {words}", status)


def unreachable(method: str, url: str, error: BaseException, certificate: str = "") -> Unreachable:
    """`Get "https://…": dial tcp: lookup …: no such host`. certificate: what is wrong with it, if that is known."""
    return Unreachable(f'{method.capitalize()} "{url}": {_reason(error, certificate)}')


def pull_failed(error: BaseException, reference: Reference) -> EngineError:
    """What the caller of a pull gets to hear (moby's translatePullError)."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, RegistryAnswer):
        if error.code == "DENIED":
            name = reference.familiar_name
            return NotFound(
                f"pull access denied for {name}, repository does not exist or may require 'docker login': {error}"
            )
        if error.code == "MANIFEST_UNKNOWN":
            return NotFound(f"manifest for {reference.familiar} not found: {error}")
        if error.code == "NAME_UNKNOWN":
            return NotFound(f"repository {reference.familiar_name} not found: {error}")
        if error.code == "UNAUTHORIZED":
            return Unauthorized(str(error))
    return Unavailable(str(error))


def push_failed(error: BaseException) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, RegistryAnswer) and error.code in ("UNAUTHORIZED", "DENIED"):
        return Unauthorized(str(error))
    return Unavailable(str(error))


def _reason(error: BaseException, certificate: str) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        words = certificate or f"x509: {_verify_message(error.certificate_error)}"
        return f"tls: failed to verify certificate: {words}"
    if isinstance(error, aiohttp.ClientSSLError):
        reason = getattr(error.os_error, "reason", "") or ""
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {str(reason).lower().replace('_', ' ') or error.os_error}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return (
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"
        )
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp{_address(error)}: connect: {_errno_words(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "unexpected EOF"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"malformed HTTP response: {error.message}"
    if isinstance(error, UnicodeError):  # a part of the host's name is empty, or too long for DNS
        return "dial tcp: lookup: no such host"
    if isinstance(error, OSError) and error.errno:
        return f"read tcp: {_errno_words(error)}"
    return str(error) or type(error).__name__


def _verify_message(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (18, 19, 20, 21):  # self-signed, or no issuer (OpenSSL's x509_vfy.h)
            return "certificate signed by unknown authority"
        return error.verify_message
    return str(error)


def _address(error: aiohttp.ClientConnectorError) -> str:
    """The last address that was tried, from asyncio's text."""
    found = re.findall(r"\('([0-9a-fA-F.:]+)', (\d+)", str(error.os_error))
    if not found:
        return f" {error.host}:{error.port}"
    address, port = found[-1]
    return f" [{address}]:{port}" if ":" in address else f" {address}:{port}"


def _errno_words(error: OSError) -> str:
    words = {
        errno.ECONNREFUSED: "connection refused",
        errno.ENETUNREACH: "network is unreachable",
        errno.EHOSTUNREACH: "no route to host",
        errno.ECONNRESET: "connection reset by peer",
        errno.ETIMEDOUT: "connection timed out",
    }
    if error.errno in words:
        return words[error.errno]
    return (error.strerror or str(error)).lower()
