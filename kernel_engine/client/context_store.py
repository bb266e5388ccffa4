"""Docker's contexts: engines by name, in Docker's own files, so that every Docker client sees the same ones.

    $DOCKER_CONFIG/contexts/meta/<sha256 of the name>/meta.json    name, description, address
    $DOCKER_CONFIG/contexts/tls/<sha256 of the name>/docker/*.pem  certificates, for their owner only

`currentContext` in config.json names the one in use. Errors are Docker's. Source: docker/cli, cli/context/store.
"""

from __future__ import annotations

import hashlib
import json
import os

from kernel_engine.client.credentials import read_config, write_config
from kernel_engine.client.default_context import DEFAULT_CONTEXT, TLS_FILES, Tls, config_folder, default_host
from kernel_engine.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DOCKER = "docker"
NAME = "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"
DEFAULT_DESCRIPTION = "Current DOCKER_HOST based configuration"
#: the default context is in no file
IN_MEMORY = "<IN MEMORY>"


class ContextError(EngineError):
    """A context that is not there, or cannot be read or made; Docker's sentence."""


class Context:
    """`host` is "" for a context that names no address. `tls`: file name → PEM."""

    __slots__ = ("description", "host", "name", "skip_verify", "tls")

    def __init__(
        self,
        name: str,
        *,
        host: str = "",
        description: str = "",
        skip_verify: bool = False,
        tls: Mapping[str, bytes] | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.description = description
        self.skip_verify = skip_verify
        self.tls = tls or {}

    def meta(self) -> dict[str, Any]:
        """meta.json."""
        endpoint = {"Host": self.host} if self.host else {}
        return {
            "Name": self.name,
            "Metadata": {"Description": self.description} if self.description else {},
            "Endpoints": {DOCKER: {**endpoint, "SkipTLSVerify": self.skip_verify}},
        }


# where ---------------------------------------------------------------------------------------------------------------
def meta_folder(name: str) -> str:
    return os.path.join(config_folder(), "contexts", "meta", _digest(name))


def tls_folder(name: str) -> str:
    return os.path.join(config_folder(), "contexts", "tls", _digest(name))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


# reading -------------------------------------------------------------------------------------------------------------
def host_of(name: str) -> str:
    """The address to connect to, for a command; "" where the context names none. Raises ContextError."""
    try:
        found = read(name)
    except ContextError as error:
        raise ContextError(f"Failed to initialize: unable to resolve docker endpoint: {error.message}") from None
    return found.host


def tls_of(name: str) -> Tls | None:
    """The certificates of a context, where it has any. Raises ContextError."""
    found = read(name)
    if not found.tls and not found.skip_verify:
        return None
    places = [os.path.join(tls_folder(name), DOCKER, file) if file in found.tls else "" for file in TLS_FILES]
    return Tls(*places, verify=not found.skip_verify)


def read(name: str) -> Context:
    """By its name, the default one too. Raises ContextError."""
    if name == DEFAULT_CONTEXT:
        return Context(name, host=default_host(), description=DEFAULT_DESCRIPTION)
    return _read(os.path.join(meta_folder(name), "meta.json"), name)


def exists(name: str) -> bool:
    return name == DEFAULT_CONTEXT or os.path.exists(os.path.join(meta_folder(name), "meta.json"))


def all_contexts() -> list[Context]:
    """By name, without the default one. Raises ContextError for a file that is none of a context's."""
    folder = os.path.join(config_folder(), "contexts", "meta")
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return []
    files = (os.path.join(folder, entry, "meta.json") for entry in entries)
    try:
        found = [_read(path, "") for path in files if os.path.exists(path)]
    except ContextError as error:
        raise ContextError(f"failed to read metadata: {error.message}") from None
    return sorted(found, key=lambda context: context.name)


def _read(path: str, name: str) -> Context:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ContextError(f'context "{name}": context not found: open {path}: {reason}') from None
    context = from_meta(text, path)
    context.tls = _read_tls(context.name)
    return context


def from_meta(text: str | bytes, place: str) -> Context:
    """A context as meta.json tells of it; without its certificates, which lie elsewhere. Raises ContextError."""
    try:
        meta = json.loads(text)
        endpoint = (meta.get("Endpoints") or {}).get(DOCKER) or {}
        return Context(
            str(meta["Name"]),
            host=str(endpoint.get("Host") or ""),
            description=str((meta.get("Metadata") or {}).get("Description") or ""),
            skip_verify=bool(endpoint.get("SkipTLSVerify")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ContextError(f"parsing {place}: {error}") from None


def _read_tls(name: str) -> dict[str, bytes]:
    found = {}
    for file_name in TLS_FILES:
        try:
            with open(os.path.join(tls_folder(name), DOCKER, file_name), "rb") as file:
                found[file_name] = file.read()
        except OSError:
            continue
    return found


# writing -------------------------------------------------------------------------------------------------------------
def check_name(name: str) -> None:
    """Raises ContextError for a name that no context may have."""
    if name == DEFAULT_CONTEXT:
        raise ContextError('"default" is a reserved context name')
    import re

    if not re.match(NAME, name) or name.endswith("\n"):
        raise ContextError(f'context name "{name}" is invalid, names are validated against regexp "{NAME}"')


def write(context: Context) -> None:
    """Makes it, or replaces it. The certificates first: what names a context is complete. Raises ContextError."""
    import shutil

    try:
        shutil.rmtree(tls_folder(context.name), ignore_errors=True)
        if context.tls:
            folder = os.path.join(tls_folder(context.name), DOCKER)
            before = os.umask(0o077)
            try:
                os.makedirs(folder, mode=0o700)
            finally:
                os.umask(before)
            for name, data in context.tls.items():
                _put(os.path.join(folder, name), data, 0o600)
        os.makedirs(meta_folder(context.name), mode=0o755, exist_ok=True)
        text = json.dumps(context.meta(), separators=(",", ":"), ensure_ascii=False)
        _put(os.path.join(meta_folder(context.name), "meta.json"), text.encode(), 0o644)
    except OSError as error:
        raise ContextError(f"open {error.filename}: {(error.strerror or '').lower()}") from None


def _put(path: str, data: bytes, mode: int) -> None:
    """Whole or not at all."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def remove(name: str) -> None:
    """No error for one that is not there."""
    import shutil

    shutil.rmtree(meta_folder(name), ignore_errors=True)
    shutil.rmtree(tls_folder(name), ignore_errors=True)


def use(name: str) -> None:
    """Written only where it changes something. Raises CredentialsError for a file that cannot be read or written."""
    config = read_config()
    chosen = "" if name == DEFAULT_CONTEXT else name
    if config.get("currentContext", "") == chosen:
        return
    config.pop("currentContext", None)
    write_config({**config, "currentContext": chosen} if chosen else config)
