"""What a build fetches from a web server: the file, what it is called, how old it is, and what goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kernel_engine.build.download import Downloaded, download
from kernel_engine.errors import InvalidRequest, NotFound, Unavailable

DATA = bytes(range(256)) * 4000


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/gone":
            self.send_error(404, "Not Found")
            return
        if path == "/broken":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            return
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/dir/data.bin")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT" if path != "/odd" else "yesterday")
        self.send_header("Content-Type", "application/x-tar")
        if path.endswith("/"):
            self.send_header("Content-Disposition", 'attachment; filename="../said.txt"')
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(url: str, directory: Path, progress: Callable[[int, int], None] | None = None) -> Downloaded:
    return asyncio.run(download(url, directory, progress))


def test_the_whole_file(site: str, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    got = fetch(f"{site}/dir/data.bin?v=1#x", tmp_path, lambda done, of: heard.append((done, of)))
    try:
        assert os.pread(got.file, len(DATA) + 1, 0) == DATA
        assert os.lseek(got.file, 0, os.SEEK_CUR) == 0
        assert (got.size, got.digest) == (len(DATA), hashlib.sha256(DATA).hexdigest())
        assert (got.name, got.mtime, got.content_type) == ("data.bin", 1577836800, "application/x-tar")
        assert heard[-1] == (len(DATA), len(DATA))
        assert os.listdir(tmp_path) == []
    finally:
        os.close(got.file)


@pytest.mark.parametrize(
    ("path", "name", "mtime"),
    [
        ("/moved", "moved", 1577836800),
        ("/a%20b.txt", "a b.txt", 1577836800),
        ("/%2e%2e", "", 1577836800),
        ("/dir/", "said.txt", 1577836800),
        ("/odd", "odd", 0),
    ],
)
def test_its_name_and_age(site: str, tmp_path: Path, path: str, name: str, mtime: int) -> None:
    got = fetch(site + path, tmp_path)
    os.close(got.file)
    assert (got.name, got.mtime) == (name, mtime)


def test_what_goes_wrong(site: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"^failed to GET {site}/gone with status 404 Not Found: "):
        fetch(f"{site}/gone", tmp_path)
    with pytest.raises(Unavailable, match="unexpected EOF"):
        fetch(f"{site}/broken", tmp_path)
    with pytest.raises(Unavailable, match=r'^Get "http://127.0.0.1:1/x": dial tcp .*connection refused$'):
        fetch("http://127.0.0.1:1/x", tmp_path)
    for url in ("file:///etc/passwd", "ftp://x/y", "x"):
        with pytest.raises(InvalidRequest, match="only addresses with http"):
            fetch(url, tmp_path)
    with pytest.raises(InvalidRequest):
        fetch("http://", tmp_path)
    assert os.listdir(tmp_path) == []
