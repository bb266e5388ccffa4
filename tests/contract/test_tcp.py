"""The API on TCP: whoever shows a certificate is served like a neighbour on the socket, nobody else is served."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from tests.conftest import needs_root
from tests.daemon import PROGRAM, Daemon, running_daemon
from tests.official import official, official_clis

pytestmark = [needs_root, pytest.mark.timeout(180)]
#: more than sockets and TLS records hold
BIG = "0123456789abcdef" * 65536


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path) -> Path:
    """A folder with ca.pem and certificates for a server at 127.0.0.1 and for a client."""
    folder.mkdir()
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        folder, "req", "-x509", *curve, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca-key.pem", "-out", "ca.pem",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    for name, use in (("server", "serverAuth"), ("client", "clientAuth")):
        (folder / "ext").write_text(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={use}\n")
        openssl(folder, "req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", "request")
        openssl(
            folder, "x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-days", "2", "-extfile", "ext", "-out", f"{name}.pem",
        )  # fmt: skip
    (folder / "client.pem").rename(folder / "cert.pem")
    (folder / "client-key.pem").rename(folder / "key.pem")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Site:
    engine: Daemon
    address: str  #: tcp://…, with TLS
    pki: Path
    strangers: Path  #: another authority's

    def far(self, *words: str, pki: Path | None = None, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Our docker over TLS."""
        folder = pki or self.pki
        files = [f"--tls{name}={folder / file}" for name, file in (("cert", "cert.pem"), ("key", "key.pem"))]
        given = ["--tlsverify", f"--tlscacert={self.pki / 'ca.pem'}", *files, "-H", self.address, *words]
        return self.engine.docker(*given, input=input, check=False)


@pytest.fixture(scope="module")
def site(busybox_mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pki")
    pki, strangers = authority(folder / "ours"), authority(folder / "strangers")
    sealed = free_port()
    words = ("--host", f"tcp://127.0.0.1:{sealed}", "--tlscacert", str(pki / "ca.pem"))
    words += ("--tlscert", str(pki / "server.pem"), "--tlskey", str(pki / "server-key.pem"))
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as place,
        running_daemon(Path(place), (busybox_mirror,), *words) as engine,
    ):
        engine.docker("pull", "-q", "busybox")
        yield Site(engine, f"tcp://127.0.0.1:{sealed}", pki, strangers)


def test_ordinary_work(site: Site) -> None:
    assert site.far("version", "--format", "{{.Server.APIVersion}}").stdout == "1.47\n"
    assert site.far("run", "--rm", "busybox", "echo", "far away").stdout == "far away\n"
    failed = site.far("run", "--rm", "busybox", "sh", "-c", "echo no >&2; exit 7")
    assert (failed.returncode, failed.stderr) == (7, "no\n")
    assert site.far("build", "-q", "-", input="FROM busybox\nRUN true\n").stdout.startswith("sha256:")


def test_input_ends_and_what_comes_back_is_whole(site: Site) -> None:
    """Each direction of the stream ends by itself."""
    done = site.far("run", "-i", "--rm", "busybox", "sh", "-c", "cat; echo end", input=BIG)
    assert done.stdout == f"{BIG}end\n"


@pytest.mark.skipif(not official_clis(), reason="Docker's own command line is not installed here")
def test_dockers_own_command_line(site: Site) -> None:
    cli = official_clis()[-1]
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(site.pki)}
    done = official(cli, site.address, "run", "-i", "--rm", "busybox", "wc", "-c", input=BIG, **environment)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(BIG)))


def test_docker_py(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # stronger than the client's own to requests
        monkeypatch.delenv(name, raising=False)
    tls = docker.tls.TLSConfig(
        client_cert=(str(site.pki / "cert.pem"), str(site.pki / "key.pem")),
        ca_cert=str(site.pki / "ca.pem"),
        verify=True,
    )
    client = docker.DockerClient(base_url=site.address, tls=tls)
    try:
        assert client.containers.run("busybox", "echo hi", remove=True) == b"hi\n"
    finally:
        client.close()


def test_a_context_carries_its_certificates(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "")
    files = ",".join(
        f"{key}={site.pki / name}" for key, name in (("ca", "ca.pem"), ("cert", "cert.pem"), ("key", "key.pem"))
    )
    docker_ = site.engine.docker
    docker_("context", "create", "far", "--docker", f"host={site.address},{files}")
    assert docker_("--context", "far", "info", "--format", "{{.OperatingSystem}}").stdout.strip()


# who is not served ---------------------------------------------------------------------------------------------------
def test_a_stranger(site: Site) -> None:
    done = site.far("ps", pki=site.strangers)
    assert done.returncode == 1
    assert "error during connect" in done.stderr and "tls: " in done.stderr


def test_nobody_in_particular(site: Site) -> None:
    done = site.engine.docker(
        "--tlsverify", f"--tlscacert={site.pki / 'ca.pem'}", "-H", site.address, "ps", check=False
    )
    assert done.returncode == 1
    assert "error during connect" in done.stderr and "tls: " in done.stderr


def test_an_engine_that_our_authority_has_not_signed(site: Site) -> None:
    ca = f"--tlscacert={site.strangers / 'ca.pem'}"
    done = site.engine.docker("--tlsverify", ca, "-H", site.address, "ps", check=False)
    assert done.returncode == 1
    assert "tls: failed to verify certificate" in done.stderr


def test_who_speaks_no_tls(site: Site) -> None:
    done = site.engine.docker("-H", site.address, "ps", check=False)
    assert done.returncode == 1
    assert "Client sent an HTTP request to an HTTPS server." in done.stderr


def test_garbage_and_silence_stop_nothing(site: Site) -> None:
    name, port = site.address.removeprefix("tcp://").split(":")
    silent = socket.create_connection((name, int(port)))
    for data in (b"\x16\x03\x01\x00\x05hello", os.urandom(4096), b"\x16"):
        with socket.create_connection((name, int(port))) as wire:
            wire.sendall(data)
    assert site.far("ps", "-q").returncode == 0
    silent.close()


# how it is asked for -------------------------------------------------------------------------------------------------
def served(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A daemon that refuses its own options."""
    given = [*PROGRAM, "serve", "--root", str(place / "root"), "--run", str(place / "run"), *words]
    return subprocess.run(given, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-H", "tcp://0.0.0.0:2375"), "plain TCP is for loopback addresses only"),
        (("-H", "tcp://[::]:2375"), "plain TCP is for loopback addresses only"),
        (("-H", "tcp://127.0.0.1:99999"), "invalid address tcp://127.0.0.1:99999"),
        (("-H", "http://127.0.0.1:80"), "invalid address http://127.0.0.1:80"),
        (("-H", "tcp://127.0.0.1:1", "--tlscert", "x"), "--tlscacert, --tlscert and --tlskey go together"),
    ],
)
def test_what_is_refused_before_it_serves(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = served(tmp_path, *words)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "root").exists()


def test_plain_tcp_on_loopback(busybox_mirror: str) -> None:
    place = f"tcp://127.0.0.1:{free_port()}"
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as folder,
        running_daemon(Path(folder), (busybox_mirror,), "-H", place) as engine,
    ):
        engine.docker("-H", place, "pull", "-q", "busybox")
        done = engine.docker("-H", place, "run", "-i", "--rm", "busybox", "wc", "-c", input=BIG)
        assert done.stdout.strip() == str(len(BIG))
