"""One blob on its way into a repository (OCI distribution-spec, "Pushing Blobs"): begun or mounted, sent, sealed.

Where the connection breaks, the registry is asked how far it got, and the rest follows. Debian's docker-registry (2.8)
takes no more of an upload that broke within a request: it starts from the first byte there, as everywhere else where
the registry does not know the upload any more.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import urljoin, urlsplit

import aiohttp

from kernel_engine.images.failures import RegistryAnswer
from kernel_engine.images.manifest import Descriptor
from kernel_engine.images.registry import Session

#: the content from this byte on; called once for each request
Content = Callable[[int], AsyncIterator[bytes]]
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")


class Upload:
    """What is known of one upload: `begin` it, `send` it, and after Unreachable `resume` and `send` again."""

    def __init__(self, session: Session, blob: Descriptor, content: Content) -> None:
        self._session = session
        self._blob = blob
        self._content = content
        self._place = ""
        self._there = 0

    @property
    def begun(self) -> bool:
        return bool(self._place)

    async def begin(self, *, mount_from: str = "") -> bool:
        """False where the blob could be mounted from another repository and nothing is to be sent."""
        query = f"?mount={self._blob.digest}&from={mount_from}" if mount_from else ""
        url = f"{self._session.repository}/blobs/uploads/{query}"
        self._place, self._there = "", 0
        async with self._session.request("POST", url, data=b"", accept=(201, 202)) as response:
            if response.status == 201 and mount_from:
                return False
            self._place = _location(response)
        return True

    async def resume(self) -> int | None:
        """How many bytes are there. None where the registry does not know the upload any more: `begin` it anew."""
        try:
            async with self._session.request("GET", self._place, accept=(204,)) as response:
                found = _RANGE.fullmatch(response.headers.get("Range", ""))
                there = int(found[1]) + 1 if found else 0
                place = _location(response) if "Location" in response.headers else self._place
        except RegistryAnswer:
            there, place = 0, ""
        if there > self._blob.size:
            there, place = 0, ""
        # `0-0` says both "nothing" and "one byte": the first byte is sent again
        self._place, self._there = place, 0 if there == 1 else there
        return self._there if place else None

    async def send(self) -> None:
        """The rest in one PATCH, then the PUT that seals it, as Docker does."""
        if self._there < self._blob.size or not self._blob.size:
            await self._patch()
        mark = "&" if urlsplit(self._place).query else "?"
        url = f"{self._place}{mark}digest={self._blob.digest}"
        async with self._session.request("PUT", url, data=b"", accept=(201, 204)):
            pass

    async def _patch(self) -> None:
        start, size = self._there, self._blob.size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size - start)}
        if start:
            headers["Content-Range"] = f"{start}-{size - 1}"
        async with self._session.request(
            "PATCH", self._place, headers=headers, data=lambda: self._content(start), accept=(202, 204)
        ) as response:
            self._place, self._there = _location(response), size


def _location(response: aiohttp.ClientResponse) -> str:
    location = response.headers.get("Location", "")
    if not location:
        raise RegistryAnswer("", "the registry did not say where to upload to", response.status)
    return urljoin(str(response.url), location)
