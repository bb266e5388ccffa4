"""docker cp and docker export: Docker's rules of names, slashes and links; running or not; and what is hostile."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.daemon import Daemon


@pytest.fixture(params=["running", "stopped"])
def box(clean: Daemon, request: pytest.FixtureRequest) -> Daemon:
    """A container `box` with some files: /d/f, /d/sub/g, the link /l to /d/f, and /out to a place that is not there."""
    script = (
        "mkdir -p /d/sub /e; echo f > /d/f; echo g > /d/sub/g; ln -s /d/f /l; ln -s ../../../../tmp/outside /out; "
        "chmod 640 /d/f; chown 7:8 /d/f; touch /ready; exec sleep 100"
    )
    clean.docker("run", "-d", "--name", "box", "busybox", "sh", "-c", script)
    clean.docker("exec", "box", "sh", "-c", "until [ -e /ready ]; do sleep 0.02; done")
    if request.param == "stopped":
        clean.docker("stop", "-t", "0", "box")
    return clean


def inside(daemon: Daemon, path: str) -> bytes:
    """A file of the container, by the API."""
    data = daemon.api.get("/containers/box/archive", query={"path": path}).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        content = archive.extractfile(archive.getmembers()[0])
        assert content is not None
        return content.read()


def test_out_of_a_container(box: Daemon, tmp_path: Path) -> None:
    result = box.docker("cp", "box:/d/f", str(tmp_path))
    assert result.stderr == f"Successfully copied 2.05kB to {tmp_path}\n" and result.stdout == ""
    assert (tmp_path / "f").read_text() == "f\n"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "f").stat().st_uid == os.getuid()
    box.docker("cp", "-q", "box:/d/f", str(tmp_path / "other"))
    assert (tmp_path / "other").read_text() == "f\n"
    box.docker("cp", "box:/d", str(tmp_path / "new"))
    assert (tmp_path / "new/sub/g").read_text() == "g\n"
    box.docker("cp", "box:/d", str(tmp_path / "new"))
    assert (tmp_path / "new/d/sub/g").read_text() == "g\n"
    (tmp_path / "flat").mkdir()
    box.docker("cp", "box:/d/.", str(tmp_path / "flat"))
    assert sorted(path.name for path in (tmp_path / "flat").iterdir()) == ["f", "sub"]
    box.docker("cp", "box:/l", str(tmp_path / "link"))
    assert os.readlink(tmp_path / "link") == "/d/f"
    box.docker("cp", "-L", "box:/l", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_text() == "f\n"


def test_out_to_standard_output(box: Daemon) -> None:
    with tarfile.open(fileobj=io.BytesIO(box.docker("cp", "box:/d", "-").stdout.encode())) as archive:
        assert sorted(archive.getnames()) == ["d", "d/f", "d/sub", "d/sub/g"]
        member = archive.getmember("d/f")
        assert (member.uid, member.gid, member.mode) == (7, 8, 0o640)


def test_into_a_container(box: Daemon, tmp_path: Path) -> None:
    (tmp_path / "src/deep").mkdir(parents=True)
    (tmp_path / "src/deep/x").write_text("x")
    (tmp_path / "one").write_text("one")
    box.docker("cp", str(tmp_path / "one"), "box:/e")
    box.docker("cp", str(tmp_path / "one"), "box:/e/two")
    box.docker("cp", str(tmp_path / "src"), "box:/e")
    box.docker("cp", str(tmp_path / "src"), "box:/e/renamed")
    box.docker("cp", f"{tmp_path}/src/.", "box:/d/sub/")
    box.docker("cp", str(tmp_path / "one"), "box:/l")
    for path, content in (
        ("/e/one", b"one"), ("/e/two", b"one"), ("/e/src/deep/x", b"x"), ("/e/renamed/deep/x", b"x"),
        ("/d/sub/deep/x", b"x"), ("/d/sub/g", b"g\n"), ("/d/f", b"one"),
    ):  # fmt: skip
        assert inside(box, path) == content, path


def test_from_standard_input(box: Daemon, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("from a pipe")
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as made:
        made.add(tmp_path / "x", "x")
    with archive.open("rb") as stdin:
        import subprocess
        import sys

        done = subprocess.run(
            [sys.executable, "-m", "kernel_engine.cli.main", "cp", "-", "box:/e"],
            stdin=stdin, capture_output=True, text=True, env={**os.environ, "DOCKER_HOST": box.host}, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert inside(box, "/e/x") == b"from a pipe"


def test_what_is_refused(box: Daemon, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("")
    for words, text in (
        (("box:/nope", "."), "Could not find the file /nope in container"),
        (("nobody:/etc", "."), "No such container: nobody"),
        ((str(tmp_path / "file"), "nobody:/etc"), "No such container: nobody"),
        (("box:/a", "box:/b"), "copying between containers is not supported"),
        (("/a", "/b"), "must specify at least one container source"),
        ((str(tmp_path / "nope"), "box:/"), f"lstat {tmp_path}/nope: no such file or directory"),
        ((str(tmp_path / "dir"), "box:/d/f"), "cannot copy directory"),
        ((str(tmp_path / "file"), "box:/new/"), "no such directory"),
        ((str(tmp_path / "file"), "box:/no/where"), "Could not find the file /no in container"),
        (("box:/d", str(tmp_path / "file")), "cannot copy directory"),
        (("box:/d/f", str(tmp_path / "no/where")), f'directory "{tmp_path}/no" does not exist'),
        (("-", "box:/d/f"), "must be a directory"),
    ):
        refused = box.docker("cp", *words, check=False, input="")
        assert (refused.returncode, text in refused.stderr) == (1, True), (words, refused.stderr)


def test_links_of_the_container_never_lead_outside(box: Daemon, tmp_path: Path) -> None:
    """/out leads to /tmp/outside inside the container, wherever that is here."""
    outside = Path("/tmp/outside")
    assert not outside.exists()
    (tmp_path / "x").write_text("x")
    refused = box.docker("cp", str(tmp_path / "x"), "box:/out", check=False)
    assert not outside.exists()
    if refused.returncode == 0:
        assert inside(box, "/tmp/outside") == b"x"
    refused = box.docker("cp", "box:/../../../../etc/hostname", str(tmp_path / "name"), check=False)
    if refused.returncode == 0:
        assert (tmp_path / "name").read_text().strip() != os.uname().nodename


def test_a_hostile_archive_stays_inside(box: Daemon, tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("way")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        for name in ("way/evil", "../../../../../evil"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
    try:
        box.api.put("/containers/box/archive", query={"path": "/e"}, body=data.getvalue()).read()
    except Exception as error:
        assert "failed to copy files" in str(error) or "invalid" in str(error)
    assert list(tmp_path.iterdir()) == []
    assert not Path("/evil").exists()


def test_into_a_volume_of_one_that_never_ran(clean: Daemon, tmp_path: Path) -> None:
    """Its places are not in the root yet: they are made as its start would make them."""
    (tmp_path / "x").write_text("x")
    (tmp_path / "bound").mkdir()
    (tmp_path / "file").write_text("old")
    binds = ("-v", f"{tmp_path}/bound:/new/deep", "-v", f"{tmp_path}/file:/new/file")
    clean.docker("create", "--name", "box", *binds, "busybox", "cat", "/new/deep/x")
    clean.docker("cp", str(tmp_path / "x"), "box:/new/deep")
    assert (tmp_path / "bound" / "x").read_text() == "x"
    assert inside(clean, "/new/file") == b"old"
    assert clean.out("start", "-a", "box") == "x"


def test_a_read_only_root_is_not_written(clean: Daemon, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "bound").mkdir()
    bind = f"{tmp_path}/bound:/bound"
    clean.docker("run", "-d", "--name", "box", "--read-only", "-v", bind, "busybox", "sleep", "100")
    refused = clean.docker("cp", str(tmp_path / "x"), "box:/", check=False)
    assert "container rootfs is marked read-only" in refused.stderr
    clean.docker("cp", str(tmp_path / "x"), "box:/bound")
    assert (tmp_path / "bound/x").read_text() == "x"
    clean.docker("stop", "-t", "0", "box")
    clean.docker("cp", "box:/bound/x", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "x"


def test_export(box: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "root.tar"
    box.docker("export", "-o", str(file), "box")
    with tarfile.open(file) as archive:
        names = set(archive.getnames())
        assert names >= {"bin/busybox", "d/f", "d/sub/g", "l", "proc", "sys", "dev", "etc/hosts"}
        assert not {name for name in names if name.startswith(("proc/", "sys/"))}
        member = archive.getmember("d/f")
        assert (member.uid, member.gid, member.mode) == (7, 8, 0o640)
    box.docker("import", str(file), "flat:1")
    assert box.out("run", "--rm", "flat:1", "cat", "/d/sub/g") == "g"
    box.docker("rmi", "flat:1")
    refused = box.docker("export", "nobody", check=False)
    assert "No such container: nobody" in refused.stderr
