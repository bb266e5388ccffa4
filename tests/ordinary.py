"""An ordinary user, on a kernel that lets such users make user namespaces or on one that does not.

`python tests/ordinary.py KIND PROGRAM …` becomes that user and then the program. "refused" is Docker's own way of
refusing (its default filter answers so): a seccomp filter, which children inherit and which nothing takes away. clone3
gets ENOSYS, as its flags lie in memory where no filter looks, and the C library falls back to clone for threads.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

KINDS = ("allowed", "refused")
NAME = "nobody"


def words(kind: str) -> list[str]:
    """What stands before a program that this user runs. Where to stand is the caller's to choose."""
    return [sys.executable, "-P", str(Path(__file__).resolve()), kind]


def unable() -> str:
    """Why this user can run nothing of the project here (a clone beneath /root); "" when all is well."""
    if os.geteuid() != 0:
        return "needs root: to become an ordinary user"
    probe = [*words("refused"), sys.executable, "-P", "-c", "import labs.wall.room, IPython, nbval"]
    done = subprocess.run(probe, capture_output=True, cwd="/", check=False)
    return "an ordinary user cannot read the sources" if done.returncode else ""


def uid() -> int:
    return pwd.getpwnam(NAME).pw_uid


def group() -> str:
    """The name of this user's group, for an engine's socket."""
    return grp.getgrgid(pwd.getpwnam(NAME).pw_gid).gr_name


def own(path: Path) -> None:
    """The file or folder becomes this user's."""
    entry = pwd.getpwnam(NAME)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def refuse() -> None:
    """No user namespace any more, for this process and all that it starts."""
    import pyseccomp  # type: ignore[import-untyped]

    user = 0x10000000  # CLONE_NEWUSER
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for name in ("clone", "unshare"):
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name, pyseccomp.Arg(0, pyseccomp.MASKED_EQ, user, user))
    rules.set_attr(pyseccomp.Attr.CTL_NNP, False)
    rules.load()


def main() -> None:
    kind, *program = sys.argv[1:]
    assert kind in KINDS and program
    if kind == "refused":
        refuse()
    entry = pwd.getpwnam(NAME)
    os.setgroups([])
    os.setresgid(*(entry.pw_gid,) * 3)
    os.setresuid(*(entry.pw_uid,) * 3)
    os.umask(0o022)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
