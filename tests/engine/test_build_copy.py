"""COPY, ADD and WORKDIR in a real image: Docker's rules for sources and destinations, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import lzma
import tarfile
import threading
from collections.abc import Iterator

import pytest

from kernel_engine.client import APIError
from tests.daemon import Daemon
from tests.engine.building import Member, build, build_tar, context, inspect, link, member

LIST = (
    "find / -path /proc -prune -o -path /sys -prune -o -path /bin -prune -o -path /dev -prune -o -type f -print"
    " -o -type l -print | grep -v -E '^/etc/(hostname|hosts|resolv.conf|mtab)$|dockerenv' | sort | tr '\\n' '\\0'"
    " | xargs -0 -r stat -c '%A %u:%g %Y %N'"
)
TREE: dict[str, Member] = {
    "d/": member(type=tarfile.DIRTYPE, mode=0o700),
    "d/f": "a\n",
    "d/s/": member(type=tarfile.DIRTYPE, mode=0o750),
    "d/s/g": member("b\n", mode=0o4711, uid=7, gid=8),
    "d/s/up": link("../f"),
    "lf": link("d/f"),
    "ld": link("d"),
    "out": link("../../../etc/hostname"),
    "abs": link("/d/s/g"),
    "t1": "1",
    "t2": "2",
}


def listed(daemon: Daemon, lines: str, files: dict[str, Member] | None = None, **query: object) -> list[str]:
    """`mode owner time name` of every file that the lines have put into the image."""
    result = build(daemon, f"FROM busybox\n{lines}\n", files or TREE, t="copied", **query)
    assert not result.error, result.error
    return daemon.out("run", "--rm", "copied", "sh", "-c", LIST).splitlines()


T = 1_600_000_000


def test_directories_their_contents_and_attributes(clean: Daemon) -> None:
    assert listed(clean, "COPY d /new/deep\n") == [
        f"-rw-r--r-- 0:0 {T} /new/deep/f",
        f"-rws--x--x 0:0 {T} /new/deep/s/g",
        f"lrwxrwxrwx 0:0 {T} '/new/deep/s/up' -> '../f'",
    ]
    assert clean.out("run", "--rm", "copied", "stat", "-c", "%a %Y", "/new/deep/s") == f"750 {T}"
    assert clean.out("run", "--rm", "copied", "stat", "-c", "%a", "/new/deep") == "755"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("COPY t1 /x", ["/x"]),
        ("COPY t1 /x/", ["/x/t1"]),
        ("COPY t1 t2 /x/", ["/x/t1", "/x/t2"]),
        ("COPY t? /x/", ["/x/t1", "/x/t2"]),
        ("COPY [t]1 /x", ["/x"]),
        ("COPY d/*/g /x/", ["/x/g"]),
        ("COPY /d/../t1 /x", ["/x"]),
        ("WORKDIR /w\nCOPY t1 .", ["/w/t1"]),
        ("WORKDIR /w\nWORKDIR v\nCOPY t1 t2 ./", ["/w/v/t1", "/w/v/t2"]),
        ('COPY ["t1", "/x y/"]', ["/x y/t1"]),
        ("COPY lf /x", ["/x"]),
        ("COPY ld /x", ["/x/f", "/x/s/g", "/x/s/up"]),
        ("COPY abs /x", ["/x"]),
        ("COPY ld/s/g /x", ["/x"]),
        ("RUN mkdir /e && ln -s /e /l\nCOPY t1 /l", ["/e/t1", "/l"]),
        ("RUN mkdir /e && ln -s /e /l\nCOPY d/s /l/", ["/e/g", "/e/up", "/l"]),
        ("RUN touch /e && ln -s /e /l\nCOPY t1 /l", ["/e", "/l"]),
        ("COPY --parents d/s/g /x/", ["/x/d/s/g"]),
        ("COPY --parents d/./s/* /x/", ["/x/s/g", "/x/s/up"]),
        ("COPY --exclude=s d /x/", ["/x/f"]),
        ("COPY --exclude=**/g --exclude=*/up d /x/", ["/x/f"]),
        ("COPY --link t1 /x/", ["/x/t1"]),
        ("COPY <<one <<two /x/\n1\none\n2\ntwo", ["/x/one", "/x/two"]),
        ("COPY --chmod=600 d /x/", ["/x/f", "/x/s/g", "/x/s/up"]),
        ("WORKDIR /d/e\nRUN echo > f", ["/d/e/f"]),
    ],
)
def test_where_files_go(clean: Daemon, lines: str, expected: list[str]) -> None:
    names = [line.split(" ", 3)[3].split(" -> ")[0].strip("'") for line in listed(clean, lines)]
    assert names == expected


def test_owners_are_the_images(clean: Daemon) -> None:
    users = "RUN mkdir -p /etc && echo 'u:x:5:6::/:/bin/sh' > /etc/passwd && echo 'u:x:66:' > /etc/group\n"
    lines = f"{users}COPY --chown=u d /ch/own\nCOPY --chown=7:8 --chmod=640 lf /ch2/own\n"
    rows = [line.split(" ", 3) for line in listed(clean, lines)]
    found = {row[3]: row[1] for row in rows}
    assert (found["/ch/own/f"], found["/ch2/own"]) == ("5:66", "7:8")
    owners = clean.out("run", "--rm", "copied", "stat", "-c", "%u:%g %a", "/ch", "/ch/own", "/ch2", "/ch2/own")
    assert owners.splitlines() == ["0:0 755", "5:66 755", "7:8 755", "7:8 640"]
    error = build(clean, f"FROM busybox\n{users}COPY --chown=nobody d /x\n", TREE).error
    assert error.endswith("can't find uid for user nobody: no such user: nobody")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            "COPY nothere /",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nothere: file does not "
            "exist",
        ),
        ("COPY ../x /", "COPY failed: forbidden path outside the build context: ../x ()"),
        ("COPY n* /x/", "COPY failed: no source files were specified"),
        (
            "ADD t1 t2 /file",
            "When using ADD with more than one source file, the destination must be a directory and end with a /",
        ),
        ("COPY --from=busybox /bin/nosuch /b", "COPY failed: stat bin/nosuch: file does not exist"),
        ("COPY t[ /x", "COPY failed: syntax error in pattern"),
        ("COPY --chmod=8 t1 /x", "invalid chmod parameter: '8'. it should be octal string and between 0 and 07777"),
        ("COPY out /x", "COPY failed: file not found in build context or excluded by .dockerignore: stat out"),
        (
            "COPY d /bin/busybox",
            "failed to copy files: failed to copy directory: mkdir /bin/busybox: not a directory",
        ),
        ("COPY t1 /bin/busybox/x", "failed to copy files: lstat /bin/busybox/x: not a directory"),
    ],
)
def test_what_cannot_be_copied(daemon: Daemon, line: str, error: str) -> None:
    result = build(daemon, f"FROM busybox\n{line}\n", TREE)
    assert result.error.startswith(error)
    assert (result.detail["line"], result.detail["instruction"]) == (2, line)


def test_a_link_that_leaves_the_context_ends_inside(clean: Daemon) -> None:
    """`out` points at ../../../etc/hostname: of the context, never of the host."""
    files = {**TREE, "etc/hostname": "the context's own"}
    build(clean, "FROM busybox\nCOPY out /x\n", files, t="inside")
    assert clean.out("run", "--rm", "inside", "cat", "/x") == "the context's own"


def test_a_link_of_the_image_that_leaves_it_ends_inside(clean: Daemon) -> None:
    build(clean, "FROM busybox\nRUN ln -s ../../../../../tmp/ke-escape /l\nCOPY d /l/\n", TREE, t="inside")
    assert clean.out("run", "--rm", "inside", "cat", "/tmp/ke-escape/f") == "a"
    import os

    assert not os.path.exists("/tmp/ke-escape")


def archive(*members: tuple[str, str | tuple[tarfile.TarInfo, bytes]]) -> bytes:
    return context(dict(members))


def test_local_archives_are_unpacked_by_add_only(clean: Daemon) -> None:
    import bz2

    import zstandard

    plain = archive(("a/", ""), ("a/x", member("x", uid=7, gid=8, mode=0o600)), ("a/h", link("x")))
    files: dict[str, Member] = {
        "plain": plain,
        "gz": gzip.compress(plain),
        "bz": bz2.compress(plain),
        "xz": lzma.compress(plain),
        "zst": zstandard.compress(plain),
        "text": "no archive",
    }
    lines = "\n".join(f"ADD {name} /{name}/" for name in files) + "\nCOPY gz /copied/\n"
    build(clean, f"FROM busybox\n{lines}", files, t="added")
    script = "stat -c '%n %u:%g %a' /*/a/x /*/gz /text/text; cat /*/a/h"
    out = clean.out("run", "--rm", "added", "sh", "-c", script).splitlines()
    assert out == [
        *(f"/{name}/a/x 7:8 600" for name in ("bz", "gz", "plain", "xz", "zst")),
        "/copied/gz 0:0 644",
        "/text/text 0:0 644",
        "xxxxx",
    ]


@pytest.mark.parametrize(
    "members",
    [
        [("../escaped", "x")],
        [("l", link("/tmp")), ("l/ke-escaped", "x")],
        [("l", link("../../../../../tmp")), ("l/ke-escaped", "x")],
        [("h", member(type=tarfile.LNKTYPE, linkname="../../etc/passwd"))],
    ],
)
def test_archives_that_would_write_elsewhere(clean: Daemon, members: list[tuple[str, Member]]) -> None:
    """They are refused, or what they write lies beneath the directory that they are unpacked to."""
    import os

    inner = archive(*members)  # type: ignore[arg-type]
    result = build(clean, "FROM busybox\nRUN mkdir -p /deep/er\nADD a.tar /deep/er/\n", {"a.tar": inner}, t="hostile")
    assert not os.path.exists("/tmp/ke-escaped")
    if not result.error:
        assert clean.out("run", "--rm", "hostile", "sh", "-c", "ls /tmp; ls /deep").split() == ["er"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (archive(("../x", "1")), "is outside of the build context"),
        (archive(("f", "1"), ("f/x", "1")), "which is no directory"),
        (archive(("l", link("/etc")), ("l/x", "1")), "which is no directory"),
        (archive(("h", member(type=tarfile.LNKTYPE, linkname="../../etc/passwd"))), "outside of the build context"),
        (b"no tar at all" * 100, "invalid tar header"),
        (gzip.compress(archive(("Dockerfile", "FROM busybox\n")))[:-20], "EOF"),
        (archive(("Dockerfile", "FROM busybox\n"))[:520], "unexpected EOF"),
    ],
)
def test_hostile_and_damaged_contexts(daemon: Daemon, data: bytes, text: str) -> None:
    with pytest.raises(APIError, match=text):
        build_tar(daemon, data)


def test_links_in_a_circle(daemon: Daemon) -> None:
    files = {"a": link("b"), "b": link("a")}
    assert "too many levels of symbolic links" in build(daemon, "FROM busybox\nCOPY a /\n", files).error


def test_whiteout_names_delete_nothing(clean: Daemon) -> None:
    """They are ordinary files of a context; an image cannot hold them, and says so."""
    result = build(clean, "FROM busybox\nCOPY .wh.busybox /bin/\n", {".wh.busybox": "x"})
    assert "/bin/.wh.busybox" in result.error
    build(clean, "FROM busybox\nCOPY x /bin/\n", {"x": "x", ".wh.busybox": "x"}, t="kept")
    assert clean.out("run", "--rm", "kept", "cat", "/bin/x") == "x"


def test_dockerignore_holds_for_an_archive_too(clean: Daemon) -> None:
    files: dict[str, Member] = {".dockerignore": "*.log\nkeep\n!keep/this\nDockerfile\n", "a.log": "1", "b": "2",
                                "keep/this": "3", "keep/that": "4"}  # fmt: skip
    build(clean, "FROM busybox\nCOPY . /x/\n", files, t="ignoring")
    out = clean.out("run", "--rm", "ignoring", "sh", "-c", "cd /x; find . -type f | sort").split()
    assert out == ["./.dockerignore", "./b", "./keep/this"]


def test_compressed_contexts(daemon: Daemon) -> None:
    data = context({"Dockerfile": "FROM busybox\nCOPY x /x\n", "x": "1"})
    ids = {build_tar(daemon, packed).image for packed in (data, gzip.compress(data), lzma.compress(data))}
    assert len(ids) == 1 and "" not in ids


class _Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        good = self.path.startswith("/file")
        self.send_response(200 if good else 404)
        self.send_header("Last-Modified", "Sun, 13 Sep 2020 12:26:40 GMT")
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *words: object) -> None:
        """Silent."""


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_add_downloads(clean: Daemon, site: str) -> None:
    checksum = f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    build(clean, f"FROM busybox\nADD --checksum={checksum} {site}/file.txt /x/\nADD {site}/file.txt /y\n", t="fetched")
    assert clean.out("run", "--rm", "fetched", "sh", "-c", "stat -c '%n %a %Y' /x/file.txt /y; cat /y").split() == [
        "/x/file.txt", "600", str(T), "/y", "600", str(T), "content",
    ]  # fmt: skip
    wrong = build(clean, f"FROM busybox\nADD --checksum=sha256:{'0' * 64} {site}/file.txt /x/\n")
    assert "digest mismatch" in wrong.error
    assert "404 Not Found" in build(clean, f"FROM busybox\nADD {site}/gone /x/\n").error


def test_copy_from_a_stage_and_from_an_image(clean: Daemon) -> None:
    dockerfile = """\
