"""A build's context beside the one that Docker's own command line sends from the same directory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client.context import prepare
from tests.contract.test_clients import OFFICIAL
from tests.unit.client.served import Request, raw, reply, serving

#: Docker gives a second name of a file as a hard link; here it is sent as a file again
FILES = ("a.txt", "d/b.txt", "d/e/c.md", "한글/파일.txt", "l" * 120, f"{'p' * 60}/{'q' * 60}/r", "d.txt", "z/.keep")
RULES = ("", "*.md\nd/*\n!d/b.txt\n", "**/*.txt\n", "*\n!z\n!d/e/c.md\n", "d\n!d/e\n.dockerignore\nDockerfile\n")


def recent(program: str) -> bool:
    """From 23 on the rules of .dockerignore are today's."""
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return int(words[2].partition(".")[0]) >= 23


@pytest.mark.skipif(not any(map(recent, OFFICIAL)), reason="needs Docker's own docker, 23 or newer")
@pytest.mark.parametrize("rules", RULES)
def test_the_same_entries(tmp_path: Path, rules: str) -> None:
    root = tmp_path / "context"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (root / "empty").mkdir(mode=0o1777)
    (root / "tool").write_text("x")
    (root / "tool").chmod(0o4711)
    (root / "link").symlink_to("t" * 130)
    os.mkfifo(root / "pipe")
    if rules:
        (root / ".dockerignore").write_text(rules)
    ours = b"".join(prepare(str(root), "", sys.stdin.buffer, print).pieces)
    assert entries(ours) == entries(sent_by_docker(tmp_path, root))


def entries(archive: bytes) -> list[tuple[Any, ...]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return [
            (item.name, item.type, item.mode, item.uid, item.gid, item.uname, int(item.mtime), item.size, item.linkname)
            for item in opened
        ]


def sent_by_docker(directory: Path, root: Path) -> bytes:
    """The body of POST /build."""
    # each connection carries one request here: a kept one could be gone when the next is sent
    head = ("Api-Version: 1.41", "OSType: linux", "Content-Type: application/json", "Connection: close")
    answers = {
        "HEAD /_ping": raw(reply(200, b"", *head)),
        "/_ping": raw(reply(200, b"OK", *head)),
        "POST /build": raw(reply(200, b'{"stream":"done\\n"}\n', *head)),
    }
    with serving(directory, answers) as served:
        environment = {"DOCKER_HOST": served.host, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": "/nonexistent", "HOME": "/"}
        program = next(filter(recent, OFFICIAL))
        done = subprocess.run(
            [program, "build", str(root)], env=environment, check=False, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        request: Request = served.seen[-1]
    return request.body
