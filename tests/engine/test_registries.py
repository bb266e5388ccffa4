"""login, logout, push and pull with a registry that wants to know who asks; TLS of its own; search."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon, running_daemon
from tests.registry import breaking, certificate, debian_registry

INSECURE = ("--subnet", "172.29.77.0/24", "--insecure-registry", "172.16.0.0/12")


@pytest.fixture
def config(daemon: Daemon, tmp_path: Path) -> Iterator[Path]:
    """A Docker configuration of the test's own."""
    daemon.environment["DOCKER_CONFIG"] = str(tmp_path / "docker")
    yield tmp_path / "docker" / "config.json"
    del daemon.environment["DOCKER_CONFIG"]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("locked"), users={"gildong": "s3cret"}) as address:
        yield address


def test_login_push_pull_logout(daemon: Daemon, config: Path, locked: str) -> None:
    image = f"{locked}/gildong/box:1"
    daemon.docker("tag", "busybox", image)
    refused = daemon.docker("push", image, check=False)
    assert refused.returncode == 1
    assert "no basic auth credentials" in refused.stderr

    result = daemon.docker("login", "-u", "gildong", "--password-stdin", locked, input="s3cret\n")
    assert result.stdout == "Login Succeeded\n"
    assert "stored unencrypted" in result.stderr
    assert "s3cret" not in result.stdout + result.stderr
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert list(json.loads(config.read_text())["auths"]) == [locked]

    assert "digest: sha256:" in daemon.out("push", image)
    daemon.docker("rmi", image)
    assert f"Downloaded newer image for {image}" in daemon.out("pull", image) or "up to date" in daemon.out(
        "pull", image
    )
    assert daemon.out("login", locked).endswith("Login Succeeded")

    assert daemon.out("logout", locked) == f"Removing login credentials for {locked}"
    assert daemon.out("logout", locked) == f"Not logged in to {locked}"
    assert json.loads(config.read_text())["auths"] == {}
    assert daemon.docker("pull", image, check=False).returncode == 1


def test_a_wrong_password_is_not_kept(daemon: Daemon, config: Path, locked: str) -> None:
    result = daemon.docker("login", "-u", "gildong", "--password-stdin", locked, input="wrong", check=False)
    assert result.returncode == 1
    assert f"login attempt to http://{locked}/v2/ failed with status: 401 Unauthorized" in result.stderr
    assert not config.exists()


def test_login_without_a_terminal_says_so(daemon: Daemon, config: Path, locked: str) -> None:
    result = daemon.docker("login", locked, check=False)
    assert (result.returncode, result.stderr) == (
        1,
        "Error: Cannot perform an interactive login from a non TTY device\n",
    )
    result = daemon.docker("login", "--password-stdin", locked, input="x", check=False)
    assert "Must provide --username with --password-stdin" in result.stderr


