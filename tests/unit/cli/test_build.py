"""`docker build` as a process against a small real server: what it asks, what it prints, how it ends."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pexpect
import pytest

from kernel_engine.cli.build import _is_plain
from kernel_engine.cli.build_output import excerpt
from kernel_engine.cli.build_secrets import read_secret
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused
from kernel_engine.formats.reference import parse
from tests.unit.cli.test_main import REPOSITORY, docker
from tests.unit.client.served import Answer, Request, Served, in_json, raw, reply, serving

ID = "sha256:" + "5d" * 32
CLASSIC = [
    {"stream": "Step 1/2 : FROM busybox"},
    {"stream": "\n"},
    {"stream": " ---> 9d5226e6ce3f\n"},
    {"stream": "Step 2/2 : RUN make"},
    {"stream": "\n"},
    {"stream": " ---> Running in 1f2d3c4b5a69\n"},
    {"stream": "\x1b[91mwarning: old\n\x1b[0m"},
    {"stream": "Removing intermediate container 1f2d3c4b5a69\n"},
    {"stream": " ---> 5d5d5d5d5d5d\n"},
    {"aux": {"ID": ID}},
    {"stream": "Successfully built 5d5d5d5d5d5d\n"},
    {"stream": "Successfully tagged x:latest\n"},
]
SHOWN = """Step 1/2 : FROM busybox
 ---> 9d5226e6ce3f
Step 2/2 : RUN make
 ---> Running in 1f2d3c4b5a69
warning: old
Removing intermediate container 1f2d3c4b5a69
 ---> 5d5d5d5d5d5d
