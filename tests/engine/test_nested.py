"""A real dockerd, and a swarm of two, in `--privileged` containers: machines that our engine gives to Docker's.

Each has overlay2 on a volume, control groups, a bridge and rules of its own; their overlay networks (VXLAN) cross our
user network. A machine is stopped, killed, paused, cut off and comes back.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import machine_image
from tests.busybox_registry import BUSYBOX, root_tar
from tests.conftest import needs_root
from tests.daemon import SLOWNESS, Daemon, running_daemon

pytestmark = [
    needs_root,
    pytest.mark.skipif(bool(machine_image.missing()), reason=f"needs {', '.join(machine_image.missing())}"),
    pytest.mark.skipif(not shutil.which(BUSYBOX), reason="needs busybox-static"),
]
#: on cgroup v2 the topmost group may hold no process once it gives controllers away (cgroups(7)), nor one that is
#: executed meanwhile
START = """
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    controllers=$(sed -e 's/ / +/g' -e 's/^/+/' /sys/fs/cgroup/cgroup.controllers)
    until echo "$controllers" >/sys/fs/cgroup/cgroup.subtree_control; do
        xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs
    done 2>/dev/null
fi
exec dockerd
"""
PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def cluster(busybox_mirror: str) -> Iterator[Daemon]:
    """Two machines m1 (manager) and m2 (worker), each with a busybox of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="ke-nested-") as directory,
        running_daemon(Path(directory), (busybox_mirror,)) as daemon,
    ):
        image = Path(directory) / "machine.tar"
        image.write_bytes(machine_image.machine_tar())
        daemon.docker("import", "-c", PATH, "-c", "VOLUME /var/lib/docker", str(image), "machine")
        image.write_bytes(root_tar())
        daemon.docker("network", "create", "wire")
        for name in ("m1", "m2"):
            daemon.docker(
                "run", "-d", "--name", name, "--hostname", name, "--privileged", "--network", "wire", "--tmpfs", "/run",
                "-v", f"{image}:/busybox.tar:ro", "machine", "sh", "-c", START,
            )  # fmt: skip
        for name in ("m1", "m2"):
            until(lambda name=name: inside(daemon, name, "docker", "info"), f"dockerd of {name}")  # type: ignore[misc]
            daemon.docker("exec", name, "docker", "import", "/busybox.tar", "busybox:latest")
        yield daemon
        for name in ("m1", "m2"):
            daemon.docker("rm", "-f", "-v", name)
        assert daemon.out("volume", "ls", "-q") == ""


def inside(daemon: Daemon, name: str, *words: str) -> str | None:
    """What it printed; None where it failed."""
    done = daemon.docker("exec", name, *words, check=False)
    return done.stdout if done.returncode == 0 else None


def until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds * SLOWNESS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} seconds"
        time.sleep(0.2)


def test_a_nested_engine_has_what_it_needs(cluster: Daemon) -> None:
    info = cluster.out("exec", "m1", "docker", "info", "--format", "{{.Driver}} {{.CPUSet}} {{.MemoryLimit}}")
    assert info == "overlay2 true true"
    assert "CapEff:" in cluster.out("exec", "m1", "grep", "CapEff", "/proc/self/status")
    shown = cluster.out("exec", "m1", "docker", "run", "--rm", "-m", "64m", "--cpuset-cpus", "0", "busybox", "nproc")
    assert shown == "1"
    cluster.docker("exec", "m1", "docker", "run", "-d", "--name", "web", "-p", "81:80", "busybox",
                   "nc", "-ll", "-p", "80", "-e", "echo", "nested")  # fmt: skip
    assert "PIDS" in cluster.out("exec", "m1", "docker", "stats", "--no-stream", "web")
    assert cluster.out("exec", "m2", "nc", "-w", "5", "m1", "81") == "nested"
    cluster.docker("exec", "m1", "docker", "rm", "-f", "web")


@pytest.mark.full  # always: two machines of tests/labs/test_images.py, and lab 10's four
def test_a_swarm_over_our_network(cluster: Daemon) -> None:
    """Services on both machines talk over VXLAN; a machine that is killed, paused or cut off comes back."""
    cluster.docker("exec", "m1", "docker", "swarm", "init", "--dispatcher-heartbeat", "1s")
    token = cluster.out("exec", "m1", "docker", "swarm", "join-token", "-q", "worker")
    cluster.docker("exec", "m2", "docker", "swarm", "join", "--token", token, "m1:2377")
    cluster.docker("exec", "m1", "docker", "network", "create", "-d", "overlay", "--attachable", "over")
    cluster.docker(
        "exec", "m1", "docker", "service", "create", "--detach", "--name", "web", "--network", "over", "--replicas",
        "2", "--endpoint-mode", "dnsrr", "--no-resolve-image", "--replicas-max-per-node", "1",
        "busybox:latest", "nc", "-ll", "-p", "80", "-e", "hostname",
    )  # fmt: skip
    until(lambda: running(cluster) == 2, "two replicas")
    ask = ("exec", "m1", "docker", "run", "--rm", "--network", "over", "busybox:latest")
    addresses = cluster.out(*ask, "sh", "-c", "nslookup tasks.web | grep -o '10[.][0-9.]*$'").split()
    assert len(set(addresses)) == 2
    answers = {cluster.out(*ask, "nc", "-w", "5", address, "80") for address in addresses}
    assert len(answers) == 2, "one on each machine"

    cluster.docker("stop", "m2")  # dockerd ends its containers and takes its leave
    until(lambda: status(cluster) == "down", "the leave of m2")
    cluster.docker("start", "m2")
    until(lambda: status(cluster) == "ready" and running(cluster) == 2, "m2's second beginning")
    cluster.docker("kill", "m2")
    until(lambda: status(cluster) == "down", "the loss of m2")
    cluster.docker("start", "m2")
    until(lambda: status(cluster) == "ready" and running(cluster) == 2, "m2's return")
    cluster.docker("pause", "m2")
    until(lambda: status(cluster) == "down", "the silence of m2")
    cluster.docker("unpause", "m2")
    until(lambda: status(cluster) == "ready", "m2's awakening")
    cluster.docker("network", "disconnect", "wire", "m2")
    until(lambda: status(cluster) == "down", "the cut of m2")
    cluster.docker("network", "connect", "wire", "m2")
    until(lambda: status(cluster) == "ready", "m2's return to the network")


def running(cluster: Daemon) -> int:
    shown = inside(cluster, "m1", "docker", "service", "ps", "web", "-f", "desired-state=running", "--format",
                   "{{.CurrentState}}")  # fmt: skip
    return (shown or "").count("Running ")


def status(cluster: Daemon) -> str:
    return (inside(cluster, "m1", "docker", "node", "inspect", "m2", "--format", "{{.Status.State}}") or "").strip()


def test_nothing_of_them_is_left(cluster: Daemon) -> None:
    """Groups that a nested engine made go with its container."""
    cluster.docker("rm", "-f", "-v", "m2")
    groups = subprocess.run(
        ["find", "/sys/fs/cgroup", "-path", f"*{cluster.instance.cgroup}/*", "-type", "d", "-name", "[0-9a-f]*"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    owner = cluster.inspect("m1")["Id"]
    assert all(owner in path for path in groups), groups