def test_a_broken_file_of_credentials_is_one_sentence(daemon: Daemon, config: Path, locked: str) -> None:
    config.parent.mkdir()
    config.write_text("{nonsense")
    result = daemon.docker("pull", f"{locked}/gildong/box", check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error loading config file: {config}")
    assert result.stderr.count("\n") == 1


def test_tls_with_an_authority_of_its_own(busybox_mirror: str, tmp_path: Path) -> None:
    trusted = tmp_path / "certs.d"
    with running_daemon(tmp_path, (busybox_mirror,), "--certificates", str(trusted)) as daemon:
        daemon.docker("pull", "busybox")
        gateway = daemon.api.get("/networks/bridge").json()["IPAM"]["Config"][0]["Gateway"]
        (tmp_path / "registry").mkdir()
        pair = certificate(tmp_path, gateway)
        with debian_registry(tmp_path / "registry", address=gateway, tls=pair) as address:
            image = f"{address}/box:1"
            daemon.docker("tag", "busybox", image)
            refused = daemon.docker("push", image, check=False)
            assert "x509: certificate signed by unknown authority" in refused.stderr
            (trusted / address).mkdir(parents=True)
            os.link(pair[0], trusted / address / "ca.crt")
            assert "digest: sha256:" in daemon.out("push", image)
            found = daemon.api.get(f"/distribution/{image}/json").json()
            assert found["Descriptor"]["digest"].startswith("sha256:")
            assert [item["os"] for item in found["Platforms"]] == ["linux"]
        (tmp_path / "named").mkdir()
        named = certificate(tmp_path / "named", "10.9.8.7")
        with debian_registry(tmp_path / "registry", address=gateway, tls=named) as address:
            (trusted / address).mkdir()
            os.link(named[0], trusted / address / "ca.crt")
            refused = daemon.docker("pull", f"{address}/box:1", check=False)
            said = f"tls: failed to verify certificate: x509: certificate is valid for 10.9.8.7, not {gateway}\n"
            assert refused.stderr == f'Error response from daemon: Get "https://{address}/v2/": {said}'
        with debian_registry(tmp_path / "registry", address=gateway) as address:
            refused = daemon.docker("pull", f"{address}/box:1", check=False)
            assert "server gave HTTP response to HTTPS client" in refused.stderr


def test_plain_http_where_it_is_named(busybox_mirror: str, tmp_path: Path) -> None:
    with running_daemon(tmp_path, (busybox_mirror,), *INSECURE) as daemon:
        daemon.docker("pull", "busybox")
        gateway = daemon.api.get("/networks/bridge").json()["IPAM"]["Config"][0]["Gateway"]
        assert gateway.startswith("172.")
        (tmp_path / "registry").mkdir()
        with debian_registry(tmp_path / "registry", address=gateway) as address:
            daemon.docker("tag", "busybox", f"{address}/box")
            assert "digest: sha256:" in daemon.out("push", f"{address}/box")
        assert "172.16.0.0/12" in daemon.api.get("/info").json()["RegistryConfig"]["InsecureRegistryCIDRs"]


def test_every_tag_there_and_back(daemon: Daemon, config: Path, tmp_path: Path) -> None:
    with debian_registry(tmp_path) as registry:
        name = f"{registry}/team/box"
        for tag in ("1", "2"):
            daemon.docker("tag", "busybox", f"{name}:{tag}")
        pushed = daemon.out("push", "--all-tags", name).splitlines()
        assert pushed[0] == f"The push refers to repository [{name}]"
        digests = [line.split()[2] for line in pushed if ": digest: " in line]
        assert len(digests) == 2 and len(set(digests)) == 1
        shown = daemon.out("images", "--digests", "--format", "{{.Tag}} {{.Digest}}", name).splitlines()
        assert shown == [f"1 {digests[0]}", f"2 {digests[0]}"]
        daemon.docker("rmi", f"{name}:1", f"{name}:2")
        pulled = daemon.out("pull", "--all-tags", name).splitlines()
        assert pulled[-2:] == [f"Status: Downloaded newer image for {name}", name]
        assert len(daemon.out("images", "-q", name).splitlines()) == 2
        daemon.docker("rmi", f"{name}:1", f"{name}:2")
        daemon.docker("pull", f"{name}@{digests[0]}")
        assert daemon.out("images", "--digests", "--format", "{{.Tag}} {{.Digest}}", name) == f"<none> {digests[0]}"
        daemon.docker("rmi", f"{name}@{digests[0]}")
        for words, text in (
            (("push", "-a", f"{name}:1"), "tag can't be used with --all-tags/-a\n"),
            (("push", "-a", name), f"An image does not exist locally with the tag: {name}\n"),
            (("pull", "-a", f"{name}s"), f"repository {name}s not found: name unknown"),
        ):
            refused = daemon.docker(*words, check=False)
            assert (refused.returncode, text in refused.stderr) == (1, True), refused.stderr


def test_a_registry_that_breaks_off_and_comes_back(daemon: Daemon, config: Path, tmp_path: Path) -> None:
    with debian_registry(tmp_path) as registry:
        with breaking(registry, 300_000, times=1) as address:
            daemon.docker("tag", "busybox", f"{address}/box")
            pushed = daemon.out("push", f"{address}/box").splitlines()
            assert [line for line in pushed if "Retrying in " in line], pushed
            assert "latest: digest: sha256:" in pushed[-1]
            daemon.docker("rmi", f"{address}/box")
        with running_daemon(tmp_path, ()) as fresh, breaking(registry, 300_000, times=1) as address:
            pulled = fresh.out("pull", f"{address}/box")
            assert "Retrying in " in pulled and f"Downloaded newer image for {address}/box:latest" in pulled


def test_a_registry_that_dies_half_way(daemon: Daemon, config: Path, tmp_path: Path) -> None:
    with debian_registry(tmp_path) as registry:
        with breaking(registry, 300_000, times=99) as address:
            daemon.docker("tag", "busybox", f"{address}/box")
            refused = daemon.docker("push", f"{address}/box", check=False)
            assert refused.returncode == 1
            assert refused.stderr.startswith(f'Patch "http://{address}/v2/box/blobs/uploads/'), refused.stderr
            assert not any(name.startswith(address) for name in daemon.inspect("busybox")["RepoDigests"])
            daemon.docker("rmi", f"{address}/box")
        unknown = daemon.docker("pull", f"{registry}/box", check=False)
        assert "manifest unknown" in unknown.stderr
        daemon.docker("tag", "busybox", f"{registry}/box")
        daemon.docker("push", "-q", f"{registry}/box")
        daemon.docker("rmi", f"{registry}/box")
        with running_daemon(tmp_path, ()) as fresh, breaking(registry, 300_000, times=99) as address:
            refused = fresh.docker("pull", f"{address}/box", check=False)
            assert (refused.returncode, "unexpected EOF" in refused.stderr) == (1, True), refused.stderr
            assert fresh.out("images", "-aq") == ""


def test_search_of_a_registry(daemon: Daemon, config: Path, tmp_path: Path) -> None:
    with debian_registry(tmp_path) as address:
        for name in ("web", "webserver", "other"):
            daemon.docker("tag", "busybox", f"{address}/{name}")
            daemon.docker("push", "-q", f"{address}/{name}")
        lines = daemon.out("search", f"{address}/web").splitlines()
        assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
        assert [line.split()[0] for line in lines[1:]] == [f"{address}/web", f"{address}/webserver"]
        assert daemon.out("search", "--limit", "1", "--format", "{{.Name}}", f"{address}/web") == f"{address}/web"
        refused = daemon.docker("search", "--limit", "101", f"{address}/web", check=False)
        assert "limit 101 is outside the range of [1, 100]" in refused.stderr
