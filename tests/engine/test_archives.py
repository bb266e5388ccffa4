"""docker save, load and import: images as files, there and back, and archives that are damaged or hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.busybox_registry import root_tar
from tests.daemon import Daemon


@pytest.fixture
def made(clean: Daemon) -> str:
    """An image of two layers under two names."""
    return make(clean)


@pytest.fixture(scope="module")
def archive(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """That image, saved and not there any more."""
    make(daemon)
    file = tmp_path_factory.mktemp("archive") / "image.tar"
    daemon.docker("save", "-o", str(file), "team/made:1")
    removed(daemon)
    return file.read_bytes()


def make(clean: Daemon) -> str:
    clean.docker(
        "run", "--name", "maker", "busybox", "sh", "-c", "mkdir /d; echo text > /d/f; ln /d/f /d/g; rm /bin/awk"
    )
    clean.docker("commit", "-c", 'CMD ["cat", "/d/g"]', "maker", "team/made:1")
    clean.docker("tag", "team/made:1", "team/made:2")
    clean.docker("rm", "maker")
    return clean.out("inspect", "--format", "{{.Id}}", "team/made:1")


def removed(daemon: Daemon) -> None:
    daemon.docker("rmi", "-f", "team/made:1", "team/made:2", check=False)


def test_saved_and_loaded_is_the_same_image(clean: Daemon, made: str, tmp_path: Path) -> None:
    file = tmp_path / "images.tar"
    assert clean.docker("save", "-o", str(file), "team/made", "busybox:latest").stdout == ""
    removed(clean)
    assert clean.docker("image", "inspect", made, check=False).returncode == 1
    lines = clean.out("load", "-i", str(file)).splitlines()
    assert sorted(lines) == [f"Loaded image: {name}" for name in ("busybox:latest", "team/made:1", "team/made:2")]
    assert clean.out("inspect", "--format", "{{.Id}}", "team/made:2") == made
    assert clean.out("run", "--rm", "team/made:1") == "text"
    assert clean.docker("run", "--rm", "team/made:1", "awk", check=False).returncode == 127
    removed(clean)


def test_the_same_image_is_saved_to_the_same_bytes(clean: Daemon, made: str, tmp_path: Path) -> None:
    first, second = tmp_path / "1.tar", tmp_path / "2.tar"
    clean.docker("save", "-o", str(first), "team/made:1")
    removed(clean)
    clean.docker("load", "-i", str(first))
    clean.docker("save", "-o", str(second), "team/made:1")
    assert first.read_bytes() == second.read_bytes()
    removed(clean)


def test_an_id_is_saved_without_a_name(clean: Daemon, made: str, tmp_path: Path) -> None:
    file = tmp_path / "image.tar.gz"
    clean.docker("save", "-o", str(tmp_path / "image.tar"), made[7:19])
    file.write_bytes(gzip.compress((tmp_path / "image.tar").read_bytes()))
    removed(clean)
    assert clean.out("load", "-q", "-i", str(file)) == f"Loaded image ID: {made}"
    clean.docker("rmi", made)


def test_a_name_moves_to_what_is_loaded(clean: Daemon, made: str, tmp_path: Path) -> None:
    file = tmp_path / "image.tar"
    clean.docker("save", "-o", str(file), "team/made:1")
    other = clean.out("inspect", "--format", "{{.Id}}", "busybox")
    clean.docker("rmi", "-f", "team/made:1", "team/made:2")
    clean.docker("tag", "busybox", "team/made:1")
    assert clean.out("load", "-i", str(file)).splitlines() == [
        f"The image team/made:1 already exists, renaming the old one with ID {other} to empty string",
        "Loaded image: team/made:1",
    ]
    removed(clean)


def test_what_cannot_be_saved(clean: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "x.tar"
    refused = clean.docker("save", "-o", str(file), "busybox", "nothing:1", check=False)
    assert (refused.returncode, refused.stderr) == (1, "Error response from daemon: No such image: nothing:1\n")
    assert list(tmp_path.iterdir()) == []
    refused = clean.docker("save", "-o", str(tmp_path / "no" / "x.tar"), "busybox", check=False)
    assert f'invalid output path: directory "{tmp_path}/no" does not exist' in refused.stderr


def test_skopeo_reads_and_writes_them(clean: Daemon, made: str, tmp_path: Path) -> None:
    """Both forms; and what skopeo writes runs here."""
    file = tmp_path / "image.tar"
    clean.docker("save", "-o", str(file), "team/made:1")
    skopeo("inspect", "--config", f"docker-archive:{file}")
    skopeo("copy", f"docker-archive:{file}", f"docker-archive:{tmp_path}/docker.tar:team/skopeo:docker")
    skopeo("copy", f"oci-archive:{file}", f"oci-archive:{tmp_path}/oci.tar:team/skopeo:oci")
    removed(clean)
    for form in ("docker", "oci"):
        assert clean.out("load", "-i", str(tmp_path / f"{form}.tar")) == f"Loaded image: team/skopeo:{form}"
        assert clean.out("inspect", "--format", "{{.Id}}", f"team/skopeo:{form}") == made
        assert clean.out("run", "--rm", f"team/skopeo:{form}") == "text"
        clean.docker("rmi", f"team/skopeo:{form}")


def skopeo(*words: str) -> None:
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# bad input --------------------------------------------------------------------------------------------------------
def rewritten(source: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """An archive with other contents; None leaves a member out."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(source)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            if not member.isfile():
                new.addfile(member)
                continue
            file = old.extractfile(member)
            assert file is not None
            data = change(member.name, file.read())
            if data is not None:
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    return out.getvalue()


