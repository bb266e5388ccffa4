"""Builds by clients that others wrote: Docker's own command line with the classic builder, and docker-py."""

from __future__ import annotations

import gc
import io
import os
import subprocess
from pathlib import Path

import docker
import pytest
from docker.errors import BuildError

from kernel_engine.client.context import prepare
from tests.contract.test_clients import OFFICIAL
from tests.daemon import Daemon

TEXT = "FROM busybox\nARG WHO=world\nCOPY . /src\nRUN echo hello $WHO > /said\nCMD cat /said && ls /src\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx/Dockerfile").write_text(TEXT)
    (tmp_path / "ctx/app.py").write_text("print()\n")
    (tmp_path / "ctx/secret.pem").write_text("x")
    (tmp_path / "ctx/.dockerignore").write_text("*.pem\nDockerfile\n.dockerignore\n")
    return tmp_path


@pytest.mark.skipif(not OFFICIAL, reason="needs Docker's own docker")
@pytest.mark.parametrize("program", OFFICIAL)
def test_dockers_own_command_line(clean: Daemon, folder: Path, program: str) -> None:
    def official(*words: str, input: bytes = b"") -> tuple[int, str, str]:
        environment = {**os.environ, "DOCKER_HOST": clean.host, "DOCKER_CONFIG": "/nonexistent", "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            [program, *words], input=input, capture_output=True, env=environment, timeout=60, check=False
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    context = str(folder / "ctx")
    code, out, _ = official("build", "-t", "official", "--build-arg", "WHO=you", context)
    assert code == 0
    assert out.splitlines()[-1] == "Successfully tagged official:latest"
    assert official("run", "--rm", "official")[:2] == (0, "hello you\napp.py\n")
    code, out, _ = official("build", "-t", "official", "--build-arg", "WHO=you", context)
    assert out.count(" ---> Using cache") == 4
    # the same context by our command is the same to the cache
    assert clean.out("build", "--build-arg", "WHO=you", context).count(" ---> Using cache") == 4
    code, printed, _ = official("build", "-q", "--iidfile", str(folder / "iid"), "--build-arg", "WHO=you", context)
    assert printed.strip() == (folder / "iid").read_text().strip()
    (folder / "other").write_text("FROM busybox\nRUN test ! -e /src/other\nCOPY app.py /\n")
    assert official("build", "-f", str(folder / "other"), context)[0] == 0
    code, out, _ = official("build", "-", input=b"FROM busybox\nRUN true\n")
    assert (code, out.splitlines()[-1][:18]) == (0, "Successfully built")
    archive = b"".join(prepare(context, "", io.BytesIO(), print).pieces)
    assert official("build", "-", input=archive)[0] == 0
    code, _, error = official("build", "-", input=b"FROM busybox\nRUN exit 5\n")
    assert (code, error.splitlines()[-1]) == (5, "The command '/bin/sh -c exit 5' returned a non-zero code: 5")
    code, out, _ = official("builder", "prune", "-f")
    assert (code, out.splitlines()[-1][:22]) == (0, "Total reclaimed space:")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it never closes a failed build
def test_docker_py(clean: Daemon, folder: Path) -> None:
    client = docker.DockerClient(base_url=clean.host, timeout=60)
    try:
        image, lines = client.images.build(path=str(folder / "ctx"), tag="py:1", buildargs={"WHO": "py"}, rm=True)
        assert image.tags == ["py:1"]
        assert any("Successfully built" in line.get("stream", "") for line in lines)
        assert client.containers.run("py:1", remove=True) == b"hello py\napp.py\n"
        image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nLABEL x=y\n"))
        assert image.labels == {"x": "y"}
        with pytest.raises(BuildError, match="returned a non-zero code: 3") as failed:
            client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 3\n"))
        assert any("Step 2/2" in line.get("stream", "") for line in failed.value.build_log)
    finally:
        client.close()
        gc.collect()
