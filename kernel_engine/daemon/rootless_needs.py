"""The doctor's look at what an ordinary user's engine needs (`kernel-engine doctor --rootless`).

Tries the thing itself in namespaces that end with the try, and reads files where it cannot.
"""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Iterator
from pathlib import Path

from kernel_engine.daemon import remapping
from kernel_engine.daemon.probes import has_program, number, tried
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.findings import Finding
from kernel_engine.runtime import cgroups, delegation

PROC = Path("/proc")
#: overlayfs for ordinary users: 5.11
_NEEDED = (5, 11)
#: enough for the images of every distribution
_ENOUGH = 65_536
_OVERLAY = """
place=$(mktemp -d "$1/.kernel-engine-XXXXXX"); trap 'rm -rf "$place"' EXIT
mkdir "$place/l" "$place/u" "$place/w" "$place/m"
mount -t overlay -o "lowerdir=$place/l,upperdir=$place/u,workdir=$place/w,userxattr" none "$place/m"
umount "$place/m"
"""


def check_user() -> Iterator[Finding]:
    name = pwd.getpwuid(os.getuid()).pw_name
    if os.environ.get("XDG_RUNTIME_DIR"):
        yield Finding(grade="ok", text=f"{name} 사용자의 엔진(rootless)이 쓸 폴더: {os.environ['XDG_RUNTIME_DIR']}")
    else:
        yield Finding(
            grade="missing",
            text="XDG_RUNTIME_DIR이 없어요. su나 sudo로 사용자를 바꾸면 생기지 않아요.",
            advice=f"이 사용자로 직접 로그인하거나, sudo machinectl shell {name}@를 쓰거나, --run 폴더를 정해 주세요.",
        )


def check_kernel(release: str = "") -> Iterator[Finding]:
    release = release or platform.release()
    numbers = tuple(int(word) for word in release.split("-")[0].split(".")[:2] if word.isdigit())
    if numbers < _NEEDED:
        yield Finding(grade="missing", text=f"커널(kernel) {release}", advice="root 없이 쓰려면 5.11 이상이 필요해요.")
    else:
        yield Finding(grade="ok", text=f"커널(kernel) {release}")


