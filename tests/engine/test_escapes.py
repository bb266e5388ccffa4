"""Known ways out of a container, tried against the default engine: each is named after what it was once found in.

Those through processes are in test_escapes_of_processes.py; hostile layers in tests/kernel/images; what differs where
containers have users of their own, in test_user_namespaces.py.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import Client
from kernel_engine.client.failures import APIError
from tests.conftest import needs_root
from tests.daemon import Daemon

pytestmark = needs_root
_CORE = Path("/proc/sys/kernel/core_pattern")


def _shell(daemon: Daemon, script: str, *words: str, image: str = "busybox") -> str:
    """What it prints, errors too, however it ends."""
    done = daemon.docker("run", "--rm", *words, image, "sh", "-c", script, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def box(daemon: Daemon) -> str:
    return daemon.docker("run", "-d", "--name", "box", "busybox", "sleep", "1000").stdout.strip()


@contextmanager
def _doing(daemon: Daemon, script: str, *words: str) -> Iterator[str]:
    """A container that does this again and again meanwhile."""
    loop = f"while :; do {script}; done"
    name = daemon.docker("run", "-d", *words, "busybox", "sh", "-c", loop).stdout.strip()
    try:
        yield name
    finally:
        daemon.docker("rm", "-f", name)


def test_cve_2024_21626_a_working_directory_of_the_runtimes(daemon: Daemon, box: str) -> None:
    """A descriptor that the runtime left open would be a directory of the host."""
    client = Client(daemon.host)
    daemon.docker("exec", box, "ln", "-s", "/proc/self/fd/7", "/leaked")
    for path in (*(f"/proc/self/fd/{number}" for number in range(3, 16)), "/leaked"):
        body = {"Cmd": ["cat", "../../../../../../etc/passwd"], "WorkingDir": path, "AttachStdout": True}
        started = client.post(f"/containers/{box}/exec", body=body).json()["Id"]
        with pytest.raises(Exception, match=r"chdir to cwd .* failed|no such file|not a directory"):
            client.post(f"/exec/{started}/start", body={"Detach": True})
    for path in ("/proc/self/fd/7", "/proc/self/fd/8/../../.."):
        refused = daemon.docker("run", "--rm", "-w", path, "busybox", "cat", "/etc/passwd", check=False)
        assert refused.returncode and "root:" not in refused.stdout
        dockerfile = (
            f"FROM busybox\nWORKDIR {path}\nRUN cat ../../../../../../etc/passwd && touch {path}/../../reached\n"
        )
        built = daemon.docker("build", "-", input=dockerfile, check=False)
        assert built.returncode and "root:" not in built.stdout + built.stderr
        image = daemon.docker("build", "-q", "-", input=f"FROM busybox\nWORKDIR {path}\n", check=False).stdout.strip()
        if image:
            again = daemon.docker("run", "--rm", image, "cat", "../../../../../../etc/passwd", check=False)
            assert "root:" not in again.stdout


@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.full)])
def test_cve_2018_15664_a_link_that_is_swapped_during_cp(daemon: Daemon, tmp_path: Path, times: int) -> None:
    marker = f"ke-escape-{os.getpid()}"
    (tmp_path / marker).write_text("from outside")
    swap = f"rm -rf /place; ln -s / /place; rm /place; mkdir -p /place{tmp_path}; touch /place{tmp_path}/x"
    with _doing(daemon, swap) as name:
        for _ in range(times):
            out = daemon.docker("cp", f"{name}:/place{tmp_path}/{marker}", "-", check=False)
            assert "from outside" not in out.stdout
            daemon.docker("cp", str(tmp_path / marker), f"{name}:/place/tmp/", check=False)
    assert not Path(f"/tmp/{marker}").exists()


def test_cve_2019_14271_libraries_of_the_container_during_cp(daemon: Daemon, tmp_path: Path) -> None:
    script = """
        for place in /lib /lib64 /usr/lib /lib/x86_64-linux-gnu /lib/aarch64-linux-gnu; do
            mkdir -p $place
            for name in libnss_files.so.2 libnss_dns.so.2 libc.so.6 libresolv.so.2; do echo bad >$place/$name; done
        done
        echo 'passwd: files dns' >/etc/nsswitch.conf; echo 'me:x:7:8::/:/bin/sh' >/etc/passwd; sleep 1000"""
    name = daemon.docker("run", "-d", "busybox", "sh", "-c", script).stdout.strip()
    (tmp_path / "file").write_text("whole")
    daemon.docker("cp", "-a", str(tmp_path / "file"), f"{name}:/file")
    daemon.docker("cp", f"{name}:/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "whole"
    daemon.docker("rm", "-f", name)


@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.full)])
def test_cve_2021_30465_a_mount_target_that_is_a_link(daemon: Daemon, times: int) -> None:
    place = f"ke-escape-{os.getpid()}"
    _shell(daemon, "cd /v; ln -sfn / root; ln -sfn ../../../../../.. up; mkdir -p real", "-v", "linked:/v")
    for name in ("root", "up"):
        mount = ("--mount", f"type=tmpfs,dst=/v/{name}/{place}")
        told = _shell(daemon, f"grep {place} /proc/mounts", "-v", "linked:/v", *mount)
        assert f" /{place} tmpfs" in told, "it ends at the container's own root"
    swap = "mv /v/real /v/r; ln -s /proc/1/root /v/real; rm /v/real; mv /v/r /v/real"
    with _doing(daemon, swap, "-v", "linked:/v"):
        for _ in range(times):
            mount = ("--mount", f"type=tmpfs,dst=/v/real/{place}")
            told = _shell(daemon, "cat /v/real/etc/passwd", "-v", "linked:/v", *mount)
            assert "root:" not in told
    assert not os.path.lexists(f"/{place}")
    assert place not in Path("/proc/self/mountinfo").read_text()


def test_cve_2025_31133_something_else_for_the_null_that_masks(daemon: Daemon) -> None:
    before = _CORE.read_text()
    _shell(daemon, f"ln -s {_CORE} /v/null", "-v", "devices:/v")
    told = _shell(daemon, f"echo '|/bin/x' >{_CORE}; cat /proc/keys /proc/timer_list", "-v", "devices:/dev")
    assert "0x" not in told, "a masked file shows nothing"
    assert _CORE.read_text() == before


@pytest.mark.full
def test_cve_2025_31133_and_52565_what_masks_and_the_console_are_swapped(daemon: Daemon) -> None:
    """By a container that has the same /dev, while others start on it."""
    before = _CORE.read_text()
    swap = f"""
        rm -f /v/null; ln -s {_CORE} /v/null; rm -f /v/null; mknod /v/null c 1 3; rm -f /v/null; : >/v/null
        rm -f /v/console; ln -s {_CORE} /v/console; rm -f /v/console; : >/v/console; mkdir -p /v/pts"""
    with _doing(daemon, swap, "-v", "swapped:/v"):
        for _ in range(60):
            script = f"cat /proc/keys /proc/timer_list; echo '|/bin/x' >{_CORE}; echo '|/bin/x' >/dev/console"
            told = _shell(daemon, script, "-v", "swapped:/dev")
            assert "0x" not in told, "a masked file shows nothing"
            _shell(daemon, script, "-t", "-v", "swapped:/dev")
    assert _CORE.read_text() == before


def test_cve_2025_52565_a_console_that_is_a_link(daemon: Daemon) -> None:
    before = _CORE.read_text()
    _shell(daemon, f"ln -s {_CORE} /v/console; mkdir /v/pts", "-v", "console:/v")
    _shell(daemon, f"echo '|/bin/x' >{_CORE}", "-t", "-v", "console:/dev")
    assert _CORE.read_text() == before


def test_cve_2025_52881_a_proc_of_ones_own(daemon: Daemon) -> None:
    """What the runtime writes to /proc (labels, settings) would go where the container's links lead."""
    before = Path("/proc/sys/net/core/somaxconn").read_text()
    _shell(daemon, "mkdir -p /v/sys/net/core; ln -s /proc/sysrq-trigger /v/sys/net/core/somaxconn", "-v", "proc:/v")
    told = _shell(daemon, "true", "-v", "proc:/proc", "--sysctl", "net.core.somaxconn=33")
    assert '"/proc" cannot be mounted because it is not of type proc' in told
    assert Path("/proc/sys/net/core/somaxconn").read_text() == before


