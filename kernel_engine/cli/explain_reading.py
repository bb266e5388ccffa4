"""Why a kernel call is made, its manual page, and the file under /proc or /sys that shows its effect now. Pure.

The words for what a call does are in `explain_table.py`; here is what a curious reader does next.
"""

from __future__ import annotations

from kernel_engine.cli.explain_table import FILES, IMAGE, LIMITS, NAMESPACE_FILES, NAMESPACES, NETWORK, RUN, SECURITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: group → why Docker does it at all
WHY = {
    IMAGE: "이미지를 복사하지 않고 겹쳐 쓰기만 해서, 컨테이너가 몇 개든 디스크를 거의 더 쓰지 않아요.",
    FILES: "컨테이너가 호스트의 파일 대신 이미지의 파일만 보게 하려면 루트(/)를 통째로 바꿔야 해요.",
    NAMESPACES: "같은 커널을 쓰면서도 저마다 혼자 있는 것처럼 보이게 하는 벽이에요.",
    LIMITS: "한 컨테이너가 메모리나 CPU를 다 써서 다른 것들을 멈추지 못하게 해요.",
    NETWORK: "새 네트워크 네임스페이스에는 아무 장치도 없어서, 랜선을 꽂고 주소를 주어야 통신할 수 있어요.",
    SECURITY: "컨테이너의 root는 호스트의 root와 같은 사용자예요. 그래서 할 수 있는 일을 미리 줄여 둬요.",
    RUN: "준비를 마친 프로세스가 스스로 여러분의 명령으로 바뀌어요. 그래서 컨테이너는 곧 프로세스예요.",
}

#: calls whose page is not that of their own name in section 2; `write` and `mkdir` depend on the file
PAGES = {
    "unshare": ("unshare", 2),
    "clone3": ("clone3", 2),
    "setresgid": ("setresuid", 2),
    "setrlimit": ("getrlimit", 2),
    "setgroups": ("getgroups", 2),
    "sethostname": ("gethostname", 2),
    "setdomainname": ("getdomainname", 2),
    "umount2": ("umount", 2),
}

_STATUS = {
    "PR_CAPBSET_DROP": "CapBnd",
    "PR_CAP_AMBIENT": "CapAmb",
    "PR_SET_NO_NEW_PRIVS": "NoNewPrivs",
    "capset": "CapEff",
    "seccomp": "Seccomp",
    "setgroups": "Groups",
    "setresgid": "Gid",
    "setresuid": "Uid",
}
_NETWORK_FILES = {
    "RTM_NEWADDR": "fib_trie",
    "RTM_DELADDR": "fib_trie",
    "RTM_NEWROUTE": "route",
    "RTM_NEWNEIGH": "arp",
}
_MOUNTS = ("mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "umount2")


def manual(name: str, arguments: str) -> tuple[str, int]:
    """The manual page and its section: ("mount", 2)."""
    if name == "nft" or name.startswith("netlink NFT"):
        return "nft", 8
    if name.startswith("netlink "):
        return "rtnetlink", 7
    if arguments.startswith("/sys/fs/cgroup"):
        return "cgroups", 7
    if name == "write" and arguments.startswith("/proc/"):
        return "proc", 5
    return PAGES.get(name, (name, 2))


def effect(name: str, arguments: str, pid: int) -> str:
    """The file of the kernel in which the call's effect can be read while the container runs, "" where there is none.

    pid: the container's first process, as the host numbers it.
    """
    if name in ("clone3", "unshare", "setns"):
        return _namespaces(arguments, pid)
    if name in _MOUNTS:
        return f"/proc/{pid}/mountinfo"
    if name in ("write", "mkdir"):
        return _written(arguments, pid)
    if name.startswith("netlink "):
        return _network(name.removeprefix("netlink "), arguments, pid)
    status = _STATUS.get(name) or (_STATUS.get(arguments.partition(",")[0]) if name == "prctl" else None)
    if status:
        return f"/proc/{pid}/status ({status})"
    return {
        "chdir": f"/proc/{pid}/cwd",
        "execve": f"/proc/{pid}/exe",
        "setrlimit": f"/proc/{pid}/limits",
        "mknod": f"/proc/{pid}/root{arguments.partition(' ')[0]}",
        "setdomainname": f"/proc/{pid}/ns/uts",
        "sethostname": f"/proc/{pid}/ns/uts",
        "setsid": f"/proc/{pid}/stat",
        "symlink": f"/proc/{pid}/root{arguments.partition(' ')[0]}",
    }.get(name, "")


def first_process(steps: Sequence[Mapping[str, Any]]) -> int:
    """The pid, as the host numbers it, of the process that became the container's command; 0 when there was none."""
    return next((step["Pid"] for step in reversed(steps) if step["Process"] == "child"), 0)


def _namespaces(flags: str, pid: int) -> str:
    found = [file for flag, file in NAMESPACE_FILES.items() if flag in flags.split("|")]
    if not found:
        return ""
    return f"/proc/{pid}/ns/{found[0]}" if len(found) == 1 else f"/proc/{pid}/ns/{{{','.join(sorted(found))}}}"


def _written(arguments: str, pid: int) -> str:
    path, _, value = arguments.partition(" ")
    if path.endswith(("/tasks", "/cgroup.procs")):
        return f"/proc/{pid}/cgroup"
    if path.startswith("/proc/sys/"):
        return f"{path} (컨테이너 안에서)"
    if path.endswith(("devices.allow", "devices.deny")):
        return f"{path.rpartition('/')[0]}/devices.list"
    if path.startswith("/sys/fs/cgroup") or (value and path.startswith("/proc/")):
        return path
    return f"/proc/{pid}/mountinfo"


def _network(kind: str, arguments: str, pid: int) -> str:
    if kind.startswith("NFT_"):
        return f"nft list table ip {arguments.partition(' ')[0]}"
    if kind == "RTM_NEWLINK" and arguments.startswith(("veth ", "bridge ")):
        return f"/sys/class/net/{arguments.split(' ')[1]}"
    return f"/proc/{pid}/net/{_NETWORK_FILES.get(kind, 'dev')}"
