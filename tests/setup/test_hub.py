"""The hub's pure parts: recipes, layers, documents, substitutes; and a real registry that is filled and served."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kernel_engine.cli.substitutes import held, substitutes
from labs.hub import bootstrap, busybox
from labs.hub.dockerfiles import BUILT
from labs.hub.layers import Layer, pack_bootstrap
from labs.hub.oci import INDEX, MANIFEST, architecture, documents
from labs.hub.recipes import RECIPES, File, debian
from labs.hub.registry import DEFAULT_DATA, RegistryFailed, filling, serving
from labs.hub.userland import os_release, other_userland

needs_busybox = pytest.mark.skipif(not busybox.BINARY.exists(), reason="needs the package busybox-static")
needs_registry = pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs the package docker-registry")
HELD = {f"{image.repository.removeprefix('library/')}:{tag}" for image in (*RECIPES, *BUILT) for tag in image.tags}


# recipes --------------------------------------------------------------------------------------------------------------


def test_the_hub_holds_what_the_course_needs() -> None:
    always = {recipe.title for recipe in RECIPES}
    assert always == {"busybox:latest", "debian:bookworm", "debian:trixie"}
    assert {"mariadb:latest", "redis:7", "python:3", "php:apache", "labs/cron:latest"} < HELD
    assert not any(name.startswith("mysql") for name in HELD)  # no substitute under another program's name


def test_a_changed_recipe_has_another_key() -> None:
    recipe = debian("bookworm")
    assert recipe.key == debian("bookworm").key
    changed = dataclasses.replace(recipe, files={**recipe.files, "etc/motd": File(text="hello")})
    assert len({recipe.key, changed.key, debian("trixie").key}) == 3


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_apt_in_the_image_uses_the_archives_general_name(suite: str) -> None:
    sources = debian(suite).files["etc/apt/sources.list.d/debian.sources"].text
    assert f"Suites: {suite} {suite}-updates\n" in sources
    assert f"Suites: {suite}-security\n" in sources
    assert sources.count("URIs: http://deb.debian.org/debian") == 2


# bootstrap ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("", "http://deb.debian.org/debian"),
        ("deb http://ftp.kaist.ac.kr/debian/ bookworm main\n", "http://ftp.kaist.ac.kr/debian"),
        ("deb [signed-by=/x] https://a.example/debian bookworm main", "https://a.example/debian"),
        ("Types: deb\nURIs: http://b.example/debian\nSuites: trixie\n", "http://b.example/debian"),
        (
            "# deb http://c.example/debian x main\ndeb http://archive.ubuntu.com/ubuntu noble main",
            "http://deb.debian.org/debian",
        ),
        ("URIs: http://deb.debian.org/debian-security", "http://deb.debian.org/debian"),
    ],
)
def test_the_machines_own_mirror_is_used(text: str, mirror: str) -> None:
    assert bootstrap.machine_mirror([text]) == mirror


def test_the_machines_proxy_is_used() -> None:
    dump = (
        'Acquire "";\nAcquire::http::Proxy "http://p:3142";\nAcquire::https::Proxy "";\nAcquire::http::Timeout "3";\n'
    )
    assert bootstrap.proxy_options(dump) == ['--aptopt=Acquire::http::Proxy "http://p:3142"']


def test_each_line_of_mmdebstrap_that_announces_a_stage_is_known() -> None:
    assert bootstrap.stage("I: downloading packages with apt...") == 1
    assert bootstrap.stage("I: creating tarball...") == len(bootstrap.STAGES) - 1
    assert bootstrap.stage("Get:1 http://deb.debian.org …") is None


def test_a_failing_bootstrap_tells_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(bootstrap.BootstrapFailed, match="no such mirror"):
        bootstrap.bootstrap(
            ["sh", "-c", "echo 'E: no such mirror' >&2; exit 25"],
            debian("bookworm"),
            tmp_path / "l",
            epoch=0,
            progress=print,
        )
    assert not list(tmp_path.iterdir())


def test_a_bootstrap_that_dies_in_the_middle_is_no_layer(tmp_path: Path) -> None:
    root = tmp_path / "root.tar"
    root.write_bytes(rooted(mtime=5)[:2000])
    with pytest.raises(bootstrap.BootstrapFailed):
        bootstrap.bootstrap(
            ["sh", "-c", f"cat {root}; exit 141"], debian("bookworm"), tmp_path / "l", epoch=0, progress=print
        )
    assert not (tmp_path / "l").exists()


# layers ---------------------------------------------------------------------------------------------------------------


def rooted(*, mtime: int) -> bytes:
    """A small root as mmdebstrap writes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("./", "./etc", "./dev", "./usr", "./var/lib/apt/lists", "./tmp"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mtime = tarfile.DIRTYPE, mtime
            tar.addfile(directory)
        for name in ("./usr/a", "./etc/machine-id", "./etc/resolv.conf", "./var/lib/apt/lists/deb_main", "./tmp/x"):
            file = tarfile.TarInfo(name)
            file.size, file.mtime = 2000, mtime
            tar.addfile(file, io.BytesIO(b"x" * 2000))
        node = tarfile.TarInfo("./dev/null")
        node.type, node.devmajor, node.devminor = tarfile.CHRTYPE, 1, 3
        tar.addfile(node)
        link = tarfile.TarInfo("./usr/b")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/a"
        tar.addfile(link)
    return stream.getvalue()


def packed(tmp_path: Path, name: str, *, mtime: int) -> Layer:
    files = {"etc/resolv.conf": File(), "etc/apt/x": File(text="y", mode=0o600)}
    return pack_bootstrap(io.BytesIO(rooted(mtime=mtime)), tmp_path / name, epoch=1000, files=files)


def test_equal_content_is_an_equal_layer_whenever_it_was_made(tmp_path: Path) -> None:
    one, two = packed(tmp_path, "1", mtime=5000), packed(tmp_path, "2", mtime=9000)
    assert (one.diff_id, one.digest, one.size) == (two.diff_id, two.digest, two.size)


def test_the_digests_are_those_of_the_file(tmp_path: Path) -> None:
    layer = packed(tmp_path, "1", mtime=5)
    data = layer.path.read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert layer.size == len(data)
    plain = subprocess.run(["gzip", "-dc", layer.path], capture_output=True, check=True).stdout
    assert layer.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"


def test_a_layer_holds_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    layer = packed(tmp_path, "1", mtime=5000)
    with tarfile.open(layer.path) as tar:
        members = {member.name: member for member in tar}
    assert set(members) == {
        "etc",
        "dev",
        "usr",
        "var/lib/apt/lists",
        "tmp",
        "usr/a",
        "usr/b",
        "etc/resolv.conf",
        "etc/apt/x",
    }
    assert members["etc/resolv.conf"].size == 0
    assert members["usr/b"].linkname == "usr/a"
    assert members["usr/a"].mtime == 1000
    assert members["etc/apt/x"].mode == 0o600


@needs_busybox
def test_the_busybox_layer_is_the_same_each_time_and_has_a_shell(tmp_path: Path) -> None:
    one = busybox.pack(tmp_path / "1", epoch=1000)
    assert one.digest == busybox.pack(tmp_path / "2", epoch=1000).digest
    with tarfile.open(one.path) as tar:
        assert tar.getmember("bin/sh").linkname == "/bin/busybox"
        assert tar.getmember("tmp").mode == 0o1777


# documents ------------------------------------------------------------------------------------------------------------


def test_the_documents_name_each_other(tmp_path: Path) -> None:
    layer = packed(tmp_path, "1", mtime=5)
    papers = documents(debian("bookworm"), layer, epoch=86400, made_by=("mmdebstrap", "bookworm"), arch="arm64")
    config, manifest, index = (json.loads(blob.data) for blob in (papers.config, papers.manifest, papers.index))
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer.diff_id]}
    assert config["config"]["Cmd"] == ["bash"]
    assert config["config"]["Env"][0].startswith("PATH=/usr/local/sbin:")
    assert config["created"] == "1970-01-02T00:00:00Z"
    assert manifest["config"]["digest"] == papers.config.digest
    assert manifest["layers"][0]["digest"] == layer.digest
    assert index["manifests"][0]["digest"] == papers.manifest.digest
    assert index["manifests"][0]["platform"] == {"architecture": "arm64", "os": "linux"}


