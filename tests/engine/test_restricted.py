"""`--restrict`: whoever may use the socket of such an engine is not root of this machine by that, through any door."""

from __future__ import annotations

import ctypes
import io
import os
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import Client
from kernel_engine.client.failures import APIError
from kernel_engine.runtime import cgroups
from tests import remapping
from tests.conftest import needs_root
from tests.daemon import Daemon, running_daemon

pytestmark = needs_root
_LEARNER = (1_400_000_001, 1_400_000_002)
_PIDS = 60
_MEMORY = 160 << 20
_RENAME_EXCHANGE, _HERE = 2, -100


class Class:
    """A restricted engine and the folder of its learner, which only the learner and root may enter."""

    def __init__(self, engine: Daemon, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def shell(self, script: str, *words: str) -> str:
        return self.engine.docker("run", "--rm", *words, "busybox", "sh", "-c", script).stdout

    def refused(self, path: str, body: Any, query: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text. 403 is not among the answers that Docker's definition knows for most of these paths."""
        with pytest.raises(APIError) as error:
            Client(self.engine.host).post(path, body=body, query=query)
        return error.value.status, error.value.message


@pytest.fixture(scope="module")
def room(busybox_mirror: str) -> Iterator[Class]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory:
        place = Path(directory)
        remapping.needed(place)
        folder = place / "home" / "work"
        folder.mkdir(parents=True)
        for path in (folder.parent, folder):
            os.chown(path, *_LEARNER)
            path.chmod(0o700)
        words = ["--restrict", "--userns-remap", remapping.USER, "--restrict-binds", str(folder)]
        words += ["--limit-pids", str(_PIDS), "--limit-memory", str(_MEMORY), "--limit-cpus", "0.9"]
        words += ["--limit-containers", "8", "--socket-user", "nobody"]
        with running_daemon(place, (busybox_mirror,), *words, program=remapping.program(place / "etc")) as engine:
            engine.docker("pull", "-q", "busybox")
            yield Class(engine, folder)


@pytest.fixture(scope="module")
def sleeper(room: Class) -> str:
    words = ("run", "-d", "--name", "sleeper", "-v", f"{room.folder}:/work", "busybox", "sleep", "1000")
    return room.engine.docker(*words).stdout.strip()


_HOSTS: list[tuple[dict[str, Any], str]] = [
    ({"Privileged": True}, "--privileged"),
    ({"CapAdd": ["SYS_ADMIN"]}, "--cap-add SYS_ADMIN"),
    ({"CapAdd": ["ALL"]}, "--cap-add ALL"),
    ({"CapAdd": ["CHOWN", "cap_sys_ptrace"]}, "--cap-add SYS_PTRACE"),
    ({"NetworkMode": "host"}, "--network host"),
    ({"PidMode": "host"}, "--pid host"),
    ({"IpcMode": "host"}, "--ipc host"),
    ({"UTSMode": "host"}, "--uts host"),
    ({"UsernsMode": "host"}, "--userns host"),
    ({"CgroupnsMode": "host"}, "--cgroupns host"),
    ({"Devices": [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg"}]}, "--device"),
    ({"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}, "--gpus"),
    ({"DeviceCgroupRules": ["a *:* rwm"]}, "--device-cgroup-rule"),
    ({"CgroupParent": "/"}, "--cgroup-parent"),
    ({"SecurityOpt": ["seccomp=unconfined"]}, "--security-opt seccomp"),
    ({"SecurityOpt": ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']}, "--security-opt seccomp"),
    ({"SecurityOpt": ["apparmor=unconfined"]}, "--security-opt apparmor"),
    ({"SecurityOpt": ["label:disable"]}, "--security-opt label"),
    ({"SecurityOpt": ["systempaths=unconfined"]}, "--security-opt systempaths"),
    ({"Sysctls": {"kernel.core_pattern": "|/bin/sh"}}, "--sysctl kernel.core_pattern"),
    ({"Sysctls": {"net/../kernel/core_pattern": "|/bin/sh"}}, "--sysctl net/../kernel/core_pattern"),
    ({"OomScoreAdj": -1}, "--oom-score-adj below 0"),
    ({"OomKillDisable": True}, "--oom-kill-disable"),
    ({"Ulimits": [{"Name": "rtprio", "Soft": 99, "Hard": 99}]}, "--ulimit rtprio"),
    (
        {"Mounts": [{"Type": "volume", "Target": "/v", "VolumeOptions": {"DriverConfig": {"Options": {"o": "bind"}}}}]},
        "a volume with driver options",
    ),
]


@pytest.mark.parametrize(("asked", "what"), _HOSTS, ids=[str(what) for _, what in _HOSTS])
def test_what_a_container_may_not_have(room: Class, asked: dict[str, Any], what: str) -> None:
    answer = room.refused("/containers/create", {"Image": "busybox", "HostConfig": asked})
    assert answer == (403, f"this engine is restricted: {what} is not allowed")


def test_a_network_of_the_host_by_another_word(room: Class) -> None:
    body = {"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"host": {}}}}
    assert room.refused("/containers/create", body)[0] == 403


@pytest.mark.parametrize("source", ["/", "/etc", "{0}/..", "{0}/../../..", "{0}-too", "/proc/1/root/{0}"])
def test_folders_of_others(room: Class, source: str) -> None:
    path = source.format(room.folder)
    text = f"this engine is restricted: {path} cannot be mounted, only what lies in {room.folder} of this machine can"
    binds = {"Image": "busybox", "HostConfig": {"Binds": [f"{path}:/x"]}}
    mounts = {"Image": "busybox", "HostConfig": {"Mounts": [{"Type": "bind", "Source": path, "Target": "/x"}]}}
    assert room.refused("/containers/create", binds) == room.refused("/containers/create", mounts) == (403, text)


def test_a_mount_that_would_come_back(room: Class) -> None:
    for words in ("rshared", "ro,slave"):
        body = {"Image": "busybox", "HostConfig": {"Binds": [f"{room.folder}:/x:{words}"]}}
        text = "this engine is restricted: bind propagation other than private is not allowed"
        assert room.refused("/containers/create", body) == (403, text)


def test_the_other_doors(room: Class, sleeper: str) -> None:
    options = {"type": "none", "o": "bind", "device": "/etc"}
    volume = "this engine is restricted: a volume with driver options is not allowed"
    assert room.refused("/volumes/create", {"Name": "etc", "DriverOpts": options}) == (403, volume)
    privileged = "this engine is restricted: --privileged is not allowed"
    command = {"Cmd": ["id"], "Privileged": True}
    assert room.refused(f"/containers/{sleeper}/exec", command) == (403, privileged)
    bridge = {"Name": "mine", "Options": {"com.docker.network.bridge.name": "eth0"}}
    assert room.refused("/networks/create", bridge)[0] == 403
    walls = "this engine is restricted: leaving a wall out is not allowed"
    assert room.refused("/kernel-engine/without/user", {"Image": "busybox"}) == (403, walls)
    assert "connected to host network" in room.refused("/networks/host/connect", {"Container": sleeper})[1]
    for path in ("/plugins/pull", "/swarm/init"):
        assert room.refused(path, {})[0] == 501


def test_a_server_that_it_makes_is_as_restricted_and_the_only_one(busybox_mirror: str) -> None:
    words = ("--restrict", "--limit-pids", str(_PIDS), "--socket-user", "61000")
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as place,
        running_daemon(Path(place), (busybox_mirror,), *words) as engine,
    ):
        first = Class(engine, Path(place))
        made = Client(engine.host).post("/kernel-engine/servers", body={"Name": "second"}).json()
        server = Class(Daemon(engine.instance.server("second"), ()), Path(place))
        assert made["Host"] == server.engine.host
        assert os.stat(server.engine.instance.socket).st_uid == 61000
        server.engine.docker("pull", "-q", "busybox")
        assert server.shell("cat /proc/self/uid_map").split()[1] != "0"
        for host in ({"Privileged": True}, {"Binds": ["/etc:/x"]}, {"NetworkMode": "host"}):
            assert server.refused("/containers/create", {"Image": "busybox", "HostConfig": host})[0] == 403
        assert int(_group_file(server, "pids", "pids.max")) == _PIDS
        for most, one in ((1, first), (0, server)):
            text = f"this engine is restricted: no more than {most} other servers are allowed"
            assert one.refused("/kernel-engine/servers", {"Name": "third"}) == (403, text)


def test_its_own_network_may_be_shared_and_gives_no_right_over_it(busybox_mirror: str) -> None:
    words = ("--restrict", "--own-network")
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as place,
        running_daemon(Path(place), (busybox_mirror,), *words) as engine,
    ):
        engine.docker("pull", "-q", "busybox")
        inside = Class(engine, Path(place))
        same = "m=$(cat /sys/class/net/lo/mtu)"  # nothing is changed, should the kernel allow it
        tries = f"{same}; ip link set lo mtu $m; echo $?; echo $m > /sys/class/net/lo/mtu; echo $?"
        script = f"readlink /proc/self/ns/net; cat /proc/self/uid_map; {tries}"
        network, ids, changed, written = inside.shell(script, "--network", "host").splitlines()
        assert network == os.readlink("/proc/self/ns/net") and ids.split()[1] != "0"
        assert changed != "0" and written != "0"
        assert "ok" in engine.docker("build", "--network", "host", "-", input="FROM busybox\nRUN echo ok\n").stdout
        assert inside.refused("/containers/create", {"Image": "busybox", "HostConfig": {"PidMode": "host"}})[0] == 403


def test_top_without_a_selection_shows_the_container_s_own(room: Class, sleeper: str) -> None:
    assert room.engine.out("top", sleeper, "-o", "pid,comm").split()[2:][1::2] == ["sleep"]
    assert room.engine.out("top", sleeper).splitlines()[1].endswith("sleep 1000")


def test_builds(room: Class) -> None:
    for query, text in (
        ({"networkmode": "host"}, "--network host is not allowed"),
        ({"securityopt": "seccomp=unconfined"}, "--security-opt seccomp is not allowed"),
        ({"cgroupparent": "/"}, "--cgroup-parent is not allowed"),
        ({"remote": "ssh://git@server/repository.git"}, "a build context over ssh is not allowed"),
    ):
        answer = room.refused("/build", _context("FROM busybox"), query)
        assert answer == (403, f"this engine is restricted: {text}")
    for line in ("RUN --network=host id", "RUN --security=insecure id"):
        failed = room.engine.docker("build", "-", input=f"FROM busybox\n{line}\n", check=False)
        assert failed.returncode == 1
        assert "is not allowed" in failed.stderr
    built = room.engine.docker("build", "-", input="FROM busybox\nRUN cat /proc/self/uid_map\n").stdout
    assert str(remapping.FIRST) in built


def _context(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_what_a_lab_needs_is_there(room: Class) -> None:
    words = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt", "no-new-privileges", "--memory", "32m"]
    words += ["--ulimit", "nofile=64", "-v", "named:/v", "--tmpfs", "/t"]
    setting = "net.ipv4.ip_unprivileged_port_start"  # Debian 12's kernel shows no net.core to a user namespace
    shown = f"cat /proc/sys/{setting.replace('.', '/')}"
    told = room.shell(f"{shown}; touch /v/x /t/x; grep CapEff /proc/self/status", *words, "--sysctl", f"{setting}=64")
    assert told.split() == ["64", "CapEff:", "0000000000000001"]


def test_the_learners_folder_is_its_owners_on_both_sides(room: Class, sleeper: str) -> None:
    file = room.folder / "mine"
    file.write_text("seen")
    os.chown(file, *_LEARNER)
    file.chmod(0o600)
    work = ("-v", f"{room.folder}:/work")
    assert room.shell("stat -c %u:%g /work/mine; cat /work/mine", *work).split() == ["0:0", "seen"]
    room.shell("touch /work/new; mkdir /work/other; chown 5:6 /work/other", *work)
    assert _owner(room.folder / "new") == _LEARNER
    assert _owner(room.folder / "other") == (remapping.FIRST + 5, remapping.FIRST + 6)
    room.shell("touch /d/x", "-v", f"{room.folder}/made/here:/d")
    assert {_owner(room.folder / path) for path in ("made", "made/here", "made/here/x")} == {_LEARNER}


def test_a_file_of_root_in_the_learners_folder(room: Class) -> None:
    secret = room.folder / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    asked = ("run", "--rm", "-v", f"{room.folder}:/work", "busybox")
    denied = room.engine.docker(*asked, "cat", "/work/secret", check=False)
    assert (denied.returncode, denied.stdout) == (1, "")
    assert room.shell("stat -c %u /work/secret", *asked[2:4]) == "65534\n"
    script = "cp /bin/busybox /work/set; chmod 6755 /work/set"
    room.engine.docker(*asked, "sh", "-c", script)
    assert _owner(room.folder / "set") == _LEARNER, "a set-id program in the folder is the learner's own"


def _owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_copying_from_and_to_the_folder(room: Class, sleeper: str, tmp_path: Path) -> None:
    """Only a container that runs has a root of its own to do it with: nobody else's rights are lent."""
    secret = room.folder / "root-only"
    secret.write_text("root's")
    secret.chmod(0o600)
    with pytest.raises(APIError):
        Client(room.engine.host).get(f"/containers/{sleeper}/archive", query={"path": "/work/root-only"}).read()
    (tmp_path / "in").write_text("in")
    room.engine.docker("cp", str(tmp_path / "in"), f"{sleeper}:/work/in")
    assert _owner(room.folder / "in") == _LEARNER
    room.engine.docker("create", "--name", "still", "-v", f"{room.folder}:/work", "busybox")
    failed = room.engine.docker("cp", str(tmp_path / "in"), "still:/work/again", check=False)
    assert "can be copied while the container runs only" in failed.stderr
    assert not (room.folder / "again").exists()
    room.engine.docker("cp", str(tmp_path / "in"), "still:/in")
    room.engine.docker("rm", "still")


def test_links_out_of_the_folder(room: Class) -> None:
    for name, target in (("etc", "/etc"), ("passwd", "/etc/passwd"), ("up", "../.."), ("magic", "/proc/self/root")):
        (room.folder / name).symlink_to(target)
        refused = room.engine.docker(
            "run", "--rm", "-v", f"{room.folder}/{name}:/x", "busybox", "ls", "/x", check=False
        )
        inside = set(os.listdir(room.folder)) if name == "up" else set()  # `..` of the topmost folder is itself
        assert set(refused.stdout.split()) == inside, name
        mounts = [{"Type": "bind", "Source": f"{room.folder}/{name}/x", "Target": "/x"}]
        body = {"Image": "busybox", "HostConfig": {"Mounts": mounts}}
        assert "bind source path does not exist" in room.refused("/containers/create", body)[1]
    (room.folder / "inner").symlink_to("made")
    assert room.shell("ls /x", "-v", f"{room.folder}/inner:/x") == "here\n"


def test_a_link_that_is_swapped_while_it_is_mounted(room: Class, tmp_path: Path) -> None:
    """Checked and mounted by one and the same descriptor (CVE-2021-30465 and its kin)."""
    (tmp_path / "marker").write_text("outside\n")
    tmp_path.chmod(0o755)
    (room.folder / "swapped").mkdir()
    (room.folder / "swapped" / "marker").write_text("inside\n")
    (room.folder / "link").symlink_to(tmp_path)
    seen = set()
    with _swapping(room.folder / "swapped", room.folder / "link"):
        for _ in range(6):
            words = ("run", "--rm", "-v", f"{room.folder}/swapped:/x", "busybox", "cat", "/x/marker")
            seen.add(room.engine.docker(*words, check=False).stdout)
    assert seen <= {"inside\n", ""}


@contextmanager
def _swapping(one: Path, other: Path) -> Iterator[None]:
    libc, ended = ctypes.CDLL(None, use_errno=True), threading.Event()

    def swap() -> None:
        while not ended.wait(0.0005):
            libc.renameat2(_HERE, bytes(one), _HERE, bytes(other), _RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_all_of_its_containers_together_have_limits(room: Class, sleeper: str) -> None:
    script = "i=0; while [ $i -lt 100 ]; do sleep 20 & i=$((i+1)); done"
    assert "can't fork" in room.engine.docker("run", "--rm", "busybox", "sh", "-c", script, check=False).stderr
    assert int(_group_file(room, "pids", "pids.max")) == _PIDS
    hog = "head -c 600000000 /dev/zero | tail -c 500000000 | wc -c"
    assert room.shell(hog) == "0\n", "the one that takes too much ends"
    assert room.engine.docker("exec", sleeper, "echo", "goes on").stdout == "goes on\n"
    assert int(_group_file(room, "memory", "memory.limit_in_bytes", "memory.max")) == _MEMORY
    text = "range of CPUs is from 0.01 to 0.90, as there are only 0.90 CPUs available"
    body = {"Image": "busybox", "HostConfig": {"NanoCpus": 1_000_000_000}}
    assert room.refused("/containers/create", body) == (400, text)


def test_there_are_not_more_containers_than_it_may_have(room: Class) -> None:
    left = 8 - len(room.engine.api.get("/containers/json", query={"all": "1"}).json())
    made = [room.engine.api.post("/containers/create", body={"Image": "busybox"}).json()["Id"] for _ in range(left)]
    try:
        text = "this engine may have 8 containers: remove one that is not needed"
        assert room.refused("/containers/create", {"Image": "busybox"}) == (403, text)
    finally:
        room.engine.docker("rm", *made)


def _group_file(room: Class, controller: str, v1: str, v2: str = "") -> str:
    point = cgroups.ROOT if cgroups.mode() == "v2" else cgroups.hierarchies()[controller]
    return Path(f"{point}/{room.engine.instance.cgroup}/{v2 if v2 and cgroups.mode() == 'v2' else v1}").read_text()


def test_clients_can_tell(room: Class) -> None:
    assert Client(room.engine.host).get("/kernel-engine/info").json()["Restricted"] is True


def test_whose_the_socket_is(room: Class) -> None:
    status = room.engine.instance.socket.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (65534, 0o660)


def _loops_work(directory: Path) -> bool:
    """Whether this machine mounts files: a container that the tests run in may not."""
    file = directory / "probe"
    with file.open("wb") as made:
        made.truncate(8 << 20)
    making, mounting = ["mkfs.ext4", "-q", str(file)], ["mount", "-o", "loop", str(file), str(directory)]
    try:
        done = all(
            subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in (making, mounting)
        )
    except FileNotFoundError:
        return False
    if done:
        subprocess.run(["umount", str(directory)], check=True)
    return done


def test_a_disk_of_its_own_is_filled_and_nothing_else(busybox_mirror: str, tmp_path: Path) -> None:
    if not _loops_work(tmp_path):
        pytest.skip("needs loop devices and mkfs.ext4")
    remapping.needed(tmp_path)
    place = tmp_path / "engine"
    place.mkdir()
    words = ("--userns-remap", remapping.USER, "--limit-disk", "96m")
    program = remapping.program(tmp_path / "etc")
    with running_daemon(place, (busybox_mirror,), *words, program=program) as engine:
        engine.docker("pull", "-q", "busybox")
        fill = "dd if=/dev/zero of=/full bs=1M 2>&1 | grep -o 'No space.*'; stat -c %s /full"
        done = engine.docker("run", "--name", "filler", "busybox", "sh", "-c", fill).stdout.splitlines()
        assert done[0] == "No space left on device"
        assert 20 << 20 < int(done[1]) < 96 << 20
        engine.docker("rm", "filler")
        engine.stop()
        engine.start()
        assert engine.docker("run", "--rm", "busybox", "echo", "room again").stdout == "room again\n"
        engine.stop()
        engine.extra = (*words[:2], "--limit-disk", "128m")
        with pytest.raises(AssertionError, match="has 100663296 bytes, and --limit-disk is 134217728"):
            engine.start()
        engine.process = None
    assert list(place.iterdir()) == [place / "run.log"]


@pytest.mark.full
def test_what_was_made_before_the_engine_was_restricted(room: Class, sleeper: str) -> None:
    """Such a container stays where it is: it is neither started again nor entered."""
    engine = room.engine
    engine.stop()
    restricted, engine.extra = engine.extra, ("--userns-remap", remapping.USER)
    engine.start()
    engine.docker("create", "--name", "older", "-v", "/etc:/x", "busybox", "cat", "/x/passwd")
    engine.docker("run", "-d", "--name", "entered", "-v", "/etc:/x", "busybox", "sleep", "1000")
    engine.stop()
    engine.extra = ()
    engine.start()
    engine.docker("run", "-d", "--name", "unmapped", "busybox", "sleep", "1000")
    engine.stop()
    engine.extra = restricted
    engine.start()
    assert engine.docker("wait", "unmapped").stdout == "137\n"
    assert room.refused("/containers/older/start", {})[0] == 403
    assert room.refused("/containers/entered/exec", {"Cmd": ["id"]})[0] == 403
    assert engine.docker("exec", sleeper, "id", "-u").stdout == "0\n"
    engine.docker("rm", "-f", "older", "entered", "unmapped")
