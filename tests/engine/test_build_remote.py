"""Contexts that the engine fetches: archives and Dockerfiles of a web server, commits of a git repository."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kernel_engine.client import APIError
from tests.daemon import Daemon
from tests.engine.building import context, images

TEXT = b"FROM busybox\nENV FROM=web\n"
FILES = {"Dockerfile": TEXT, "sub/Dockerfile.dev": b"FROM busybox\nENV FROM=sub\n"}
PAGES = {
    "/Dockerfile": TEXT,
    "/context.tar": context(FILES),
    "/context.tar.gz": gzip.compress(context(FILES)),
    "/picture": bytes(range(256)),
    "/broken.tar.gz": gzip.compress(context(FILES))[:100],
}


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = PAGES.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def built(daemon: Daemon, *words: str) -> str:
    """The value of FROM in the image."""
    image = daemon.out("build", "-q", *words)
    return daemon.out("image", "inspect", "-f", "{{index .Config.Env 1}}", image)


def test_a_web_server(daemon: Daemon, site: str) -> None:
    assert built(daemon, f"{site}/Dockerfile") == "FROM=web"
    assert built(daemon, f"{site}/context.tar") == "FROM=web"
    assert built(daemon, "-f", "sub/Dockerfile.dev", f"{site}/context.tar.gz") == "FROM=sub"


def test_what_a_web_server_may_send_instead(daemon: Daemon, site: str) -> None:
    before = images(daemon, all=True)
    for path, text in (
        ("/gone", f"error downloading remote context {site}/gone: failed to GET {site}/gone with status 404 Not Found"),
        ("/picture", "unsupported Content-Type"),
        ("/broken.tar.gz", "EOF"),
    ):
        with pytest.raises(APIError) as refused:
            daemon.api.post("/build", query={"remote": site + path}).read()
        assert text in refused.value.message
    assert images(daemon, all=True) == before
    assert os.listdir(daemon.instance.staging) == []


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The address of a git server with one repository: main, and a branch `other`."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    work = tmp_path / "repo"

    def git(*words: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *identity, *words], cwd=work, check=True, capture_output=True)

    (work / "sub").mkdir(parents=True)
    (work / "Dockerfile").write_bytes(TEXT)
    (work / "sub/Dockerfile").write_text("FROM busybox\nENV FROM=sub\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "other")
    (work / "Dockerfile").write_text("FROM busybox\nENV FROM=other\n")
    git("commit", "-am", "two")
    git("checkout", "main")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["git", "daemon", "--export-all", f"--base-path={tmp_path}", "--listen=127.0.0.1", f"--port={port}"]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"git://127.0.0.1:{port}/repo"
    os.killpg(server.pid, 15)
    server.wait(10)


def test_a_git_repository(daemon: Daemon, repository: str) -> None:
    assert built(daemon, repository) == "FROM=web"
    assert built(daemon, f"{repository}#other") == "FROM=other"
    assert built(daemon, f"{repository}#main:sub") == "FROM=sub"
    for url, text in ((f"{repository}#nowhere", "nowhere"), (f"{repository}x", "git"), (f"{repository}#:no", "no")):
        done = daemon.docker("build", url, check=False)
        assert done.returncode == 1
        assert "unable to 'git clone' to temporary context directory: error fetching: " in done.stderr
        assert text in done.stderr
    assert os.listdir(daemon.instance.staging) == []
