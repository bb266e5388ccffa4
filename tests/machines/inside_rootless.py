"""What a machine with systemd is asked of an ordinary user's engine: his sessions, his manager, and what they give him.

Run by the machine's script as root; the user is real, and so are his logins (logind through PAM), his manager
(user@UID.service) and its units. The tests are one story, in this order. Lines of result as `inside_cgroup_v2` prints
them.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.runtime import cgroups
from tests.busybox_registry import registry
from tests.daemon import SLOWNESS
from tests.engine.test_rootless import SERVER, eventually, fetch
from tests.machines.inside_cgroup_v2 import Reporter

USER = "learner"
PORT = 8080
GROUPS = Path(cgroups.ROOT)
ALONE = ("run", "--rm", "--network", "none")


def uid() -> int:
    return pwd.getpwnam(USER).pw_uid


def runtime_directory() -> Path:
    return Path("/run/user", str(uid()))


def managers_group() -> Path:
    return GROUPS / f"user.slice/user-{uid()}.slice/user@{uid()}.service"


def as_user(*words: str) -> tuple[str, ...]:
    """A command of his, with what a login gives him, in whatever group this process stands."""
    runtime = runtime_directory()
    variables = (
        f"HOME=/home/{USER}", f"XDG_RUNTIME_DIR={runtime}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus",
        f"PATH={os.environ['PATH']}", "LANG=C.UTF-8", "DOCKER_LABS_LANG=off",
    )  # fmt: skip
    return ("runuser", "-u", USER, "--", "env", "-i", "-C", "/", *variables, *words)


def ask(*words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout * SLOWNESS)


def docker(*words: str, status: int = 0, timeout: float = 60) -> str:
    """As he types it: it finds his engine by itself."""
    done = ask(*as_user("docker", *words), timeout=timeout)
    assert done.returncode == status, f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip() or done.stderr.strip()


def answers() -> bool:
    return ask(*as_user("docker", "version")).returncode == 0


def daemon() -> int:
    """The process of `kernel-engine serve` that is his; 0 = there is none."""
    done = ask("pgrep", "-u", USER, "-f", "kernel_engine.daemon serve|kernel-engine serve")
    return int(done.stdout.split()[-1]) if done.stdout.split() else 0


def group_of(pid: int) -> Path:
    return GROUPS / Path(f"/proc/{pid}/cgroup").read_text().strip().partition("::/")[2]


def containers_group(container: str) -> Path:
    """As the kernel says it of the container's first process."""
    return group_of(int(docker("inspect", "-f", "{{.State.Pid}}", container)))


def linger(*, on: bool) -> None:
    subprocess.run(["loginctl", "enable-linger" if on else "disable-linger", USER], check=True)
    if on:
        assert eventually((runtime_directory() / "bus").exists)


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    with registry() as address:
        yield address


@pytest.fixture(scope="module", autouse=True)
def user() -> None:
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", USER], check=True)
    linger(on=True)


def start_as_unit(mirror: str) -> None:
    words = ("systemd-run", "--user", "--quiet", "--collect", "--unit=engine", "--property=KillMode=process")
    done = ask(*as_user(*words, "--", shutil.which("kernel-engine") or "", "serve", "--registry-mirror", mirror))
    assert done.returncode == 0, done.stderr
    assert eventually(answers)


def stop_unit() -> None:
    subprocess.run(as_user("systemctl", "--user", "stop", "engine.service"), check=True)
    assert eventually(lambda: not daemon())


