"""Volumes: named and nameless, filled from the image, shared, kept and removed; binds and tmpfs beside them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.busybox_registry import root_tar
from tests.daemon import Daemon
from tests.machine_image import add_program


@pytest.fixture
def volumes(clean: Daemon) -> Iterator[Daemon]:
    yield clean
    for container in clean.out("ps", "-aq").split():
        clean.docker("rm", "-f", "-v", container)
    clean.docker("volume", "prune", "-af")
    assert clean.out("volume", "ls", "-q") == ""


@pytest.fixture(scope="module")
def filled(daemon: Daemon) -> str:
    """An image with something at /data, owned by 7:8."""
    script = "mkdir -p /data/sub; echo seed > /data/f; ln -s f /data/l; chown -R 7:8 /data; chmod 750 /data"
    daemon.docker("run", "--name", "maker", "busybox", "sh", "-c", script)
    daemon.docker("commit", "maker", "filled:1")
    daemon.docker("rm", "maker")
    return "filled:1"


def run(daemon: Daemon, *words: str) -> str:
    return daemon.out("run", "--rm", *words)


def test_a_volume_outlives_its_containers(volumes: Daemon) -> None:
    assert volumes.out("volume", "create", "--label", "a=b", "keep") == "keep"
    run(volumes, "-v", "keep:/d", "busybox", "sh", "-c", "echo kept > /d/f")
    assert run(volumes, "--mount", "source=keep,target=/other", "busybox", "cat", "/other/f") == "kept"
    shown = json.loads(volumes.out("volume", "inspect", "keep"))[0]
    assert (shown["Name"], shown["Driver"], shown["Scope"], shown["Labels"]) == ("keep", "local", "local", {"a": "b"})
    assert (Path(shown["Mountpoint"]) / "f").read_text() == "kept\n"
    volumes.kill()
    volumes.start()
    assert run(volumes, "-v", "keep:/d", "busybox", "cat", "/d/f") == "kept"


def test_a_new_volume_gets_what_the_image_has_there(volumes: Daemon, filled: str) -> None:
    shown = run(volumes, "-v", "new:/data", filled, "sh", "-c", "cat /data/f /data/l; stat -c '%u:%g %a' /data /data/f")
    assert shown.split() == ["seed", "seed", "7:8", "750", "7:8", "644"]
    run(volumes, "-v", "new:/data", filled, "rm", "/data/f")
    assert run(volumes, "-v", "new:/data", filled, "ls", "/data").split() == ["l", "sub"], "only a new one is filled"
    assert run(volumes, "-v", "bare:/data:nocopy", filled, "ls", "/data") == ""
    assert run(volumes, "--mount", "src=bare2,dst=/data,volume-nocopy", filled, "ls", "/data") == ""


def test_a_bind_hides_what_the_image_has(volumes: Daemon, filled: str, tmp_path: Path) -> None:
    assert run(volumes, "-v", f"{tmp_path}:/data", filled, "ls", "/data") == ""
    run(volumes, "-v", f"{tmp_path}/made:/data", filled, "true")
    assert (tmp_path / "made").is_dir(), "-v makes what is missing"
    words = ("run", "--rm", "--mount", f"type=bind,src={tmp_path}/missing,dst=/d", "busybox", "true")
    refused = volumes.docker(*words, check=False)
    text = f'invalid mount config for type "bind": bind source path does not exist: {tmp_path}/missing'
    assert (refused.returncode, text in refused.stderr) == (125, True)


def test_read_only(volumes: Daemon, tmp_path: Path) -> None:
    for mount in (("-v", "ro:/d:ro"), ("--mount", "src=ro,dst=/d,readonly"), ("-v", f"{tmp_path}:/d:ro")):
        refused = volumes.docker("run", "--rm", *mount, "busybox", "touch", "/d/f", check=False)
        assert "Read-only file system" in refused.stderr, mount
    volumes.docker("create", "--name", "one", "-v", "ro:/d:ro", "busybox")
    (mount,) = volumes.inspect("one")["Mounts"]
    assert (mount["Type"], mount["Name"], mount["RW"], mount["Mode"]) == ("volume", "ro", False, "ro")


def test_tmpfs_mounts(volumes: Daemon) -> None:
    shown = run(volumes, "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700", "busybox", "sh", "-c",
                "grep ' /t ' /proc/mounts; stat -c %a /t")  # fmt: skip
    assert "tmpfs /t tmpfs" in shown and "size=1024k" in shown and shown.endswith("700")


def test_nameless_volumes_go_with_rm_v(volumes: Daemon) -> None:
    volumes.docker("run", "--name", "one", "-v", "/d", "-v", "named:/n", "busybox", "touch", "/d/f")
    nameless = next(mount["Name"] for mount in volumes.inspect("one")["Mounts"] if mount["Destination"] == "/d")
    assert len(nameless) == 64
    volumes.docker("rm", "-v", "one")
    assert volumes.out("volume", "ls", "-q") == "named"
    run(volumes, "-v", "/d", "busybox", "true")
    assert volumes.out("volume", "ls", "-q") == "named", "--rm takes them, too"
    volumes.docker("run", "--name", "two", "-v", "/d", "busybox", "true")
    volumes.docker("rm", "two")
    assert len(volumes.out("volume", "ls", "-q", "--filter", "dangling=true").split()) == 2
    assert volumes.docker("volume", "prune", "-f").stdout.startswith("Deleted Volumes:\n")
    assert volumes.out("volume", "ls", "-q") == "named", "what somebody has named is spared"


def test_a_nameless_volume_stays_where_it_was_named(volumes: Daemon) -> None:
    """Its 64 digits on the command line are a name: --rm and rm -v take what a container made up, and no more."""
    volumes.docker("run", "--name", "owner", "-v", "/data", "busybox", "sh", "-c", "echo kept > /data/note")
    [mount] = volumes.inspect("owner")["Mounts"]
    volumes.docker("rm", "owner")
    assert volumes.out("run", "--rm", "-v", f"{mount['Name']}:/data", "busybox", "cat", "/data/note") == "kept"
    assert mount["Name"] in volumes.out("volume", "ls", "-q")
    volumes.docker("volume", "rm", mount["Name"])


def test_a_borrowed_nameless_volume_goes_with_the_last_borrower(volumes: Daemon) -> None:
    volumes.docker("run", "--name", "owner", "-v", "/data", "busybox", "true")
    [mount] = volumes.inspect("owner")["Mounts"]
    volumes.docker("run", "-d", "--rm", "--name", "borrower", "--volumes-from", "owner", "busybox", "sleep", "100")
    volumes.docker("rm", "owner")
    assert mount["Name"] in volumes.out("volume", "ls", "-q")
    volumes.docker("stop", "-t", "0", "borrower")
    volumes.docker("wait", "borrower", check=False)
    assert mount["Name"] not in volumes.out("volume", "ls", "-q")


def test_volumes_of_an_image(volumes: Daemon, filled: str) -> None:
    volumes.docker("create", "--name", "maker", filled)
    volumes.docker("commit", "-c", "VOLUME /data", "maker", "withvolume:1")
    volumes.docker("run", "-d", "--name", "one", "withvolume:1", "sleep", "100")
    (mount,) = volumes.inspect("one")["Mounts"]
    assert (mount["Destination"], len(mount["Name"])) == ("/data", 64)
    assert volumes.out("exec", "one", "cat", "/data/f") == "seed"
    volumes.docker("exec", "one", "touch", "/data/new")
    assert volumes.out("diff", "one") == ""
    volumes.docker("commit", "one", "later:1")
    volumes.docker("rm", "-f", "-v", "one", "maker")
    assert run(volumes, "later:1", "ls", "/data").split() == ["f", "l", "sub"], "a commit holds no volume's files"
    volumes.docker("rmi", "later:1", "withvolume:1")


def test_volumes_from(volumes: Daemon, filled: str) -> None:
    volumes.docker("create", "--name", "data", "-v", "/data", filled)
    assert run(volumes, "--volumes-from", "data", "busybox", "cat", "/data/f") == "seed"
    refused = volumes.docker("run", "--rm", "--volumes-from", "data:ro", "busybox", "touch", "/data/x", check=False)
    assert "Read-only file system" in refused.stderr
    volumes.docker("create", "--name", "other", "--volumes-from", "data", "busybox")
    assert volumes.inspect("other")["Mounts"][0]["Name"] == volumes.inspect("data")["Mounts"][0]["Name"]
    volumes.docker("rm", "-v", "data")
    assert len(volumes.out("volume", "ls", "-q").split()) == 1, "somebody else has it still"
    refused = volumes.docker("run", "--rm", "--volumes-from", "nobody", "busybox", "true", check=False)
    assert "No such container: nobody" in refused.stderr


def test_what_is_refused(volumes: Daemon) -> None:
    volumes.docker("create", "--name", "user", "-v", "used:/d", "busybox")
    user = volumes.inspect("user")["Id"]
    for words, code, text in (
        (("volume", "rm", "used"), 1, f"remove used: volume is in use - [{user}]"),
        (("volume", "rm", "nope"), 1, "get nope: no such volume"),
        (("volume", "inspect", "nope"), 1, "get nope: no such volume"),
        (("volume", "create", "-d", "nfs", "vol"), 1, "error looking up volume plugin nfs"),
        (("volume", "create", "v"), 1, "volume name is too short"),
        (("volume", "create", "a/b"), 1, "includes invalid characters for a local volume name"),
        (("volume", "create", "-o", "colour=red", "vol"), 1, 'invalid option: "colour"'),
        (("volume", "create", "-o", "type=tmpfs", "vol"), 1, 'missing required option: "device"'),
        (("run", "-v", "aa:b", "busybox", "true"), 125, "mount path must be absolute"),
        (("run", "-v", "aa:/", "busybox", "true"), 125, "destination can't be '/'"),
        (("run", "-v", "aa:/d", "-v", "bb:/d", "busybox", "true"), 125, "Duplicate mount point: /d"),
        (("run", "-v", "aa:/d:what", "busybox", "true"), 125, "invalid mode: what"),
        (("run", "--mount", "type=ram,dst=/d", "busybox", "true"), 125, "mount type unknown"),
        (("run", "-v", "../up:/d:x:y", "busybox", "true"), 125, "invalid volume specification"),
        (("run", "-v", "aa:/d:ro,rw", "busybox", "true"), 125, "invalid mode: ro,rw"),
        (("run", "-v", "aa:/d:rslave", "busybox", "true"), 125, "field BindOptions must not be specified"),
        (("run", "-v", "aa:/d", "--tmpfs", "/d", "busybox", "true"), 125, "Duplicate mount point: /d"),
        (("run", "--tmpfs", "/d:zz", "busybox", "true"), 125, 'invalid tmpfs option ["zz"]'),
        (("run", "--tmpfs", "/d:zz=1", "busybox", "true"), 125, 'invalid tmpfs option ["zz" "1"]'),
        (
            ("run", "--storage-opt", "size=1g", "busybox", "true"),
            125,
            "--storage-opt is supported only for overlay",
        ),
        (("run", "--storage-opt", "inodes=9", "busybox", "true"), 125, "Unknown option inodes"),
        (("run", "--mount", "type=bind,src=/tmp,dst=d", "busybox"), 125, "invalid mount path: 'd' mount path must be"),
        (("run", "--mount", "type=bind,src=/nowhere,dst=/d", "busybox"), 125, "bind source path does not exist"),
        (
            ("run", "--mount", "type=bind,src=/tmp,dst=/d,volume-nocopy", "busybox"),
            125,
            "cannot mix 'volume-*' options",
        ),
        (
            ("run", "--mount", "type=bind,src=/tmp,dst=/d,bind-propagation=zz", "busybox"),
            125,
            "invalid propagation mode: zz",
        ),
        (
            ("run", "--mount", "src=aa,dst=/d,volume-subpath=../up", "busybox"),
            125,
            "subpath must be a relative path within the volume",
        ),
    ):
        refused = volumes.docker(*words, check=False)
        assert (refused.returncode, text in refused.stderr) == (code, True), (words, refused.stderr)
    assert volumes.docker("volume", "rm", "-f", "nope").returncode == 0
    assert volumes.out("volume", "ls", "-q") == "used", "a refused run leaves no volume"
    assert volumes.out("ps", "-aq", "--no-trunc") == user


def test_a_volume_with_options_is_mounted_while_it_is_used(volumes: Daemon, tmp_path: Path) -> None:
    volumes.docker("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=2m,uid=7", "ram")
    assert "size=2048k" in run(volumes, "-v", "ram:/r", "busybox", "grep", " /r ", "/proc/mounts")
    place = json.loads(volumes.out("volume", "inspect", "ram"))[0]["Mountpoint"]
    assert not Path(place).is_mount()
    (tmp_path / "f").write_text("bound")
    volumes.docker("volume", "create", "-o", "type=none", "-o", f"device={tmp_path}", "-o", "o=bind", "bound")
    assert run(volumes, "-v", "bound:/b", "busybox", "cat", "/b/f") == "bound"
    volumes.docker("volume", "rm", "bound")
    assert (tmp_path / "f").exists()


def test_lists_and_sizes(volumes: Daemon) -> None:
    volumes.docker("volume", "create", "--label", "a=1", "one")
    volumes.docker("volume", "create", "two")
    volumes.docker("create", "--name", "user", "-v", "two:/d", "busybox")
    assert volumes.out("volume", "ls").splitlines() == ["DRIVER    VOLUME NAME", "local     one", "local     two"]
    assert volumes.out("volume", "ls", "-q", "--filter", "label=a") == "one"
    assert volumes.out("volume", "ls", "-q", "--filter", "dangling=true") == "one"
    assert volumes.out("ps", "-a", "--filter", "volume=two", "--format", "{{.Names}} {{.Mounts}}") == "user two"
    run(volumes, "-v", "one:/d", "busybox", "sh", "-c", "head -c 3000 /dev/zero > /d/f")
    rows = {row["Type"]: row for row in map(json.loads, volumes.out("system", "df", "--format", "json").splitlines())}
    found = rows["Local Volumes"]
    assert (found["TotalCount"], found["Active"], found["Size"]) == ("2", "1", "3kB")


def test_copying_sees_volumes_of_a_stopped_container(volumes: Daemon, tmp_path: Path) -> None:
    volumes.docker("run", "--name", "one", "-v", "vol:/d", "busybox", "sh", "-c", "echo inside > /d/f")
    volumes.docker("cp", "one:/d/f", str(tmp_path))
    assert (tmp_path / "f").read_text() == "inside\n"
    (tmp_path / "g").write_text("put")
    volumes.docker("cp", str(tmp_path / "g"), "one:/d")
    assert run(volumes, "-v", "vol:/d", "busybox", "cat", "/d/g") == "put"


def test_a_part_of_a_volume(volumes: Daemon, tmp_path: Path) -> None:
    """`volume-subpath`; a link in the volume leads nowhere outside of it."""
    (tmp_path / "secret").write_text("outside")
    script = f"mkdir -p /d/a/b; echo part > /d/a/b/f; ln -s {tmp_path} /d/out; ln -s a /d/in"
    run(volumes, "-v", "whole:/d", "busybox", "sh", "-c", script)
    for path, shown in (("a/b", "part"), ("in/b", "part"), ("a/b/f", "part")):
        target = "/p/f" if path != "a/b/f" else "/p"
        mount = f"src=whole,dst=/p,volume-subpath={path}"
        assert run(volumes, "--mount", mount, "busybox", "cat", target) == shown, path
    run(volumes, "--mount", "src=whole,dst=/p,volume-subpath=a", "busybox", "touch", "/p/new")
    assert "new" in run(volumes, "-v", "whole:/d", "busybox", "ls", "/d/a")
    read_only = ("--mount", "src=whole,dst=/p,volume-subpath=a,ro", "busybox", "touch", "/p/x")
    assert "Read-only file system" in volumes.docker("run", "--rm", *read_only, check=False).stderr
    for path in ("nope", "out/secret"):
        refused = volumes.docker("run", "--rm", "--mount", f"src=whole,dst=/p,volume-subpath={path}", "busybox",
                                 check=False)  # fmt: skip
        assert refused.returncode and "cannot access path" in refused.stderr, refused.stderr
    volumes.docker("run", "--name", "stopped", "--mount", "src=whole,dst=/p,volume-subpath=a/b", "busybox", "true")
    volumes.docker("cp", "stopped:/p/f", str(tmp_path / "copied"))
    assert (tmp_path / "copied").read_text() == "part\n"
    volumes.docker("rm", "stopped")


def test_binds_with_what_is_mounted_below(volumes: Daemon, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "below", str(tmp_path / "below")], check=True)
    try:
        (tmp_path / "below/f").write_text("deep")
        mount = ("--mount", f"type=bind,src={tmp_path},dst=/d")
        for words, shown in ((mount, "f"), ((mount[0], f"{mount[1]},bind-nonrecursive"), "")):
            assert run(volumes, *words, "busybox", "ls", "/d/below") == shown, words
        for more, refused in (("", True), (",bind-recursive=writable", False)):
            words = ("run", "--rm", mount[0], f"{mount[1]},readonly{more}", "busybox", "touch", "/d/below/x")
            assert bool(volumes.docker(*words, check=False).returncode) is refused, more
    finally:
        subprocess.run(["umount", str(tmp_path / "below")], check=True)


def test_tmpfs_that_is_read_only_or_runs_programs(volumes: Daemon) -> None:
    refused = volumes.docker("run", "--rm", "--mount", "type=tmpfs,dst=/t,ro", "busybox", "touch", "/t/x", check=False)
    assert "Read-only file system" in refused.stderr
    script = "cp /bin/busybox /t/true; /t/true && echo ran"
    assert run(volumes, "--tmpfs", "/t:exec", "busybox", "sh", "-c", script) == "ran"
    assert "noexec" in run(volumes, "--tmpfs", "/t", "busybox", "grep", " /t ", "/proc/mounts")


def test_slaves_need_a_shared_mount(volumes: Daemon, tmp_path: Path) -> None:
    """What the host mounts later is seen by a slave; a private mount has no slaves, and that is said."""
    subprocess.run(["mount", "-t", "tmpfs", "top", str(tmp_path)], check=True)
    try:
        subprocess.run(["mount", "--make-private", str(tmp_path)], check=True)
        words = ("--mount", f"type=bind,src={tmp_path},dst=/d,bind-propagation=rslave", "busybox")
        refused = volumes.docker("run", "--rm", *words, "true", check=False)
        text = f"path {tmp_path} is mounted on {tmp_path} but it is not a shared or slave mount"
        assert (refused.returncode, text in refused.stderr) == (125, True), refused.stderr
        subprocess.run(["mount", "--make-shared", str(tmp_path)], check=True)
        volumes.docker("run", "-d", "--name", "slave", *words, "sleep", "100")
        (tmp_path / "late").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "late", str(tmp_path / "late")], check=True)
        (tmp_path / "late/f").write_text("")
        assert volumes.out("exec", "slave", "ls", "/d/late") == "f"
    finally:
        volumes.docker("rm", "-f", "slave", check=False)
        subprocess.run(["umount", "-R", str(tmp_path)], check=True)


#: asks sqlite for a row after the other, and says which ones it has been told are safe
_WRITER = """
i=$(sqlite3 /data/db "PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY);
SELECT ifnull(max(n), 0) FROM rows" | tail -1)
while :; do
    i=$((i + 1))
    sqlite3 /data/db "PRAGMA synchronous=FULL; INSERT INTO rows VALUES ($i)" && echo $i
done
"""


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")
def test_a_database_killed_in_the_midst_keeps_every_row_that_it_acknowledged(volumes: Daemon) -> None:
    """Four times -9 during writes; then every number up to the last one that was said is there, none is damaged."""
    image = io.BytesIO(root_tar())
    with tarfile.open(fileobj=image, mode="a") as archive:
        add_program(archive, "sqlite3")
    volumes.api.post("/images/create", query={"fromSrc": "-", "repo": "sqlite"}, body=image.getvalue()).read()
    path = ("-e", "PATH=/bin:/usr/bin")
    volumes.docker("run", "-d", "--name", "db", "-v", "rows:/data", *path, "sqlite", "sh", "-c", _WRITER)
    last = 0
    for _ in range(3):
        deadline = time.monotonic() + 30
        while acknowledged(volumes) < last + 10:
            assert time.monotonic() < deadline, volumes.out("logs", "db")
            time.sleep(0.05)
        volumes.docker("kill", "-s", "KILL", "db")
        volumes.docker("wait", "db")
        last = acknowledged(volumes)
        volumes.docker("start", "db")
    volumes.docker("kill", "db")
    volumes.docker("wait", "db")
    last = acknowledged(volumes)
    ask = f"PRAGMA integrity_check; SELECT count(*) >= {last} AND max(n) = count(*) FROM rows"
    assert run(volumes, "-v", "rows:/data", *path, "sqlite", "sqlite3", "/data/db", ask).splitlines() == ["ok", "1"]
    assert last >= 30
    volumes.docker("rm", "-f", "db")
    volumes.docker("rmi", "sqlite")


def acknowledged(daemon: Daemon) -> int:
    lines = daemon.out("logs", "db").split()
    return max((int(line) for line in lines if line.isdigit()), default=0)
