"""The doctor's look at what this machine is: processor, memory, limits that its owner has set, machines beneath it.

Reads /proc and /sys alone; whether the kernel does what containers need is tried in `doctor`.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kernel_engine.daemon.probes import number
from kernel_engine.formats.findings import Finding

PROC, SYS = Path("/proc"), Path("/sys")
#: what the packages, wheels and system call tables are known for
_TESTED = ("x86_64", "aarch64")
_KILOBYTES = 1024**2  #: of a gigabyte
_LITTLE, _ENOUGH = 1.0, 2.0  #: gigabytes of memory: the engine alone, and JupyterLab with a lab of six containers
#: modules of hypervisors that want the processor's virtualisation for themselves
_KVM, _VIRTUALBOX, _VMWARE = ("kvm_intel", "kvm_amd"), ("vboxdrv",), ("vmmon",)
_UNIT = Path("/etc/systemd/system/kernel-engine.service")


def check_architecture() -> Iterator[Finding]:
    machine = platform.machine()
    if machine in _TESTED:
        yield Finding(grade="ok", text=f"프로세서(architecture): {machine}")
    else:
        yield Finding(
            grade="warning",
            text=f"프로세서(architecture) {machine}에서는 시험해 보지 않았어요.",
            advice="x86_64나 aarch64 컴퓨터를 권해요.",
        )


def check_memory(proc: Path = PROC) -> Iterator[Finding]:
    found = {
        line.split(":")[0]: int(line.split()[1]) / _KILOBYTES
        for line in (proc / "meminfo").read_text().splitlines()
        if line.startswith(("MemTotal:", "MemAvailable:"))
    }
    total, free = found["MemTotal"], found.get("MemAvailable", found["MemTotal"])
    text = f"메모리 {total:.1f} GB 가운데 {free:.1f} GB를 쓸 수 있어요."
    if free < _LITTLE:
        advice = "다른 프로그램을 닫아 주세요. 가상 머신이라면 DOCKER_LABS_MEMORY=4096 vagrant reload로 늘려요."
        yield Finding(grade="warning", text=text, advice=advice)
    elif total < _ENOUGH:
        yield Finding(grade="warning", text=text, advice="컨테이너를 여럿 쓰는 실습(06, 09)에는 2 GB가 필요해요.")
    else:
        yield Finding(grade="ok", text=text)


def check_user_namespaces(proc: Path = PROC) -> Iterator[Finding]:
    """For --userns-remap, and for learners who make a container by hand without root."""
    if number(proc / "sys/user/max_user_namespaces", 1) == 0:
        yield Finding(
            grade="warning",
            text="사용자 네임스페이스(user namespace)가 꺼져 있어요. 수업과 채점용 엔진(--restrict)을 쓸 수 없어요.",
            advice="sysctl -w user.max_user_namespaces=15000 (계속하려면 /etc/sysctl.d/에 적어요)",
        )
    elif number(proc / "sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1:
        yield Finding(
            grade="warning",
            text="AppArmor가 일반 사용자의 사용자 네임스페이스(user namespace)를 막아요. 엔진은 root라서 괜찮지만, "
            "root 없이 unshare를 써 보는 셀은 'Operation not permitted'로 끝나요.",
            advice="수업 동안만 풀려면 sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    elif number(proc / "sys/kernel/unprivileged_userns_clone", 1) == 0:
        yield Finding(
            grade="warning",
            text="일반 사용자는 사용자 네임스페이스(user namespace)를 만들 수 없어요. 엔진은 root라서 괜찮아요.",
            advice="sysctl -w kernel.unprivileged_userns_clone=1",
        )
    else:
        yield Finding(grade="ok", text="사용자 네임스페이스(user namespace)를 쓸 수 있어요.")


def check_delegation(unit: Path = _UNIT) -> Iterator[Finding]:
    """Whether the cgroups that the engine makes are its own: not mounted read-only, and left alone by systemd."""
    top = SYS / "fs/cgroup"
    writable = top / ("cgroup.subtree_control" if (top / "cgroup.controllers").exists() else "memory/cgroup.procs")
    if writable.exists() and not os.access(writable, os.W_OK):
        yield Finding(
            grade="missing" if os.geteuid() == 0 else "warning",
            text=f"cgroup을 바꿀 수 없어요({top}가 읽기 전용이에요).",
            advice="컨테이너 안이라면 --privileged로 시작하고, 아니면 root로 다시 실행하세요.",
        )
    elif Path("/run/systemd/system").is_dir() and unit.exists():
        if re.search(r"^Delegate=yes$", unit.read_text(), re.MULTILINE):
            yield Finding(grade="ok", text="systemd가 엔진에 cgroup을 맡겨요(Delegate=yes).")
        else:
            yield Finding(
                grade="warning",
                text=f"{unit}에 Delegate=yes가 없어서 systemd가 컨테이너의 자원 제한을 지울 수 있어요.",
                advice="./lab up을 다시 실행하세요.",
            )
    else:
        yield Finding(grade="ok", text="cgroup을 만들고 바꿀 수 있어요.")


def check_hypervisors(proc: Path = PROC, sys: Path = SYS) -> Iterator[Finding]:
    """Machines beneath this one, and programs that fight for making machines on it."""
    loaded = {path.name for path in (sys / "module").iterdir()} if (sys / "module").is_dir() else set()
    kvm = [name for name in _KVM if name in loaded]
    others = [name for name in (*_VIRTUALBOX, *_VMWARE) if name in loaded]
    if kvm and others:
        yield Finding(
            grade="warning",
            text=f"가상화 프로그램 둘이 프로세서를 두고 다퉈요: {kvm[0]}(KVM)과 {others[0]}. vagrant up이 "
            "VERR_VMX_IN_VMX_ROOT_MODE로 실패할 수 있어요. ./lab up에는 상관없어요.",
            advice=f"Vagrant를 쓰려면 modprobe -r {kvm[0]} 또는 vagrant up --provider libvirt",
        )
    release = (proc / "sys/kernel/osrelease").read_text().strip() if (proc / "sys/kernel/osrelease").exists() else ""
    if "microsoft" in release.lower():
        yield Finding(
            grade="ok",
            text="윈도우의 WSL 2 안이에요. 여기서 바로 실습하세요. 윈도우의 VirtualBox는 WSL 2 옆에서 아주 느려요.",
        )
    elif (kind := _virtual()) not in ("", "none"):
        yield Finding(grade="ok", text=f"가상 머신 안이에요({kind}). 이 안에 가상 머신을 또 만들 필요는 없어요.")


def _virtual() -> str:
    """systemd-detect-virt(1)'s word; "" where there is no such program."""
    try:
        done = subprocess.run(["systemd-detect-virt", "--vm"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


CHECKS = (check_architecture, check_memory, check_user_namespaces, check_delegation, check_hypervisors)
