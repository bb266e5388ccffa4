"""Every text that the course shows on purpose has its Korean line; an unknown one has none."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pytest

from kernel_engine.cli import korean
from kernel_engine.cli.korean_table import TABLE

HUB = 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host'
ID = "3e1ce3426c99f4fc2f71726fcd8721e993c79cc41b46bdccc518ea7726ebb501"

#: the errors that the labs show on purpose, with Docker's texts as measured (20.10.24), and a word of the advice
SHOWN = {
    "comment after FROM": (
        "dockerfile parse error line 1: FROM requires either one or three arguments",
        "따로 한 줄",
    ),
    "comment after COPY": (
        "COPY failed: file not found in build context or excluded by .dockerignore: stat #: file does not exist",
        "# 주석",
    ),
    "no Dockerfile": (
        "unable to prepare context: unable to evaluate symlinks in Dockerfile path: "
        "lstat /work/Dockerfile: no such file or directory",
        "-f",
    ),
    "image in use": (
        'conflict: unable to remove repository reference "ubuntu:git" (must force) - container e6c4a1b76ff5 is using '
        "its referenced image b1a3dd6cc402",
        "docker rm e6c4a1b76ff5",
    ),
    "child images": (
        "conflict: unable to delete b1a3dd6cc402 (cannot be forced) - image has dependent child images",
        "자식 이미지",
    ),
    "several names": (
        "conflict: unable to delete b1a3dd6cc402 (must be forced) - image is referenced in multiple repositories",
        "docker rmi 이름:태그",
    ),
    "name taken": (
        f'Conflict. The container name "/echo1" is already in use by container "{ID}". You have to remove (or rename) '
        "that container to be able to reuse that name.",
        "docker rm echo1",
    ),
    "port taken": (
        "driver failed programming external connectivity on endpoint echo (e1): Bind for 0.0.0.0:9000 failed: "
        "port is already allocated",
        "9000번 포트",
    ),
    "rm running": (
        f"You cannot remove a running container {ID}. Stop the container before attempting removal or force remove",
        "docker rm -f 3e1ce3426c99",
    ),
    "exec stopped": (f"Container {ID} is not running", "docker start"),
    "no such command": (
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
        'exec: "nosuch": executable file not found in $PATH: unknown',
        "nosuch 명령이 없어요",
    ),
    "offline pull": (HUB, "인터넷"),
    "volume used": (f"remove nv: volume is in use - [{ID}]", "docker rm"),
    "--mount missing": (
        'invalid mount config for type "bind": bind source path does not exist: /nope',
        "mkdir -p",
    ),
    "compose indentation": (
        "The Compose file './docker-compose.yml' is invalid because:\nInvalid top-level property \"slave01\". Valid "
        "top-level sections for this Compose file are: services, version.\n\nYou might be seeing this error because "
        "you're using the wrong Compose file version.",
        "services:",
    ),
    "compose version": (
        "You might be seeing this error because you're using the wrong Compose file version.",
        "services:",
    ),
    "swarm local image": ("No such image: localonly:1", "레지스트리"),
}

PLUGGING = "driver failed programming external connectivity on endpoint echo (e1): "

#: what learners meet besides (course questions, measured texts of the commands)
MET = {
    "this engine was updated while containers were running: it starts others when those have been stopped and it was "
    "started again": "./lab down",
    "driver failed programming external connectivity on endpoint echo (e1): cannot expose privileged port 80, you "
        "can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or choose a larger "
        "port number (>= 1024): listen tcp4 0.0.0.0:80: bind: permission denied": "1024보다 작은 포트",
    "permission denied while trying to connect to the Docker daemon socket at unix:///x.sock: dial": "그룹",
    "tcp://far:2376 closed the connection: unexpected EOF": "전부가 아닐 수",
    "Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?": "./lab up",
    "the input device is not a TTY": "-t",
    "unknown flag: --it": "-it",
    "unknown flag: --nosuch": "--nosuch",
    "unknown shorthand flag: 'Z' in -Z": "-Z",
    "flag needs an argument: --name": "--name",
    "flag needs an argument: 'e' in -e": "-e",
    "docker: 'docker build' requires 1 argument": " . ",
    "docker: 'docker image build' requires 1 argument": " . ",
    "docker: 'docker builder build' requires 1 argument": " . ",
    "dockerfile parse error line 3: unknown instruction: RUNN": "RUNN",
    "dockerfile parse error line 7: COPY requires at least two arguments, but only one was provided.": "둘 다 필요해요",
    "dockerfile parse error line 2: unterminated heredoc": "EOF",
    "failed to process \"\\\"a\": unexpected end of statement while looking for matching double-quote": "따옴표",
    "no build stage in current context": "FROM",
    "the Dockerfile (Dockerfile) cannot be empty": "비어",
    "failed to reach build target web in Dockerfile": "AS web",
    "The command '/bin/sh -c nosuch' returned a non-zero code: 127": "127",
    "The command '/bin/sh -c apt-get install -y nosuch' returned a non-zero code: 100": "apt-get update",
    "The command '/bin/sh -c tail /dev/zero' returned a non-zero code: 137": "메모리",
    "The command '/bin/sh -c exit 3' returned a non-zero code: 3": "종료 코드 3",
    "COPY failed: file not found in build context or excluded by .dockerignore: stat gone: file does not exist":
        ".dockerignore",
    "COPY failed: forbidden path outside the build context: ../x ()": "밖의",
    "failed to stat token: stat token: no such file or directory": "--secret",
    "unable to prepare context: context must be a directory: /x/Dockerfile": "폴더",
    'unable to prepare context: path "nowhere" not found': "nowhere",
    "error checking context: no permission to read from '/x/key'": "/x/key",
    "error checking context: can't stat '/x/secret'": "/x/secret",
    "error checking context: syntax error in pattern": ".dockerignore",
    "invalid argument: can't use stdin for both build context and dockerfile": "표준 입력",
    '"--squash" is only supported on a Docker daemon with experimental features enabled': "COPY --from",
    "--output is not supported by this engine: the result of a build is always an image": "--output",
    "--no-healthcheck conflicts with --health-* options": "하나만",
    "docker: 'docker rm' requires at least 1 argument": "docker rm --help",
    "docker: 'docker tag' requires 2 arguments": "2개",
    "docker: 'docker ps' accepts no arguments": "--filter",
    "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'": "64m",
    "docker: unknown command: docker compose up\n\nRun 'docker --help' for more": "docker compose up 명령은",
    "docker: unknown command: docker pss\n\nRun 'docker --help' for more information": "docker pss 명령은 없어요",
    "No such container: web": "docker ps -a",
    "No such object: web": "docker images",
    "Error response from daemon: No such image: nope:latest": "nope:latest",
    f"{PLUGGING}Bind for 0.0.0.0:9000 failed: port is already allocated": "다른 컨테이너",
    f"{PLUGGING}listen tcp4 0.0.0.0:9000: bind: address already in use": "9000번 포트를 이미 다른 프로그램",
    f"{PLUGGING}Error starting userland proxy: listen udp4 0.0.0.0:53: bind: address already in use": "ss -lntup",
    f"{PLUGGING}listen tcp4 9.9.9.9:80: bind: cannot assign requested address": "9.9.9.9 주소가 없어요",
    f"{PLUGGING}listen sctp4 0.0.0.0:80: bind: protocol not supported": "SCTP",
    f"{PLUGGING}all ports are allocated": "docker ps",
    "docker: no port specified: 8080:<empty>\n\nRun": "-p 8080:80",
    "docker: invalid hostPort: 70000\n\nRun 'docker run --help' for more information": "'70000' 부분이 포트 번호가",
    "docker: invalid containerPort: b\n\nRun": "1부터 65535",
    "docker: invalid IP address: localhost\n\nRun": "127.0.0.1:8080:80",
    "docker: invalid ranges specified for container and host Ports: 80-81 and 8000-8002": "개수",
    "docker: invalid proto: icmp\n\nRun": "/udp",
    "Error: No public port '80/udp' published for aa": "docker port aa",
    "invalid reference format: repository name (library/A) must be lowercase": "소문자",
    "invalid reference format": "이름:태그",
    "You cannot attach to a stopped container, start it first": "docker start -ai",
    "Container web is paused, unpause the container before exec": "docker unpause",
    f"Container {ID} is not paused": "일시 정지 상태가 아니에요",
    "denied: requested access to the resource is denied": "네임스페이스",
    "pull access denied for me/app, repository does not exist or may require 'docker login'": "me/app",
    "manifest for debian:nope not found: manifest unknown: manifest unknown": "태그",
    'Get "http://localhost:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused': "localhost:5000",
    "Invalid container name (a), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed": "두 글자",
    "conflicting options: cannot specify both --restart and --rm": "하나만",
    "unable to find user nosuch: no matching entries in passwd file": "nosuch",
    'exec: "/etc": permission denied: unknown': "126",
    'exec: "-it": executable file not found in $PATH: unknown': "앞에",
    'exec: "/nosuch": stat /nosuch: no such file or directory: unknown': "127",
    "write /var/lib/x: no space left on device": "디스크",
    "network n1 not found": "n1",
    "Minimum memory limit allowed is 6MB": "6MB",
    "max depth exceeded": "125",
    'template parsing error: template: :1: unclosed action': "{{ }}",
    'Invalid top-level property "slave01"': "slave01",
    "conflict: unable to delete b1a3dd6cc402 (must be forced) - image is being used by stopped container e6c4a1b76ff5":
        "docker rm e6c4a1b76ff5",
}  # fmt: skip


@pytest.mark.parametrize("cause", SHOWN)
def test_every_error_of_the_course_has_its_line(cause: str) -> None:
    text, advice = SHOWN[cause]
    assert advice in korean.line(text)


def test_the_course_shows_sixteen_causes() -> None:
    """The last row but one of the course's table has two texts, which may come apart."""
    assert len(SHOWN) == 17


