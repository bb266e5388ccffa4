"""Who we are to registries, in Docker's own file: `$DOCKER_CONFIG/config.json`, or a credential helper that it names.

A password never leaves this file but in the header of a request to the engine, and is never printed. The file's other
settings are left as they are. Source: docs.docker.com, "docker login", "Credential stores".
"""

from __future__ import annotations

import json
import os

from kernel_engine.client.default_context import config_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: what Docker calls its hub in the file
HUB = "https://index.docker.io/v1/"
HUB_NAMES = frozenset(("", "docker.io", "index.docker.io", "registry-1.docker.io"))
#: the user name under which a credential helper keeps an identity token
TOKEN_USER = "<token>"


class CredentialsError(Exception):
    """The file or the helper cannot be used; one sentence."""


def server_key(address: str) -> str:
    """The name of a registry in the file: its host and port; the hub has a longer one."""
    host = address.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB if host in HUB_NAMES else host


def read_config() -> dict[str, Any]:
    """The file's content; {} where there is none. CredentialsError for one that is not a JSON object."""
    try:
        with open(config_place(), encoding="utf-8") as file:
            config = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise CredentialsError(f"Error loading config file: {config_place()}: {error}") from None
    if not isinstance(config, dict):
        raise CredentialsError(f"Error loading config file: {config_place()}: a JSON object is expected")
    return config


def auth_config(address: str) -> dict[str, str]:
    """The API's AuthConfig for a registry; {} where nobody has logged in."""
    key, config = server_key(address), read_config()
    helper = _helper(config, key)
    if helper:
        return _ask_helper(helper, key)
    entry = (config.get("auths") or {}).get(key) or {}
    return _from_entry(key, entry) if isinstance(entry, dict) else {}


def auth_header(address: str) -> dict[str, str]:
    """X-Registry-Auth for a request about this registry's images."""
    return {"X-Registry-Auth": encode(auth_config(address))}


def config_header() -> dict[str, str]:
    """X-Registry-Config for a build: everyone we have logged in to."""
    config = read_config()
    keys = {*(config.get("auths") or {}), *(config.get("credHelpers") or {})}
    found = {key: auth_config(key) for key in sorted(keys)}
    return {"X-Registry-Config": encode({key: value for key, value in found.items() if value})}


def encode(value: Mapping[str, Any]) -> str:
    from binascii import b2a_base64  # base64 itself loads more than a short command wants to wait for

    text = b2a_base64(json.dumps(value, separators=(",", ":")).encode(), newline=False).decode()
    return text.replace("+", "-").replace("/", "_")


def store(address: str, username: str, password: str, identity_token: str = "") -> str:
    """Keeps what a registry has accepted. Where: the helper's name, or "" for the file itself (not encrypted)."""
    from base64 import b64encode

    key, config = server_key(address), read_config()
    helper = _helper(config, key)
    auths = dict(config.get("auths") or {})
    if helper:
        secret = {"ServerURL": key, "Username": username, "Secret": password}
        if identity_token:
            secret |= {"Username": TOKEN_USER, "Secret": identity_token}
        _run_helper(helper, "store", json.dumps(secret))
        auths[key] = {}
    else:
        auths[key] = {"auth": b64encode(f"{username}:{'' if identity_token else password}".encode()).decode()}
        if identity_token:
            auths[key]["identitytoken"] = identity_token
    write_config({**config, "auths": auths})
    return helper


def erase(address: str) -> bool:
    """Whether there was anything to forget."""
    key, config = server_key(address), read_config()
    auths = dict(config.get("auths") or {})
    known = key in auths
    helper = _helper(config, key)
    if helper and known:
        _run_helper(helper, "erase", key)
    if known:
        del auths[key]
        write_config({**config, "auths": auths})
    return known


def _from_entry(key: str, entry: Mapping[str, Any]) -> dict[str, str]:
    from base64 import b64decode

    try:
        username, _, password = b64decode(str(entry.get("auth") or "")).decode().partition(":")
    except ValueError:
        raise CredentialsError(
            f"Error loading config file: {config_place()}: the auth of {key} is not base64"
        ) from None
    found = {"username": username, "password": password.strip("\0"), "serveraddress": key}
    if entry.get("identitytoken"):
        found = {"username": username, "identitytoken": str(entry["identitytoken"]), "serveraddress": key}
    if entry.get("registrytoken"):
        found["registrytoken"] = str(entry["registrytoken"])
    return found if len(set(found.values()) - {"", key}) else {}


def _helper(config: Mapping[str, Any], key: str) -> str:
    return str((config.get("credHelpers") or {}).get(key) or config.get("credsStore") or "")


def _ask_helper(helper: str, key: str) -> dict[str, str]:
    try:
        answer = json.loads(_run_helper(helper, "get", key))
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        return {}
    kind = "identitytoken" if username == TOKEN_USER else "password"
    return {"username": "" if kind == "identitytoken" else username, kind: secret, "serveraddress": key}


def _run_helper(helper: str, verb: str, text: str) -> str:
    """docker-credential-helpers' protocol: the verb as argument, the rest on stdin. "" where it knows nothing."""
    import subprocess

    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run([program, verb], input=text, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(f"error getting credentials - err: {program}: {error}") from None
    if done.returncode:
        said = (done.stdout or done.stderr).strip()
        if verb == "store":
            raise CredentialsError(f"error storing credentials - err: exit status {done.returncode}, out: `{said}`")
        return ""
    return done.stdout


def write_config(config: Mapping[str, Any]) -> None:
    """Whole or not at all, readable by its owner only."""
    path = config_place()
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(config, file, indent="\t", ensure_ascii=False)
        os.replace(temporary, path)
    except OSError as error:
        raise CredentialsError(f"error saving credentials: {path}: {error.strerror}") from None