FROM busybox AS one
RUN mkdir -p /o/p && echo one > /o/f && ln -s /o/f /o/l && chown 5:6 /o/f && rm /bin/vi
FROM scratch
COPY --from=one /o /x/
COPY --from=0 /o/l /via-link
COPY --from=busybox /bin/busybox /bin/sh
COPY --from=one /bin /bin2/
CMD ["/bin/sh", "-c", "cat /x/f /via-link; ls -l /x /bin2"]
"""
    result = build(clean, dockerfile, t="staged")
    assert not result.error
    out = clean.out("run", "--rm", "staged")
    assert out.startswith("one\none\n")
    assert "vi\n" not in out and "busybox" in out
    facts = inspect(clean, "staged")
    assert len(facts["RootFS"]["Layers"]) == 4


def test_a_large_file_arrives_whole(clean: Daemon) -> None:
    data = bytes(range(256)) * 40_000
    sparse = io.BytesIO(data)
    build(clean, "FROM busybox\nCOPY big /big\n", {"big": sparse.getvalue()}, t="large")
    assert clean.out("run", "--rm", "large", "sha256sum", "/big").split()[0] == hashlib.sha256(data).hexdigest()


def test_files_of_a_stage_keep_owners_and_their_several_names(clean: Daemon) -> None:
    dockerfile = """\