@pytest.mark.parametrize("text", MET)
def test_what_learners_meet_has_its_line(text: str) -> None:
    assert MET[text] in korean.line(text)


@pytest.mark.parametrize("text", ["", "something nobody knows", "server error: 0x80070005", "operation not permitted"])
def test_an_unknown_error_gets_no_guess(text: str) -> None:
    assert korean.line(text) == ""


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in TABLE], ids=lambda pattern: pattern.pattern[:40])
def test_every_line_uses_only_what_its_pattern_finds(pattern: re.Pattern[str]) -> None:
    text = dict((known, words) for known, words in TABLE)[pattern]
    line = text.format(**dict.fromkeys(pattern.groupindex, "x"))
    assert re.search("[가-힣]", line)
    assert line.rstrip().endswith((".", "요", "-x", "x"))
    assert "\n" not in line


OFFLINE = [
    ("run -it centos:latest bash", "docker run -it debian:trixie bash"),
    ("pull ubuntu:bionic", "docker pull debian:bookworm"),
    ("image pull docker.io/library/ubuntu:14.04", "docker image pull debian:bookworm"),
    ("-H unix:///x.sock run -e 'A=b c' alpine:3.7 uname", "docker -H unix:///x.sock run -e 'A=b c' busybox uname"),
    ("run -d golang:1.9", "docker run -it debian:bookworm bash\n"),
    ("run -d -e MYSQL_DATABASE=d mysql:5.7", "docker run -d -e MYSQL_DATABASE=d mariadb:latest"),
    ("run gihyodocker/echo:latest", "docker run busybox"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "instead"), OFFLINE)
