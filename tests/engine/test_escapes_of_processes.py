"""Ways out of a container that lead through processes: descriptors, memory, keys, terminals, the runtime's own program.

Those through files and mounts are in test_escapes.py.
"""

from __future__ import annotations

import hashlib
import os
import pty
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from kernel_engine.syscalls.libc import call
from tests.conftest import needs_root
from tests.daemon import PROGRAM, REPOSITORY, Daemon, running_daemon

pytestmark = needs_root
_INTERPRETER = os.path.realpath(sys.executable)
_TRACES = ("--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined")
#: this machine's Python in a container: busybox can neither ask for keys nor make an ioctl
_PYTHON = ("-v", "/:/host:ro", "--security-opt", "seccomp=unconfined", "busybox", "chroot", "/host", _INTERPRETER, "-I")
_KEYRING = """
import ctypes
print(ctypes.CDLL(None).syscall({number}, 0, -3, 0))
""".format(number={"x86_64": 250}.get(os.uname().machine, 219))
#: what a process of the engine's has and one of the container's never: this machine's files, other rights
_LOOK = """
while :; do for p in /proc/[0-9]*; do
    for l in $p/cwd $p/fd/*; do
        case "$(readlink $l)" in /work*|/opt*|/run*|/usr/*|*engine*) echo $l $(readlink $l) >>/seen;; esac
    done
    [ -e $p/root{machine} ] && echo $p/root >>/seen
    while read name value; do
        case $name in CapEff:|CapPrm:|CapBnd:) [ $value = {rights} ] || echo $p $name $value >>/seen;; esac
    done <$p/status
done 2>/dev/null; done"""


@contextmanager
def _running(daemon: Daemon, *words: str) -> Iterator[str]:
    name = daemon.docker("run", "-d", *words).stdout.strip()
    try:
        yield name
    finally:
        daemon.docker("rm", "-f", name)


@pytest.fixture(scope="module")
def box(daemon: Daemon) -> str:
    return daemon.docker("run", "-d", "--name", "box", "busybox", "sleep", "1000").stdout.strip()


@pytest.fixture
def tracer(daemon: Daemon) -> Iterator[str]:
    """Looks into every process beside it, with the capability that opens all of them."""
    rights = daemon.docker("run", "--rm", *_TRACES, "busybox", "sh", "-c", "grep CapEff /proc/self/status")
    look = _LOOK.format(rights=rights.stdout.split()[1], machine=__file__)
    with _running(daemon, *_TRACES, "--name", "tracer", "busybox", "sh", "-c", look) as name:
        yield name


def _seen(daemon: Daemon, name: str) -> str:
    return daemon.docker("exec", name, "sh", "-c", "cat /seen 2>/dev/null; true").stdout


def test_cve_2019_5736_the_runtime_is_overwritten(daemon: Daemon, tracer: str) -> None:
    """A program that is a link to /proc/self/exe, and one that opens /proc/PID/exe of whoever comes in."""
    before = hashlib.sha256(Path(_INTERPRETER).read_bytes()).hexdigest()
    write = "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || echo bad >>$p/exe; done; done 2>/dev/null"
    with _running(
        daemon, *_TRACES, "busybox", "sh", "-c", f"cp /bin/busybox /mine; ln -s /proc/self/exe /link; {write}"
    ) as name:
        for _ in range(3):
            for program in ("/proc/self/exe", "/link"):
                told = daemon.docker("exec", name, program, "-c", "print('interpreted')", check=False)
                assert "interpreted" not in told.stdout
    dockerfile = 'FROM busybox\nRUN ln -s /proc/self/exe /link\nENTRYPOINT ["/link", "-c", "print(\'interpreted\')"]\n'
    daemon.docker("build", "-t", "overwriting", "-", input=dockerfile)
    assert "interpreted" not in daemon.docker("run", "--rm", "overwriting", check=False).stdout
    assert hashlib.sha256(Path(_INTERPRETER).read_bytes()).hexdigest() == before


def test_cve_2016_9962_a_process_that_comes_in_has_nothing_of_the_engines(daemon: Daemon, tracer: str) -> None:
    """Not even for a container that may look into every process (`runtime/unseen.py`)."""
    for _ in range(8):
        daemon.docker("exec", tracer, "true")
    daemon.docker("exec", "-t", tracer, "true")
    assert _seen(daemon, tracer) == ""