def check_namespaces(proc: Path = PROC) -> Iterator[Finding]:
    """Made by an ordinary user; where that is refused, what refuses it."""
    problem = tried("unshare", "--user", "--map-root-user", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt")
    if problem is None:
        yield Finding(grade="ok", text="사용자 네임스페이스(user namespace)를 만들고 그 안에서 root가 될 수 있어요.")
        return
    text = f"사용자 네임스페이스(user namespace)를 쓸 수 없어요: {problem}"
    if number(proc / "sys/user/max_user_namespaces", 1) == 0:
        advice = "sudo sysctl -w user.max_user_namespaces=15000 (계속하려면 /etc/sysctl.d/에 적어요)"
    elif number(proc / "sys/kernel/unprivileged_userns_clone", 1) == 0:
        advice = "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    elif number(proc / "sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1:
        advice = "AppArmor가 막아요. sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    else:
        advice = "컨테이너 안이라면 이 컴퓨터가 막았을 수 있어요. 바깥 컴퓨터에서 실행하세요."
    yield Finding(grade="missing", text=text, advice=advice)


def check_ids() -> Iterator[Finding]:
    """newuidmap and newgidmap, and the user's lines in the two files that they look into."""
    account = pwd.getpwuid(os.getuid())
    name = account.pw_name
    only = "root의 파일만 있는 이미지(busybox)는 되지만, 데비안 같은 이미지는 받을 수 없어요."
    if absent := [word for word in ("newuidmap", "newgidmap") if not has_program(word)]:
        text = f"{', '.join(absent)} 명령이 없어서 번호를 하나만 쓸 수 있어요. {only}"
        yield Finding(grade="warning", text=text, advice="sudo apt-get install uidmap")
    for path in (remapping.SUBUID, remapping.SUBGID):
        try:
            count = sum(item.count for item in remapping.ranges(path, name, account.pw_uid))
        except InvalidRequest as error:
            text = f"{path}에 {name}의 줄이 없어요. {only}"
            yield Finding(grade="warning", text=text, advice=f"sudo sh -c '{error.hint.partition(': ')[2]}'")
            continue
        if count < _ENOUGH:
            text = f"{path}에 {name}의 번호가 {count}개뿐이에요. 받을 수 없는 이미지가 있을 수 있어요."
            yield Finding(grade="warning", text=text, advice=f"{_ENOUGH}개를 권해요.")
        else:
            yield Finding(grade="ok", text=f"{path}: {name}의 번호 {count}개")


def check_overlay(root: Path) -> Iterator[Finding]:
    """On the file system that will hold the layers."""
    place = next(path for path in (root, *root.parents) if os.access(path, os.W_OK | os.X_OK))
    command = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", _OVERLAY, "sh", str(place))
    problem = tried(*command)
    if problem is None:
        yield Finding(grade="ok", text=f"{root}에 오버레이 파일 시스템(overlayfs)을 마운트할 수 있어요.")
    else:
        yield Finding(
            grade="missing",
            text=f"{root}에 오버레이 파일 시스템(overlayfs)을 마운트할 수 없어요: {problem}",
            advice="Linux 5.11 이상과 ext4, xfs, btrfs 파일 시스템이 필요해요. --root로 다른 폴더를 정할 수 있어요.",
        )


def check_way_out(device: Path = Path("/dev/net/tun")) -> Iterator[Finding]:
    """slirp4netns(1), and the device that it opens as this user."""
    if not has_program("slirp4netns"):
        yield Finding(
            grade="warning",
            text="slirp4netns 명령이 없어서 컨테이너가 인터넷에 나가지 못해요.",
            advice="sudo apt-get install slirp4netns",
        )
    elif not os.access(device, os.R_OK | os.W_OK):
        yield Finding(
            grade="warning",
            text=f"{device}을 열 수 없어서 컨테이너가 인터넷에 나가지 못해요.",
            advice=f"sudo modprobe tun; sudo chmod 666 {device}",
        )
    else:
        yield Finding(grade="ok", text="컨테이너가 인터넷에 나갈 수 있어요(slirp4netns).")


def check_ports(proc: Path = PROC) -> Iterator[Finding]:
    start = number(proc / "sys/net/ipv4/ip_unprivileged_port_start", 1024)
    yield Finding(grade="ok", text=f"-p로 열 수 있는 호스트 포트: {start}번부터")


def check_limits() -> Iterator[Finding]:
    """Of where the doctor is asked: an engine that is started here would have them, or would not."""
    parent = delegation.delegated()
    if not parent:
        yield Finding(
            grade="warning",
            text="여기서는 이 사용자에게 주어진 cgroup v2 그룹이 없어서 자원 제한(-m, --cpus, --pids-limit)과 "
            "docker pause를 쓸 수 없어요.",
            advice="systemd가 있으면 systemd-run --user --scope kernel-engine serve로 켜거나, "
            "root로 켠 엔진(./lab up)을 쓰세요. 다른 것은 모두 돼요.",
        )
        return
    found = Path(cgroups.ROOT, parent, "cgroup.controllers").read_text().split()
    if absent := [name for name in ("memory", "cpu", "pids") if name not in found]:
        yield Finding(
            grade="warning",
            text=f"이 사용자에게 주어진 cgroup에 {', '.join(absent)} 제어기(controller)가 없어서 "
            "그 제한은 쓸 수 없어요.",
            advice="/etc/systemd/system/user@.service.d/delegate.conf에 [Service]와 "
            "Delegate=cpu cpuset io memory pids를 적고, sudo systemctl daemon-reload 뒤에 다시 로그인하세요.",
        )
    else:
        yield Finding(grade="ok", text="자원 제한(-m, --cpus, --pids-limit)을 쓸 수 있어요(cgroup v2).")


CHECKS = (check_user, check_kernel, check_namespaces, check_ids, check_way_out, check_ports, check_limits)