@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.full)])
def test_cve_2025_52881_nothing_is_written_to_a_containers_proc(daemon: Daemon, times: int) -> None:
    """Labels of Linux security modules, scores and settings: all links of this /proc lead to one file."""
    files = "attr/current attr/exec attr/fscreate attr/keycreate attr/sockcreate attr/apparmor/exec oom_score_adj"
    furnish = f"""
        touch /written; chmod 666 /written; mount -t tmpfs none /proc; cd /proc
        mkdir -p self/attr/apparmor sys/net/core sys/net/ipv4
        for name in {files}; do ln -s /written self/$name; done
        ln -s self thread-self; ln -s self 1
        for name in core/somaxconn ipv4/ip_unprivileged_port_start; do ln -s /written sys/net/$name; done
        touch /ready; while :; do mv self s; ln -s s self; rm self; mv s self; done"""
    words = ("--cap-add", "SYS_ADMIN", "--sysctl", "net.core.somaxconn=33", "--oom-score-adj", "100")
    name = daemon.docker("run", "-d", *words, "busybox", "sh", "-c", furnish).stdout.strip()
    end = time.monotonic() + 60
    while daemon.docker("exec", name, "test", "-e", "/ready", check=False).returncode:
        assert time.monotonic() < end
    for _ in range(times):
        daemon.docker("exec", "-t", name, "true")
        daemon.docker("exec", "--privileged", name, "true")
    assert daemon.docker("exec", name, "cat", "/written").stdout == ""
    daemon.docker("rm", "-f", name)


