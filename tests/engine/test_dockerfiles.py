"""Every Dockerfile case builds here to what a real dockerd makes of it (test_dockerd.py asks one again)."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import APIError
from tests import dockerfile_oracle as oracle
from tests.busybox_registry import Pushed, busybox, receiving_registry
from tests.daemon import Daemon
from tests.dockerfile_cases import Built, Case, all_cases

CASES = all_cases()


@dataclass
class BuildFailed(Exception):
    message: str
    line: int


@pytest.fixture(scope="module")
def base() -> Built:
    image = busybox()
    return Built(json.loads(image.config), [image.layer])


@pytest.fixture(scope="module")
def pushed() -> Iterator[Pushed]:
    with receiving_registry() as registry:
        yield registry


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_builds_as_docker_does(case: Case, daemon: Daemon, pushed: Pushed, base: Built, tmp_path: Path) -> None:
    name = f"{pushed.address}/cases/{case.name}"
    before = everything(daemon)
    try:
        build(daemon, case, case.lay_out(tmp_path / case.name), name)
    except BuildFailed as failure:
        check_failure(case, failure)
        assert everything(daemon) == before
        return
    image = push(daemon, name, pushed)
    daemon.docker("rmi", "-f", name)
    assert everything(daemon) == before
    assert oracle.facts(image, base, case, case.oracle) == case.expected


def build(daemon: Daemon, case: Case, context: Path, name: str) -> None:
    query = {"t": name, "nocache": "1", "dockerfile": case.dockerfile}
    query |= {key: case.options[key] for key in ("target", "platform") if key in case.options}
    for key, group in (("buildargs", "args"), ("labels", "labels")):
        query[key] = json.dumps(case.options.get(group, {}))
    if secrets := case.options.get("secrets"):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in secrets.items()}
        query["kernel-engine-secrets"] = daemon.api.post("/kernel-engine/builds/secrets", body=encoded).json()["token"]
    try:
        lines = list(daemon.api.post("/build", query=query, body=packed(context)).objects())
    except APIError as error:
        raise BuildFailed(error.message, error.line) from None
    if "error" in lines[-1]:
        raise BuildFailed(lines[-1]["error"], lines[-1]["errorDetail"].get("line", 0))


def packed(context: Path) -> bytes:
    """Everything, as a plain client would send it: what is to be ignored is the daemon's business too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(context, arcname=".")
    return buffer.getvalue()


def check_failure(case: Case, failure: BuildFailed) -> None:
    expected = case.expected
    assert failure.message in ([case.here] if case.here else [expected.get("error"), *expected.get("also", ())])
    line = expected.get("line") if case.line is None else case.line
    assert line is None or failure.line == line


def push(daemon: Daemon, name: str, pushed: Pushed) -> Built:
    """The image as a registry gets it."""
    lines = list(daemon.api.post(f"/images/{name}/push", query={"tag": "latest"}).objects())
    assert "error" not in lines[-1], lines[-1]
    manifest = json.loads(pushed.manifests[f"{name.partition('/')[2]}:latest"])
    config = json.loads(pushed.blobs[manifest["config"]["digest"]])
    return Built(config, [gzip.decompress(pushed.blobs[layer["digest"]]) for layer in manifest["layers"]])


def everything(daemon: Daemon) -> dict[str, Any]:
    """What a build must leave as it was: all containers, and what `docker images` shows."""
    containers = daemon.api.get("/containers/json", query={"all": "1"}).json()
    images = daemon.api.get("/images/json").json()
    return {"containers": containers, "images": sorted(image["Id"] for image in images)}