def test_processors_have_gos_names() -> None:
    assert (architecture("x86_64"), architecture("aarch64"), architecture("riscv64")) == ("amd64", "arm64", "riscv64")


# a registry of its own ------------------------------------------------------------------------------------------------


def get(url: str, accept: str = "*/*") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as reply:
        data: bytes = reply.read()
        return data


@needs_registry
def test_what_is_pushed_is_served_and_nobody_may_write(tmp_path: Path) -> None:
    layer = packed(tmp_path, "layer", mtime=5)
    recipe = debian("trixie", "latest")
    papers = documents(recipe, layer, epoch=0, made_by=("test",))
    data = tmp_path / "hub"
    data.mkdir()
    with filling(data) as registry:
        assert registry.recipe_key(recipe.repository, "latest") == ""
        registry.push(recipe.repository, recipe.tags, (layer,), papers)
        registry.push(recipe.repository, recipe.tags, (layer,), papers)
        assert registry.recipe_key(recipe.repository, "latest") == recipe.key
    assert not (data / "filling").exists()
    with serving(data, tmp_path) as url:
        assert sorted(json.loads(get(f"{url}/v2/library/debian/tags/list"))["tags"]) == ["latest", "trixie"]
        index = json.loads(get(f"{url}/v2/library/debian/manifests/latest", INDEX))
        manifest = json.loads(get(f"{url}/v2/library/debian/manifests/{index['manifests'][0]['digest']}", MANIFEST))
        assert get(f"{url}/v2/library/debian/blobs/{manifest['layers'][0]['digest']}") == layer.path.read_bytes()
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(f"{url}/v2/library/debian/blobs/uploads/", data=b"", timeout=10)