Successfully built 5d5d5d5d5d5d
Successfully tagged x:latest
"""


def lines(messages: list[dict[str, Any]]) -> Answer:
    body = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    return raw(reply(200, body, "Content-Type: application/json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx/Dockerfile").write_text("FROM busybox\n\nRUN make\nCMD x\n")
    return tmp_path


@contextmanager
def engine(folder: Path, messages: list[dict[str, Any]] | None = None) -> Iterator[Served]:
    with serving(folder, {"POST /build": lines(CLASSIC if messages is None else messages)}) as served:
        yield served


def run(served: Served, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return docker(served.host, ["build", *words], DOCKER_CONFIG="/nonexistent", **more)


def query(served: Served) -> dict[str, list[str]]:
    return parse_qs(urlsplit(served.seen[-1].path).query)


def sent(served: Served) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(served.seen[-1].body)) as archive:
        return archive.getnames()


def test_a_plain_build_reads_as_dockers(folder: Path) -> None:
    with engine(folder) as served:
        done = run(served, "-t", "x", str(folder / "ctx"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Sending build context to Docker daemon  2.048kB\n" + SHOWN
        assert query(served) == {"version": ["1"], "t": ["x"], "rm": ["1"], "dockerfile": ["Dockerfile"]}
        assert served.seen[-1].headers["content-type"] == "application/x-tar"
        assert base64.b64decode(served.seen[-1].headers["x-registry-config"]) == b"{}"
        assert sent(served) == ["Dockerfile"]


def test_every_option_reaches_the_engine(folder: Path) -> None:
    words = (
        "-t a:1 -t b --build-arg V=1 --build-arg FROM_HERE --build-arg NOWHERE --target web --no-cache --pull "
        "--label k=v --label bare --network none --platform linux/amd64 --rm=false --force-rm --add-host h=10.0.0.1 "
        "-m 64m --memory-swap -1 --shm-size 1m --ulimit nofile=1:2 --cache-from c:1 -c 5 --cpuset-cpus 0"
    ).split()
    with engine(folder) as served:
        run(served, *words, str(folder / "ctx"), FROM_HERE="mine", SOURCE_DATE_EPOCH="7")
        asked = query(served)
    assert json.loads(asked.pop("buildargs")[0]) == {
        "V": "1", "FROM_HERE": "mine", "NOWHERE": None, "SOURCE_DATE_EPOCH": "7",
    }  # fmt: skip
    assert json.loads(asked.pop("labels")[0]) == {"k": "v", "bare": ""}
    assert json.loads(asked.pop("ulimits")[0]) == [{"Name": "nofile", "Soft": 1, "Hard": 2}]
    assert json.loads(asked.pop("cachefrom")[0]) == ["c:1"]
    assert asked == {
        "version": ["1"], "t": ["a:1", "b"], "nocache": ["1"], "pull": ["1"], "rm": ["0"], "forcerm": ["1"],
        "target": ["web"], "platform": ["linux/amd64"], "networkmode": ["none"], "extrahosts": ["h:10.0.0.1"],
        "memory": ["67108864"], "memswap": ["-1"], "shmsize": ["1048576"], "cpushares": ["5"], "cpusetcpus": ["0"],
        "dockerfile": ["Dockerfile"],
    }  # fmt: skip


def test_a_compressed_context(folder: Path) -> None:
    with engine(folder) as served:
        run(served, "--compress", "--security-opt", "no-new-privileges", str(folder / "ctx"))
        assert served.seen[-1].body[:2] == b"\x1f\x8b"
        assert sent(served) == ["Dockerfile"]
        assert query(served)["securityopt"] == ["no-new-privileges"]


@pytest.mark.parametrize(
    ("tag", "plain"),
    [
        ("app", True), ("me/app:1.0", True), ("a1/b2/c3", True), ("app:v1", True), ("App", False), ("a//b", False),
        ("/a", False), ("a:", False), ("a:.1", False), ("a.b/c", False), ("localhost:5000/x", False), ("a@b", False),
        ("a" * 64, False), ("앱", False), ("a:b:c", False), ("", False),
    ],
)  # fmt: skip
def test_plain_tags_need_no_grammar(tag: str, plain: bool) -> None:
    assert _is_plain(tag) is plain
    if plain:
        assert parse(tag).tagged().familiar == (tag if ":" in tag else f"{tag}:latest")


def test_quiet_prints_the_id_alone(folder: Path) -> None:
    with engine(folder) as served:
        done = run(served, "-q", str(folder / "ctx"))
        assert (done.stdout, done.stderr) == (f"{ID}\n", "")
        assert query(served)["q"] == ["1"]
    folder.joinpath("engine.sock").unlink()
    with engine(folder, [{"stream": f"{ID}\n"}]) as served:  # Docker's own daemon is as short
        assert run(served, "-q", "--iidfile", str(folder / "iid"), str(folder / "ctx")).stdout == f"{ID}\n"
        assert (folder / "iid").read_text() == ID
    failing = [*CLASSIC[:4], {"errorDetail": {"code": 2, "message": "it broke"}, "error": "it broke"}]
    folder.joinpath("engine.sock").unlink()
    with engine(folder, failing) as served:
        done = run(served, "-q", str(folder / "ctx"))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Step 1/2 : FROM busybox\n")
        assert done.stderr.endswith("it broke\n")


def test_the_id_in_a_file(folder: Path) -> None:
    kept = folder / "iid"
    kept.write_text("old")
    with engine(folder) as served:
        run(served, "--iidfile", str(kept), str(folder / "ctx"))
        assert kept.read_text() == ID
    folder.joinpath("engine.sock").unlink()
    with engine(folder, [{"error": "no", "errorDetail": {"message": "no"}}]) as served:
        assert run(served, "--iidfile", str(kept), str(folder / "ctx")).returncode == 1
        assert not kept.exists()


@pytest.mark.parametrize("place", [{"line": 3, "end_line": 3}, {}])
def test_a_failing_step_is_shown_in_its_file(folder: Path, place: dict[str, int]) -> None:
    message = "The command '/bin/sh -c make' returned a non-zero code: 2"
    step = {"id": "kernel-engine.step", "aux": {"step": 2, "state": "failed", "line": 3, "end_line": 3}}
    failing = [*CLASSIC[:6], *([] if place else [step]), {"errorDetail": {"code": 2, "message": message, **place}}]
    with engine(folder, failing) as served:
        done = run(served, str(folder / "ctx"))
        assert done.returncode == 2
        assert done.stderr == (
            f"{message}\nDockerfile:3\n--------------------\n   1 |     FROM busybox\n   2 |     \n"
            "   3 | >>> RUN make\n   4 |     CMD x\n--------------------\n"
        )


def test_a_base_image_that_cannot_be_had_offline(folder: Path) -> None:
    (folder / "ctx/Dockerfile").write_text("FROM ubuntu:bionic\n")
    message = 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host'
    detail = {"message": message, "line": 1, "instruction": "FROM ubuntu:bionic"}
    with engine(folder, [{"errorDetail": detail, "error": message}]) as served, open(folder / "out", "w+") as cell:
        words = [sys.executable, "-m", "kernel_engine.cli.main", "-H", served.host, "build", str(folder / "ctx")]
        environment = {
            **os.environ,
            "DOCKER_CONFIG": "/nonexistent",
            "DOCKER_LABS_CELL": str(os.fstat(cell.fileno()).st_ino),
        }
        subprocess.run(words, stdout=cell, stderr=cell, env=environment, cwd=REPOSITORY, check=False)
        cell.seek(0)
        shown = cell.read()
    assert "   1 | >>> FROM ubuntu:bionic\n" in shown
    assert "이렇게 바꿔 보세요: FROM debian:bookworm\n" in shown


def test_an_instruction_of_several_lines_is_marked_whole(folder: Path) -> None:
    (folder / "ctx/Dockerfile").write_text("FROM busybox\nRUN a \\\n && b \\\n && c\nCMD x\nCMD y\n")
    with engine(folder, [{"errorDetail": {"message": "it broke", "line": 2}}]) as served:
        shown = run(served, str(folder / "ctx")).stderr
    marked = [row.split(" | ")[0].strip() for row in shown.splitlines() if ">>>" in row]
    assert marked == ["2", "3", "4"]
    assert "   5 |     CMD x\n------" in shown


def test_a_dockerfile_that_cannot_be_read(folder: Path) -> None:
    refusal = in_json({"message": "dockerfile parse error line 2: unknown instruction: RUNN"}, 400)
    with serving(folder, {"POST /build": refusal}) as served:
        done = run(served, "-", input="FROM a\nRUNN b\n")
        assert done.returncode == 1
        assert done.stderr.startswith(
            "Error response from daemon: dockerfile parse error line 2: unknown instruction: RUNN\nDockerfile:2\n"
        )
        assert "   2 | >>> RUNN b\n" in done.stderr


@pytest.mark.parametrize(
    ("lines", "where", "shown"),
    [
        (1, (1, 1), [1]),
        (9, (5, 5), [3, 4, 5, 6, 7]),
        (9, (4, 6), [3, 4, 5, 6, 7]),
        (9, (9, 9), [7, 8, 9]),
        (3, (7, 7), []),
    ],
)
def test_lines_around(lines: int, where: tuple[int, int], shown: list[int]) -> None:
    text = excerpt("\n".join(f"line {number}" for number in range(1, lines + 1)).encode(), *where)
    numbers = [int(row.split("|")[0]) for row in text.splitlines() if "|" in row]
    assert numbers == shown
    assert text.count(">>>") == sum(where[0] <= number <= where[1] for number in shown)


def step(number: int, state: str, reason: str = "", detail: str = "", instruction: str = "RUN") -> dict[str, Any]:
    aux = {"step": number, "state": state, "reason": reason, "detail": detail, "instruction": instruction}
    return {"id": "kernel-engine.step", "aux": aux}


def output(number: int, text: str) -> dict[str, Any]:
    return {"id": "kernel-engine.output", "stream": text, "aux": {"step": number}}


#: the steps of the second stage are done before the first stage has been shown to its end
STEPS = [
    {"stream": "Step 1/4 : FROM busybox\n"},
    step(1, "cached", "same", instruction="FROM"),
    {"stream": " ---> 9d5226e6ce3f\n"},
    step(3, "cached", "same", instruction="FROM"),
    output(4, "early\n"),
    {"stream": "Step 2/4 : RUN make\n"},
    step(2, "running"),
    {"stream": " ---> Using cache\n"},
    {"stream": " ---> 1d5226e6ce3f\n"},
    step(2, "cached", "same"),
    step(4, "done", "files", "changed app.py, added x and 2 more"),
    {"stream": "Step 3/4 : FROM busybox\n"},
    {"stream": " ---> 9d5226e6ce3f\n"},
    {"stream": "Step 4/4 : RUN test\n"},
    {"stream": " ---> Running in 1f2d3c4b5a69\n"},
    output(4, "late\n"),
    output(4, "\x1b[91mred\n\x1b[0m"),
    {"stream": " ---> 5d5226e6ce3f\n"},
    {"stream": "Successfully built 5d5226e6ce3f\n"},
]
TOLD = """Step 1/4 : FROM busybox
 ---> 9d5226e6ce3f
