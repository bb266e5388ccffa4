"""A class of two on this machine: both come in, each has their own, nothing is left. Real accounts and JupyterHub."""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs.classroom import accounts, network
from labs.classroom.learners import RUN, STATE
from tests.conftest import needs_root

NAMES = ("dltestkim", "dltestpark")
DOCKER = Path(sys.executable).parent / "docker"
PATIENCE = 240.0

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    needs_root,
    pytest.mark.skipif(RUN.exists() or STATE.exists(), reason="this machine has a class of its own"),
]


@dataclass(slots=True)
class Browser:
    """One person's: keeps cookies and follows redirections."""

    base: str
    jar: http.cookiejar.CookieJar

    def open(self, path: str, **form: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with opener.open(f"{self.base}{path}", data, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def log_in(self, name: str, password: str) -> int:
        self.open("/hub/login")
        xsrf = next(cookie.value or "" for cookie in self.jar if cookie.name == "_xsrf")
        return self.open("/hub/login?next=%2Fhub%2Fhome", username=name, password=password, _xsrf=xsrf)[0]

    def lab(self, name: str) -> None:
        """Starts their JupyterLab and waits for it."""
        self.open("/hub/spawn")
        end = time.monotonic() + PATIENCE
        while "JupyterLab" not in self.open(f"/user/{name}/lab")[1]:
            assert time.monotonic() < end, "JupyterLab did not start"
            time.sleep(1)


@dataclass(frozen=True, slots=True)
class Class:
    base: str
    passwords: dict[str, str]
    process: subprocess.Popen[str]

    def browser(self) -> Browser:
        return Browser(self.base, http.cookiejar.CookieJar())


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path_factory.mktemp("class") / "learners"
    file.write_text("\n".join(NAMES))
    words = [sys.executable, "-I", "-m", "labs.cli", "serve", "--learners", str(file), "--port", str(port)]
    process = subprocess.Popen([*words, "--memory", "1g"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said: dict[str, str] = {}
        assert process.stdout is not None
        while set(said) != set(NAMES):
            line = process.stdout.readline()
            assert line, "it ended"
            said |= dict(re.findall(rf"^  ({'|'.join(NAMES)}) +(\S+)$", line))
        base = f"http://127.0.0.1:{port}"
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{base}/hub/login", timeout=10).close()
                break
            except OSError:
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.5)
        yield Class(base, said, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        for name in NAMES:
            subprocess.run(["userdel", "--remove", name], capture_output=True, check=False)
        subprocess.run(["groupdel", accounts.GROUP], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", STATE], check=True)


@pytest.fixture(scope="module")
def both(lesson: Class) -> dict[str, Browser]:
    found = {}
    for name in NAMES:
        found[name] = lesson.browser()
        assert found[name].log_in(name, lesson.passwords[name]) == 200
        found[name].lab(name)
    return found


def as_learner(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Where their terminal is."""
    into = ["nsenter", f"--net=/run/netns/dl-{name}", "runuser", "-u", name, "--"]
    return subprocess.run([*into, *words], capture_output=True, text=True, check=False)


def docker(name: str, whose: str, *words: str) -> subprocess.CompletedProcess[str]:
    return as_learner(name, "env", f"DOCKER_HOST=unix://{RUN}/{whose}/engine.sock", str(DOCKER), *words)


def test_a_wrong_password_lets_nobody_in(lesson: Class) -> None:
    first, second = NAMES
    assert lesson.browser().log_in(first, lesson.passwords[second]) == 403
    assert lesson.browser().log_in("root", "") == 403


def test_each_has_an_engine_and_not_the_others(both: dict[str, Browser]) -> None:
    for name, other in (NAMES, NAMES[::-1]):
        done = docker(name, name, "ps")
        assert done.returncode == 0, done.stderr
        assert "permission denied" in docker(name, other, "ps").stderr


def test_an_engine_of_the_class_is_restricted(both: dict[str, Browser]) -> None:
    name = NAMES[0]
    assert docker(name, name, "create", "--privileged", "busybox").returncode != 0
    assert docker(name, name, "create", "-v", "/etc:/etc2", "busybox").returncode != 0


def test_nobody_reads_another_home_or_jupyterlab(both: dict[str, Browser]) -> None:
    first, second = NAMES
    assert as_learner(first, "ls", f"/home/{second}").returncode != 0
    assert both[first].open(f"/user/{second}/api/contents")[0] == 403
    assert both[first].open(f"/user/{first}/api/contents")[0] == 200


def test_nobody_reaches_another_or_this_machine(lesson: Class, both: dict[str, Browser]) -> None:
    first, _ = NAMES
    addresses = {name: _address(name) for name in NAMES}
    gateway = addresses[first].rpartition(".")[0] + ".1"
    reach = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"
    hosts_port = lesson.base.rpartition(":")[2]
    assert as_learner(first, "/usr/bin/python3", "-c", reach, gateway, str(network.HUB_PORT)).returncode == 0
    assert as_learner(first, "/usr/bin/python3", "-c", reach, gateway, hosts_port).returncode != 0
    assert as_learner(first, "/usr/bin/python3", "-c", reach, addresses[NAMES[1]], "8888").returncode != 0


def _address(name: str) -> str:
    shown = subprocess.run(["ip", "-netns", f"dl-{name}", "-4", "-brief", "address", "show", "eth0"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    return shown.stdout.split()[2].partition("/")[0]


def test_jupyterlab_has_its_limits(both: dict[str, Browser]) -> None:
    for name in NAMES:
        [pid, *_] = subprocess.run(
            ["pgrep", "-u", name, "-f", "singleuser"], capture_output=True, text=True, check=True
        ).stdout.split()
        assert f"docker-labs-{name}" in Path(f"/proc/{pid}/cgroup").read_text()
        assert os.stat(f"/proc/{pid}").st_uid != 0


def test_files_are_closed(both: dict[str, Browser]) -> None:
    for name in NAMES:
        assert Path(f"/home/{name}").stat().st_mode & 0o077 == 0
        assert (RUN / name / "engine.sock").stat().st_mode & 0o007 == 0
    for secret in ("passwords", "cookie_secret", "jupyterhub.sqlite"):
        assert (STATE / secret).stat().st_mode & 0o077 == 0, secret


def test_a_class_that_ends_leaves_nothing_running(lesson: Class, both: dict[str, Browser]) -> None:
    """The last: it ends the class."""
    lesson.process.send_signal(signal.SIGTERM)
    lesson.process.wait(PATIENCE)
    assert lesson.process.returncode == 0
    assert not RUN.exists()
    for name in NAMES:
        assert subprocess.run(["pgrep", "-u", name], capture_output=True, check=False).returncode == 1
        assert not Path(f"/run/netns/dl-{name}").exists()
    shown = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    assert "dl-c" not in shown
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert network.TABLE not in tables
