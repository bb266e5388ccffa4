"""What the machine's script runs: checks of the installed engine under systemd and cgroup v2, one line of result each.

Standard library only, by the machine's own python3, after `./lab up`. `inside.py before` runs until the reboot,
`inside.py after` from then on, `inside.py down` once `./lab down` has run, `inside.py once_more` after another
`up`; `inside.py first_lab`, `ordinary` and `offline` are other machines'. The tests beside this file read the lines
`check NAME ok|failed SECONDS reason`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DOCKER = "/opt/docker-labs/venv/bin/docker"
SOCKET = "/run/kernel-engine/engine.sock"
CGROUPS = Path("/sys/fs/cgroup")
ENGINE = "kernel-engine.service"
UNITS = ("docker-labs-hub.service", "docker-labs-maker.service", ENGINE, "docker-labs-jupyter.service")
HUB_IMAGES = ("busybox", "debian:bookworm", "debian:trixie", "debian")
#: prints a number five times a second until /done appears, then ends with 7
COUNTER = "i=0; while [ ! -e /done ]; do echo $i; i=$((i+1)); sleep 0.2; done; exit 7"

Check = Callable[[], None]


def run(*words: str, status: int | None = 0, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """The command's end; `status` None = any."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done


def docker(*words: str, status: int | None = 0, timeout: float = 300) -> str:
    return run(DOCKER, *words, status=status, timeout=timeout).stdout.strip()


def state(name: str, template: str) -> str:
    return docker("inspect", "--format", template, name)


def unit(word: str) -> str:
    return run("systemctl", "show", "--property", word, "--value", ENGINE).stdout.strip()


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not after {seconds:.0f} s"
        time.sleep(0.1)


def engine_answers() -> bool:
    return run(DOCKER, "version", status=None).returncode == 0


def group_of(name: str) -> Path:
    """The container's cgroup, as the kernel tells it of its first process."""
    pid = state(name, "{{.State.Pid}}")
    return CGROUPS / Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::/")


@contextmanager
def container(name: str, *words: str) -> Iterator[str]:
    docker("run", "-d", "--name", name, *words)
    try:
        yield name
    finally:
        docker("rm", "-f", name)


def numbers(name: str) -> list[int]:
    return [int(line) for line in docker("logs", name).splitlines()]


def assert_whole(name: str) -> None:
    """The counter's log has every number once, in order."""
    seen = numbers(name)
    assert seen == list(range(len(seen))), f"the log has holes: {seen}"


# set-up -------------------------------------------------------------------------------------------------------------
def check_set_up() -> None:
    for name in UNITS:
        assert run("systemctl", "is-active", name, status=None).stdout.strip() == "active", name
        assert run("systemctl", "is-enabled", name, status=None).stdout.strip() == "enabled", name
    shown = docker("info", "--format", "{{.CgroupVersion}} {{.CgroupDriver}}")
    assert shown == "2 cgroupfs", shown
    assert run("runuser", "-u", "learner", "--", DOCKER, "run", "--rm", "busybox", "echo", "me").stdout == "me\n"
    assert run("runuser", "-u", "nobody", "--", DOCKER, "ps", status=None).returncode != 0, "anyone may use the socket"


def check_jupyter_answers() -> None:
    address = run("/root/docker-labs/lab", "status").stdout.split()[-1]
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert b"jupyter" in answer.read().lower()


def check_doctor_is_content() -> None:
    run("/opt/docker-labs/venv/bin/kernel-engine", "doctor")


def check_hub_images() -> None:
    for image in HUB_IMAGES:
        assert docker("run", "--rm", image, "echo", "hello") == "hello", image
    assert "VERSION_CODENAME=bookworm" in docker("run", "--rm", "debian:bookworm", "cat", "/etc/os-release")


def check_an_image_is_made_on_first_need() -> None:
    assert docker("run", "--rm", "labs/jq", "-n", "1+1", timeout=600) == "2"


def check_network() -> None:
    fetched = docker("run", "--rm", "debian:bookworm", "apt-get", "update", timeout=600)
    assert "Reading package lists" in fetched, fetched