def edited(change: Callable[[Any], Any]) -> Callable[[str, bytes], bytes | None]:
    """Only manifest.json, and no OCI layout beside it."""

    def work(name: str, data: bytes) -> bytes | None:
        if name == "index.json":
            return None
        return json.dumps(change(json.loads(data))).encode() if name == "manifest.json" else data

    return work


BROKEN = {
    "cut off": (lambda data: data[: len(data) // 2], "tar file(exit status 1): unexpected EOF"),
    "no archive": (lambda data: b"hello" * 1000, "tar file(exit status 1): invalid tar header"),
    "nothing": (lambda data: b"", "neither manifest.json"),
    "other bytes in a layer": (
        lambda data: rewritten(data, lambda name, old: old[:-9] + bytes(9) if old[:2] == b"\x1f\x8b" else old),
        "failed to register layer",
    ),
    "a layer that is missing": (
        lambda data: rewritten(data, edited(lambda rows: [{**rows[0], "Layers": [*rows[0]["Layers"][:-1], "no"]}])),
        "no is missing",
    ),
    "a layer too few": (
        lambda data: rewritten(data, edited(lambda rows: [{**rows[0], "Layers": rows[0]["Layers"][:-1]}])),
        "layers length mismatch: expected 2, got 1",
    ),
    "layers in another order": (
        lambda data: rewritten(data, edited(lambda rows: [{**rows[0], "Layers": rows[0]["Layers"][::-1]}])),
        "layers from manifest don't match image configuration",
    ),
    "a name that is none": (
        lambda data: rewritten(data, edited(lambda rows: [{**rows[0], "RepoTags": ["UPPER:1"]}])),
        "must be lowercase",
    ),
    "a manifest of another shape": (lambda data: rewritten(data, edited(lambda rows: {"a": 1})), "not a list"),
    "a path that leaves": (
        lambda data: rewritten(data, edited(lambda rows: [{**rows[0], "Config": "../../../../etc/passwd"}])),
        "is missing",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_archive_changes_nothing(daemon: Daemon, archive: bytes, tmp_path: Path, case: str) -> None:
    before = stored(daemon)
    spoil, text = BROKEN[case]
    file = tmp_path / "image.tar"
    file.write_bytes(spoil(archive))
    refused = daemon.docker("load", "-i", str(file), check=False)
    assert refused.returncode == 1
    assert text in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert stored(daemon) == before


def stored(daemon: Daemon) -> tuple[set[str], set[str], set[str]]:
    root = daemon.instance.root
    return (
        set(daemon.out("images", "-aq", "--no-trunc").split()),
        {path.name for path in (root / "layers").iterdir()},
        {str(path.relative_to(root)) for path in daemon.instance.blobs.rglob("*")},
    )


def test_links_inside_an_archive_are_followed(clean: Daemon, made: str, tmp_path: Path) -> None:
    """As old Docker wrote a layer that two images share; never to a file outside of it."""
    file = tmp_path / "image.tar"
    clean.docker("save", "-o", str(file), "team/made:1")
    removed(clean)
    out = io.BytesIO()
    with tarfile.open(file) as old, tarfile.open(fileobj=out, mode="w") as new:
        rows = json.load(old.extractfile("manifest.json") or io.BytesIO())
        for member in old:
            if member.isfile() and member.name not in ("manifest.json", "index.json"):
                new.addfile(member, old.extractfile(member))
        for number, layer in enumerate(rows[0]["Layers"]):
            link = tarfile.TarInfo(f"{number}/layer.tar")
            link.type, link.linkname = tarfile.SYMTYPE, f"../{layer}"
            new.addfile(link)
            rows[0]["Layers"][number] = link.name
        data = json.dumps(rows).encode()
        listing = tarfile.TarInfo("manifest.json")
        listing.size = len(data)
        new.addfile(listing, io.BytesIO(data))
    file.write_bytes(out.getvalue())
    assert clean.out("load", "-i", str(file)) == "Loaded image: team/made:1"
    assert clean.out("run", "--rm", "team/made:1") == "text"
    removed(clean)


# import -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
def test_import(clean: Daemon, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "root.tar"
    file.write_bytes(pack(root_tar()))
    image = clean.out("import", "-c", 'CMD ["echo", "hello"]', "-c", "ENV A=b", "-m", "mine", str(file), "flat:1")
    assert clean.out("inspect", "--format", "{{.Id}} {{.Comment}} {{len .RootFS.Layers}}", "flat:1") == (
        f"{image} mine 1"
    )
    assert clean.out("run", "--rm", "flat:1") == "hello"
    clean.docker("save", "-o", str(tmp_path / "flat.tar"), "flat:1")
    clean.docker("rmi", "flat:1")
    clean.docker("load", "-i", str(tmp_path / "flat.tar"))
    assert clean.out("run", "--rm", "flat:1", "sh", "-c", "echo $A") == "b"
    clean.docker("rmi", "flat:1")


def test_import_of_what_is_no_archive(clean: Daemon, tmp_path: Path) -> None:
    before = stored(clean)
    file = tmp_path / "root.tar"
    file.write_bytes(b"nonsense" * 200)
    refused = clean.docker("import", str(file), "flat:1", check=False)
    assert refused.returncode == 1
    assert stored(clean) == before
    refused = clean.docker("import", str(tmp_path / "missing"), check=False)
    assert refused.stderr == f"open {tmp_path}/missing: no such file or directory\n"
    refused = clean.docker("import", str(file), "UPPER", check=False)
    assert "must be lowercase" in refused.stderr
