"""`--userns-remap`: containers' users are others on this machine, and nothing else of them is different."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.client.failures import APIError
from tests import remapping
from tests.conftest import needs_root
from tests.daemon import Daemon, running_daemon

pytestmark = needs_root
_OUTSIDE = str(remapping.FIRST)


@pytest.fixture(scope="module")
def engine(busybox_mirror: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory:
        place = Path(directory)
        remapping.needed(place)
        more = ("--userns-remap", remapping.USER)
        program = remapping.program(place / "etc")
        with running_daemon(place, (busybox_mirror,), *more, program=program) as running:
            running.docker("pull", "-q", "busybox")
            yield running


@pytest.fixture(scope="module")
def sleeper(engine: Daemon) -> str:
    return engine.docker("run", "-d", "--name", "sleeper", "busybox", "sleep", "1000").stdout.strip()


def _shell(engine: Daemon, script: str, *words: str) -> str:
    return engine.docker("run", "--rm", *words, "busybox", "sh", "-c", script).stdout


def _pid(engine: Daemon, name: str) -> int:
    return int(engine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout)


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_root_is_somebody_else_outside(engine: Daemon, sleeper: str) -> None:
    pid = _pid(engine, sleeper)
    status = _status(pid)
    assert status["Uid"].split() == status["Gid"].split() == [_OUTSIDE] * 4
    assert status["CapBnd"] == "00000000a80425fb", "Docker's 14 capabilities, in its own user namespace only"
    namespaces = ("user", "mnt", "net", "ipc", "uts", "cgroup", "pid")
    theirs, ours = ([os.readlink(f"/proc/{who}/ns/{name}") for name in namespaces] for who in (pid, "self"))
    assert not set(theirs) & set(ours)
    assert engine.docker("exec", sleeper, "cat", "/proc/self/uid_map").stdout.split() == ["0", _OUTSIDE, "65536"]
    assert engine.docker("top", sleeper, "-eo", "uid,pid").stdout.split()[2] == _OUTSIDE


def test_it_looks_as_every_container_does(engine: Daemon) -> None:
    told = _shell(
        engine, "id -u; stat -c %u:%g / /etc/hosts /bin/busybox /dev/shm /dev/pts; hostname", "--hostname", "h"
    )
    assert told.split() == ["0", *["0:0"] * 5, "h"]
    mounts = _shell(engine, "cut -d' ' -f2,3 /proc/mounts")
    for mount in ("/ overlay", "/proc proc", "/sys sysfs", "/dev tmpfs", "/dev/pts devpts", "/dev/mqueue mqueue"):
        assert mount in mounts.splitlines()
    assert _shell(engine, "echo x >/etc/hosts; cat /etc/hosts; echo >/dev/null; head -c4 /dev/urandom | wc -c").split()
    assert _shell(engine, "cat /proc/sys/net/ipv4/ping_group_range; ping -c1 127.0.0.1 >/dev/null && echo pong") == (
        "0\t65535\npong\n"
    )
    assert "crw--w----    1 0        5" in _shell(engine, "ls -ln /dev/console", "-t")


def test_what_belongs_to_this_machines_root_stays_its_own(engine: Daemon, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret"
    secret.write_text("nobody reads this")
    secret.chmod(0o600)
    asked = ("run", "--rm", "-v", f"{tmp_path}:/host", "busybox")
    assert "Permission denied" in engine.docker(*asked, "cat", "/host/secret", check=False).stderr
    assert "Permission denied" in engine.docker(*asked, "touch", "/host/new", check=False).stderr
    assert _shell(engine, "stat -c %u /host/secret", "-v", f"{tmp_path}:/host") == "65534\n"
    script = "echo 1 >/proc/sys/kernel/sysrq; echo x >/proc/sys/kernel/hostname; mknod /m c 1 3; mount -t tmpfs t /tmp"
    refused = engine.docker("run", "--rm", "--cap-add", "ALL", "busybox", "sh", "-c", script, check=False)
    assert len(refused.stderr.splitlines()) == 3, "with every capability of its own it mounts a tmpfs, and no more"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            {"Privileged": True},
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace "
            "when running privileged mode",
        ),
        ({"NetworkMode": "host"}, "cannot share the host's network namespace when user namespaces are enabled"),
        ({"PidMode": "host"}, "cannot share the host PID namespace when user namespaces are enabled"),
        ({"UsernsMode": "private"}, "invalid USER mode: private"),
    ],
)
def test_what_cannot_be_had_in_a_user_namespace(engine: Daemon, asked: dict[str, object], text: str) -> None:
    with pytest.raises(APIError) as refused:
        engine.api.post("/containers/create", body={"Image": "busybox", "HostConfig": asked})
    assert (refused.value.status, refused.value.message) == (400, text)


def test_one_container_may_keep_this_machines_users(engine: Daemon) -> None:
    script = "cut -c-33 /proc/self/uid_map; stat -c %u /bin/busybox"
    told = _shell(engine, script, "--userns", "host", "--privileged", "--network", "host")
    assert told.split() == ["0", "0", "4294967295", "0"]


def test_on_the_disk_owners_are_those_that_containers_see(engine: Daemon) -> None:
    _shell(engine, "touch /v/root /v/some; chown 33:44 /v/some; mkdir /v/part", "-v", "owned:/v")
    data = engine.instance.root / "volumes" / "owned" / "_data"
    owners = {entry.name: (entry.stat().st_uid, entry.stat().st_gid) for entry in os.scandir(data)}
    assert owners == {"root": (0, 0), "some": (33, 44), "part": (0, 0)}
    assert _shell(engine, "stat -c %u:%g /v/root /v/some", "-v", "owned:/v").split() == ["0:0", "33:44"]
    part = ("--mount", "type=volume,src=owned,dst=/v,volume-subpath=part")
    assert _shell(engine, "touch /v/x; stat -c %u:%g /v/x", *part) == "0:0\n"
    # a set-id program of a container's root would be this machine's root's, if anybody could come to it
    assert engine.instance.root.stat().st_mode & 0o777 == 0o700


def test_exec_and_its_streams(engine: Daemon, sleeper: str) -> None:
    told = engine.docker("exec", "-u", "1000:1000", sleeper, "sh", "-c", "id -u; echo opened >/dev/stdout").stdout
    assert told.split() == ["1000", "opened"]
    assert _shell(engine, "echo opened >/dev/stdout", "-u", "1000:1000") == "opened\n"
    none = engine.docker("run", "--rm", "-u", "70000", "busybox", "true", check=False)
    assert "unable to setup user: cannot set uid to unmapped user in user namespace" in none.stderr


def test_a_process_that_comes_in_is_not_looked_into(engine: Daemon) -> None:
    """Until its execve it holds the engine's memory and files; a container's own CAP_SYS_PTRACE does not reach it."""
    watch = """while :; do for p in /proc/[0-9]*; do
        for l in $p/root $p/cwd $p/exe $p/fd/*; do readlink $l; done; head -c1 $p/mem && echo memory
        done 2>/dev/null | grep -E 'python|engine|memory' >>/seen; done"""
    words = ("--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "busybox", "sh", "-c", watch)
    name = engine.docker("run", "-d", *words).stdout.strip()
    for _ in range(4):
        engine.docker("exec", name, "true")
    assert engine.docker("exec", name, "cat", "/seen").stdout == ""
    engine.docker("rm", "-f", name)


def test_copying_in_and_out(engine: Daemon, sleeper: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in")
    engine.docker("cp", str(tmp_path / "file"), f"{sleeper}:/tmp/file")
    assert engine.docker("exec", sleeper, "stat", "-c", "%u:%g", "/tmp/file").stdout == "0:0\n"
    engine.docker("exec", sleeper, "sh", "-c", "echo out >/tmp/out; chown 7:8 /tmp/out")
    engine.docker("cp", f"{sleeper}:/tmp/out", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "out\n"
    answer = engine.api.get(f"/containers/{sleeper}/archive", query={"path": "/tmp/out"}).read()
    with tarfile.open(fileobj=io.BytesIO(answer)) as archive:
        assert [(entry.uid, entry.gid) for entry in archive] == [(7, 8)]


def test_sharing_another_containers_namespaces(engine: Daemon, sleeper: str) -> None:
    shared = ("--network", f"container:{sleeper}", "--pid", f"container:{sleeper}")
    told = _shell(engine, "readlink /proc/self/ns/user; cat /proc/1/comm", *shared).split()
    assert told[0] == os.readlink(f"/proc/{_pid(engine, sleeper)}/ns/user")
    assert told[1] == "sleep"


def test_images_hold_the_containers_owners(engine: Daemon, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\n"
        "COPY --chown=5:6 a /a\n"
        "RUN --mount=type=cache,target=/c --mount=type=bind,target=/b,rw --mount=type=secret,id=s,target=/s,uid=9 \\\n"
        "    stat -c '%u /c /b /s' /c /b /s && touch /c/x /b/x /made && chown 7:8 /made\n"
    )
    (tmp_path / "secret").write_text("s")
    secret = f"id=s,src={tmp_path / 'secret'}"
    built = engine.docker("build", "-t", "owners", "--secret", secret, str(tmp_path))
    assert [line for line in built.stdout.splitlines() if line.endswith("/c /b /s") and line[0].isdigit()] == [
        "0 /c /b /s",
        "0 /c /b /s",
        "9 /c /b /s",
    ]
    assert _shell_of(engine, "owners", "stat -c %u:%g /a /made") == "5:6\n7:8\n"
    engine.docker(
        "run", "--name", "changed", "owners", "sh", "-c", "touch /more; chown 3:4 /more; rm /a; chmod 700 /made"
    )
    assert engine.docker("diff", "changed").stdout.split("\n")[:-1] == ["D /a", "C /made", "A /more"]
    engine.docker("commit", "changed", "committed")
    engine.docker("rm", "changed")
    assert _shell_of(engine, "committed", "stat -c %u:%g:%a /made /more") == "7:8:700\n3:4:644\n"
    engine.docker("save", "-o", str(tmp_path / "saved.tar"), "committed")
    assert _owners(tmp_path / "saved.tar") >= {("a", 5, 6), ("made", 7, 8), ("more", 3, 4)}


def _shell_of(engine: Daemon, image: str, script: str) -> str:
    return engine.docker("run", "--rm", image, "sh", "-c", script).stdout


def _owners(saved: Path) -> set[tuple[str, int, int]]:
    found = set()
    with tarfile.open(saved) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                found |= {(entry.name, entry.uid, entry.gid) for entry in layer}
    return found


def test_a_new_daemon_goes_on_with_it(engine: Daemon, sleeper: str) -> None:
    engine.kill()
    engine.start()
    assert engine.docker("exec", sleeper, "id", "-u").stdout == "0\n"
    assert "userns" in engine.docker("info").stdout.split()
