"""What `docker build` sends: the archive's entries, where the Dockerfile is, and Docker's refusals."""

from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.client import tar
from kernel_engine.client.context import Context, ContextError, compressed, prepare
from tests.conftest import needs_root


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory: `ctx` is a context in it."""
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx/Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def context(source: str = "ctx", dockerfile: str = "", stdin: bytes = b"", said: list[str] | None = None) -> Context:
    return prepare(source, dockerfile, io.BytesIO(stdin), [].append if said is None else said.append)


def opened(found: Context) -> dict[str, tarfile.TarInfo]:
    return {item.name: item for item in tarfile.open(fileobj=io.BytesIO(b"".join(found.pieces)))}


def content(found: Context, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(b"".join(found.pieces))) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_a_tree_as_dockers_client_sends_it(inside: Path) -> None:
    root = inside / "ctx"
    write(root, "b.txt", "a/z", "a/b/deep", "한글/파일.txt", "l" * 120, f"{'p' * 60}/{'q' * 60}/r")
    (root / "empty").mkdir(mode=0o700)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o4755)
    os.link(root / "b.txt", root / "hard.txt")
    (root / "link").symlink_to("/etc/passwd")
    (root / "far").symlink_to("t" * 150)
    os.mkfifo(root / "pipe")
    os.utime(root / "b.txt", ns=(0, 1_577_836_800_999_999_999))
    os.utime(root / "a/z", (0, -100))
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("ctx/sock")
    said: list[str] = []
    found = context(said=said)
    sent = opened(found)
    names = [os.fsencode(item) for item in sent]
    assert names == sorted(names, key=lambda name: name.split(b"/"))
    assert {item.rpartition("/")[2] for item in sent} >= {"deep", "파일.txt", "l" * 120, "r", "empty", "hard.txt"}
    assert "sock" not in sent
    assert said == [f"Can't add file {root}/sock to tar: archive/tar: sockets not supported"]
    assert {(item.uid, item.gid, item.uname, item.gname) for item in sent.values()} == {(0, 0, "", "")}
    assert (sent["run.sh"].mode, sent["empty"].mode, sent["empty"].type) == (0o4755, 0o700, tarfile.DIRTYPE)
    assert (sent["b.txt"].mtime, sent["a/z"].mtime) == (1_577_836_800, -100)
    assert (sent["hard.txt"].type, sent["hard.txt"].size) == (tarfile.REGTYPE, 5)
    assert (sent["link"].linkname, sent["far"].linkname) == ("/etc/passwd", "t" * 150)
    assert sent["pipe"].isfifo()
    assert found.dockerfile == "Dockerfile"


def test_the_same_directory_is_the_same_archive(inside: Path) -> None:
    write(inside / "ctx", *(f"d{number % 7}/f{number}" for number in range(100)))
    assert b"".join(context().pieces) == b"".join(context().pieces)


def test_a_big_file_goes_out_in_pieces(inside: Path) -> None:
    (inside / "ctx/big").write_bytes(os.urandom(5_000_000))
    pieces = list(context().pieces)
    assert max(map(len, pieces)) < 2_000_000
    assert len(pieces) > 3
    assert content(context(), "big") == (inside / "ctx/big").read_bytes()
    assert sum(map(len, pieces)) % 512 == 0


def test_more_than_ustar_can_say() -> None:
    sparse = tarfile.TarInfo.frombuf(
        tar.entry(b"big", kind=tar.REGULAR, mode=0o644, size=9 << 30)[-512:], "utf-8", "surrogateescape"
    )
    assert sparse.size == 0
    data = tar.entry(b"big", kind=tar.REGULAR, mode=0o644, size=9 << 30)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        item = archive.next()
        assert item is not None
        assert item.size == 9 << 30
    assert tar.is_header(data)
    assert not tar.is_header(b"FROM busybox\n" * 50)
    assert not tar.is_header(bytes(100))


def test_ignored_files_stay_here(inside: Path) -> None:
    root = inside / "ctx"
    write(root, "keep", "secret.pem", "node_modules/x/y", "docs/a.md", "docs/README.md")
    (root / ".dockerignore").write_text("*.pem\nnode_modules\ndocs\n!docs/README.md\nDockerfile\n")
    assert list(opened(context())) == [".dockerignore", "Dockerfile", "docs/README.md", "keep"]
    (root / "Dockerfile.dockerignore").write_text("keep\n")
    assert "keep" not in opened(context())
    assert "secret.pem" in opened(context())
    (root / "Dockerfile.dockerignore").write_text("[\n")
    with pytest.raises(ContextError, match=r"^error checking context: syntax error in pattern$"):
        context()


def test_a_dockerfile_elsewhere(inside: Path) -> None:
    write(inside, "other/Dockerfile.dev", "ctx/sub/Dockerfile")
    assert context(dockerfile="ctx/sub/Dockerfile").dockerfile == "sub/Dockerfile"
    found = context(dockerfile="other/Dockerfile.dev")
    assert found.source() == b"other/Dockerfile.dev"
    sent = opened(found)
    assert found.dockerfile.startswith(".dockerfile.")
    assert content(context(dockerfile="other/Dockerfile.dev"), found.dockerfile) == b"other/Dockerfile.dev"
    ignored = content(context(dockerfile="other/Dockerfile.dev"), ".dockerignore").decode()
    assert ignored == f".dockerignore\n{found.dockerfile}\n"
    assert set(sent) == {"Dockerfile", "sub", "sub/Dockerfile", found.dockerfile, ".dockerignore"}
    (inside / "ctx/.dockerignore").write_text("sub")
    assert content(context(dockerfile="other/Dockerfile.dev"), ".dockerignore").startswith(b"sub\n.dockerfile.")
    write(inside, "ctx/kept")
    (inside / "other/Dockerfile.dev.dockerignore").write_text("kept\n")
    sent = opened(context(dockerfile="other/Dockerfile.dev"))
    assert "kept" not in sent
    assert "sub" in sent
    assert f"{found.dockerfile}.dockerignore" in sent


def test_a_dockerfile_in_small_letters_is_found(inside: Path) -> None:
    (inside / "ctx/Dockerfile").rename(inside / "ctx/dockerfile")
    assert context().dockerfile == "dockerfile"


def test_standard_input(inside: Path) -> None:
    found = context(dockerfile="-", stdin=b"FROM busybox\n")
    assert found.source() == b"FROM busybox\n"
    assert content(found, found.dockerfile) == b"FROM busybox\n"
    alone = context("-", stdin=b"FROM busybox\n")
    assert (alone.dockerfile, alone.source()) == ("Dockerfile", b"FROM busybox\n")
    assert content(alone, "Dockerfile") == b"FROM busybox\n"
    archive = b"".join(context().pieces)
    assert b"".join(context("-", stdin=archive).pieces) == archive
    assert context("-", "sub/D", stdin=archive).dockerfile == "sub/D"
    packed = b"\x1f\x8b\x08" + os.urandom(300_000)
    assert b"".join(context("-", stdin=packed).pieces) == packed
    with pytest.raises(ContextError, match="can't use stdin for both build context and dockerfile"):
        context("-", "-")
    with pytest.raises(ContextError, match="failed to read build context from stdin: EOF"):
        context("-")


@pytest.mark.parametrize("url", ["https://example.org/x.tar.gz", "git://h/x.git#main", "github.com/a/b", "git@h:a/b"])
def test_a_url_is_the_engines_affair(url: str) -> None:
    found = context(url, "sub/Dockerfile")
    assert (found.remote, found.dockerfile, list(found.pieces)) == (url, "sub/Dockerfile", [])


def test_compressed_once(inside: Path) -> None:
    write(inside / "ctx", *(f"f{number}" for number in range(500)))
    plain = b"".join(context().pieces)
    packed = b"".join(compressed(context().pieces))
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 10
    assert b"".join(compressed(iter((packed[:100], packed[100:])))) == packed


def test_refusals(inside: Path) -> None:
    with pytest.raises(ContextError, match=r'^unable to prepare context: path "gone" not found$'):
        context("gone")
    with pytest.raises(ContextError, match=r'^unable to prepare context: path "" not found$'):
        context("")
    with pytest.raises(ContextError, match=f"^unable to prepare context: context must be a directory: {inside}/ctx/D"):
        context("ctx/Dockerfile")
    missing = "^unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat "
    with pytest.raises(ContextError, match=f"{missing}{inside}/gone: no such file or directory$"):
        context(dockerfile="gone")
    (inside / "ctx/Dockerfile").unlink()
    with pytest.raises(ContextError, match=f"{missing}{inside}/ctx/Dockerfile: no such file or directory$"):
        context()


@needs_root
@pytest.mark.parametrize(
    ("locked", "text"),
    [
        ("ctx/secret", "error checking context: no permission to read from '{}'"),
        ("ctx/closed", "error checking context: can't stat '{}'"),
    ],
)
def test_what_may_not_be_read(locked: str, text: str) -> None:
    program = (
        "import sys\nfrom kernel_engine.client.context import *\n"
        "try: list(prepare('ctx', '', sys.stdin.buffer, print).pieces)\nexcept ContextError as error: print(error)"
    )
    # pytest's own folders are closed to others by every session that starts
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place:
        folder = Path(place).resolve()
        folder.chmod(0o755)
        write(folder, "ctx/Dockerfile", "ctx/secret", "ctx/closed/x")
        (folder / locked).chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
            user=65534,
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
        )
    assert done.stdout.strip() == text.format(folder / locked)