Step 2/4 : RUN make
 ---> Using cache
 ---> 1d5226e6ce3f
      캐시를 썼어요: 앞 단계와 이 줄이 그대로예요
Step 3/4 : FROM busybox
 ---> 9d5226e6ce3f
Step 4/4 : RUN test
 ---> Running in 1f2d3c4b5a69
early
late
red
 ---> 5d5226e6ce3f
      다시 했어요: 복사할 파일이 달라졌어요 (바뀐 app.py, 새로 생긴 x, 그 밖에 2개)
Successfully built 5d5226e6ce3f
"""


def test_why_is_told_where_it_is_asked_for(folder: Path) -> None:
    with engine(folder, STEPS) as served:
        done = run(served, "--progress", "plain", str(folder / "ctx"))
        assert done.stdout.partition("\n")[2] == TOLD
        assert query(served)["kernel-engine-steps"] == ["1"]
        done = run(served, "--progress", "plain", str(folder / "ctx"), DOCKER_LABS_LANG="off")
        assert "썼어요" not in done.stdout
        run(served, str(folder / "ctx"))
        assert "kernel-engine-steps" not in query(served)


def test_on_a_terminal_with_colours(folder: Path) -> None:
    with engine(folder, STEPS) as served:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "kernel_engine.cli.main", "-H", served.host, "build", str(folder / "ctx")],
            env={
                "PATH": "/usr/bin:/bin",
                "DOCKER_CONFIG": "/nonexistent",
                "PYTHONPATH": str(Path(__file__).parents[3]),
            },
            encoding="utf-8",
            timeout=20,
        )
        text = child.read()
    assert "\x1b[2m      캐시를 썼어요" in text
    assert "\x1b[91mred" in text


def test_secrets_go_their_own_way(folder: Path) -> None:
    (folder / "key").write_text("s3cret")
    with engine(folder) as served:
        served.answers["POST /kernel-engine/builds/secrets"] = in_json({"token": "t0k"})
        run(served, "--secret", f"id=k,src={folder}/key", "--secret", "id=E,env=FROM_HERE", str(folder / "ctx"),
            FROM_HERE="v")  # fmt: skip
        assert served.seen[0].json() == {
            "k": base64.b64encode(b"s3cret").decode(),
            "E": base64.b64encode(b"v").decode(),
        }
        assert query(served)["kernel-engine-secrets"] == ["t0k"]
        assert b"s3cret" not in served.seen[-1].body


def test_ways_to_write_a_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "k").write_text("file")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("V", "variable")
    assert read_secret("id=k") == ("k", b"file")
    assert read_secret("id=V") == ("V", b"variable")
    assert read_secret("type=env,id=V") == ("V", b"variable")
    assert read_secret("id=a,source=k") == ("a", b"file")
    assert read_secret("id=a,env=NOT_SET") == ("a", None)
    for text, reason in (
        ("src=k", "secret missing ID"),
        ("id", "must be a key=value pair"),
        ("id=a,x=y", "unexpected key 'x' in 'x=y'"),
        ("id=a,type=x", 'unsupported secret type "x"'),
    ):
        with pytest.raises(Misused, match=reason):
            read_secret(text)
    with pytest.raises(Failed, match="failed to stat gone: stat gone: no such file or directory"):
        read_secret("id=a,src=gone")
    (folder / "big").write_bytes(bytes(600_000))
    with pytest.raises(Failed, match=r"secret a too big\. max size 500KB"):
        read_secret("id=a,src=big")


USAGE = "\n\nUsage:  docker build [OPTIONS] PATH | URL | -\n\nRun 'docker build --help' for more information\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 1, f"docker: 'docker build' requires 1 argument{USAGE}"),
        (("a", "b"), 1, f"docker: 'docker build' requires 1 argument{USAGE}"),
        (("nowhere",), 1, 'unable to prepare context: path "nowhere" not found\n'),
        (("-f", "-", "-"), 1, "invalid argument: can't use stdin for both build context and dockerfile\n"),
        (("--squash", "."), 1, '"--squash" is only supported on a Docker daemon with experimental features enabled\n'),
        (("-o", "x", "."), 1, "--output is not supported by this engine: the result of a build is always an image\n"),
        (("-t", "a:b:c", "."), 125, f'invalid argument "a:b:c" for "-t, --tag" flag: invalid reference format{USAGE}'),
        (("--label", "=x", "."), 125,
         f"invalid argument \"=x\" for \"--label\" flag: invalid label '=x': empty name{USAGE}"),
        (("--build-arg", "", "."), 125,
         f'invalid argument "" for "--build-arg" flag: invalid environment variable: {USAGE}'),
        (("--progress", "x", "."), 125,
         f'invalid argument "x" for "--progress" flag: must be one of auto, plain, tty{USAGE}'),
        (("--add-host", "a", "."), 125,
         f'invalid argument "a" for "--add-host" flag: bad format for add-host: "a"{USAGE}'),
    ],
)  # fmt: skip
def test_refusals(folder: Path, words: tuple[str, ...], code: int, text: str) -> None:
    with engine(folder) as served:
        done = run(served, *words)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", text)
        assert served.seen == []


def test_a_url_is_passed_on(folder: Path) -> None:
    with engine(folder) as served:
        run(served, "https://example.org/x.tar.gz")
        assert query(served)["remote"] == ["https://example.org/x.tar.gz"]
        assert served.seen[-1].body == b""


def test_an_engine_that_refuses_before_all_is_sent(folder: Path) -> None:
    (folder / "ctx/big").write_bytes(bytes(4_000_000))

    def refuse(request: Request, wire: Any) -> None:
        wire.sendall(reply(500, b'{"message":"no space left on device"}'))

    with serving(folder, {"POST /build": refuse}) as served:
        done = run(served, str(folder / "ctx"))
        assert done.returncode == 1
        assert "Error response from daemon: no space left on device" in done.stderr


def test_an_older_server_is_asked_in_its_own_version(folder: Path) -> None:
    def build(request: Request, wire: Any) -> None:
        too_new = b'{"message":"client version 1.47 is too new. Maximum supported API version is 1.41"}'
        if "/v1.47/" in request.path:
            wire.sendall(reply(400, too_new))
        else:
            lines(CLASSIC)(request, wire)

    with serving(folder, {"POST /build": build}) as served:
        done = run(served, str(folder / "ctx"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(SHOWN)
        assert served.seen[-1].path.startswith("/v1.41/build?")
        assert sent(served) == ["Dockerfile"]
        done = run(served, "-", input="FROM busybox\n")
        assert done.returncode == 1
        assert "Maximum supported API version is 1.41" in done.stderr


def test_the_cache_is_pruned(folder: Path) -> None:
    answer = in_json({"CachesDeleted": ["abc", "def"], "SpaceReclaimed": 2048})
    with serving(folder, {"POST /build/prune": answer}) as served:
        done = docker(served.host, ["builder", "prune", "-af", "--filter", "until=24h"])
        assert done.stdout == "Deleted build cache objects:\nabc\ndef\n\nTotal reclaimed space: 2.048kB\n"
        asked = query(served)
        assert asked == {"all": ["1"], "filters": ['{"until": {"24h": true}}']}
        done = docker(served.host, ["builder", "prune"], input="n\n")
        assert "WARNING! This will remove all dangling build cache." in done.stdout
        assert len(served.seen) == 1
