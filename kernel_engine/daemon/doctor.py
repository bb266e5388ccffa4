"""`kernel-engine doctor`: can this machine run containers, and what is missing? Each check is one line.

Tries the thing itself where that leaves nothing behind (in namespaces of its own), and reads /proc where it cannot.
"""

from __future__ import annotations

import grp
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from kernel_engine.daemon import surroundings
from kernel_engine.daemon.probes import has_program, tried
from kernel_engine.errors import EngineError
from kernel_engine.formats.findings import Finding, as_json, as_text, lacking
from kernel_engine.paths import Instance

_WELL = "컨테이너를 실행할 수 있는 컴퓨터예요."
_NEEDED_CONTROLLERS = ("memory", "cpu", "pids")
_GIGABYTE = 1024**3


def doctor(instance: Instance, group: str, form: str = "text") -> int:
    """Prints what it finds, as "text" or "json"; 1 when something essential is missing."""
    findings = tuple(examine(instance, group))
    print(as_json(findings) if form == "json" else as_text(findings, _WELL))
    return 1 if lacking(findings) else 0


def examine(instance: Instance, group: str) -> Iterator[Finding]:
    """Each check's findings under its name."""
    for check in _rootless_checks(instance) if instance.rootless else _checks(instance, group):
        function = check.func if isinstance(check, partial) else check
        for finding in check():
            yield replace(finding, name=function.__name__.removeprefix("check_"))


def _checks(instance: Instance, group: str) -> list[Callable[[], Iterator[Finding]]]:
    return [
        *_CHECKS,
        partial(check_directory, instance.root),
        partial(check_restricted, instance.root),
        partial(check_group, group),
        partial(check_firewalls, instance.bridge),
    ]


def _rootless_checks(instance: Instance) -> list[Callable[[], Iterator[Finding]]]:
    from kernel_engine.daemon import rootless_needs

    return [
        *rootless_needs.CHECKS,
        partial(rootless_needs.check_overlay, instance.root),
        surroundings.check_architecture,
        surroundings.check_memory,
        partial(check_directory, instance.root),
        check_libraries,
        check_programs,
    ]


def check_root() -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding(grade="ok", text="관리자(root) 권한이 있어요.")
    else:
        yield Finding(
            grade="missing",
            text="관리자(root) 권한이 없어요.",
            advice="sudo를 앞에 붙여 다시 실행하세요. root 없이 쓰려면: kernel-engine doctor --rootless",
        )


def check_kernel() -> Iterator[Finding]:
    release = platform.release()
    numbers = tuple(int(word) for word in release.split("-")[0].split(".")[:2] if word.isdigit())
    if "microsoft" in release.lower() and "wsl2" not in release.lower() and numbers < (4, 19):
        yield Finding(
            grade="missing",
            text=f"WSL 1에는 리눅스 커널이 없어요 ({release}).",
            advice="WSL 2로 바꾸세요: wsl --set-version",
        )
    elif numbers < (5, 10):
        yield Finding(
            grade="missing", text=f"커널(kernel) {release}은 너무 오래됐어요.", advice="5.10 이상이 필요해요."
        )
    else:
        where = " (WSL 2)" if "microsoft" in release.lower() else ""
        yield Finding(grade="ok", text=f"커널(kernel) {release}{where}")


