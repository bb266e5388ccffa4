"""Images between this engine and Docker, Podman and Skopeo, through Debian's docker-registry and through archives.

Same digests and same file trees, both ways. What we write and read is tested without them in tests/kernel/images and
test_archives.py; here others judge it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import dockerd as dockerds
from tests.conftest import needs_root
from tests.daemon import Daemon
from tests.registry import PROGRAM, debian_registry
from tests.trees import Entry, tree

pytestmark = [
    needs_root,
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed"),
]
OLD = 981173106.123456


def rich() -> bytes:
    """A root with everything that an archive can say of a file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name: str, data: bytes | None = None, **more: object) -> None:
            item = tarfile.TarInfo(name)
            item.mtime = OLD
            item.type = tarfile.REGTYPE if data is not None else tarfile.DIRTYPE
            item.mode, item.size = 0o755, len(data or b"")
            for key, value in more.items():
                setattr(item, key, value)
            archive.addfile(item, io.BytesIO(data or b""))

        add("etc", mode=0o750, uid=12, gid=34)
        add("etc/file", b"text", mode=0o640, uid=1234, gid=5678, mtime=OLD + 1)
        add("etc/한글 이름", "내용".encode(), mode=0o600)
        add("etc/set", b"x", mode=0o6755)
        twin = {"mode": 0o640, "uid": 1234, "gid": 5678, "mtime": OLD + 1}
        add("etc/twin", type=tarfile.LNKTYPE, linkname="etc/file", **twin)
        add("etc/other", b"link", mode=0o600, uid=3)
        add("etc/other2", type=tarfile.LNKTYPE, linkname="etc/other", mode=0o4711, uid=4, mtime=OLD + 9)
        add("etc/link", type=tarfile.SYMTYPE, linkname="../etc/file", uid=7)
        add("etc/" + "long" * 60, b"long")
        add("gone", b"is deleted")
        add("hidden/deep/file", b"below")
        add("sticky", mode=0o1777)
        add("pipe", type=tarfile.FIFOTYPE, mode=0o622)
        add("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
        add("big", os.urandom(100) + bytes(300_000))
        capability = bytes.fromhex("0100000200040000000000000000000000000000").decode("latin-1")
        add("capable", b"x", pax_headers={"SCHILY.xattr.security.capability": capability})
    return out.getvalue()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def made(daemon: Daemon, registry: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pushed as `rich:ours`: two layers, of which the second deletes, replaces and changes. Its id."""
    folder = tmp_path_factory.mktemp("rich")
    (folder / "root.tar").write_bytes(rich())
    daemon.docker("import", str(folder / "root.tar"), "base")
    (folder / "new").mkdir()
    (folder / "new" / "added").write_text("new")
    (folder / "Dockerfile").write_text(
        "FROM busybox AS tools\nFROM base\nENV A=b\nCOPY new /hidden2\n"
        'SHELL ["/t/bin/busybox", "sh", "-c"]\n'
        "RUN --mount=from=tools,target=/t cd /; b=/t/bin/busybox; $b rm gone; $b rm -r hidden; $b mkdir hidden; "
        "$b chmod 700 sticky; $b chown 5:6 etc/set; $b ln big bigger; $b touch -d '2011-02-03 04:05:06' etc\n"
        'LABEL of="round trips"\nCMD ["x"]\n'
    )
    daemon.docker("build", "-t", f"{registry}/rich:ours", str(folder))
    daemon.docker("push", "-q", f"{registry}/rich:ours")
    return str(daemon.inspect(f"{registry}/rich:ours")["Id"])


@pytest.fixture(scope="module")
def expected(daemon: Daemon, made: str) -> dict[str, Entry]:
    found = our_tree(daemon, made)
    assert "gone" not in found
    assert "hidden/deep" not in found
    assert found["etc/file"].same_as == ("etc/file", "etc/twin")
    assert found["etc/file"].owner == (1234, 5678)
    assert found["etc/other"].owner == (4, 0)
    assert found["capable"].attributes
    assert stat.S_ISFIFO(found["pipe"].mode)
    return found


def our_tree(daemon: Daemon, image: str) -> dict[str, Entry]:
    return tree(layers(daemon.api.get(f"/images/{image}/json").json()["GraphDriver"]["Data"]))


def layers(data: dict[str, str]) -> list[str]:
    return [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]


def forgotten(daemon: Daemon, image: str) -> None:
    """Without any of its names, its layers and what was compressed of them."""
    names = daemon.api.get(f"/images/{image}/json").json()["RepoTags"]
    daemon.docker("rmi", *names)
    daemon.docker("image", "prune", "-f")
    assert daemon.docker("inspect", image, check=False).returncode == 1


def digest(daemon: Daemon, name: str) -> str:
    repository = name.rpartition(":")[0]
    found = daemon.api.get(f"/images/{name}/json").json()["RepoDigests"]
    return next(item for item in found if item.startswith(f"{repository}@"))


# Docker -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dockerds.Dockerd]:
    try:
        with dockerds.running(tmp_path_factory.mktemp("dockerd") / "d", bridge=False) as running:
            yield running
    except dockerds.Unavailable as error:
        pytest.skip(str(error))


def theirs(dockerd: dockerds.Dockerd, *words: str) -> str:
    done = dockerd.docker(*words)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_docker_through_a_registry(
    daemon: Daemon, dockerd: dockerds.Dockerd, registry: str, made: str, expected: dict[str, Entry]
) -> None:
    ours, back = f"{registry}/rich:ours", f"{registry}/back:docker"
    daemon.docker("pull", "-q", ours)
    theirs(dockerd, "pull", ours)
    seen = json.loads(theirs(dockerd, "inspect", ours))[0]
    assert (seen["Id"], seen["RepoDigests"]) == (made, [digest(daemon, ours)])
    assert tree(layers(seen["GraphDriver"]["Data"])) == expected
    theirs(dockerd, "tag", ours, back)
    theirs(dockerd, "push", back)
    pushed = json.loads(theirs(dockerd, "inspect", back))[0]["RepoDigests"]
    forgotten(daemon, made)
    daemon.docker("pull", back)
    assert digest(daemon, back) in pushed
    assert daemon.inspect(back)["Id"] == made
    assert our_tree(daemon, back) == expected
    daemon.docker("tag", back, ours)


def test_docker_through_an_archive(
    daemon: Daemon, dockerd: dockerds.Dockerd, registry: str, made: str, expected: dict[str, Entry], tmp_path: Path
) -> None:
    ours, file = f"{registry}/rich:ours", tmp_path / "image.tar"
    daemon.docker("pull", "-q", ours)
    daemon.docker("save", "-o", str(file), ours)
    for name in theirs(dockerd, "images", "-q").split():
        theirs(dockerd, "rmi", "-f", name)
    assert f"Loaded image: {ours}" in theirs(dockerd, "load", "-i", str(file))
    seen = json.loads(theirs(dockerd, "inspect", ours))[0]
    assert seen["Id"] == made
    assert tree(layers(seen["GraphDriver"]["Data"])) == expected
    theirs(dockerd, "save", "-o", str(file), ours)
    forgotten(daemon, made)
    assert daemon.out("load", "-i", str(file)) == f"Loaded image: {ours}"
    assert daemon.inspect(ours)["Id"] == made
    assert our_tree(daemon, ours) == expected


# Podman -----------------------------------------------------------------------------------------------------------
Podman = Callable[..., str]


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    home = Path(tempfile.mkdtemp(prefix="podman-"))  # podman takes no runroot of more than 50 characters
    places = ["--root", str(home / "root"), "--runroot", str(home / "run"), "--events-backend=file"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER")}

    def run(*words: str) -> str:
        done = subprocess.run(["podman", *places, *words], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield run
    run("rmi", "--all", "--force")
    subprocess.run(["umount", "-l", str(home / "root" / "overlay")], capture_output=True, check=False)
    shutil.rmtree(home)


def podman_image(podman: Podman, name: str) -> tuple[str, dict[str, Entry]]:
    """Its id and its tree."""
    seen = json.loads(podman("image", "inspect", name))[0]
    assert seen["GraphDriver"]["Name"] == "overlay"
    return f"sha256:{seen['Id']}", tree(layers(seen["GraphDriver"]["Data"]))


def test_podman_through_a_registry(
    daemon: Daemon, podman: Podman, registry: str, made: str, expected: dict[str, Entry]
) -> None:
    ours, back = f"{registry}/rich:ours", f"{registry}/back:podman"
    daemon.docker("pull", "-q", ours)
    podman("pull", "-q", "--tls-verify=false", ours)
    assert podman_image(podman, ours) == (made, expected)
    assert podman("image", "inspect", "--format", "{{.Digest}}", ours) == digest(daemon, ours).partition("@")[2]
    podman("push", "-q", "--tls-verify=false", ours, f"docker://{back}")
    forgotten(daemon, made)
    daemon.docker("pull", back)
    assert our_tree(daemon, back) == expected
    assert daemon.inspect(back)["Id"] == made
    daemon.docker("tag", back, ours)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_through_an_archive(
    daemon: Daemon, podman: Podman, registry: str, made: str, expected: dict[str, Entry], tmp_path: Path, form: str
) -> None:
    ours, file = f"{registry}/rich:ours", tmp_path / "image.tar"
    daemon.docker("pull", "-q", ours)
    podman("rmi", "--all", "--force")
    daemon.docker("save", "-o", str(file), ours)
    podman("load", "-q", "-i", str(file))
    assert podman_image(podman, ours) == (made, expected)
    file.unlink()
    podman("save", "-q", "--format", form, "-o", str(file), ours)
    forgotten(daemon, made)
    (name,) = daemon.out("load", "-i", str(file)).split("Loaded image: ")[1:]
    assert name == ours
    assert our_tree(daemon, ours) == expected
    if form == "docker-archive":
        assert daemon.inspect(ours)["Id"] == made


# Skopeo -----------------------------------------------------------------------------------------------------------
def test_skopeo_between_registry_and_layout(
    daemon: Daemon, registry: str, made: str, expected: dict[str, Entry], tmp_path: Path
) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    ours, back = f"{registry}/rich:ours", f"{registry}/back:skopeo"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests")
    daemon.docker("pull", "-q", ours)
    for source, target in (
        (f"docker://{ours}", f"dir:{tmp_path}/dir"),
        (f"dir:{tmp_path}/dir", f"docker://{back}"),
    ):
        done = subprocess.run(["skopeo", "copy", "-q", *plain, source, target], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    wanted = digest(daemon, ours).partition("@")[2]
    forgotten(daemon, made)
    daemon.docker("pull", f"{registry}/back@{wanted}")
    assert our_tree(daemon, f"{registry}/back@{wanted}") == expected
    daemon.docker("pull", back)
    layout, packed = tmp_path / "layout", tmp_path / "layout.tar"
    copied = subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{back}", f"oci:{layout}:{back}"],
        capture_output=True,
        check=False,
    )
    assert copied.returncode == 0, copied.stderr.decode()
    with tarfile.open(packed, "w") as archive:
        archive.add(layout, ".")
    forgotten(daemon, made)
    daemon.docker("load", "-i", str(packed))
    assert our_tree(daemon, back) == expected
    daemon.docker("tag", back, ours)
