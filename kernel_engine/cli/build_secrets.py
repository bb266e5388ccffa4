"""`docker build --secret`: read here, handed to the engine beside the build, never part of the context."""

from __future__ import annotations

import os

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.client import Client

#: BuildKit's limit
LARGEST = 500 * 1024


def hand_over(client: Client, given: list[str]) -> str:
    """The word under which the engine keeps them until the build takes them, once."""
    from base64 import b64encode

    secrets = {name: b64encode(content).decode() for name, content in map(read_secret, given) if content is not None}
    return str(client.post("/kernel-engine/builds/secrets", body=secrets).json()["token"])


def read_secret(text: str) -> tuple[str, bytes | None]:
    """`id=key,src=file` or `id=key,env=NAME` → its id and content; None for a variable that is not set."""
    fields: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        key = {"source": "src"}.get(key.strip().lower(), key.strip().lower())
        if not equals:
            raise _bad(text, f"invalid field '{part}' must be a key=value pair")
        if key not in ("id", "src", "env", "type"):
            raise _bad(text, f"unexpected key '{key}' in '{part}'")
        fields[key] = value
    if fields.get("type", "file") not in ("file", "env"):
        raise _bad(text, f'unsupported secret type "{fields["type"]}"')
    name = fields.get("id", "")
    if not name:
        raise _bad(text, "secret missing ID")
    variable = fields.get("env", "")
    if fields.get("type") == "env":
        variable = variable or fields.get("src", "") or name
    if not variable and not fields.get("src") and name in os.environ:
        variable = name
    if variable:
        return name, os.fsencode(os.environ[variable]) if variable in os.environ else None
    return name, _content(name, fields.get("src") or name)


def _content(name: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failed(f"failed to stat {path}: stat {path}: {reason}") from error
    if len(content) > LARGEST:
        raise Failed(f"secret {name} too big. max size 500KB")
    return content


def _bad(text: str, reason: str) -> Misused:
    return Misused(f'invalid argument "{text}" for "--secret" flag: {reason}')
