"""logs, exec, attach: bytes between a container and whoever listens."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

from tests.daemon import REPOSITORY, Daemon


def test_logs_keep_both_streams_and_their_order(clean: Daemon) -> None:
    clean.docker("run", "--name", "said", "busybox", "sh", "-c", "echo one; echo two >&2; echo three")
    result = clean.docker("logs", "said")
    assert (result.stdout, result.stderr) == ("one\nthree\n", "two\n")


def test_logs_tail_timestamps_and_since(clean: Daemon) -> None:
    clean.docker("run", "--name", "many", "busybox", "seq", "1", "1000")
    assert clean.out("logs", "--tail", "2", "many") == "999\n1000"
    stamped = clean.out("logs", "-t", "--tail", "1", "many").split()
    assert stamped[1] == "1000"
    assert stamped[0].endswith("Z")
    assert clean.out("logs", "--since", "2100-01-01T00:00:00Z", "many") == ""


def test_logs_follow_until_the_end(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "slow", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    assert clean.out("logs", "-f", "slow").split() == ["1", "2", "3"]


def test_a_long_line_and_odd_bytes(clean: Daemon) -> None:
    clean.docker(
        "run", "--name", "long", "busybox", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo 한글"
    )
    text = clean.out("logs", "long")
    assert text == "x" * 100000 + "\n한글"


def test_exec(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "host", "-e", "A=1", "busybox", "sleep", "1000")
    assert clean.out("exec", "host", "sh", "-c", "echo $A") == "1"
    assert (
        clean.out("exec", "-e", "A=2", "-w", "/tmp", "-u", "5", "host", "sh", "-c", "echo $A $(pwd) $(id -u)")
        == "2 /tmp 5"
    )
    assert clean.out("exec", "-i", "host", "cat", input="through\n") == "through"
    assert clean.docker("exec", "host", "sh", "-c", "exit 4", check=False).returncode == 4
    missing = clean.docker("exec", "host", "nosuch", check=False)
    assert missing.returncode == 127
    assert 'exec: "nosuch": executable file not found in $PATH' in missing.stdout + missing.stderr


def test_exec_shares_the_walls_of_its_container(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "host", "busybox", "sleep", "1000")
    inside = clean.out("exec", "host", "ps")
    assert "sleep 1000" in inside
    own = clean.out("exec", "host", "grep", "CapEff", "/proc/self/status").split()[1]
    assert own == clean.out("exec", "host", "grep", "CapEff", "/proc/1/status").split()[1]


def test_exec_in_a_container_that_ended(clean: Daemon) -> None:
    container = clean.out("run", "-d", "--name", "done", "busybox", "true")
    clean.docker("wait", "done")
    result = clean.docker("exec", "done", "ls", check=False)
    assert f"Container {container} is not running" in result.stderr


def test_exec_detached(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "host", "busybox", "sleep", "1000")
    assert clean.out("exec", "-d", "host", "touch", "/by-exec") == ""
    deadline = time.monotonic() + 5
    while (
        clean.docker("exec", "host", "test", "-e", "/by-exec", check=False).returncode and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    clean.docker("exec", "host", "test", "-e", "/by-exec")


class Terminal:
    """Our docker in a pseudo terminal, as a person sits before it."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kernel_engine.cli.main", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=REPOSITORY,
            start_new_session=True,
            env={**os.environ, "DOCKER_HOST": daemon.host, "TERM": "xterm", "DOCKER_LABS_LANG": "off"},
        )
        os.close(slave)
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.master, 4096)
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.seen!r}") from None
        before, _, self.seen = self.seen.partition(text.encode())
        return before.decode(errors="replace")

    def ended(self, seconds: float = 30) -> int:
        code = self.process.wait(seconds)
        os.close(self.master)
        return code


def test_an_interactive_shell(clean: Daemon) -> None:
    terminal = Terminal(clean, "run", "-it", "--name", "shell", "busybox", "sh")
    terminal.expect("#")
    terminal.type("tty; echo $((6 * 7)); stty size\r")
    terminal.expect("/dev/")
    terminal.expect("42")
    terminal.type("exit 3\r")
    assert terminal.ended() == 3
    assert clean.inspect("shell")["State"]["ExitCode"] == 3


def test_detach_keys_leave_the_container_running(clean: Daemon) -> None:
    terminal = Terminal(clean, "run", "-it", "--name", "left", "busybox", "sh")
    terminal.expect("#")
    terminal.type("\x10\x11")
    assert terminal.ended() == 0
    assert clean.inspect("left")["State"]["Running"]
    back = Terminal(clean, "attach", "left")
    back.type("echo again$((1 + 1))\r")
    back.expect("again2")
    back.type("\x10\x11")
    assert back.ended() == 1  # as Docker's: "read escape sequence" is attach's failure, and run's success


def test_ctrl_c_reaches_the_foreground_program(clean: Daemon) -> None:
    terminal = Terminal(clean, "run", "-it", "--rm", "busybox", "sh")
    terminal.expect("#")
    terminal.type("sleep 1000\r")
    terminal.expect("sleep 1000")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.expect("#")
    terminal.type("exit\r")
    terminal.ended()


def test_the_engine_knows_when_a_terminal_waits_for_input(clean: Daemon) -> None:
    container = clean.out("run", "-dit", "busybox", "sh")
    place = f"/kernel-engine/containers/{container}/terminal"
    first = clean.api.get(place, query={"timeout": "5"}).json()
    assert first["Waiting"] and first["Running"]
    clean.docker("exec", "-d", container, "true")
    busy = clean.out("run", "-dit", "busybox", "sleep", "1000")
    assert not clean.api.get(f"/kernel-engine/containers/{busy}/terminal", query={"timeout": "0.5"}).json()["Waiting"]


def test_a_flood_slows_nobody(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "flood", "--log-driver", "none", "busybox", "yes")
    start = time.monotonic()
    for _ in range(3):
        clean.docker("run", "--rm", "busybox", "true")
    assert time.monotonic() - start < 15
