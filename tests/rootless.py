"""An ordinary user for a test: nobody of this machine, and gone with the processes that are he.

He has a line in /etc/passwd and ids in /etc/subuid and /etc/subgid in a mount namespace of his own only, where
/dev/net/tun is open to everybody, as udev has it, and the repository can be reached whatever lies above it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
#: numbers that no other run of the tests has at the same time, and no distribution gives to anybody
_RUN = os.getpid() % 4000
USER, UID = "rootless", 61_184 + _RUN
COUNT = 65_536
FIRST = 1_700_000_000 + _RUN * COUNT
#: $1: his files, $2: the repository, $3: the first directory above it that he may not pass ("" = none), $4: a control
#: group that he begins in ("" = the test's)
_BECOME = f"""
set -e
files=$1 repository=$2 wall=$3 group=$4
shift 4
if [ -n "$group" ]; then  # what the engine has made room in takes processes beside its containers only
    echo $$ 2>/dev/null >"$group/cgroup.procs" || echo $$ >"$group/kernel-engine.others/cgroup.procs"
fi
for name in passwd group subuid subgid; do mount --bind "$files/$name" "/etc/$name"; done
if [ -n "$wall" ]; then
    mount --bind "$repository" "$files/repository"
    mount -t tmpfs -o mode=755 none "$wall"
    mkdir -p "$repository"
    mount --move "$files/repository" "$repository"
fi
mount -t tmpfs -o mode=755 none "$files/dev"
if [ -c /dev/net/tun ]; then
    mknod -m 666 "$files/dev/tun" c 10 200
    mount --bind "$files/dev/tun" /dev/net/tun
fi
umask 022
exec setpriv --reuid {UID} --regid {UID} --clear-groups -- "$@"
"""

#: what the kernel has to let him mount: in a container that hides parts of /proc it does not
_MOUNTS = """
mount -t proc proc /proc
mount -t sysfs sysfs /sys
cd probe
mkdir -p l u w m
mount -t overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr none m
"""
_IDS = f"""
unshare --user sleep 60 &
pid=$!
trap 'kill $pid' EXIT
tries=0
while [ "$(readlink /proc/$pid/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ]
    sleep 0.1
done
newuidmap $pid 0 {UID} 1 1 {FIRST} {COUNT}
"""


def command(directory: Path, *, ids: bool = True, group: str = "") -> tuple[str, ...]:
    """The beginning of a command of his. `directory` becomes his. ids: he has more than his own. group: he begins in
    this control group."""
    directory.mkdir(parents=True, exist_ok=True)
    files = directory / "etc"
    for folder in (files, files / "dev", files / "repository", directory / "home", directory / "probe"):
        folder.mkdir(exist_ok=True)
    for name, line in (("passwd", f"{USER}:x:{UID}:{UID}::{directory}/home:/bin/sh"), ("group", f"{USER}:x:{UID}:")):
        (files / name).write_text(f"{Path('/etc', name).read_text().rstrip()}\n{line}\n")
    for name in ("subuid", "subgid"):
        (files / name).write_text(f"{USER}:{FIRST}:{COUNT}\n" if ids else "")
    for folder in (directory, directory / "home", directory / "probe"):
        os.chown(folder, UID, UID)
    home = (f"HOME={directory}/home", f"XDG_RUNTIME_DIR={directory}/home", f"PATH={os.environ['PATH']}", "LANG=C.UTF-8")
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _BECOME, "sh")
    return (*words, str(files), str(REPOSITORY), _wall(), group, "env", "-i", *home)


def program(directory: Path, *, ids: bool = True, group: str = "") -> tuple[str, ...]:
    """`kernel-engine` as he starts it."""
    return *command(directory, ids=ids, group=group), sys.executable, "-m", "kernel_engine.daemon"


def lacking(directory: Path) -> str:
    """Why he cannot have an engine on this machine; "" where he can."""
    if os.geteuid():
        return "root, who makes an ordinary user for the test"
    for name in ("newuidmap", "slirp4netns", "unshare", "setpriv"):
        if not shutil.which(name):
            return f"{name}: apt install uidmap slirp4netns"
    for path in ("/dev/net/tun", "/etc/subuid", "/etc/subgid"):
        if not os.path.exists(path):
            return path
    begin = command(directory)
    spaces = ("unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork")
    for what, words in (
        ("user namespaces for ordinary users, with what is mounted there", (*spaces, "sh", "-ec", _MOUNTS)),
        ("a newuidmap that may write maps", ("sh", "-ec", _IDS)),
    ):
        done = subprocess.run((*begin, *words), capture_output=True, text=True, check=False, cwd=directory)
        if done.returncode:
            return f"{what}: {done.stderr.strip()[-200:]}"
    tried = (*begin, sys.executable, "-c", "import kernel_engine.daemon")
    done = subprocess.run(tried, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    return f"a Python that an ordinary user may run: {done.stderr.strip()[-200:]}" if done.returncode else ""


def _wall() -> str:
    above = reversed(REPOSITORY.parents)
    return next((str(path) for path in above if not path.stat().st_mode & 0o001), "")