def test_cve_2016_9962_a_container_that_starts_among_the_processes_of_another(daemon: Daemon, tracer: str) -> None:
    """It is made in their pid namespace: who could look into it stands still until it is."""
    for _ in range(4):
        told = daemon.docker(
            "run", "--rm", "--pid", f"container:{tracer}", *_TRACES, "busybox", "cat", "/proc/1/cmdline"
        )
        assert "while" in told.stdout
    refused = daemon.docker("run", "--rm", "--pid", f"container:{tracer}", "busybox", "/nothing", check=False)
    assert refused.returncode == 127
    assert _seen(daemon, tracer) == ""
    assert daemon.inspect(tracer)["State"]["Status"] == "running"


def test_what_comes_in_unseen_is_as_any_other(daemon: Daemon, tracer: str, box: str) -> None:
    script = (
        "ulimit -n; ls /proc/self/fd; id; grep -E 'Sig[^Q]|NoNew' /proc/self/status; cat /proc/self/cgroup; pwd; exit 7"
    )
    told = [daemon.docker("exec", name, "sh", "-c", script, check=False) for name in (tracer, box)]
    assert told[0].stdout == told[1].stdout
    assert [one.returncode for one in told] == [7, 7]
    tty = daemon.docker("exec", "-t", tracer, "sh", "-c", "tty; echo hi >/dev/tty; ps -o pid,sid,args | grep 'gr[e]p'")
    lines = tty.stdout.split()
    assert lines[:2] == ["/dev/pts/0", "hi"]
    assert daemon.docker("exec", "-i", tracer, "cat", input="in\n").stdout == "in\n"
    assert daemon.docker("exec", tracer, "sh", "-c", "kill -9 $$", check=False).returncode == 137
    assert daemon.docker("exec", tracer, "nothing", check=False).returncode == 127
    bad = daemon.docker("exec", tracer, "sh", "-c", "echo '#!/nothing' >/bad; chmod +x /bad; exec /bad", check=False)
    assert bad.returncode == 127


def test_no_descriptor_but_the_three(daemon: Daemon, box: str) -> None:
    """Of run, exec, a build's step and a health check; and `ls` opens one itself."""
    only = ["0", "1", "2", "3"]
    listing = ("ls", "/proc/self/fd")
    assert daemon.docker("run", "--rm", "busybox", *listing).stdout.split() == only
    assert daemon.docker("run", "--rm", "-t", "--init", "busybox", *listing).stdout.split() == only
    for words in ((), ("-t",), ("-i",), ("--privileged",), ("-u", "7")):
        assert daemon.docker("exec", *words, box, *listing).stdout.split() == only, words
    step = "FROM busybox\nRUN ls /proc/self/fd >/listed\nCMD cat /listed\n"
    daemon.docker("build", "-t", "listed", "-", input=step)
    assert daemon.docker("run", "--rm", "listed").stdout.split() == only
    check = ("--health-cmd", "ls /proc/self/fd >/listed; touch /done", "--health-interval", "100ms")
    wait = "while [ ! -e /done ]; do sleep 0.05; done; cat /listed"
    assert daemon.docker("run", "--rm", *check, "busybox", "sh", "-c", wait).stdout.split() == only
    first = daemon.docker(
        "run", "--rm", "--init", "busybox", "sh", "-c", "ls /proc/1/fd; readlink /proc/1/root; readlink /proc/1/cwd"
    )
    assert first.stdout.split() == ["0", "1", "2", "/", "/"]


def test_the_engines_environment(daemon: Daemon, box: str) -> None:
    """The daemon of these tests has this test's own variables."""
    assert daemon.process is not None
    assert b"PYTEST_CURRENT_TEST" in Path(f"/proc/{daemon.process.pid}/environ").read_bytes()
    script = "env; cat /proc/1/environ /proc/self/environ"
    step = "FROM busybox\nRUN env >/listed; cat /proc/1/environ >>/listed\nCMD cat /listed\n"
    daemon.docker("build", "-t", "environment", "-", input=step)
    told = daemon.docker("run", "--rm", "--init", "busybox", "sh", "-c", script).stdout
    told += daemon.docker("exec", box, "sh", "-c", script).stdout
    told += daemon.docker("run", "--rm", "environment").stdout
    assert "HOSTNAME=" in told
    for name in ("PYTEST", "VIRTUAL_ENV", "DOCKER_HOST", str(REPOSITORY)):
        assert name not in told


def test_every_process_has_keys_of_its_own(daemon: Daemon) -> None:
    """Session keyrings (session-keyring(7)): the engine's, and another container's, would come by inheritance."""
    own = call("keyctl", 0, -3, 0)
    found = [daemon.docker("run", "--rm", *_PYTHON, "-c", _KEYRING).stdout.strip() for _ in range(2)]
    with _running(
        daemon, "-v", "/:/host:ro", "--security-opt", "seccomp=unconfined", "busybox", "sleep", "1000"
    ) as name:
        found.append(daemon.docker("exec", name, "chroot", "/host", _INTERPRETER, "-I", "-c", _KEYRING).stdout.strip())
    assert all(int(word) > 0 for word in found), found
    assert len({str(own), *found}) == 4
    assert daemon.docker("run", "--rm", "busybox", "cat", "/proc/keys").stdout == ""