def test_the_doctor_is_content() -> None:
    done = ask(*as_user("systemd-run", "--user", "--scope", "--quiet", "kernel-engine", "doctor", "--rootless"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_login_sessions_engine_has_no_groups_and_says_so(mirror: str) -> None:
    path = os.environ["PATH"]
    login = ("systemd-run", "--quiet", "--collect", "--unit=login", f"--uid={USER}", "--property=PAMName=login")
    serve = f"PATH={path} exec kernel-engine serve --registry-mirror {mirror}"
    subprocess.run([*login, "--", "/bin/sh", "-c", serve], check=True)
    try:
        assert eventually(answers), ask("journalctl", "-u", "login").stdout[-2000:]
        assert re.fullmatch(r"session-\w+\.scope", group_of(daemon()).name)
        assert docker("info", "-f", "{{.CgroupDriver}}") == "none"
        docker("pull", "busybox", timeout=300)
        done = ask(*as_user("docker", *ALONE, "-m", "32m", "busybox", "echo", "ran"))
        assert done.stdout == "ran\n"
        assert "memory limit" in done.stderr.lower()
    finally:
        subprocess.run(["systemctl", "stop", "login.service"], check=True)
        ask("pkill", "-TERM", "-u", USER, "-f", "kernel.engine.*serve")
    assert eventually(lambda: not daemon())
    assert ask(*as_user("kernel-engine", "cleanup", "--all")).returncode == 0


def test_a_scope_of_his_manager_has_groups(mirror: str) -> None:
    serve = ("kernel-engine", "serve", "--registry-mirror", mirror)
    words = as_user("systemd-run", "--user", "--scope", "--quiet", *serve)
    subprocess.run(["sh", "-c", '"$@" >/tmp/scope.log 2>&1 </dev/null &', "sh", *words], check=True)
    assert eventually(answers), Path("/tmp/scope.log").read_text()
    assert managers_group() in group_of(daemon()).parents
    assert docker("info", "-f", "{{.CgroupDriver}} {{.CgroupVersion}}") == "cgroupfs 2"
    docker("pull", "busybox", timeout=300)


def test_limits_hold() -> None:
    limit = ("-m", "32m", "--memory-swap", "32m")
    assert docker(*ALONE, *limit, "busybox", "cat", "/sys/fs/cgroup/memory.max") == f"{32 << 20}"
    docker("run", "--name", "eater", *limit, "busybox", "sh", "-c", "head -c 100m /dev/zero | tail", status=137)
    assert docker("inspect", "-f", "{{.State.OOMKilled}}", "eater") == "true"
    docker("rm", "eater")
    assert docker(*ALONE, "--cpus", "0.5", "busybox", "cat", "/sys/fs/cgroup/cpu.max") == "50000 100000"
    assert docker(*ALONE, "--pids-limit", "20", "busybox", "cat", "/sys/fs/cgroup/pids.max") == "20"


def test_a_container_stands_beside_the_unit_and_is_updated_and_paused() -> None:
    docker("run", "-d", "--name", "web", "-p", f"{PORT}:80", "--pids-limit", "50", "busybox", "sh", "-c", SERVER)
    group = containers_group("web")
    assert group.parent.parent == managers_group()
    assert group_of(daemon()) not in group.parents
    assert (group / "pids.max").read_text() == "50\n"
    docker("update", "-m", "64m", "--memory-swap", "64m", "web")
    assert (group / "memory.max").read_text() == f"{64 << 20}\n"
    docker("pause", "web")
    assert (group / "cgroup.freeze").read_text() == "1\n"
    docker("unpause", "web")
    assert eventually(lambda: fetch(PORT) == "hello")


def test_a_name_on_a_network_of_his() -> None:
    docker("network", "create", "own")
    docker("network", "connect", "own", "web")
    assert docker("run", "--rm", "--network", "own", "busybox", "wget", "-qO-", "http://web/") == "hello"


def test_a_killed_daemons_container_is_the_next_ones_in_whatever_unit(mirror: str) -> None:
    group = containers_group("web")
    os.kill(daemon(), 9)
    assert eventually(lambda: not daemon())
    assert fetch(PORT) == "hello"
    start_as_unit(mirror)
    assert group_of(daemon()).name == "engine.service"
    assert containers_group("web") == group
    assert docker("exec", "web", "cat", "/sys/fs/cgroup/pids.max") == "50"
    stop_unit()
    assert fetch(PORT) == "hello", "a unit that stops takes its daemon with it, and nobody's container"
    start_as_unit(mirror)
    assert docker(*ALONE, "-m", "32m", "busybox", "cat", "/sys/fs/cgroup/memory.max") == f"{32 << 20}"


def test_a_log_out_ends_everything_and_the_next_login_finds_it_whole(mirror: str) -> None:
    """Without linger his manager ends with his last session, and /run/user/UID, where the engine lives, is gone."""
    linger(on=False)
    subprocess.run(["loginctl", "terminate-user", USER], check=False)
    assert eventually(lambda: not runtime_directory().exists() and not _processes()), _processes()
    linger(on=True)
    start_as_unit(mirror)
    assert docker("ps", "-a", "--format", "{{.Names}} {{.State}}") == "web exited"
    docker("start", "web")
    assert eventually(lambda: fetch(PORT) == "hello")
    assert docker("run", "--rm", "--network", "own", "busybox", "wget", "-qO-", "http://web/") == "hello"


def test_cleanup_leaves_nothing() -> None:
    """In a shell of root's, where nothing is the user's, and when all of the engine has been killed."""
    stop_unit()
    assert fetch(PORT) == "hello"
    subprocess.run(["pkill", "-KILL", "-u", USER, "-f", "kernel_engine"], check=True)
    assert eventually(lambda: not fetch(PORT))
    done = ask(*as_user("kernel-engine", "cleanup", "--all"))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in managers_group().glob("kernel-engine*")] in ([], ["kernel-engine.others"])
    assert not (Path("/home") / USER / ".local/share/kernel-engine").exists()
    assert not (runtime_directory() / "kernel-engine").exists()
    left = [line for line in _processes() if "engine" in line or "slirp4netns" in line]
    assert not left, left


def _processes() -> list[str]:
    """What runs as him or as one of his ids."""
    own = uid()
    first = int(re.findall(rf"^{USER}:(\d+):", Path("/etc/subuid").read_text(), re.M)[0])
    lines = ask("ps", "-eo", "uid,pid,args", "--no-headers").stdout.splitlines()
    return [line for line in lines if (number := int(line.split()[0])) == own or first <= number < first + 65536]


def main() -> int:
    options = ("-p", "no:cacheprovider", "--tb=short", "-q")
    return int(pytest.main([*options, __file__], plugins=[Reporter()]))


if __name__ == "__main__":
    sys.exit(main())
