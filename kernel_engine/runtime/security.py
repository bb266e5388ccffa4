"""Whom a process runs as and what it may do: ids, capabilities, seccomp, limits, signals. Runs in the child.

The order is that of runc: a seccomp filter goes in while CAP_SYS_ADMIN is still there, unless no_new_privs replaces it.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterable
from functools import lru_cache

from kernel_engine.errors import InvalidRequest, KernelRefused
from kernel_engine.runtime.accounts import Account
from kernel_engine.runtime.capabilities import NAMES, from_mask, mask
from kernel_engine.runtime.spec import Process, Rlimit
from kernel_engine.syscalls import ids, procfs
from kernel_engine.syscalls import process as sys
from kernel_engine.syscalls.cgroupfs import read
from kernel_engine.syscalls.libc import recorded
from kernel_engine.syscalls.process import Prctl


def _status_mask(field: str) -> int:
    for line in read("/proc/self/status").splitlines():
        if line.startswith(field):
            return int(line.split()[1], 16)
    raise KeyError(field)


#: what this process has, read once when the launcher starts: nobody can give more than that
AVAILABLE = _status_mask("CapPrm:") & _status_mask("CapBnd:")
#: what the root of a user namespace has in it
ALL = (1 << int(read("/proc/sys/kernel/cap_last_cap")) + 1) - 1
#: the engine's own, which a unit may have lowered (OOMScoreAdjust=): a container does not inherit that protection
_OOM_SCORE = int(read("/proc/self/oom_score_adj"))
_DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)
#: ignored when the launcher started, or by itself since
IGNORED = frozenset(number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN) | {
    signal.SIGHUP,
    signal.SIGINT,
}
_NULL = os.makedev(1, 3)
_IS_MACHINES, _MAY_SET_GROUPS = ids.is_machines(), ids.may_set_groups()
_LAST = ALL.bit_length() - 1


def raise_descriptor_limit() -> None:
    """For the launcher, which holds a few descriptors for each container; children get the old one back."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS[1], _DESCRIPTORS[1]))


def restore_descriptor_limit() -> None:
    """For a child that is to know its limit as the launcher knew its own when it started."""
    resource.setrlimit(resource.RLIMIT_NOFILE, _DESCRIPTORS)


def apply(process: Process, account: Account, program: bytes, *, available: int) -> None:
    """Gives up everything that the process shall not have. `program`: the seccomp filter, b"" = none.

    available: the capabilities that it has now.
    """
    keep = mask(process.capabilities) & available
    _drop_bounding(keep, available)
    if program and not process.no_new_privileges:
        sys.seccomp(program)
    _set_groups(process, account)
    _become(sys.setresgid, "gid", account.gid)
    _become(sys.setresuid, "uid", account.uid)
    # another user than root gets none, as Docker does it: only a file with capabilities or set-uid can raise them
    held = 0 if account.uid else keep
    sys.capset(held, held, 0, show=describe(held))
    if process.no_new_privileges:
        sys.prctl(Prctl.PR_SET_NO_NEW_PRIVS, 1)
        if program:
            sys.seccomp(program)


def _set_groups(process: Process, account: Account) -> None:
    """The groups of the image's user, and --group-add. InvalidRequest, as runc says it, where nobody may have any."""
    if _MAY_SET_GROUPS:
        sys.setgroups(account.groups)
    elif process.groups:
        raise InvalidRequest("cannot set any additional groups in a rootless container")


def _become(call: Callable[[int], None], kind: str, number: int) -> None:
    try:
        call(number)
    except OSError as error:
        text = f"unable to setup user: cannot set {kind} to unmapped user in user namespace"
        if error.errno == errno.EINVAL:
            raise KernelRefused(f"setres{kind}", errno.EINVAL, text) from None
        raise


@lru_cache(maxsize=64)
def describe(bits: int) -> str:
    names = from_mask(bits)
    if len(names) > len(NAMES) // 2:
        missing = [name for name in NAMES[: _LAST + 1] if name not in names]
        return f"all but {' '.join(missing)}" if missing else "all"
    return " ".join(names) or "none"


def set_limits(process: Process) -> None:
    """rlimits and the OOM score. Raises KernelRefused with runc's text where the host's own limit is lower."""
    sys.setrlimit("NOFILE", *_DESCRIPTORS)
    for limit in process.rlimits:
        _set_limit(limit)
    score = process.oom_score_adj
    if score is None:  # lowering it is for the machine's root; a rootless engine's containers are as likely as itself
        score = 0 if _IS_MACHINES else max(_OOM_SCORE, 0)
    if score != _OOM_SCORE:
        procfs.write("/proc/self/oom_score_adj", str(score))


def own_keys() -> None:
    """A session keyring of its own: the engine's, and another container's, are nobody's business here."""
    try:
        sys.join_session_keyring(traced=False)
    except OSError as error:
        # a kernel without keys, or an engine that may not touch them: then nobody in a container may either
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise


def reset_signals() -> None:
    """Python ignores SIGPIPE and SIGXFSZ, and an ignored signal stays ignored through execve(2)."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def die_with_launcher() -> None:
    """Set again after every change of ids, which clears it (prctl(2), PR_SET_PDEATHSIG)."""
    sys.prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGKILL, show="SIGKILL")


def own_streams(uid: int, gid: int = -1, descriptors: Iterable[int] = (0, 1, 2)) -> None:
    """The pipes become the user's, so that /dev/stdout can be opened again (runc's fixStdioPermissions). A user
    namespace's root may give on only what belongs to a user and a group of its own."""
    for number in descriptors:
        status = os.fstat(number)
        if status.st_uid != uid and status.st_rdev != _NULL:
            try:
                os.fchown(number, uid, gid)
            except OSError:
                continue  # a read-only or foreign file: the process lives with it, as with runc


@lru_cache(maxsize=64)
def _dropped(keep: int, available: int) -> tuple[tuple[int, ...], str]:
    """Bits, and the names of their capabilities."""
    bits = tuple(bit for bit in range(_LAST + 1) if not keep >> bit & 1 and available >> bit & 1)
    return bits, " ".join(NAMES[bit] if bit < len(NAMES) else str(bit) for bit in bits)


def _drop_bounding(keep: int, available: int) -> None:
    dropped, names = _dropped(keep, available)

    def drop() -> None:
        for bit in dropped:
            sys.prctl(Prctl.PR_CAPBSET_DROP, bit, traced=False)

    if dropped:
        recorded("prctl", f"PR_CAPBSET_DROP, {names}", drop)


def _set_limit(limit: Rlimit) -> None:
    try:
        sys.setrlimit(limit.name.upper(), limit.soft, limit.hard)
    except (OSError, ValueError, AttributeError) as error:
        # Python has sentences of its own for the two errnos of setrlimit(2)
        raising = "raise" in str(error)
        reason = os.strerror(errno.EPERM if raising else errno.EINVAL).lower()
        kind = getattr(resource, f"RLIMIT_{limit.name.upper()}", limit.name)
        text = f"error setting rlimits for ready process: error setting rlimit type {kind}: {reason}"
        raise KernelRefused("setrlimit", errno.EPERM if raising else errno.EINVAL, text) from None
