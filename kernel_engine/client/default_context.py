"""The context `default`, which is in no file: the engine and the certificates that the environment names, else this
machine's or user's own engine. And where Docker's clients keep their files. On the path of every command.
"""

from __future__ import annotations

import os

#: paths.DEFAULT_SOCKET, without importing pathlib and hashlib; a test holds the two equal
DEFAULT_HOST = "unix:///run/kernel-engine/engine.sock"
DEFAULT_CONTEXT = "default"
#: what Docker calls the files of a folder of certificates
TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


class Tls:
    """Paths of PEM files, "" for none: whom to trust, and what we show of ourselves. `verify`: is a server that the
    authority has not signed, or for another name, refused?"""

    __slots__ = ("authority", "certificate", "key", "verify")

    def __init__(self, authority: str, certificate: str, key: str, *, verify: bool) -> None:
        self.authority = authority
        self.certificate = certificate
        self.key = key
        self.verify = verify


def config_folder() -> str:
    """Where Docker's clients keep what they know."""
    return os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")


def config_place() -> str:
    """The configuration file's path."""
    return os.path.join(config_folder(), "config.json")


def default_host() -> str:
    """The engine of the context `default`: $DOCKER_HOST, else the engine of this machine or user."""
    return addressed(os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_LABS_HOST") or own_host())


def own_host() -> str:
    """The engine of this machine; the user's own, which needs no root, where the machine's is not or is not for him."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder and not os.access(DEFAULT_HOST.removeprefix("unix://"), os.W_OK):
        place = f"{folder}/kernel-engine/engine.sock"
        if os.access(place, os.W_OK):
            return f"unix://{place}"
    return DEFAULT_HOST


def default_tls(
    authority: str = "", certificate: str = "", key: str = "", *, asked: bool = False, verify: bool = False
) -> Tls | None:
    """For addresses that no context names: the options --tls…, $DOCKER_TLS_VERIFY, $DOCKER_TLS, $DOCKER_CERT_PATH.
    Files that nobody named count where they are."""
    verify = verify or bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if not (asked or verify or os.environ.get("DOCKER_TLS")):
        return None
    folder = os.environ.get("DOCKER_CERT_PATH") or config_folder()
    found = []
    for given, name in zip((authority, certificate, key), TLS_FILES, strict=True):
        place = given or os.path.join(folder, name)
        found.append(place if given or os.path.exists(place) else "")
    return Tls(*found, verify=verify)


def addressed(given: str) -> str:
    """A bare `name:port` is TCP as Docker reads it, a path is a unix socket."""
    if "://" in given:
        return given
    return f"unix://{given}" if given.startswith("/") else f"tcp://{given}"
