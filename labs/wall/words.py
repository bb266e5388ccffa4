"""What a learner reads when a cell of the room fails: their own line, the error, and one Korean sentence. Pure."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping, Sequence

from kernel_engine.syscalls.trace import Step

STOPPED = "멈췄어요."

#: (call, errno) → why the kernel says so; "" for any call
REASONS = {
    ("pivot_root", "EINVAL"): "새 루트는 마운트 지점이어야 하고, 옛 루트를 둘 곳은 그 안에 있어야 해요. "
    "폴더라면 자기 자신에 bind 마운트를 먼저 하세요.",
    ("pivot_root", "EBUSY"): "새 루트나 옛 루트를 둘 곳이 지금의 루트(/)와 같은 마운트에 있어요.",
    (
        "mount",
        "EPERM",
    ): "이 마운트 네임스페이스의 주인이 아니거나, 바깥에서 물려받아 잠긴 마운트예요.",
    ("mount", "EINVAL"): "옵션이 맞지 않거나 원본이 마운트 지점이 아니에요.",
    ("mount", "ENODEV"): "커널이 모르는 파일 시스템이에요.",
    ("mount", "EBUSY"): "다른 곳에서 쓰고 있거나 이미 그렇게 마운트되어 있어요.",
    ("umount2", "EINVAL"): "마운트 지점이 아니거나, 혼자서는 뗄 수 없게 잠긴 마운트예요.",
    ("umount2", "EBUSY"): "그 안에서 일하는 프로세스나 그 아래 마운트가 있어요. MNT_DETACH로 떼어 낼 수 있어요.",
    ("unshare", "EINVAL"): "스레드가 여럿인 프로세스는 사용자 네임스페이스를 새로 만들 수 없어요.",
    ("unshare", "EPERM"): "이 네임스페이스를 만들 권한(CAP_SYS_ADMIN)이 없어요.",
    ("clone3", "EPERM"): "이 네임스페이스를 만들 권한(CAP_SYS_ADMIN)이 없어요.",
    ("clone3", "ENOSPC"): "네임스페이스를 더 깊이, 또는 더 많이 만들 수 없어요.",
    ("setns", "EINVAL"): "그 네임스페이스에는 지금 들어갈 수 없어요. 종류가 다르거나 이미 그 안에 있어요.",
    ("setns", "EPERM"): "그 네임스페이스의 주인이 아니라서 들어갈 수 없어요.",
    ("sethostname", "EPERM"): "이 UTS 네임스페이스의 주인이 아니에요. 먼저 CLONE_NEWUTS로 새로 만드세요.",
    ("capset", "EPERM"): "한 번 버린 권한은 다시 얻을 수 없어요.",
    ("seccomp", "EACCES"): "필터를 달기 전에 PR_SET_NO_NEW_PRIVS를 켜야 해요.",
    ("setresuid", "EINVAL"): "이 사용자 네임스페이스의 지도(uid_map)에 없는 번호예요.",
    ("setresgid", "EINVAL"): "이 사용자 네임스페이스의 지도(gid_map)에 없는 번호예요.",
    ("execve", "ENOENT"): "그런 프로그램이 지금의 루트(/) 안에 없어요. 프로그램이 쓰는 로더가 없을 때도 이렇게 나와요.",
    ("execve", "EACCES"): "실행할 수 있는 파일이 아니거나 noexec로 마운트되어 있어요.",
    ("mkdir", "EROFS"): "읽기 전용으로 마운트되어 있어요.",
    ("write", "EBUSY"): "그 cgroup에 프로세스나 자식이 있어서 지금은 바꿀 수 없어요.",
    ("write", "EINVAL"): "커널이 받지 않는 값이에요.",
    ("write", "ENOENT"): "켜져 있지 않은 제어기(controller)예요.",
    ("rmdir", "EBUSY"): "그 cgroup에 아직 프로세스나 자식이 있어요.",
    ("", "EPERM"): "이 일을 할 권한이 없어요.",
    ("", "EACCES"): "이 파일을 다룰 권한이 없어요.",
    ("", "ENOENT"): "그런 파일이나 폴더가 없어요.",
    ("", "EEXIST"): "같은 이름이 이미 있어요.",
    ("", "ENOTDIR"): "폴더가 있어야 할 자리에 다른 것이 있어요.",
    ("", "EISDIR"): "폴더라서 파일처럼 다룰 수 없어요.",
    ("", "ENOTEMPTY"): "폴더가 비어 있지 않아요.",
    ("", "EBUSY"): "다른 곳에서 쓰고 있어요.",
    ("", "EINVAL"): "값이 맞지 않아요.",
    ("", "EROFS"): "읽기 전용이에요.",
    ("", "ENOSYS"): "이 커널에는 없는 시스템 콜이에요.",
    ("", "ENOSPC"): "자리가 없어요.",
    ("", "ENOMEM"): "메모리가 부족해요.",
    ("", "ESRCH"): "그런 프로세스가 없어요. 이미 끝났을 수 있어요.",
    ("", "ECHILD"): "기다릴 자식 프로세스가 없어요.",
    ("", "EAGAIN"): "지금은 더 만들 수 없어요. 한도에 닿았어요.",
    ("", "ENETUNREACH"): "그곳으로 가는 길(라우팅)이 없어요.",
    ("", "ECONNREFUSED"): "그 주소에서 듣고 있는 프로그램이 없어요.",
    ("", "ENODEV"): "그런 장치가 없어요.",
    ("", "EOPNOTSUPP"): "이 파일 시스템이나 장치가 하지 못하는 일이에요.",
}
LIBRARY_GONE = (
    "파이썬의 라이브러리는 옛 루트에 있어서 새 루트에서는 찾을 수 없어요. 필요한 import는 pivot_root보다 먼저 하세요."
)


def failure(error: BaseException, lines: Mapping[str, Sequence[str]], cell: str, steps: Sequence[Step]) -> str:
    """The learner's lines that led there, the error as Python says it, and why the kernel said so."""
    told = [*_places(error, lines, cell), *_last(error)]
    if reason := why(error, steps):
        told.append(reason)
    return "\n".join(told)