def check_namespaces() -> Iterator[Finding]:
    problem = tried("unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "true")
    if problem is None:
        yield Finding(grade="ok", text="네임스페이스(namespace) 여섯 가지를 만들 수 있어요.")
    else:
        yield Finding(
            grade="missing",
            text=f"네임스페이스(namespace)를 만들 수 없어요: {problem}",
            advice="컨테이너 안이라면 --privileged로 시작한 컨테이너여야 해요.",
        )


def check_overlay() -> Iterator[Finding]:
    script = "mount -t tmpfs none /tmp && mkdir /tmp/l /tmp/u /tmp/w /tmp/m && mount -t overlay " \
        "-o lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w none /tmp/m"  # fmt: skip
    problem = tried("unshare", "--mount", "sh", "-ec", script)
    if problem is None:
        yield Finding(grade="ok", text="오버레이 파일 시스템(overlayfs)을 마운트할 수 있어요.")
    else:
        yield Finding(
            grade="missing",
            text=f"오버레이 파일 시스템(overlayfs)을 쓸 수 없어요: {problem}",
            advice="modprobe overlay를 실행해 보세요.",
        )


def check_cgroups() -> Iterator[Finding]:
    from kernel_engine.runtime import cgroups

    mode = cgroups.mode()
    if mode == "v2":
        found = set(Path("/sys/fs/cgroup/cgroup.controllers").read_text().split())
    else:
        found = {name for path in cgroups.hierarchies().values() for name in Path(path).name.split(",")}
        found |= set(cgroups.hierarchies())
    if absent := [name for name in _NEEDED_CONTROLLERS if name not in found]:
        yield Finding(
            grade="missing",
            text=f"cgroup {mode}에 제어기(controller)가 없어요: {', '.join(absent)}",
            advice="커널을 cgroup_enable=memory swapaccount=1로 시작해야 할 수 있어요.",
        )
    else:
        yield Finding(grade="ok", text=f"자원 제한(cgroup {mode}): {', '.join(_NEEDED_CONTROLLERS)}")


def check_network() -> Iterator[Finding]:
    code = (
        "from kernel_engine.syscalls.netlink import Netlink\n"
        "with Netlink() as n: n.add_bridge('probe0', mac='02:00:00:00:00:01'); n.link('probe0')"
    )
    problem = tried("unshare", "--net", sys.executable, "-I", "-c", code)
    if problem is None:
        yield Finding(grade="ok", text="가상 네트워크(bridge)를 만들 수 있어요.")
    else:
        yield Finding(
            grade="missing",
            text=f"가상 네트워크(bridge)를 만들 수 없어요: {problem}",
            advice="modprobe bridge veth를 실행해 보세요.",
        )
    problem = tried("unshare", "--net", "nft", "add table ip probe; add chain ip probe c { type nat hook postrouting priority 0; }")  # fmt: skip  # noqa: E501
    if problem is None:
        yield Finding(grade="ok", text="주소 변환(NAT, nftables)을 쓸 수 있어요.")
    elif not has_program("nft"):
        yield Finding(grade="missing", text="nft 명령이 없어요.", advice="apt-get install nftables")
    else:
        yield Finding(
            grade="missing",
            text=f"주소 변환(NAT, nftables)을 쓸 수 없어요: {problem}",
            advice="modprobe nf_nat nft_chain_nat",
        )


def check_libraries() -> Iterator[Finding]:
    try:
        import pyseccomp  # type: ignore[import-untyped]

        pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    except (ImportError, OSError, RuntimeError) as error:
        yield Finding(
            grade="missing",
            text=f"시스템 콜 거르개(libseccomp)가 없어요: {error}",
            advice="apt-get install libseccomp2",
        )
    else:
        yield Finding(grade="ok", text="시스템 콜 거르개(seccomp)를 쓸 수 있어요.")
    absent = [name for name in ("aiohttp", "zstandard", "isal") if importlib.util.find_spec(name) is None]
    if absent:
        yield Finding(
            grade="missing", text=f"파이썬 꾸러미가 없어요: {', '.join(absent)}", advice="./lab up을 다시 실행하세요."
        )


def check_programs() -> Iterator[Finding]:
    inits = ("/usr/bin/tini-static", "/usr/libexec/catatonit/catatonit", "/usr/bin/catatonit")
    if not any(os.access(path, os.X_OK) for path in inits):
        yield Finding(grade="warning", text="docker run --init을 쓸 수 없어요.", advice="apt-get install tini")
    if not has_program("ps"):
        yield Finding(grade="warning", text="docker top을 쓸 수 없어요.", advice="apt-get install procps")


def check_directory(root: Path) -> Iterator[Finding]:
    """Space, and a file system that overlayfs takes for its upper directory."""
    place = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{root}에 {free / _GIGABYTE:.1f} GB가 남아 있어요."
    if free < _GIGABYTE // 2:
        yield Finding(grade="missing", text=text, advice="적어도 0.5 GB를 비워 주세요.")
    elif free < 3 * _GIGABYTE:
        yield Finding(grade="warning", text=text, advice="이미지를 여러 개 쓰려면 3 GB쯤 필요해요.")
    else:
        yield Finding(grade="ok", text=text)
    kind = file_system(Path("/proc/self/mountinfo").read_text(), place)
    if kind in ("overlay", "nfs", "nfs4", "9p", "virtiofs", "vboxsf", "cifs", "fuse", "fuseblk", "vfat"):
        yield Finding(
            grade="missing",
            text=f"{root}의 파일 시스템({kind}) 위에는 컨테이너의 층(layer)을 쌓을 수 없어요.",
            advice="--root로 ext4나 xfs에 있는 폴더를 정해 주세요.",
        )


def check_restricted(root: Path) -> Iterator[Finding]:
    """Engines whose containers' root is nobody here: --userns-remap, --restrict."""
    from kernel_engine.errors import NotSupported
    from kernel_engine.runtime.spec import IdRange, Ids
    from kernel_engine.runtime.user_namespace import check_store

    some = (IdRange(inside=0, outside=100_000, count=65_536),)
    try:
        check_store(str(next(path for path in (root, *root.parents) if path.exists())), Ids(users=some, groups=some))
    except (NotSupported, OSError) as error:
        reason = error.message if isinstance(error, NotSupported) else error.strerror
        yield Finding(
            grade="warning",
            text=f"수업용으로 제한된 엔진(--restrict)은 쓸 수 없어요: {reason}",
            advice="Linux 5.19 이상과 ext4, xfs, btrfs 파일 시스템이 필요해요. 혼자 쓰는 데에는 없어도 돼요.",
        )
    else:
        yield Finding(grade="ok", text="수업용으로 제한된 엔진(--restrict)을 쓸 수 있어요.")


def file_system(mountinfo: str, place: Path) -> str:
    """The type of the file system that `place` lies on (proc(5), mountinfo)."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(" - ")
        point = head.split()[4]
        if place.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), tail.split()[0]
    return kind


def check_group(name: str) -> Iterator[Finding]:
    try:
        members = grp.getgrnam(name).gr_mem
    except KeyError:
        yield Finding(
            grade="warning",
            text=f"{name} 그룹(group)이 없어서 root만 엔진을 쓸 수 있어요.",
            advice=f"groupadd {name}; usermod -aG {name} 사용자이름",
        )
        return
    people = ", ".join(members) or "아직 아무도 없음"
    yield Finding(grade="ok", text=f"엔진을 쓸 수 있는 사람({name} 그룹): root, {people}")


def check_firewalls(bridge: str) -> Iterator[Finding]:
    from kernel_engine.network import firewall

    try:
        found = firewall.findings(bridge)
    except EngineError as error:
        yield Finding(grade="warning", text=f"방화벽(firewall)을 살펴보지 못했어요: {error.message}")
        return
    for sentence in found:
        yield Finding(grade="warning", text=f"다른 방화벽(firewall)이 컨테이너의 통신을 막아요: {sentence}")


_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_root,
    check_kernel,
    *surroundings.CHECKS,
    check_namespaces,
    check_overlay,
    check_cgroups,
    check_network,
    check_libraries,
    check_programs,
)
