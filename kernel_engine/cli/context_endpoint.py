"""`--docker host=…,ca=…`: the words of a context's endpoint. Reads the files that they name."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import FALSE, TRUE, Misused
from kernel_engine.client import context_store as store
from kernel_engine.client.context_store import Context, ContextError

#: word → the name under which Docker keeps the file
FILES = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
KEYS = (*FILES, "from", "host", "skip-tls-verify")
#: Docker asks its connection helpers for what follows other schemes, and takes them as they are
PATHS = ("unix", "npipe", "fd")


def endpoint(name: str, texts: list[str], description: str) -> Context:
    """A context of this name. Misused for words that are no pairs, Failed (Docker's text) for the rest."""
    words = _pairs(texts)
    try:
        return _made(name, words, description)
    except ContextError as error:
        raise Failed(f"unable to create docker endpoint config: {error.message}") from error


def _pairs(texts: list[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for text in texts:
        for pair in text.split(","):
            key, equals, value = pair.partition("=")
            if not equals:
                raise Misused(f'invalid argument "{text}" for "--docker" flag: {pair} must be formatted as key=value')
            words[key] = value
    return words


def _made(name: str, words: dict[str, str], description: str) -> Context:
    for key in words:
        if key not in KEYS:
            raise ContextError(f"unrecognized config key: {key}")
    if words.get("from"):
        found = store.read(words["from"])
        return Context(name, host=found.host, description=description, skip_verify=found.skip_verify, tls=found.tls)
    skip = words.get("skip-tls-verify", "false")
    if skip not in TRUE and skip not in FALSE:
        raise ContextError(f'skip-tls-verify: parsing "{skip}": invalid syntax')
    tls = {file: _read(words[key]) for key, file in FILES.items() if words.get(key)}
    host = words.get("host", "")
    scheme, separator, place = host.partition("://")
    if not separator and ":" in host.partition("/")[0]:
        raise ContextError(
            f'invalid docker endpoint options: parse "{host}": first path segment in URL cannot contain colon'
        )
    if host and (not separator or (scheme in PATHS and not place)):
        raise ContextError(f"unable to apply docker endpoint options: unable to parse docker host `{host}`")
    return Context(name, host=host, description=description, skip_verify=skip in TRUE, tls=tls)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ContextError(f"open {path}: {(error.strerror or '').lower()}") from None
    if b"-----BEGIN " not in data:
        raise ContextError(
            f"invalid docker endpoint options: failed to retrieve context tls info: {path} seems invalid"
        )
    return data
