"""What a registry tells over HTTP: its catalogue, tags and digests (OCI distribution-spec). For checks and pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

#: seconds; a registry beside us answers at once or not at all
PATIENCE = 3.0
_MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tag: the manifest's digest, and the id of the image that it describes."""

    repository: str
    tag: str
    digest: str
    image_id: str


class Locked(Exception):
    """It wants a name and a password."""


class NoRegistry(Exception):
    """Nobody answers there, or something else does."""


class Registry:
    """At `address`:`port`, by plain HTTP, as nobody in particular."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port

    def entries(self) -> tuple[Entry, ...]:
        """All tags of all repositories, by name. Raises Locked, NoRegistry."""
        repositories = self._json("/v2/_catalog").get("repositories") or ()
        return tuple(entry for name in sorted(repositories) for entry in self._tags(str(name)))

    def entry(self, repository: str, tag: str) -> Entry | None:
        """None where there is no such tag. Raises Locked, NoRegistry."""
        status, headers, body = self._get(f"/v2/{repository}/manifests/{tag}")
        if status != 200:
            return None
        config = _parsed(body).get("config") or {}
        return Entry(
            repository=repository,
            tag=tag,
            digest=headers.get("docker-content-digest", ""),
            image_id=str(config.get("digest", "")),
        )

    def _tags(self, repository: str) -> Iterator[Entry]:
        for tag in sorted(self._json(f"/v2/{repository}/tags/list").get("tags") or ()):
            entry = self.entry(repository, str(tag))
            if entry is not None:
                yield entry

    def _json(self, path: str) -> dict[str, Any]:
        status, _, body = self._get(path)
        return _parsed(body) if status == 200 else {}

    def _get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self._address, self._port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": _MANIFESTS})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            body = answer.read(1 << 20)
        except (OSError, HTTPException) as error:
            raise NoRegistry(str(error)) from None
        finally:
            connection.close()
        if "docker-distribution-api-version" not in headers:
            raise NoRegistry("no registry answers")
        if answer.status == 401:
            raise Locked
        return answer.status, headers, body


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
