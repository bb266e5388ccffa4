"""Whole command lines as processes, against a small real server: text, exit codes and the order of requests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.unit.client.served import Answer, Request, Served, in_json, raw, reply, serving

ID = "e6c4a1b76ff5385829386dcc8fbafd414b21a0e82b91aa4c06703bc07fd76bc7"
REPOSITORY = Path(__file__).resolve().parents[3]
HIJACKED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.%b-stream\r\nConnection: Upgrade\r\n\r\n"


def docker(
    host: str, words: Sequence[str], *, input: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER")}
    return subprocess.run(
        [sys.executable, "-m", "kernel_engine.cli.main", *words],
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=20,
        cwd=REPOSITORY,
        env={**clean, "DOCKER_HOST": host, **environment},
        check=False,
    )


def outcome(host: str, *words: str, **more: Any) -> tuple[int, str, str]:
    result = docker(host, words, **more)
    return result.returncode, result.stdout, result.stderr


class Engine:
    """One container that upper-cases its input, prints, and ends with `code`."""

    def __init__(self, *, code: int = 0, output: bytes = b"", tty: bool = False, start: Answer | None = None) -> None:
        self.code = code
        self.output = output
        self.tty = tty
        self.started = threading.Event()
        self.ended = threading.Event()
        self.stdin = b""
        self.start = start

    def answers(self) -> dict[str, Answer]:
        place = f"/containers/{ID}"
        return {
            "POST /containers/create": in_json({"Id": ID, "Warnings": []}, 201),
            f"POST {place}/attach": self.attach,
            f"POST {place}/wait": self.wait,
            f"POST {place}/start": self.started_,
            f"POST {place}/kill": self.kill,
        }

    def attach(self, request: Request, wire: socket.socket) -> None:
        wire.sendall(HIJACKED % (b"raw" if self.tty else b"multiplexed"))
        assert self.started.wait(10)
        if "stdin=1" in request.path:
            while data := wire.recv(100):
                self.stdin += data
        elif self.code == 143:
            assert self.ended.wait(10)
        output = self.output + self.stdin.upper()
        wire.sendall(output if self.tty else bytes([1, 0, 0, 0]) + len(output).to_bytes(4, "big") + output)
        self.ended.set()

    def wait(self, request: Request, wire: socket.socket) -> None:
        body = json.dumps({"StatusCode": self.code}).encode()
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert not self.started.is_set(), "the wait must stand before the start"
        assert self.ended.wait(10)
        wire.sendall(body)

    def started_(self, request: Request, wire: socket.socket) -> None:
        if self.start is not None:
            self.start(request, wire)
            self.ended.set()
            self.started.set()  # lets the attachment go
            return
        wire.sendall(reply(204))
        self.started.set()

    def kill(self, request: Request, wire: socket.socket) -> None:
        self.signal = request.path.partition("signal=")[2]
        wire.sendall(reply(204))
        self.ended.set()


@pytest.mark.parametrize("code", [0, 3, 137])
def test_run_gives_the_containers_output_and_code(tmp_path: Path, code: int) -> None:
    engine = Engine(code=code, output="안녕\n".encode())
    with serving(tmp_path, engine.answers()) as served:
        assert outcome(served.host, "run", "busybox", "echo") == (code, "안녕\n", "")
        place = f"POST /containers/{ID}"
        assert served.called[0] == "POST /containers/create"
        assert sorted(served.called[1:3]) == [f"{place}/attach", f"{place}/wait"]
        assert served.called[3:] == [f"{place}/start"]
        assert next(request for request in served.seen if "/wait" in request.path).path.endswith("condition=next-exit")


def test_run_with_rm_waits_for_the_removal(tmp_path: Path) -> None:
    with serving(tmp_path, Engine().answers()) as served:
        assert outcome(served.host, "run", "--rm", "--name", "web", "busybox")[0] == 0
        assert served.seen[0].path.endswith("/containers/create?name=web")
        assert served.seen[0].json()["HostConfig"]["AutoRemove"] is True
        assert any(request.path.endswith("condition=removed") for request in served.seen)


def test_run_passes_our_input_and_its_end(tmp_path: Path) -> None:
    engine = Engine()
    with serving(tmp_path, engine.answers()) as served:
        assert outcome(served.host, "run", "-i", "busybox", "cat", input="data") == (0, "DATA", "")


def test_run_detached_prints_the_id(tmp_path: Path) -> None:
    with serving(tmp_path, Engine().answers()) as served:
        assert outcome(served.host, "run", "-d", "busybox") == (0, f"{ID}\n", "")
        assert served.called == ["POST /containers/create", f"POST /containers/{ID}/start"]


NOT_FOUND = 'exec: "nosuch": executable file not found in $PATH: unknown'


@pytest.mark.parametrize(
    ("message", "code"),
    [(NOT_FOUND, 127), ('exec: "/etc": permission denied: unknown', 126), ("is a directory", 126), ("anything", 125)],
)
@pytest.mark.parametrize("options", [[], ["--rm"], ["-d"]])
def test_run_that_cannot_start(tmp_path: Path, message: str, code: int, options: list[str]) -> None:
    engine = Engine(start=in_json({"message": message}, 400))
    with serving(tmp_path, engine.answers()) as served:
        assert outcome(served.host, "run", *options, "busybox", "nosuch") == (
            code,
            f"{ID}\n" if options == ["-d"] else "",  # there is a container, if not a running one
            f"docker: Error response from daemon: {message}\n\nRun 'docker run --help' for more information\n",
        )


def pulling(engine: Engine) -> dict[str, Answer]:
    present = threading.Event()

    def create(request: Request, wire: socket.socket) -> None:
        if present.is_set():
            in_json({"Id": ID, "Warnings": ["Your kernel is old."]}, 201)(request, wire)
        else:
            in_json({"message": "No such image: nope:latest"}, 404)(request, wire)

    def pull(request: Request, wire: socket.socket) -> None:
        present.set()
        lines = [
            {"status": "Pulling from library/nope", "id": "latest"},
            {"status": "Pull complete", "progressDetail": {}, "id": "aaa"},
        ]
        raw(reply(200, b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)))(request, wire)

    return {**engine.answers(), "POST /containers/create": create, "POST /images/create": pull}


def test_run_pulls_what_is_not_there(tmp_path: Path) -> None:
    with serving(tmp_path, pulling(Engine(output=b"out\n"))) as served:
        code, out, error = outcome(served.host, "run", "nope")
        assert (code, out) == (0, "out\n")
        assert error == (
            "Unable to find image 'nope:latest' locally\nlatest: Pulling from library/nope\naaa: Pull complete\n"
            "WARNING: Your kernel is old.\n"
        )
        pull = served.seen[1]
        assert pull.path == "/v1.47/images/create?fromImage=docker.io%2Flibrary%2Fnope&tag=latest"
        assert pull.headers["x-registry-auth"] == "e30="


def test_run_with_pull_never_says_what_is_missing(tmp_path: Path) -> None:
    with serving(tmp_path, pulling(Engine())) as served:
        code, _, error = outcome(served.host, "run", "--pull", "never", "nope")
        assert code == 125
        assert error.startswith("docker: Error response from daemon: No such image: nope:latest\n")


def test_an_error_in_the_progress_ends_the_run(tmp_path: Path) -> None:
    answers = pulling(Engine())
    answers["POST /images/create"] = raw(reply(200, b'{"errorDetail":{"message":"no space"},"error":"no space"}\n'))
    with serving(tmp_path, answers) as served:
        code, _, error = outcome(served.host, "run", "nope")
        assert code == 125
        assert "\ndocker: no space\n" in error


def test_signals_are_passed_on(tmp_path: Path) -> None:
    engine = Engine(code=143)
    with serving(tmp_path, engine.answers()) as served:
        process = subprocess.Popen(
            [sys.executable, "-m", "kernel_engine.cli.main", "run", "busybox", "sleep"],
            cwd=REPOSITORY,
            env={**os.environ, "DOCKER_HOST": served.host},
            stdin=subprocess.DEVNULL,
        )
        assert engine.started.wait(10)
        process.terminate()
        assert process.wait(10) == 143
        assert engine.signal == "TERM"


def test_cidfile(tmp_path: Path) -> None:
    file = tmp_path / "cid"
    with serving(tmp_path, Engine().answers()) as served:
        assert outcome(served.host, "run", "-d", "--cidfile", str(file), "busybox")[0] == 0
        assert file.read_text() == ID
        code, _, error = outcome(served.host, "run", "-d", "--cidfile", str(file), "busybox")
        assert code == 125
        assert error.startswith(
            "docker: container ID file found, make sure the other container isn't running or delete"
        )


USAGE = "\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information\n"
HELP = "\n\nRun 'docker run --help' for more information\n"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["run", "--nosuch"], 125, f"unknown flag: --nosuch{USAGE}"),
        (["run", "-e", "=x", "busybox"], 125,
         f'invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x{USAGE}'),
        (["run", "-p", "abc", "busybox"], 125, f"docker: invalid containerPort: abc{HELP}"),
        (["run", "--pull", "x", "busybox"], 125,
         f'docker: invalid pull option: \'x\': must be one of "always", "missing" or "never"{HELP}'),
        (["run", "--rm", "--restart", "always", "busybox"], 125,
         f"docker: conflicting options: cannot specify both --restart and --rm{HELP}"),
        (["run", "BusyBox"], 125,
         f"docker: invalid reference format: repository name (library/BusyBox) must be lowercase{HELP}"),
        (["run", ""], 125, f"docker: invalid reference format{HELP}"),
        (["run", "-d", "-a", "stdin", "busybox"], 1,
         "conflicting options: cannot specify both --attach and --detach\n"),
        (["run", "-it", "busybox"], 1, "the input device is not a TTY\n"),
        (["pull", "A"], 1, "invalid reference format: repository name (library/A) must be lowercase\n"),
        (["pull", "x:y:z"], 1, "invalid reference format\n"),
        (["tag", "busybox", "A:b"], 1,
         'Error parsing reference: "A:b" is not a valid repository/tag: invalid reference format: '
         "repository name (library/A) must be lowercase\n"),
        (["inspect", "--type", "foo", "x"], 1,
         'unknown type: "foo": must be one of "config", "container", "image", "network", "node", "plugin", "secret", '
         '"service", "task", "volume"\n'),
        (["nosuch"], 1, "docker: unknown command: docker nosuch\n\nRun 'docker --help' for more information\n"),
        (["dump", "up"], 1, "docker: unknown command: docker dump\n\nRun 'docker --help' for more information\n"),
        (["container", "nosuch"], 1,
         "docker: unknown command: docker container nosuch\n\nUsage:  docker container\n\n"
         "Run 'docker container --help' for more information\n"),
        (["container", "--nosuch"], 125,
         "unknown flag: --nosuch\n\nUsage:  docker container\n\nRun 'docker container --help' for more information\n"),
        (["--nosuch"], 125,
         "unknown flag: --nosuch\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\n"
         "Run 'docker --help' for more information\n"),
        (["start", "-a", "x", "y"], 1, "you cannot start and attach multiple containers at once\n"),
        (["logs", "--since", "x", "web"], 1, ""),
        (["events", "--since", "x"], 1,
         'failed to parse value as time or duration: "x"\n'),
    ],
)  # fmt: skip
def test_what_the_command_itself_refuses(tmp_path: Path, words: list[str], code: int, error: str) -> None:
    with serving(tmp_path, {}) as served:
        got = outcome(served.host, *words)
        assert got[:2] == (code, "")
        assert got[2] == error or not error
        assert not served.seen or not error


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["ps"], 1, "{}\n"),
        (["run", "busybox"], 125, f"docker: {{}}{HELP}"),
        (["exec", "x", "ls"], 1, "{}\n"),
    ],
)
def test_nobody_serves(tmp_path: Path, words: list[str], code: int, error: str) -> None:
    host = f"unix://{tmp_path}/none.sock"
    sentence = f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running?"
    assert outcome(host, *words) == (code, "", error.format(sentence))


def container_facts(*, tty: bool = False, running: bool = True, **state: bool) -> Answer:
    return in_json(
        {
            "Id": ID,
            "Config": {"Tty": tty, "OpenStdin": True},
            "HostConfig": {"AutoRemove": False},
            "State": {"Running": running, "Paused": False, "Restarting": False, **state},
        }
    )


def test_several_containers_and_one_that_is_not_there(tmp_path: Path) -> None:
    answers = {"POST /containers/a/stop": raw(reply(204)), "POST /containers/b/stop": raw(reply(304))}
    missing = in_json({"message": "No such container: nope"}, 404)
    with serving(tmp_path, {**answers, "POST /containers/nope/stop": missing}) as served:
        assert outcome(served.host, "stop", "-t", "3", "a", "nope", "b") == (
            1,
            "a\nb\n",
            "Error response from daemon: No such container: nope\n",
        )
        assert served.seen[0].path == "/v1.47/containers/a/stop?t=3"
        assert outcome(served.host, "start", "nope")[1:] == (
            "",
            "Error response from daemon: page not found\nError: failed to start containers: nope\n",
        )


def test_rm_with_force_takes_what_is_missing_lightly(tmp_path: Path) -> None:
    answers = {"DELETE /containers/nope": in_json({"message": "No such container: nope"}, 404)}
    with serving(tmp_path, answers) as served:
        error = "Error response from daemon: No such container: nope\n"
        assert outcome(served.host, "rm", "-f", "nope") == (0, "", error)
        assert outcome(served.host, "rm", "nope") == (1, "", error)


def test_exec(tmp_path: Path) -> None:
    answers = {
        "POST /containers/web/exec": in_json({"Id": "x1"}, 201),
        "POST /exec/x1/start": raw(HIJACKED % b"multiplexed" + b"\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err"),
        "GET /exec/x1/json": in_json({"ExitCode": 7}),
    }
    with serving(tmp_path, answers) as served:
        assert outcome(served.host, "exec", "-e", "A=b", "-w", "/srv", "-u", "me", "web", "ls", "-l") == (
            7,
            "out",
            "err",
        )
        made = served.seen[0].json()
        assert (made["Cmd"], made["Env"], made["WorkingDir"], made["User"]) == (["ls", "-l"], ["A=b"], "/srv", "me")
        assert (made["AttachStdin"], made["AttachStdout"], made["Tty"]) == (False, True, False)
        assert outcome(served.host, "exec", "-it", "web", "sh") == (1, "", "the input device is not a TTY\n")


def test_logs(tmp_path: Path) -> None:
    answers = {
        "GET /containers/web/json": container_facts(),
        f"GET /containers/{ID}/logs": raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"b\r\n\1\0\0\0\0\0\0\3out\r\n8\r\n\2\0\0\0\0\0\0\3\r\n3\r\nerr\r\n0\r\n\r\n",
        ),
    }
    with serving(tmp_path, answers) as served:
        assert outcome(served.host, "logs", "-f", "-t", "-n", "5", "web") == (0, "out", "err")
        assert served.seen[1].path.endswith("logs?stdout=1&stderr=1&follow=1&tail=5&timestamps=1")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"running": False}, "You cannot attach to a stopped container, start it first\n"),
        ({"Paused": True}, "You cannot attach to a paused container, unpause it first\n"),
        ({"Restarting": True}, "You cannot attach to a restarting container, wait until it is running\n"),
    ],
)
def test_attach_that_cannot_be(tmp_path: Path, state: dict[str, bool], sentence: str) -> None:
    with serving(tmp_path, {"GET /containers/web/json": container_facts(**state)}) as served:
        assert outcome(served.host, "attach", "web") == (1, "", sentence)


def test_inspect(tmp_path: Path) -> None:
    missing = in_json({"message": "No such container: x"}, 404)
    facts = {"Id": "sha256:1", "Config": {"Env": None, "Labels": None}, "이름": "<값>"}
    answers = {"GET /containers/busybox/json": missing, "GET /images/busybox/json": in_json(facts),
               "GET /images/nope/json": in_json({"message": "No such image: nope:latest"}, 404)}  # fmt: skip
    with serving(tmp_path, answers) as served:
        code, out, _ = outcome(served.host, "inspect", "busybox")
        assert (code, json.loads(out)) == (0, [facts])
        assert '\n        "이름": "<값>"\n' in out
        form = "{{.Id}} {{.Config.Env}} {{.Config.Labels}}"
        assert outcome(served.host, "inspect", "-f", form, "busybox") == (0, "sha256:1 [] map[]\n", "")
        assert outcome(served.host, "inspect", "-f", "{{json .Config.Env}}", "busybox") == (0, "null\n", "")
        assert outcome(served.host, "inspect", "nope") == (1, "[]\n", "Error: No such object: nope\n")
        assert outcome(served.host, "image", "inspect", "nope") == (
            1, "[]\n", "Error response from daemon: No such image: nope:latest\n",
        )  # fmt: skip
        code, out, error = outcome(served.host, "inspect", "-f", "{{.Foo}}", "busybox")
        assert (code, out) == (1, "\n")
        assert error == (
            'template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"\n'
        )


def test_rmi_diff_top_commit(tmp_path: Path) -> None:
    answers = {
        "DELETE /images/a:1": in_json([{"Untagged": "a:1"}, {"Deleted": "sha256:1"}]),
        "GET /containers/web/changes": in_json(
            [{"Kind": 0, "Path": "/etc"}, {"Kind": 1, "Path": "/etc/한"}, {"Kind": 2, "Path": "/x"}]
        ),
        "GET /containers/web/top": in_json({"Titles": ["PID", "CMD"], "Processes": [["1", "sh -c ls"]]}),
        "POST /commit": in_json({"Id": "sha256:2"}, 201),
    }  # fmt: skip
    with serving(tmp_path, answers) as served:
        assert outcome(served.host, "rmi", "a:1") == (0, "Untagged: a:1\nDeleted: sha256:1\n", "")
        assert outcome(served.host, "diff", "web") == (0, "C /etc\nA /etc/한\nD /x\n", "")
        assert (
            outcome(served.host, "top", "web", "-o", "pid")[1]
            == "PID                 CMD\n1                   sh -c ls\n"
        )
        words = ["commit", "-m", "m", "-a", "me", "-c", "CMD x", "-c", "ENV a=b", "web", "new:1"]
        assert outcome(served.host, *words) == (0, "sha256:2\n", "")
        assert served.seen[-1].path == (
            "/v1.47/commit?container=web&author=me&comment=m&changes=CMD%20x&changes=ENV%20a%3Db&pause=1"
            "&repo=docker.io%2Flibrary%2Fnew&tag=1"
        )
        assert "ps_args=-o%20pid" in served.seen[-2].path


def test_a_closed_reader_ends_it_without_a_word(tmp_path: Path) -> None:
    listing = [{"Kind": 1, "Path": f"/{'x' * 200}{number}"} for number in range(2000)]
    with serving(tmp_path, {"GET /containers/web/changes": in_json(listing)}) as served:
        line = f"{sys.executable} -m kernel_engine.cli.main diff web; echo $? >&2"
        result = subprocess.run(
            ["bash", "-c", f"({line}) | head -1"],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "DOCKER_HOST": served.host},
            check=False,
        )
        assert result.stderr == "141\n"


def test_explain_comes_after_the_output(tmp_path: Path) -> None:
    step = {"Process": "child", "Name": "execve", "Arguments": "/bin/echo", "Result": "", "Ok": True, "Started": 1,
            "Duration": 1, "Pid": 1, "Source": "kernel_engine/runtime/init.py:1"}  # fmt: skip
    answers = Engine(output=b"out\n").answers()
    answers[f"GET /kernel-engine/containers/{ID}/trace"] = in_json({"Id": ID, "Steps": [step]})
    with serving(tmp_path, answers) as served:
        code, out, error = outcome(served.host, "run", "--explain", "busybox")
        assert (code, error) == (0, "")
        assert out.startswith("out\n컨테이너가 시작된 과정")
        assert "[실행]" in out


# with a terminal -----------------------------------------------------------------------------------------------------
def typed(served: Served, words: list[str], **environment: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-m", "kernel_engine.cli.main", *words],
        cwd=str(REPOSITORY),
        env={**os.environ, "DOCKER_HOST": served.host, **environment},
        encoding="utf-8",
        timeout=10,
        dimensions=(31, 97),
    )


def test_on_a_terminal_an_error_has_its_korean_line(tmp_path: Path) -> None:
    missing = in_json({"message": "No such container: nope"}, 404)
    with serving(tmp_path, {"POST /containers/nope/stop": missing}) as served:
        child = typed(served, ["stop", "nope"])
        child.expect(pexpect.EOF)
        assert "docker ps -a로" in child.before
        child = typed(served, ["stop", "nope"], DOCKER_LABS_LANG="off")
        child.expect(pexpect.EOF)
        assert child.before == "Error response from daemon: No such container: nope\r\n"


def test_an_interactive_run(tmp_path: Path) -> None:
    """The terminal is raw inside, has the window's size, and the detach keys leave with code 0."""
    engine = Engine(tty=True)
    sizes: list[str] = []
    received = threading.Event()

    def attach(request: Request, wire: socket.socket) -> None:
        wire.sendall(HIJACKED % b"raw")
        assert engine.started.wait(10)
        wire.sendall(b"prompt# ")
        while data := wire.recv(100):
            engine.stdin += data
            if engine.stdin.endswith(b"x"):
                received.set()
        engine.ended.set()

    def resize(request: Request, wire: socket.socket) -> None:
        sizes.append(request.path.partition("?")[2])
        wire.sendall(reply(200))

    answers = {**engine.answers(), f"POST /containers/{ID}/attach": attach, f"POST /containers/{ID}/resize": resize}
    with serving(tmp_path, answers) as served:
        child = typed(served, ["run", "-it", "busybox"])
        child.expect("prompt# ")
        child.send("\x03ls\rx")
        assert received.wait(10)
        child.setwinsize(40, 120)
        child.send("\x10\x11")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert engine.stdin == b"\x03ls\rx"
    assert sizes[0] == "h=31&w=97"
    assert served.seen[0].json()["HostConfig"]["ConsoleSize"] == [31, 97]