def test_keys_are_refused_by_dockers_filter(daemon: Daemon) -> None:
    words = [word for word in _PYTHON if word not in ("--security-opt", "seccomp=unconfined")]
    assert daemon.docker("run", "--rm", *words, "-c", _KEYRING).stdout == "-1\n"


@pytest.mark.parametrize("verb", ["run", "exec", "attach"])
def test_tiocsti_what_a_container_types_stays_in_its_terminal(daemon: Daemon, box: str, verb: str) -> None:
    """CVE-2017-5226 and its kin: a program pushes input into the terminal that it shares with a shell outside."""
    push = (
        "import fcntl, termios\n"
        "for byte in b'touch /tmp/typed\\n':\n    fcntl.ioctl(0, termios.TIOCSTI, bytes([byte]))\n"
        "try:\n    fcntl.ioctl(0, 0x541C, b'\\x03')\n"
        "except OSError as error:\n    print('TIOCLINUX', error.errno)"
    )
    words = ["-it", *_PYTHON, "-c", push]
    if verb == "exec":
        daemon.docker("run", "-d", "--name", "typist", *_PYTHON[:4], "busybox", "sleep", "1000")
        words = ["-it", "typist", *_PYTHON[5:], "-c", push]
    if verb == "attach":
        daemon.docker("run", "-dit", "--name", "attached", *_PYTHON, "-c", f"input()\n{push}")
        words = ["attached"]
    learner, terminal = pty.openpty()
    pid = os.fork()
    if not pid:
        try:
            os.login_tty(terminal)
            program = [sys.executable, "-m", "kernel_engine.cli.main", verb, *words]
            os.chdir(REPOSITORY)
            os.execve(sys.executable, program, {**os.environ, "DOCKER_HOST": daemon.host})
        finally:
            os._exit(99)
    if verb == "attach":
        os.write(learner, b"go on\n")
    printed = _read_until(learner, b"TIOCLINUX 25")
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, printed
    waiting = ioctl(terminal, termios.FIONREAD, bytes(4))
    assert int.from_bytes(waiting, sys.byteorder) == 0, "nothing was typed into the learner's own terminal"
    os.close(learner)
    os.close(terminal)


def test_tiocsti_the_terminal_that_the_engine_was_started_from(busybox_mirror: str) -> None:
    """The engine has it as its controlling terminal, as in a shell: what it starts has not, rights or no rights."""
    push = (
        "import fcntl, os, termios\n"
        "places = [0, 1, 2]\n"
        "try:\n    places.append(os.open('/dev/tty', os.O_RDWR))\n"
        "except OSError as error:\n    print('no terminal', error.errno)\n"
        "for place in places:\n"
        "    try:\n        fcntl.ioctl(place, termios.TIOCSTI, b'x')\n"
        "    except OSError as error:\n        print('refused', error.errno)"
    )
    engines, terminal = pty.openpty()
    begin = ("sh", "-c", f'exec setsid --ctty "$@" <{os.ttyname(terminal)}', "sh", *PROGRAM)
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        running_daemon(Path(directory), (busybox_mirror,), program=begin) as engine,
    ):
        assert engine.process is not None
        assert Path(f"/proc/{engine.process.pid}/stat").read_text().rpartition(")")[2].split()[4] != "0"
        engine.docker("pull", "-q", "busybox")
        said = ["no terminal 6", *["refused 25"] * 3]
        assert engine.out("run", "--rm", "--privileged", *_PYTHON, "-c", push).splitlines() == said
        name = engine.out("run", "-d", *_PYTHON[:4], "busybox", "sleep", "1000")
        assert engine.out("exec", name, *_PYTHON[5:], "-c", push).splitlines() == said
        waiting = ioctl(terminal, termios.FIONREAD, bytes(4))
        assert int.from_bytes(waiting, sys.byteorder) == 0
    os.close(engines)
    os.close(terminal)


def _read_until(descriptor: int, words: bytes) -> bytes:
    found = b""
    while words not in found:
        found += os.read(descriptor, 4096)
    return found


def test_there_is_no_terminal_to_type_into_without_one(daemon: Daemon, box: str) -> None:
    for told in (
        daemon.docker("run", "--rm", "busybox", "sh", "-c", "echo x >/dev/tty", check=False),
        daemon.docker("exec", box, "sh", "-c", "echo x >/dev/tty", check=False),
    ):
        assert "No such device or address" in told.stderr