@needs_registry
def test_an_image_without_one_of_its_parts_is_missing(tmp_path: Path) -> None:
    layer = packed(tmp_path, "layer", mtime=5)
    recipe = debian("trixie")
    papers = documents(recipe, layer, epoch=0, made_by=("test",))
    data = tmp_path / "hub"
    data.mkdir()
    with filling(data) as registry:
        registry.push(recipe.repository, recipe.tags, (layer,), papers)
    [blob] = (data / "registry").rglob(f"{layer.digest.removeprefix('sha256:')}/data")
    blob.unlink()
    with filling(data) as registry:
        assert registry.recipe_key(recipe.repository, "trixie") == ""


@needs_registry
def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(RegistryFailed, match=f"127.0.0.1:{port}: Address already in use"),
            serving(tmp_path, tmp_path, port=port),
        ):
            pass


# the machine's hub, which ./lab test and ./lab up fill ----------------------------------------------------------------

filled = pytest.mark.skipif(not (DEFAULT_DATA / "registry").exists(), reason="the hub is filled by ./lab test")


@needs_registry
@filled
def test_the_filled_hub_holds_every_image_whole(tmp_path: Path) -> None:
    with serving(DEFAULT_DATA, tmp_path) as url:
        for recipe in RECIPES:
            for tag in recipe.tags:
                index = json.loads(get(f"{url}/v2/{recipe.repository}/manifests/{tag}", INDEX))
                digest = index["manifests"][0]["digest"]
                manifest = json.loads(get(f"{url}/v2/{recipe.repository}/manifests/{digest}", MANIFEST))
                config = json.loads(get(f"{url}/v2/{recipe.repository}/blobs/{manifest['config']['digest']}"))
                assert config["config"]["Cmd"] == list(recipe.command)
        layer = get(f"{url}/v2/library/debian/blobs/{manifest['layers'][0]['digest']}")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        names = tar.getnames()
    assert "usr/bin/apt-get" in names
    assert "etc/apt/sources.list.d/debian.sources" in names
    assert not any(name.startswith("dev/") for name in names)


@needs_registry
@filled
@pytest.mark.skipif(os.geteuid() != 0, reason="the hub is root's")
def test_filling_a_filled_hub_builds_nothing() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "labs.hub", "fill"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    # a test beside this one may have an image made at first need, which is waited for with a line of its own
    assert said.splitlines()[-1] == "이미지 3개가 이미 있어요"


# substitutes and userlands --------------------------------------------------------------------------------------------


def test_every_substitute_is_in_the_hub() -> None:
    """The command that names them may not import the course, so it brings the list: it must fit what the hub holds."""
    assert held(substitutes()) == HELD


def test_lab_00_compares_with_the_other_userland() -> None:
    assert other_userland(os_release("ID=debian\nVERSION_CODENAME=bookworm\n")) == "debian:trixie"
    assert other_userland(os_release('ID=debian\nVERSION_CODENAME="trixie"\n')) == "debian:bookworm"
    assert other_userland(os_release("ID=ubuntu\nVERSION_CODENAME=noble\n# X=y\n")) == "debian:trixie"
