"""What tests of builds share: a context as a tar, a build through the API, its lines and step events."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.client import APIError
from tests.daemon import Daemon

#: a file's bytes, or a prepared member (mode, owner, link …) with its bytes
Member = bytes | str | tuple[tarfile.TarInfo, bytes]


def context(files: Mapping[str, Member]) -> bytes:
    """A tar; a name that ends with a slash is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, member in files.items():
            if isinstance(member, tuple):
                entry, data = member
                entry.name = name
            else:
                data = member.encode() if isinstance(member, str) else member
                entry = tarfile.TarInfo(name.rstrip("/"))
                entry.mode, entry.mtime = (0o755 if name.endswith("/") else 0o644), 1_600_000_000
                if name.endswith("/"):
                    entry.type = tarfile.DIRTYPE
            if entry.isreg():
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def member(data: str = "", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    """For `context`: attributes as tarfile names them (type, mode, linkname, uid …)."""
    entry = tarfile.TarInfo()
    entry.mtime = 1_600_000_000
    for key, value in changes.items():
        setattr(entry, key, value)
    return entry, data.encode()


def link(target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(type=tarfile.SYMTYPE, linkname=target)


@dataclass(frozen=True, slots=True)
class Result:
    """What `POST /build` answered."""

    lines: tuple[dict[str, Any], ...]

    @property
    def text(self) -> str:
        return "".join(line.get("stream", "") for line in self.lines)

    @property
    def error(self) -> str:
        return str(next((line["error"] for line in self.lines if "error" in line), ""))

    @property
    def detail(self) -> dict[str, Any]:
        return dict(next((line["errorDetail"] for line in self.lines if "errorDetail" in line), {}))

    @property
    def image(self) -> str:
        """The last id that was told; "" for a build that failed."""
        ids = [line["aux"]["ID"] for line in self.lines if "ID" in line.get("aux", {})]
        return str(ids[-1]) if ids and not self.error else ""

    @property
    def steps(self) -> tuple[dict[str, Any], ...]:
        """The last state of each step, in order."""
        found = {line["aux"]["step"]: line["aux"] for line in self.lines if line.get("id") == "kernel-engine.step"}
        return tuple(found[number] for number in sorted(found))

    @property
    def states(self) -> list[str]:
        """`cached:same`, `done:files` …"""
        return [f"{step['state']}:{step['reason']}" for step in self.steps]


def build(daemon: Daemon, text: str, files: Mapping[str, Member] | None = None, **query: Any) -> Result:
    """Builds with step events. Raises APIError where the engine refuses before the first line."""
    return build_tar(daemon, context({"Dockerfile": text, **(files or {})}), **query)


def build_tar(daemon: Daemon, data: bytes, **query: Any) -> Result:
    words = {
        key.replace("_", "-"): json.dumps(value) if isinstance(value, dict) else value for key, value in query.items()
    }
    response = daemon.api.post(
        "/build",
        query={"kernel-engine-steps": 1, "networkmode": "none", **words},
        body=data,
        headers={"Content-Type": "application/x-tar"},
    )
    return Result(tuple(json.loads(line) for line in response.read().splitlines() if line.strip()))


def refused(daemon: Daemon, text: str, files: Mapping[str, Member] | None = None, **query: Any) -> APIError:
    """The refusal of a build that did not begin."""
    try:
        result = build(daemon, text, files, **query)
    except APIError as error:
        return error
    raise AssertionError(f"it was built: {result.lines}")


def inspect(daemon: Daemon, image: str) -> dict[str, Any]:
    return dict(daemon.api.get(f"/images/{image}/json").json())


def images(daemon: Daemon, *, all: bool = False) -> set[str]:
    return {item["Id"] for item in daemon.api.get("/images/json", query={"all": int(all)}).json()}


def containers(daemon: Daemon) -> list[str]:
    return [item["Id"] for item in daemon.api.get("/containers/json", query={"all": 1}).json()]
