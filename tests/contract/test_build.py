"""Builds asked for by clients that others wrote: docker-py, and Docker's own command line as a classic client."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, BuildError

from tests.busybox_registry import receiving_registry
from tests.daemon import Daemon
from tests.official import official, official_clis

DOCKERFILE = """\
FROM busybox AS build
ARG WHO=nobody
RUN echo "hello $WHO" > /hello
FROM busybox
LABEL stage=last
COPY --from=build /hello /srv/
COPY data /srv/
WORKDIR /srv
CMD ["cat", "hello", "data"]
"""


@pytest.fixture
def client(clean: Daemon) -> Iterator[docker.DockerClient]:
    found = docker.DockerClient(base_url=clean.host, timeout=60)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "data").write_text("data\n")
    (tmp_path / "unwanted").write_text("x" * 1000)
    (tmp_path / ".dockerignore").write_text("unwanted\n")
    return tmp_path


def test_docker_py_builds(client: docker.DockerClient, context: Path) -> None:
    image, lines = client.images.build(
        path=str(context), tag="lab:py", buildargs={"WHO": "docker-py"}, labels={"by": "py"}, rm=True
    )
    said = "".join(line.get("stream", "") for line in lines)
    assert image.tags == ["lab:py"]
    assert image.labels == {"stage": "last", "by": "py"}
    assert client.containers.run("lab:py", remove=True) == b"hello docker-py\ndata\n"
    assert "Step 1/10 : FROM busybox AS build\n" in said
    assert said.endswith(
        f"Successfully built {image.short_id.removeprefix('sha256:')[:12]}\nSuccessfully tagged lab:py\n"[-21:]
    )
    assert client.containers.list(all=True) == []
    rows = image.history()
    assert [row["CreatedBy"] for row in rows][1:3] == [
        '/bin/sh -c #(nop)  CMD ["cat" "hello" "data"]',
        "/bin/sh -c #(nop) WORKDIR /srv",
    ]
    assert rows[0]["Id"] == image.id


def test_docker_py_builds_from_a_file_and_a_tar(client: docker.DockerClient) -> None:
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nENV A=1\n"), tag="lab:file")
    assert "A=1" in image.attrs["Config"]["Env"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in {"sub/Other": b"FROM busybox AS a\nRUN true\nFROM a AS b\nRUN false\n"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    image, _ = client.images.build(
        fileobj=io.BytesIO(buffer.getvalue()), custom_context=True, encoding="gzip", dockerfile="sub/Other", target="a"
    )
    assert image.tags == []


def test_docker_py_tells_failures(client: docker.DockerClient, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo said; exit 7\n")
    with pytest.raises(BuildError) as failure:
        client.images.build(path=str(context), tag="lab:never")
    assert failure.value.msg == "The command '/bin/sh -c echo said; exit 7' returned a non-zero code: 7"
    assert {"stream": "said\n"} in list(failure.value.build_log)
    (context / "Dockerfile").write_text("FROM busybox\n\nRUNN true\n")
    with pytest.raises(APIError) as refusal:
        client.images.build(path=str(context))
    assert refusal.value.status_code == 400
    assert refusal.value.explanation == "dockerfile parse error line 3: unknown instruction: RUNN"
    assert client.images.list(name="lab:never") == []


needs_cli = pytest.mark.skipif(not official_clis(), reason="Docker's own command line is not installed here")


@needs_cli
@pytest.mark.parametrize("cli", official_clis())
def test_dockers_own_command_line_builds(cli: str, clean: Daemon, context: Path) -> None:
    def run(*words: str, input: str = "") -> subprocess.CompletedProcess[str]:
        return official(cli, clean.host, *words, input=input, DOCKER_BUILDKIT="0")

    file = context.with_name("id")
    done = run(
        "build", "-t", "lab:cli", "-t", "lab:second", "--build-arg", "WHO=cli", "--iidfile", str(file), str(context)
    )
    assert done.returncode == 0, done.stderr
    assert "Successfully tagged lab:cli\nSuccessfully tagged lab:second\n" in done.stdout
    assert run("run", "--rm", "lab:cli").stdout == "hello cli\ndata\n"
    assert file.read_text() == clean.inspect("lab:second")["Id"]
    again = run("build", "-q", "-t", "lab:cli", "--build-arg", "WHO=cli", str(context))
    assert again.stdout.strip() == file.read_text()
    cached = run("build", "--build-arg", "WHO=cli", str(context))
    assert cached.stdout.count(" ---> Using cache\n") == 7
    other = run("build", "--build-arg", f"WHO=other than {cli}", str(context))
    assert other.stdout.count(" ---> Using cache\n") == 2
    rows = run("history", "--format", "{{.CreatedBy}}", "--no-trunc", "lab:cli").stdout.splitlines()
    assert rows[0] == '/bin/sh -c #(nop)  CMD ["cat" "hello" "data"]'
    assert len(rows) == 6


@needs_cli
@pytest.mark.parametrize("cli", official_clis())
def test_dockers_own_command_line_builds_from_stdin(cli: str, clean: Daemon, context: Path) -> None:
    done = official(
        cli, clean.host, "build", "-t", "lab:in", "-", input="FROM busybox\nENV A=in\n", DOCKER_BUILDKIT="0"
    )
    assert done.returncode == 0, done.stderr
    assert "A=in" in clean.inspect("lab:in")["Config"]["Env"]
    words = ("build", "-f", "-", "-t", "lab:file", str(context))
    done = official(cli, clean.host, *words, input="FROM busybox\nCOPY data /\n", DOCKER_BUILDKIT="0")
    assert done.returncode == 0, done.stderr
    failed = official(cli, clean.host, "build", "-", input="FROM busybox\nRUN exit 9\n", DOCKER_BUILDKIT="0")
    assert failed.returncode == 9
    assert "The command '/bin/sh -c exit 9' returned a non-zero code: 9" in failed.stderr


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs the package skopeo")
def test_a_built_image_is_valid_to_others(clean: Daemon, context: Path, tmp_path: Path) -> None:
    """skopeo reads the pushed image and copies it as OCI, digests checked; umoci unpacks it where it is installed."""
    with receiving_registry() as pushed:
        name = f"{pushed.address}/lab/valid"
        clean.docker("build", "-t", name, str(context))
        clean.docker("push", name)
        layout = tmp_path / "layout"
        copy = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "-q",
            "--src-tls-verify=false",
            f"docker://{name}",
            f"oci:{layout}:v1",
        ]
        subprocess.run(copy, check=True, capture_output=True)
    shown = subprocess.run(["skopeo", "inspect", f"oci:{layout}:v1"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["Labels"] == {"stage": "last"}
    if shutil.which("umoci"):
        bundle = tmp_path / "bundle"
        words = ["umoci", "unpack", "--image", f"{layout}:v1", str(bundle)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (bundle / "rootfs/srv/hello").read_text() == "hello nobody\n"