def test_a_pull_on_a_terminal_moves_the_cursor(tmp_path: Path) -> None:
    lines = [
        {"status": "Pulling from library/x", "id": "latest"},
        {"status": "Downloading", "progressDetail": {"current": 1, "total": 2}, "id": "aaa"},
        {"status": "Status: Downloaded newer image for x:latest"},
    ]
    body = b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)
    with serving(tmp_path, {"POST /images/create": raw(reply(200, body))}) as served:
        child = typed(served, ["pull", "x"])
        child.expect(pexpect.EOF)
        assert "\x1b[1A\x1b[2K\raaa: Downloading" in child.before
        assert child.before.endswith("docker.io/library/x:latest\r\n")
        assert outcome(served.host, "pull", "x") == (
            0,
            "Using default tag: latest\nlatest: Pulling from library/x\nStatus: Downloaded newer image for x:latest\n"
            "docker.io/library/x:latest\n",
            "",
        )
        assert outcome(served.host, "pull", "-q", "x:1") == (0, "docker.io/library/x:1\n", "")


def test_a_run_imports_nothing_that_costs(tmp_path: Path) -> None:
    """The whole process has 70 ms, of which the engine needs 20."""
    code = (
        "import sys; from kernel_engine.cli.main import main; code = main(['run', '--rm', 'busybox', 'true']);"
        "print(' '.join(sys.modules)); sys.exit(code)"
    )
    with serving(tmp_path, Engine().answers()) as served:
        result = subprocess.run(
            [sys.executable, "-S", "-c", code],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "DOCKER_HOST": served.host, "PYTHONPATH": str(REPOSITORY)},
            check=True,
        )
    costly = {"argparse", "dataclasses", "datetime", "email", "fractions", "http", "inspect", "pathlib", "tempfile",
              "typing",
              "urllib", "shlex", "subprocess", "threading", "asyncio", "logging"}  # fmt: skip
    loaded = set(result.stdout.split())
    assert not costly & loaded
    ours = {name for name in loaded if name.startswith("kernel_engine.cli.")}
    assert (
        not {f"kernel_engine.cli.{name}" for name in ("korean", "help", "descriptions", "explain", "pull", "table")}
        & ours
    )


def test_a_template_knows_gos_name_of_a_version_and_json_does_not(tmp_path: Path) -> None:
    """`{{.Server.APIVersion}}` is what scripts for docker ask for."""
    with serving(tmp_path, {"GET /version": in_json({"Version": "9", "ApiVersion": "1.47"})}) as served:
        form = "{{.Server.APIVersion}} {{.Client.APIVersion}} {{json .Server}}"
        code, shown, _ = outcome(served.host, "version", "--format", form)
        assert (code, shown) == (0, '1.47 1.47 {"Version":"9","ApiVersion":"1.47"}\n')
        assert outcome(served.host, "version", "-f", "{{.Server.Nope}}")[0] == 1