FROM busybox AS one
RUN mkdir /o && echo x > /o/a && ln /o/a /o/b && chown 11:12 /o/a && chmod 4711 /o/a
FROM busybox
COPY --from=one /o /kept
COPY --from=one --chown=1:2 /o /given
COPY --from=one /o/a /file
"""
    build(clean, dockerfile, t="owners")
    script = "stat -c '%n %u:%g %a %h' /kept/* /given/* /file"
    assert clean.out("run", "--rm", "owners", "sh", "-c", script).splitlines() == [
        "/kept/a 11:12 4711 2",
        "/kept/b 11:12 4711 2",
        "/given/a 1:2 4711 2",
        "/given/b 1:2 4711 2",
        "/file 11:12 4711 1",
    ]


def test_names_that_are_not_utf_8(clean: Daemon) -> None:
    name = "latin-\udce9"
    files: dict[str, Member] = {"d/" + name: "1"}
    build(clean, "FROM busybox\nCOPY d /d\n", files, t="bytes")
    assert clean.out("run", "--rm", "bytes", "sh", "-c", "cat /d/*") == "1"
    changed = build(clean, "FROM busybox\nCOPY d /d\n", {"d/" + name: "2"})
    assert changed.steps[-1]["detail"] == "changed d/latin-\ufffd"
    with pytest.raises(APIError, match="latin-\ufffd"):
        build_tar(clean, context({f"../{name}": "x"}))