def test_offline_the_command_to_type_instead_is_exact(command: str, instead: str) -> None:
    import shlex

    assert f"{instead}" in korean.line(HUB, shlex.split(command))


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("FROM ubuntu:bionic", "이렇게 바꿔 보세요: FROM debian:bookworm\n"),
        ("FROM --platform=linux/amd64 ubuntu:14.04 AS base", ": FROM --platform=linux/amd64 debian:bookworm AS base\n"),
        (
            "from golang:1.9",
            "debian:bookworm\n그 아래에서 설치하면 돼요: RUN apt-get update && apt-get install -y golang-go\n",
        ),
        ("COPY --chown=1 --from=alpine /etc/x /", "COPY --chown=1 --from=busybox /etc/x /\n"),
        ("RUN --mount=type=bind,from=centos:7,target=/c ls", "from=debian:trixie,target=/c ls\n"),
        ("FROM debian:bookworm", "./lab up"),
        ("FROM no-such-thing", "철자"),
        ("FROM dockersamples/visualizer", "대신할 이미지도 없어요"),
    ],
)
def test_offline_the_line_to_write_instead(line: str, instead: str) -> None:
    assert instead in korean.line(f"{HUB}\n{line}", ["build", "."])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("login attempt to http://localhost:5000/v2/ failed with status: 401 Unauthorized", "비밀번호"),
        ("unauthorized: incorrect username or password", "비밀번호"),
        ("unauthorized: authentication required", "로그인"),
        ("no basic auth credentials", "docker login"),
        ("denied: requested access to the resource is denied", "권한"),
        ('Get "https://10.0.0.1/v2/": http: server gave HTTP response to HTTPS client', "HTTPS"),
        (
            'Get "https://a/v2/": tls: failed to verify certificate: x509: certificate is valid for b, not a',
            "주소가 달라요",
        ),
        ("x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs", "주소가 달라요"),
        ("x509: certificate signed by unknown authority", "ca.crt"),
        ("manifest for localhost:5000/a:9 not found: manifest unknown: manifest unknown", "태그"),
        ("tag does not exist: localhost:5000/a:9", "localhost:5000/a:9 태그는 없어요"),
        ("An image does not exist locally with the tag: a", "docker tag"),
        ('Patch "http://localhost:5000/v2/a/blobs/uploads/1?_state=x": EOF', "localhost:5000 레지스트리와의 연결"),
        ('Get "http://localhost:5000/v2/a/blobs/sha256:1": unexpected EOF', "끊겼어요"),
        (
            'Get "http://localhost:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
            "레지스트리가 없어요",
        ),
        ("Error processing tar file(exit status 1): unexpected EOF", "손상"),
        ("Could not find the file /nope in container box", "/nope"),
        ("template parsing error: template: :1: unclosed action", "--format"),
        ("failed to parse template: template: :1: unclosed action", "--format"),
        ("Error parsing format: template: :1: unclosed action", "--format"),
    ],
)
def test_bad_input_of_registries_and_archives(text: str, word: str) -> None:
    assert word in korean.line(text, ["push", "a"])