def _refused_settings() -> Iterator[tuple[dict[str, Any], str]]:
    alone, endpoint = "is not in a separate kernel namespace", "com.docker.network.endpoint.sysctls"
    for name in ("kernel.core_pattern", "vm.overcommit_memory", "kernel/core_pattern", "", "fs.suid_dumpable"):
        yield {"HostConfig": {"Sysctls": {name: "1"}}}, f'sysctl "{name}" {alone}'
    yield {"HostConfig": {"Sysctls": {"net./../kernel/core_pattern": "1"}}}, "no such file or directory"
    host = {"Sysctls": {"net.core.somaxconn": "1"}}
    yield {"HostConfig": {**host, "NetworkMode": "host"}}, "not allowed in host network namespace"
    yield {"HostConfig": {**host, "NetworkMode": "container:outside"}}, "not allowed in host network namespace"
    shared = {"Sysctls": {"kernel.shmmni": "1"}, "IpcMode": "host"}
    yield {"HostConfig": shared}, "is not allowed in the hosts ipc namespace"
    for setting in ("kernel.core_pattern=1", "net.ipv4.conf.all.forwarding=0", "net.ipv4.conf.IFNAME.x/../../all/y=0"):
        options = {"EndpointsConfig": {"bridge": {"DriverOpts": {endpoint: setting}}}}
        yield {"NetworkingConfig": options}, "unrecognised network interface sysctl"


def test_settings_of_the_machine_by_way_of_a_container(daemon: Daemon) -> None:
    """The command line refuses most of these itself: other clients do not."""
    watched = [Path(f"/proc/sys/{name}") for name in ("kernel/core_pattern", "net/core/somaxconn", "kernel/shmmni")]
    before = [path.read_text() for path in watched]
    daemon.docker("run", "-d", "--name", "outside", "--network", "host", "busybox", "sleep", "1000")
    for body, sentence in _refused_settings():
        client = Client(daemon.host)
        made = client.post("/containers/create", body={"Image": "busybox", "Cmd": ["true"], **body}).json()["Id"]
        with pytest.raises(APIError, match=re.escape(sentence)):
            client.post(f"/containers/{made}/start").read()
        daemon.docker("rm", "-f", made)
    assert [path.read_text() for path in watched] == before
    daemon.docker("rm", "-f", "outside")


def test_cve_2022_0492_a_release_agent(daemon: Daemon) -> None:
    script = """
        for kind in memory rdma cpuset; do mount -t cgroup -o $kind none /tmp && echo mounted; done
        mount -t cgroup2 none /tmp && echo mounted
        unshare -UrmC mount -t cgroup -o memory none /tmp && echo mounted
        for file in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs); do
            echo 1 >$file && echo written
        done"""
    told = _shell(daemon, script).split()
    assert "mounted" not in told
    assert "written" not in told


def test_cve_2022_23648_a_volume_outside_of_the_image(daemon: Daemon) -> None:
    """What an image has at a VOLUME is copied; the path is the image's word."""
    dockerfile = "FROM busybox\nRUN ln -s / /link && echo mine >/etc/mine\nVOLUME /../../../../etc\nVOLUME /link/root\n"
    daemon.docker("build", "-t", "volumes", "-", input=dockerfile)
    assert "root:" not in _shell(daemon, "cat /etc/passwd /etc/shadow /root/.bashrc", image="volumes")
    assert _shell(daemon, "cat /etc/mine", image="volumes") == "mine\n"