def _places(error: BaseException, lines: Mapping[str, Sequence[str]], cell: str) -> list[str]:
    """Frames of cells only: what the engine did inside is its own."""
    frames = [
        (name, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if (name := frame.f_code.co_filename).startswith("<cell ")
    ]
    return [_place(name, number, lines, cell) for name, number in frames]


def _place(name: str, number: int, lines: Mapping[str, Sequence[str]], cell: str) -> str:
    known = lines.get(name, ())
    text = known[number - 1].strip() if 0 < number <= len(known) else ""
    where = "" if name == cell else "앞 셀의 "
    return f"{where}{number}번째 줄: {text}"


def _last(error: BaseException) -> list[str]:
    if isinstance(error, SyntaxError):
        text = (error.text or "").strip()
        return [f"{error.lineno}번째 줄: {text}", f"{type(error).__name__}: {error.msg}"]
    return traceback.format_exception_only(error)[-1].rstrip().splitlines()


def why(error: BaseException, steps: Sequence[Step]) -> str:
    """One Korean sentence; "" where nothing is known."""
    if isinstance(error, ModuleNotFoundError):
        return LIBRARY_GONE if error.name in _standard_library() else ""
    if not isinstance(error, OSError) or error.errno is None:
        return ""
    name = errno.errorcode.get(error.errno, "")
    refused = steps[-1].name if steps and not steps[-1].ok and steps[-1].result == name else ""
    reason = REASONS.get((refused, name)) or REASONS.get(("", name), "")
    call = f"{refused}(2)" if refused and " " not in refused else ""
    if not reason:
        return ""
    return f"커널의 대답은 {name}{f' ({call})' if call else ''}: {reason}"


def _standard_library() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names