def test_an_image_without_a_stand_in_says_so() -> None:
    assert "대신할 이미지도 없어요" in korean.line(HUB, ["pull", "dockersamples/visualizer"])
    assert "이름의 철자" in korean.line(HUB, ["pull", "no-such-thing"])
    assert "Docker Hub" in korean.line(HUB, ["search", "x"])


def test_in_a_pipe_there_is_no_korean_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DOCKER_LABS_CELL", raising=False)
    monkeypatch.delenv("DOCKER_LABS_LANG", raising=False)
    korean.report("No such container: x", "No such container: x", [])
    assert capsys.readouterr() == ("", "No such container: x\n")


@pytest.mark.parametrize(
    ("stream", "language", "said"),
    [("stdout", "", True), ("stderr", "", True), ("neither", "", False), ("stdout", "off", False)],
)
def test_in_a_cell_it_goes_to_the_cells_own_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: str, language: str, said: bool
) -> None:
    """`docker rm $(docker ps x)`: the inner command's output is a pipe of the shell's, and must stay clean."""
    with open(tmp_path / "cell", "w+") as cell, open(tmp_path / "other", "w+") as other:
        monkeypatch.setenv("DOCKER_LABS_CELL", str(os.fstat(cell.fileno()).st_ino))
        monkeypatch.setenv("DOCKER_LABS_LANG", language)
        monkeypatch.setattr(sys, "stdout", cell if stream == "stdout" else other)
        monkeypatch.setattr(sys, "stderr", cell if stream == "stderr" else other)
        korean.report("No such container: x", "No such container: x", [])
    assert ("docker ps -a" in (tmp_path / "cell").read_text()) is said
    assert "docker ps -a" not in (tmp_path / "other").read_text()


def test_on_a_terminal_it_goes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("DOCKER_LABS_CELL", raising=False)
    monkeypatch.delenv("DOCKER_LABS_LANG", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    korean.report("No such container: x", "No such container: x", [])
    assert "docker ps -a" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_a_held_image_that_cannot_be_pulled_means_that_the_hub_is_down() -> None:
    assert "./lab up" in korean.line(HUB, ["run", "busybox"])
    assert "./lab up" in korean.line(HUB, ["pull", "debian:bookworm"])