def test_cve_2024_23652_a_links_target_is_not_cleared_away(daemon: Daemon, tmp_path: Path) -> None:
    """Builders take away what they made for a mount; a step may have put a link there meanwhile."""
    (tmp_path / "victim").write_text("still there")
    swap = f"umount /made/by/mount; rm -rf /made; ln -s {tmp_path} /made; true"
    step = f"RUN --mount=type=cache,target=/made/by/mount {swap}"
    daemon.docker("build", "-", input=f"FROM busybox\n{step}\n", check=False)
    assert (tmp_path / "victim").read_text() == "still there"


def test_cve_2020_15257_sockets_without_a_place(daemon: Daemon, box: str) -> None:
    """An abstract socket of the engine's would be open to whoever shares the host's network."""
    seen = daemon.docker("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix").stdout
    assert str(daemon.instance.socket) in seen, "the host's network is what is looked at"
    names = [line.split()[-1] for line in seen.splitlines() if "@" in line]
    assert not [name for name in names if "engine" in name or str(daemon.instance.run) in name]
    assert "@" not in daemon.docker("exec", box, "cat", "/proc/net/unix").stdout


def test_cve_2016_9962_a_process_that_comes_in_is_looked_into(daemon: Daemon) -> None:
    """Before its execve it is still the engine's: its memory, its files, its directories."""
    watch = """for p in /proc/[0-9]*; do
        for l in $p/root $p/cwd $p/exe $p/fd/*; do readlink $l; done; head -c1 $p/mem && echo memory
        done 2>/dev/null | grep -E 'python|engine|memory|/work|/opt|^/tmp' >>/seen"""
    with _doing(daemon, watch, "--security-opt", "seccomp=unconfined") as name:
        for _ in range(5):
            daemon.docker("exec", name, "true")
        assert daemon.docker("exec", name, "cat", "/seen").stdout == ""