# limits -------------------------------------------------------------------------------------------------------------
def check_cgroup_namespace() -> None:
    script = "cat /proc/self/cgroup; stat -f -c %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers"
    place, kind, controllers = docker("run", "--rm", "debian:bookworm", "sh", "-c", script).splitlines()
    assert (place, kind) == ("0::/", "cgroup2fs"), (place, kind)
    assert {"memory", "cpu", "pids", "cpuset", "io"} <= set(controllers.split()), controllers
    refused = run(DOCKER, "run", "--rm", "busybox", "mkdir", "/sys/fs/cgroup/mine", status=None)
    assert refused.returncode == 1 and "Read-only" in refused.stderr, refused


def check_memory_limit_kills() -> None:
    words = ("run", "--name", "hungry", "-m", "32m", "debian:bookworm", "sh", "-c", "exec tail /dev/zero")
    try:
        docker(*words, status=137)
        assert state("hungry", "{{.State.OOMKilled}} {{.State.ExitCode}}") == "true 137"
    finally:
        docker("rm", "-f", "hungry")
    with container("modest", "-m", "32m", "busybox", "sleep", "600") as name:
        assert (group_of(name) / "memory.max").read_text() == "33554432\n"
        assert (group_of(name) / "memory.swap.max").read_text() == "33554432\n"
    assert docker("run", "--rm", "-m", "64m", "busybox", "true") == ""


def check_cpus() -> None:
    with container("slow", "--cpus", "0.25", "busybox", "sh", "-c", "while :; do :; done") as name:
        group = group_of(name)
        assert (group / "cpu.max").read_text() == "25000 100000\n"

        def counted(word: str) -> int:
            return int(re.findall(rf"^{word} (\d+)", (group / "cpu.stat").read_text(), re.M)[0])

        before, began = counted("usage_usec"), time.monotonic()
        time.sleep(3)
        share = (counted("usage_usec") - before) / 1e6 / (time.monotonic() - began)
        assert share < 0.4, f"it used {share:.0%} of a processor"
        assert counted("nr_throttled") > 0


def check_pids_limit() -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 60 & done; wait"
    crowd = run(DOCKER, "run", "--rm", "--pids-limit", "8", "busybox", "sh", "-c", script, status=None)
    assert crowd.returncode != 0 and "can't fork" in crowd.stderr, crowd
    with container("few", "--pids-limit", "8", "busybox", "sleep", "600") as name:
        assert (group_of(name) / "pids.max").read_text() == "8\n"


def check_other_limits() -> None:
    words = ("--cpuset-cpus", "0", "--cpu-shares", "512", "--memory-reservation", "16m")
    with container("bound", *words, "busybox", "sleep", "600") as name:
        read = [(group_of(name) / file).read_text().strip() for file in ("cpuset.cpus", "cpu.weight", "memory.low")]
        assert read == ["0", "20", "16777216"], read


