"""What each kernel call of a start is for, in Korean, and the group that it belongs to. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE, FILES, NAMESPACES, LIMITS, NETWORK, SECURITY, RUN = GROUPS = (
    "이미지",
    "파일 시스템",
    "네임스페이스",
    "자원 제한",
    "네트워크",
    "보안",
    "실행",
)

ERRORS = {
    "E2BIG": "명령과 환경 변수가 너무 길어요",
    "EACCES": "권한이 없어요",
    "EAGAIN": "프로세스 수의 한도에 닿았어요",
    "EBUSY": "다른 곳에서 쓰고 있어요",
    "EEXIST": "이미 있어요",
    "EINVAL": "값이 맞지 않아요",
    "EISDIR": "파일이 아니라 폴더예요",
    "ELOOP": "심볼릭 링크가 끝없이 이어져요",
    "ENODEV": "그런 장치나 파일 시스템이 없어요",
    "ENOENT": "그런 파일이 없어요",
    "ENOEXEC": "실행할 수 있는 형식이 아니에요",
    "ENOMEM": "메모리가 부족해요",
    "ENOSPC": "디스크가 가득 찼어요",
    "ENOTDIR": "폴더가 아니에요",
    "EPERM": "허락되지 않은 일이에요",
    "EROFS": "읽기 전용이에요",
}

NAMESPACE_WORDS = {
    "CLONE_NEWNS": "파일 시스템",
    "CLONE_NEWPID": "프로세스 번호",
    "CLONE_NEWUTS": "호스트 이름",
    "CLONE_NEWIPC": "프로세스 간 통신",
    "CLONE_NEWNET": "네트워크",
    "CLONE_NEWCGROUP": "cgroup",
    "CLONE_NEWUSER": "사용자",
}

#: flag → the namespace's file under /proc/PID/ns
NAMESPACE_FILES = {
    "CLONE_NEWNS": "mnt",
    "CLONE_NEWPID": "pid",
    "CLONE_NEWUTS": "uts",
    "CLONE_NEWIPC": "ipc",
    "CLONE_NEWNET": "net",
    "CLONE_NEWCGROUP": "cgroup",
    "CLONE_NEWUSER": "user",
}

#: three calls make one cover, so that they share their words and stand on one line
COVERED = "커널의 정보와 설정이 있는 파일을 덮어서, 보거나 바꾸지 못하게 해요"
NAMED = "컨테이너의 이름과 DNS를 적은 파일을 제자리에 붙여요"
NAMED_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")

#: mount type → words
MOUNTS = {
    "devpts": "가상 터미널이 놓일 /dev/pts를 만들어요",
    "mqueue": "메시지 큐(/dev/mqueue)를 붙여요",
    "proc": "컨테이너의 프로세스만 보이는 /proc을 붙여요",
    "sysfs": "/sys를 읽기 전용으로 붙여요",
}

#: cgroup file → words; v1 and v2 names of one limit stand together
CGROUP_FILES = {
    "cgroup.procs": "이 프로세스를 그 묶음(cgroup)에 넣어요",
    "cgroup.subtree_control": "아래 묶음에서 쓸 제한의 종류를 켜요",
    "cpu.cfs_period_us": "CPU 시간을 나누는 주기를 정해요",
    "cpu.cfs_quota_us": "한 주기에 쓸 수 있는 CPU 시간을 정해요",
    "cpu.max": "쓸 수 있는 CPU 시간을 정해요",
    "cpu.shares": "CPU를 나누는 비율을 정해요",
    "cpu.weight": "CPU를 나누는 비율을 정해요",
    "cpuset.cpus": "쓸 수 있는 CPU 번호를 정해요",
    "cpuset.mems": "쓸 수 있는 메모리 노드를 정해요",
    "devices.allow": "써도 되는 장치를 하나씩 허락해요",
    "devices.deny": "모든 장치를 일단 막아요",
    "memory.high": "메모리를 많이 쓰면 느려지는 선을 정해요",
    "memory.limit_in_bytes": "메모리 한도를 정해요. 넘으면 커널이 프로세스를 끝내요",
    "memory.low": "메모리가 부족해도 지켜 줄 양을 정해요",
    "memory.max": "메모리 한도를 정해요. 넘으면 커널이 프로세스를 끝내요",
    "memory.memsw.limit_in_bytes": "메모리와 스왑을 합친 한도를 정해요",
    "memory.oom.group": "메모리가 넘치면 함께 끝낼지 정해요",
    "memory.soft_limit_in_bytes": "메모리가 부족할 때의 한도를 정해요",
    "memory.swap.max": "스왑 한도를 정해요",
    "memory.swappiness": "스왑을 쓰는 정도를 정해요",
    "pids.max": "만들 수 있는 프로세스 수를 정해요",
    "tasks": "이 프로세스를 그 묶음(cgroup)에 넣어요",
}

PRCTL = {
    "PR_CAPBSET_DROP": (SECURITY, "쓰지 않을 권한(capability)을 영영 버려요"),
    "PR_CAP_AMBIENT": (SECURITY, "명령에 물려줄 권한을 정리해요"),
    "PR_SET_DUMPABLE": (SECURITY, "다른 프로세스가 메모리를 들여다보지 못하게 해요"),
    "PR_SET_KEEPCAPS": (SECURITY, "사용자를 바꾸는 동안 권한을 잠시 지녀요"),
    "PR_SET_NAME": (RUN, "프로세스에 이름을 붙여요"),
    "PR_SET_NO_NEW_PRIVS": (SECURITY, "앞으로 권한이 늘어나지 못하게 해요"),
    "PR_SET_PDEATHSIG": (RUN, "엔진의 launcher가 죽으면 함께 끝나게 해요"),
}

NETLINK = {
    "NFT_MSG_NEWSETELEM": "호스트의 포트로 온 연결을 컨테이너로 보내는 규칙(nftables)에 한 줄을 더해요",
    "IPCTNL_MSG_CT_DELETE": "끝난 포트로 이어지던 연결의 기억을 지워요",
    "NFT_MSG_DELSETELEM": "호스트의 포트를 닫아요. 규칙(nftables)에서 한 줄을 빼요",
    "RTM_DELADDR": "IP 주소를 떼어요",
    "RTM_DELROUTE": "밖으로 나가던 길을 없애요",
    "RTM_DELLINK": "네트워크 장치를 없애요",
    "RTM_GETLINK": "네트워크 장치의 번호를 물어봐요",
    "RTM_NEWADDR": "IP 주소를 붙여요",
    "RTM_NEWNEIGH": "이웃의 주소를 적어요",
    "RTM_SETLINK": "컨테이너가 자기 포트로 되돌아올 수 있게 브리지의 구멍을 열어 둬요",
    "RTM_NEWROUTE": "밖으로 나가는 길(게이트웨이)을 정해요",
}

#: letters of a path that fits among words
LONGEST_PLACE = 40

#: calls whose words do not depend on their arguments
PLAIN = {
    "bpf": (LIMITS, "쓸 수 있는 장치를 가리는 작은 프로그램을 커널에 넣어요"),
    "chroot": (FILES, "일을 돕는 프로세스의 루트(/)를 그 폴더로 바꿔요. 밖으로 나갈 수 없어요"),
    "capset": (SECURITY, "남길 권한(capability)만 남겨요"),
    "close_range": (RUN, "엔진이 쓰던 파일을 명령에 물려주지 않아요"),
    "execve": (RUN, "드디어 여러분의 명령이 돼요. 컨테이너의 1번 프로세스예요"),
    "ioctl": (RUN, "가상 터미널을 열고, 이 프로세스의 터미널로 삼아요"),
    "kill": (RUN, "남은 프로세스를 끝내요"),
    "nft": (NETWORK, "연결을 거르고 보내는 규칙(nftables)을 한꺼번에 바꿔요"),
    "pidfd_send_signal": (RUN, "프로세스에 신호를 보내요"),
    "pivot_root": (FILES, "루트(/)를 컨테이너의 것으로 바꿔요"),
    "seccomp": (SECURITY, "위험한 시스템 콜을 막는 필터를 걸어요"),
    "setdomainname": (NAMESPACES, "컨테이너의 도메인 이름을 정해요"),
    "setgroups": (SECURITY, "명령이 속할 그룹을 정해요"),
    "sethostname": (NAMESPACES, "컨테이너의 호스트 이름을 정해요"),
    "setns": (NAMESPACES, "있는 네임스페이스 안으로 들어가요"),
    "setresgid": (SECURITY, "명령을 실행할 그룹이 돼요"),
    "setresuid": (SECURITY, "명령을 실행할 사용자가 돼요"),
    "rmdir": (LIMITS, "자원을 재던 묶음(cgroup)을 치워요"),
    "setrlimit": (LIMITS, "열 수 있는 파일 수처럼 프로세스 하나의 한도를 정해요"),
    "setsid": (RUN, "터미널과 신호를 따로 받는 새 세션을 만들어요"),
    "symlink": (FILES, "/dev에 늘 있는 링크를 만들어요"),
}


def meaning(name: str, arguments: str, source: str) -> tuple[str, str]:
    """(group, Korean words) of one step; words are "" for a call that this table does not know."""
    if name in PLAIN:
        return PLAIN[name]
    if name.startswith("netlink "):
        return NETWORK, _netlink(name.removeprefix("netlink "), arguments)
    reader = READERS.get(name)
    found = reader(arguments) if reader else None
    return found or (_room_group(source), "")


def _room_group(source: str) -> str:
    """By the file that made the call, for calls without words."""
    for part, group in (
        ("/images/", IMAGE),
        ("/storage/", IMAGE),
        ("/network/", NETWORK),
        ("cgroups", LIMITS),
        ("security", SECURITY),
        ("seal", SECURITY),
        ("rootfs", FILES),
        ("devices", FILES),
    ):
        if part in source:
            return group
    return RUN


def _namespaces(flags: str) -> str:
    return ", ".join(word for flag, word in NAMESPACE_WORDS.items() if flag in flags.split("|"))


def _clone(arguments: str) -> tuple[str, str]:
    inside = _namespaces(arguments.split(",", maxsplit=1)[0])
    if "프로세스 번호" in inside:
        return NAMESPACES, "첫 프로세스를 새 PID 네임스페이스 안에 만들어요. 그 안에서는 1번이에요"
    return NAMESPACES, "컨테이너의 첫 프로세스를 만들어요"


def _unshare(arguments: str) -> tuple[str, str]:
    return NAMESPACES, f"호스트와 나눠 쓰던 것을 따로 가져요: {_namespaces(arguments)}"


def _cgroup(arguments: str) -> tuple[str, str] | None:
    """Directories and files beneath /sys/fs/cgroup; nothing else."""
    path, _, value = arguments.partition(" ")
    if not path.startswith("/sys/fs/cgroup"):
        return None
    file = path.rpartition("/")[2]
    if not value:
        return LIMITS, "자원을 재고 제한할 묶음(cgroup)을 만들어요"
    return LIMITS, CGROUP_FILES.get(file, "자원 제한의 값을 적어요")


def _write(arguments: str) -> tuple[str, str] | None:
    if arguments.startswith("/proc/sys/net/"):
        return NETWORK, "컨테이너 안의 네트워크 설정을 적어요"
    if arguments.startswith("/proc/sys/"):
        return NAMESPACES, "컨테이너 안의 커널 설정을 적어요"
    if "/oom_score_adj" in arguments:
        return LIMITS, "메모리가 부족할 때 끝낼 순서를 정해요"
    return _cgroup(arguments)


def _mkdir(arguments: str) -> tuple[str, str]:
    return _cgroup(arguments) or (FILES, "파일 시스템을 붙일 폴더를 만들어요")


def _mount(arguments: str) -> tuple[str, str]:
    source, _, rest = arguments.partition(" → ")
    target, _, options = rest.partition(" ")
    kind = options.split(" ")[1] if options.startswith("type ") else ""
    if kind == "overlay":
        return IMAGE, "이미지의 레이어를 겹치고 맨 위에 쓰기 레이어를 얹어 루트를 만들어요"
    if kind.startswith("cgroup") or target.startswith("/sys/fs/cgroup"):
        return FILES, "자기 cgroup만 보이는 /sys/fs/cgroup을 읽기 전용으로 붙여요"
    if kind == "tmpfs" and _hidden(target):
        return SECURITY, COVERED
    if kind == "tmpfs" and target == "/dev":
        return FILES, "컨테이너만의 빈 /dev를 만들어요"
    if target == "/dev/shm":
        return FILES, "공유 메모리(/dev/shm)를 만들어요"
    if kind == "tmpfs":
        return FILES, "메모리에 두는 폴더를 붙여요"
    if kind in MOUNTS:
        return FILES, MOUNTS[kind]
    if source == "none" and ("MS_SLAVE" in options or "MS_PRIVATE" in options):
        return FILES, "안에서 붙인 것이 호스트로 퍼지지 않게 해요"
    return FILES, "파일 시스템을 붙여요"


def _hidden(path: str) -> bool:
    return path.startswith(("/proc/", "/sys/"))


def _open_tree(arguments: str) -> tuple[str, str]:
    path = arguments.partition(" ")[0]
    if path == "/dev/null":
        return SECURITY, COVERED
    if _hidden(path):
        return SECURITY, COVERED
    return FILES, "호스트의 파일이나 폴더를 안에 붙일 준비를 해요"


def _mknod(arguments: str) -> tuple[str, str]:
    if " c 0:0 " in arguments:
        return FILES, "아래층의 같은 이름을 가리는 표시(화이트아웃)를 만들어요"
    return FILES, "꼭 필요한 장치 파일을 만들어요"


def _mount_setattr(arguments: str) -> tuple[str, str]:
    path, _, rest = arguments.partition(" ")
    if path.startswith("/sys/fs/cgroup"):
        return FILES, "/sys/fs/cgroup을 읽기 전용으로 바꿔요"
    if _hidden(path):
        return SECURITY, COVERED
    if path in NAMED_FILES:
        return FILES, NAMED
    if "RDONLY" in rest:
        return FILES, "읽기 전용으로 바꿔요"
    return FILES, "여기서 붙인 것이 호스트로 퍼지지 않게 해요"


def _move_mount(arguments: str) -> tuple[str, str]:
    path = arguments.removeprefix("→ ")
    if _hidden(path):
        return SECURITY, COVERED
    if path in NAMED_FILES:
        return FILES, NAMED
    return FILES, "준비한 파일이나 폴더를 제자리에 붙여요"


def _umount2(arguments: str) -> tuple[str, str]:
    """`the host's root MNT_DETACH`: whoever enters a container's root names it; others name a path, or "." after
    pivot_root(".", ".")."""
    place = arguments.rpartition(" ")[0]
    if place == "the host's root":
        return FILES, "호스트의 루트를 떼어 내요. 이제 호스트의 파일은 보이지 않아요"
    if place == ".":
        return FILES, "지금 폴더를 덮은 마운트를 떼어 내요. pivot_root 다음이라면 옛 루트예요"
    if len(place) > LONGEST_PLACE:
        place = f"…/{place.rpartition('/')[2]}"
    return FILES, f"{place}에 붙어 있던 것을 떼어 내요"


def _chdir(arguments: str) -> tuple[str, str]:
    if arguments.endswith("/layers"):
        return IMAGE, "레이어가 있는 폴더로 들어가요. 이름이 짧아야 여러 겹을 한 번에 적을 수 있어요"
    if arguments == "/":
        return FILES, "새 루트(/)로 들어가요"
    return RUN, "작업 폴더로 들어가요"


def _prctl(arguments: str) -> tuple[str, str] | None:
    return PRCTL.get(arguments.partition(",")[0])


def _netlink(kind: str, arguments: str) -> str:
    if kind != "RTM_NEWLINK":
        return NETLINK.get(kind, "")
    if arguments.startswith("veth "):
        return "호스트와 컨테이너를 잇는 가상 랜선(veth)을 만들어요. 한쪽은 컨테이너의 eth0, 다른 쪽은 브리지에 꽂아요"
    if arguments.startswith("bridge "):
        return "컨테이너들이 꽂힐 브리지를 만들어요"
    if arguments == "index 1 up":
        return "컨테이너 안의 루프백(lo)을 켜요"
    return "네트워크 장치를 켜요" if arguments.endswith(" up") else "네트워크 장치를 바꿔요"


READERS: dict[str, Callable[[str], tuple[str, str] | None]] = {
    "chdir": _chdir,
    "clone3": _clone,
    "mkdir": _mkdir,
    "mknod": _mknod,
    "mount": _mount,
    "mount_setattr": _mount_setattr,
    "move_mount": _move_mount,
    "open_tree": _open_tree,
    "prctl": _prctl,
    "umount2": _umount2,
    "unshare": _unshare,
    "write": _write,
}