def test_device_nodes_of_an_image(daemon: Daemon) -> None:
    disk = os.stat("/").st_dev
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add("/bin/busybox", "bin/sh")
        for name, kind, major, minor in (
            ("memory", tarfile.CHRTYPE, 1, 1),
            ("disk", tarfile.BLKTYPE, os.major(disk), os.minor(disk)),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.devmajor, entry.devminor = kind, 0o666, major, minor
            archive.addfile(entry)
    image = Client(daemon.host).post("/images/create", query={"fromSrc": "-", "repo": "nodes"}, body=buffer.getvalue())
    image.read()
    for name in ("memory", "disk"):
        told = _shell(daemon, f"head -c 16 /{name} >/dev/null; echo $?", image="nodes")
        assert "ot permitted" in told, told
        assert told.split()[0] == "1" or told.split()[-1] == "1"


def test_writes_to_the_machine_through_proc_and_sys(daemon: Daemon) -> None:
    paths = (
        "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
        "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper", "/sys/power/state",
        "/sys/fs/cgroup/cgroup.procs", "/sys/module/kernel/parameters/panic", "/proc/1/oom_score_adj/x",
        "/proc/sys/kernel/hostname", "/proc/sys/kernel/sysrq", "/proc/sys/fs/binfmt_misc/register",
        "/proc/bus/pci/devices",
        "/proc/kcore", "/proc/fs/ext4/x", "/sys/kernel/mm/ksm/run", "/sys/kernel/debug/x", "/sys/firmware/x",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/release_agent",
        "/sys/class/net/lo/mtu", "/sys/bus/pci/rescan", "/sys/devices/system/cpu/cpu1/online", "/proc/mtrr",
        "/proc/1/mem",
    )  # fmt: skip
    script = "".join(f"echo 0 >{path} && echo written;" for path in paths)
    script += (
        "for f in $(find /proc/sys -name 'r*' -type f) /sys/kernel/*; do [ -f $f ] && echo 0 >$f && echo written; done"
    )
    assert "written" not in _shell(daemon, script)
    assert "written" not in _shell(daemon, script, "--cap-add", "SYS_ADMIN", "--cap-add", "DAC_OVERRIDE")
    masked = "for file in /proc/kcore /proc/keys /proc/timer_list; do cat $file 2>/dev/null | head -c 16; done"
    assert _shell(daemon, f"{masked}; ls /sys/firmware") == ""


def test_a_container_that_fills_its_pids(daemon: Daemon, box: str) -> None:
    bomb = "i=0; while [ $i -lt 60 ]; do sleep 30 & i=$((i+1)); done"
    told = _shell(daemon, bomb, "--pids-limit", "20")
    assert "can't fork" in told
    assert daemon.docker("exec", box, "echo", "goes on").stdout == "goes on\n"


def test_a_container_that_fills_its_log(daemon: Daemon) -> None:
    limits = ("--log-opt", "max-size=20k", "--log-opt", "max-file=2")
    flood = "i=0; while [ $i -lt 60 ]; do head -c 5000 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo end"
    name = daemon.docker("run", "-d", *limits, "busybox", "sh", "-c", flood).stdout.strip()
    daemon.docker("wait", name)
    kept = list(Path(daemon.inspect(name)["LogPath"]).parent.glob("*json.log*"))
    assert len(kept) == 2
    assert sum(path.stat().st_size for path in kept) < 60_000
    assert daemon.docker("logs", "--tail", "1", name).stdout == "end\n"
    daemon.docker("rm", name)


def test_a_container_that_fills_memory_as_files(daemon: Daemon) -> None:
    """/dev and /dev/shm have a size of their own (64 MB, as Docker's), and what lies there counts as its memory."""
    script = "for d in /dev /dev/shm; do head -c 70m /dev/zero >$d/fill; stat -c %s $d/fill; rm $d/fill; done"
    told = _shell(daemon, script)
    assert {word for word in told.split() if word.isdigit()} == {str(64 << 20)}
    few = "i=0; while [ $i -lt 20 ] && touch /t/$i 2>/dev/null; do i=$((i+1)); done; echo $i"
    assert _shell(daemon, few, "--tmpfs", "/t:nr_inodes=10") == "9\n", "the directory itself is the tenth"
    held = ("-m", "32m", "--memory-swap", "32m", "--shm-size", "1g")
    told = _shell(daemon, "head -c 200m /dev/zero >/dev/shm/fill; stat -c 'size %s' /dev/shm/fill", *held)
    sizes = [int(line.split()[1]) for line in told.splitlines() if line.startswith("size ")]
    assert all(size <= 32 << 20 for size in sizes), told


def test_the_engines_own_files_are_not_in_reach(daemon: Daemon, box: str) -> None:
    """Neither its socket nor its state, by mounts or names that it gave the container itself."""
    mounts = daemon.docker("exec", box, "cat", "/proc/self/mountinfo").stdout
    below = {line.split()[3] for line in mounts.splitlines() if str(daemon.instance.root) in line.split(" - ")[0]}
    assert {Path(path).name for path in below} <= {"hosts", "hostname", "resolv.conf"}
    found = daemon.docker(
        "exec", box, "find", "/", "-xdev", "-name", "*.sock", "-o", "-xdev", "-name", "engine*"
    ).stdout
    assert found == ""


def test_a_container_that_nests_directories_without_end(daemon: Daemon, box: str) -> None:
    """Deeper than a path or Python's stack: what it made is shown and goes as everything else does."""
    name = daemon.docker("run", "-d", "-v", "nested:/v", "busybox", "sleep", "1000").stdout.strip()
    nest = "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(1100):\n    os.mkdir('deep')\n    os.chdir('deep')\n"
    for place in ("tmp", "v"):
        root = f"/proc/{daemon.inspect(name)['State']['Pid']}/root"
        subprocess.run([sys.executable, "-c", nest, f"{root}/{place}"], check=True)
    assert daemon.docker("diff", name).stdout.startswith("C /tmp\nA /tmp/deep\n")
    daemon.docker("ps", "-as")
    daemon.docker("rm", "-f", name)
    daemon.docker("volume", "rm", "nested")
    assert daemon.docker("exec", box, "echo", "goes on").stdout == "goes on\n"
    assert daemon.process is not None
    daemon.stop()  # also while it is being deleted
    daemon.start()
    end = time.monotonic() + 60
    while list(daemon.instance.staging.glob("trash-*")) and time.monotonic() < end:
        time.sleep(0.05)
    assert not list(daemon.instance.staging.glob("trash-*"))