def check_pause() -> None:
    with container("still", "busybox", "sh", "-c", COUNTER) as name:
        until(lambda: len(numbers(name)) > 2, "it counts")
        docker("pause", name)
        assert "frozen 1" in (group_of(name) / "cgroup.events").read_text()
        assert state(name, "{{.State.Status}}") == "paused"
        before = numbers(name)
        time.sleep(1.5)
        assert numbers(name) == before, "it counts while it is paused"
        refused = run(DOCKER, "exec", name, "true", status=None)
        assert refused.returncode == 1 and "is paused, unpause the container before exec" in refused.stderr, refused
        docker("unpause", name)
        until(lambda: len(numbers(name)) > len(before) + 2, "it counts again")
        docker("pause", name)
        docker("kill", name)
        until(
            lambda: state(name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 137", "a paused one can be killed"
        )


# devices and rights -------------------------------------------------------------------------------------------------
_DISK = os.stat("/dev/vda") if Path("/dev/vda").exists() else None


def _disk() -> str:
    assert _DISK is not None, "the machine has no /dev/vda"
    return f"mknod /disk b {os.major(_DISK.st_rdev)} {os.minor(_DISK.st_rdev)} && head -c 1 /disk | wc -c"


def check_device_rules() -> None:
    for script in (_disk(), "mknod /log c 1 11 && head -c 1 /log | wc -c"):
        refused = run(DOCKER, "run", "--rm", "busybox", "sh", "-c", script, status=None)
        assert refused.stdout == "0\n" and "Operation not permitted" in refused.stderr, refused
    # what Docker allows: its own nodes, and making (not opening) others
    usual = "head -c 1 /dev/zero | wc -c; echo x >/dev/null; head -c 1 /dev/urandom | wc -c; head -c1 /dev/full | wc -c"
    assert docker("run", "--rm", "busybox", "sh", "-c", usual).split() == ["1", "1", "1"]
    assert docker("run", "--rm", "-t", "busybox", "sh", "-c", "echo x >/dev/tty; tty").split() == ["x", "/dev/pts/0"]


def check_privileged() -> None:
    script = f"{_disk()}; grep CapEff /proc/self/status; mkdir /m && mount -t tmpfs none /m && echo mounted"
    read, held, mounted = docker("run", "--rm", "--privileged", "busybox", "sh", "-c", script).splitlines()
    every = (1 << int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1) - 1
    assert (read, int(held.split()[1], 16), mounted) == ("1", every, "mounted")


def check_oom_score_is_not_the_engines() -> None:
    """The unit protects the engine from the OOM killer; what runs in containers must not be protected with it."""
    assert Path(f"/proc/{unit('MainPID')}/oom_score_adj").read_text() == "-500\n"
    assert docker("run", "--rm", "busybox", "cat", "/proc/self/oom_score_adj") == "0"
    assert docker("run", "--rm", "--oom-score-adj", "300", "busybox", "cat", "/proc/self/oom_score_adj") == "300"


# exec ---------------------------------------------------------------------------------------------------------------
def check_exec() -> None:
    with container("home", "-m", "64m", "busybox", "sleep", "600") as name:
        assert docker("exec", name, "cat", "/proc/self/cgroup") == "0::/"
        docker("exec", name, "sh", "-c", "exit 5", status=5)
        docker("exec", "-d", name, "sleep", "500")
        assert len((group_of(name) / "cgroup.procs").read_text().split()) == 2
        assert docker("exec", "-t", name, "tty") == "/dev/pts/0"


def check_exec_beside_own_groups() -> None:
    """A container that enables controllers for groups of its own: its topmost group takes no process any more."""
    script = (
        "cd /sys/fs/cgroup && mkdir inner && echo 1 >inner/cgroup.procs && "
        "echo +memory +pids >cgroup.subtree_control && echo ready && exec sleep 600"
    )
    words = ("--privileged", "--cgroupns", "private", "busybox", "sh", "-c", script)
    with container("nest", *words) as name:
        until(lambda: docker("logs", name) == "ready", "groups of its own")
        assert docker("exec", name, "cat", "/proc/self/cgroup") == "0::/inner"
        group = group_of(name).parent
    until(lambda: not group.exists(), "its groups are removed")


# deaths of the daemon -----------------------------------------------------------------------------------------------
@contextmanager
def _survives(how: Check) -> Iterator[None]:
    """A counter and its attached client go through `how`; the log is whole and the exit code is kept."""
    with container("counter", "busybox", "sh", "-c", COUNTER) as name:
        until(lambda: len(numbers(name)) > 2, "it counts")
        process = state(name, "{{.State.Pid}} {{.State.StartedAt}}")
        # its streams go on; it cannot hear of the exit code from a daemon that is gone, and says so
        words = [DOCKER, "attach", "--no-stdin", name]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as attached:
            time.sleep(2)
            how()
            until(engine_answers, "the engine answers")
            assert state(name, "{{.State.Pid}} {{.State.StartedAt}}") == process, "it is another process"
            assert state(name, "{{.State.Status}}") == "running"
            before = len(numbers(name))
            until(lambda: len(numbers(name)) > before + 3, "it counts on")
            yield
            docker("exec", name, "touch", "/done")
            assert docker("wait", name) == "7"
            until(lambda: state(name, "{{.State.ExitCode}}") == "7", "its exit code")
            assert attached.stdout is not None
            heard = [int(line) for line in attached.stdout.read().split()]
            assert_whole(name)
            assert heard == list(range(heard[0], len(numbers(name)))), f"the attached client missed some: {heard}"


def check_kill_of_the_daemon() -> None:
    def kill() -> None:
        before = unit("MainPID")
        os.kill(int(before), 9)
        until(lambda: unit("MainPID") not in ("0", before) and unit("ActiveState") == "active", "systemd restarts it")

    launcher = run("pgrep", "-x", "ke-launcher").stdout
    with _survives(kill):
        assert run("pgrep", "-x", "ke-launcher").stdout == launcher
        assert docker("run", "--rm", "busybox", "echo", "new") == "new"


def check_restart_of_the_unit() -> None:
    def restart() -> None:
        run("systemctl", "restart", ENGINE)

    with _survives(restart):
        assert docker("run", "--rm", "busybox", "echo", "new") == "new"


def check_an_end_while_the_daemon_is_away() -> None:
    with container("leaving", "busybox", "sh", "-c", f"{COUNTER.replace('exit 7', 'echo 1000; exit 9')}") as name:
        root = Path(f"/proc/{state(name, '{{.State.Pid}}')}/root")
        run("systemctl", "stop", ENGINE)
        (root / "done").touch()
        time.sleep(2)
        assert not root.exists(), "it has not ended"
        run("systemctl", "start", ENGINE)
        until(lambda: state(name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 9", "its exit code")
        seen = numbers(name)
        assert seen[-1] == 1000 and seen[:-1] == list(range(len(seen) - 1)), seen


def check_limits_after_a_restart() -> None:
    """systemd keeps its own idea of which controllers the root has enabled: ours must stay."""
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "docker-labs-jupyter.service")
    enabled = set((CGROUPS / "cgroup.subtree_control").read_text().split())
    assert {"memory", "cpu", "pids", "cpuset", "io"} <= enabled, enabled
    check_memory_limit_kills()


def check_nothing_of_a_container_stays() -> None:
    assert docker("ps", "-aq") == ""
    [group] = CGROUPS.glob("kernel-engine-*")
    until(lambda: not [path for path in group.iterdir() if path.is_dir()], "no container's group")
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if "/var/lib/kernel-engine" in line]
    assert "veth" not in run("ip", "-o", "link", "show", "type", "veth").stdout


# the reboot ---------------------------------------------------------------------------------------------------------
def check_left_for_the_reboot() -> None:
    docker("run", "-d", "--name", "again", "--restart", "always", "busybox", "sh", "-c", "echo up; exec sleep 6000")
    docker("run", "-d", "--name", "once", "busybox", "sleep", "6000")


def check_services_after_the_reboot() -> None:
    for name in UNITS:
        until(lambda name=name: run("systemctl", "is-active", name, status=None).returncode == 0, name)  # type: ignore[misc]
    until(engine_answers, "the engine answers")
    until(lambda: state("again", "{{.State.Status}}") == "running", "--restart always")
    assert docker("logs", "again").split() == ["up", "up"]
    assert state("once", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137"
    assert docker("start", "once") == "once"
    assert docker("run", "--rm", "busybox", "echo", "hello") == "hello"


# the first lab ------------------------------------------------------------------------------------------------------
def as_in_jupyter(*words: str, timeout: float = 3600) -> subprocess.CompletedProcess[str]:
    """The command as a cell's shell would run it: that user, that environment, that folder."""
    given = dict(line.split("=", 1) for line in Path("/etc/docker-labs/jupyter.env").read_text().splitlines())
    folder = given["DOCKER_LABS_WORKSPACE"]
    pairs = [f"{name}={value}" for name, value in given.items()]
    shell = ["sh", "-c", 'cd "$0" && exec "$@"', folder, *words]
    return run("runuser", "-u", given["USER"], "--", "env", "-i", *pairs, *shell, timeout=timeout)


def check_the_first_notebook_runs() -> None:
    """Every cell of it, in a kernel of the learner's; nbclient stops at the first error that no cell expects."""
    command = ("python3", "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", "/tmp")
    as_in_jupyter(*command, "00_what_is_docker/lab.ipynb")


def check_the_first_lab_is_passed() -> None:
    listed = as_in_jupyter("labs", "list").stdout
    [exercises] = [line.split("과제 ")[1].split(", ") for line in listed.splitlines() if line.startswith("00 ")]
    assert exercises
    for name in exercises:
        as_in_jupyter("labs", "solve", "--untried", name)
    shown = as_in_jupyter("labs", "progress").stdout
    assert all(name in shown for name in exercises), shown


# an ordinary user ---------------------------------------------------------------------------------------------------
#: AppArmor's limit for user namespaces of ordinary users: Ubuntu has it since 23.10
LIMIT = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
SOLVING = Path(__file__).resolve().parents[1] / "labs/solving.py"
#: by hand, each solved and done wrong: a name, an overlay, a cgroup (a container in any case), users, capabilities
BY_HAND = {
    "engine/01-1": "이름을 짓지 않음",
    "engine/03-1": "지우지 않음",
    "engine/04-2": "한도가 큼",
    "engine/05-1": "지도를 쓰지 않음",
    "engine/05-2": "capset만 함",
}


def limited() -> bool:
    return LIMIT.exists() and LIMIT.read_text() == "1\n"


def check_doctors_tell_of_apparmors_limit() -> None:
    told = {
        "kernel-engine doctor": run("/opt/docker-labs/venv/bin/kernel-engine", "doctor").stdout,
        "labs doctor": as_in_jupyter("labs", "doctor").stdout,
    }
    for name, text in told.items():
        assert ("AppArmor가 일반 사용자의 사용자 네임스페이스" in text) == limited(), f"{name}: {text}"


def check_rooms_of_the_learner() -> None:
    """Exercises by hand, as the learner: in a room of the kernel's alone, in a container where the kernel refuses."""
    folder, program = Path("/home/learner/rooms"), Path("/home/learner/solving.py")  # /root is for root alone
    program.write_bytes(SOLVING.read_bytes())
    as_in_jupyter("mkdir", "-p", str(folder))
    before = docker("ps", "-aq")
    wanted = [f"{name}={title}" for name, title in BY_HAND.items()]
    asked = as_in_jupyter("python3", "-P", str(program), f"unix://{SOCKET}", str(folder), *wanted)
    told = [json.loads(line) for line in asked.stdout.splitlines()]
    assert len(told) == 2 * len(BY_HAND), asked
    for name, called, answer, contained in told:
        assert answer.startswith("✓" if called == "the solution" else "○"), (name, called, answer)
        assert contained == (limited() or name.startswith("engine/04")), (name, called, contained)
    until(lambda: docker("ps", "-aq") == before, "rooms go with whoever opened them")


# without internet ---------------------------------------------------------------------------------------------------
def check_nobody_is_reached() -> None:
    """The machine has a network card, and nobody behind it."""
    for address in (("1.1.1.1", 80), ("9.9.9.9", 53)):
        try:
            socket.create_connection(address, timeout=5).close()
        except OSError:
            continue
        raise AssertionError(f"{address} answers")


def check_packages_in_containers() -> None:
    """As a learner's cell has it; months after Debian's lists of updates ended to hold."""
    install = "apt-get update && apt-get install -y --no-install-recommends git && git --version"
    assert "git version" in docker("run", "--rm", "debian:bookworm", "sh", "-ec", install, timeout=1800)
    docker("network", "create", "named")
    asked = "apt-get update && apt-get install -y --no-install-recommends curl && curl --version"
    assert "curl 8" in docker("run", "--rm", "--network", "named", "debian:trixie", "sh", "-ec", asked, timeout=1800)
    docker("network", "rm", "named")


def check_a_package_that_is_not_in_the_bundle() -> None:
    script = "apt-get update && apt-get install -y --no-install-recommends sl 2>&1; true"
    shown = docker("run", "--rm", "debian:bookworm", "sh", "-c", script, timeout=1800)
    assert "not in the bundle" in shown, shown


def check_port_80_stays_the_learners() -> None:
    with container("web", "-p", "80:80", "busybox", "sh", "-c", "echo mine >/tmp/i && httpd -f -p 80 -h /tmp"):
        until(lambda: _fetched("http://127.0.0.1/i") == b"mine\n", "the page")
        assert b"Origin: Debian" in _fetched("http://192.0.2.80/debian/dists/bookworm/InRelease")


def _fetched(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


# the end ------------------------------------------------------------------------------------------------------------
def check_down_leaves_nothing() -> None:
    for name in UNITS:
        assert run("systemctl", "is-active", name, status=None).stdout.strip() in ("inactive", "failed"), name
        assert run("systemctl", "is-enabled", name, status=None).stdout.strip() == "disabled", name
    assert leftovers() == []


def check_images_and_containers_are_kept() -> None:
    assert state("again", "{{.State.Status}}") == "running", "--restart always"
    assert docker("images", "-q", "busybox") != ""
    docker("rm", "-f", "again", "once")


def leftovers() -> list[str]:
    """What an engine can leave on a machine: mounts, links, nftables tables, cgroups, namespaces, processes."""
    found = [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if "kernel-engine" in line]
    links = json.loads(run("ip", "-json", "link").stdout)
    found += [f"link {link['ifname']}" for link in links if re.match(r"veth|ke|kernel-engine", link["ifname"])]
    found += [f"nft {line}" for line in run("nft", "list", "tables").stdout.splitlines() if "ke" in line]
    found += [f"cgroup {path}" for path in CGROUPS.rglob("*kernel-engine*")]
    names = Path("/run/netns")
    found += [f"netns {path}" for path in (names.iterdir() if names.exists() else ())]
    for line in run("ps", "-eo", "pid,comm,args").stdout.splitlines():
        if re.search(r"kernel[-_]engine|docker-labs/venv|docker-registry|\bke-", line) and "inside.py" not in line:
            found.append(f"process {line}")
    return found


BEFORE: tuple[Check, ...] = (
    check_set_up, check_jupyter_answers, check_doctor_is_content, check_hub_images,
    check_an_image_is_made_on_first_need, check_network,
    check_cgroup_namespace, check_memory_limit_kills, check_cpus, check_pids_limit, check_other_limits, check_pause,
    check_device_rules, check_privileged, check_oom_score_is_not_the_engines,
    check_exec, check_exec_beside_own_groups,
    check_kill_of_the_daemon, check_restart_of_the_unit, check_an_end_while_the_daemon_is_away,
    check_limits_after_a_restart, check_nothing_of_a_container_stays, check_left_for_the_reboot,
)  # fmt: skip
AFTER: tuple[Check, ...] = (check_services_after_the_reboot,)
DOWN: tuple[Check, ...] = (check_down_leaves_nothing,)
ONCE_MORE: tuple[Check, ...] = (check_images_and_containers_are_kept,)
OFFLINE: tuple[Check, ...] = (
    check_nobody_is_reached, check_packages_in_containers, check_a_package_that_is_not_in_the_bundle,
    check_port_80_stays_the_learners,
)  # fmt: skip
FIRST_LAB: tuple[Check, ...] = (check_the_first_notebook_runs, check_the_first_lab_is_passed)
ORDINARY: tuple[Check, ...] = (
    check_network, check_doctors_tell_of_apparmors_limit, check_rooms_of_the_learner,
)  # fmt: skip
PARTS = {
    "ordinary": ORDINARY,
    "first_lab": FIRST_LAB,
    "offline": OFFLINE,
    "before": BEFORE,
    "after": AFTER,
    "down": DOWN,
    "once_more": ONCE_MORE,
}
ALL: tuple[Check, ...] = BEFORE + AFTER + DOWN + ONCE_MORE


def name_of(check: Check) -> str:
    return check.__name__.removeprefix("check_")


def main(arguments: list[str]) -> int:
    part, *only = arguments
    os.environ["DOCKER_HOST"] = f"unix://{SOCKET}"
    failed = 0
    for check in PARTS[part]:
        if only and name_of(check) not in only:
            continue
        began = time.monotonic()
        try:
            check()
            word, reason = "ok", ""
        except Exception:
            word, reason, failed = "failed", traceback.format_exc().strip().replace("\n", " | "), failed + 1
        print(f"check {name_of(check)} {word} {time.monotonic() - began:.1f} {reason}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
