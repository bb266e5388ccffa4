"""strace(1), an outsider, on processes of the engine: what it saw, in the form of the kernel trace."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 120.0
#: what is compared, as the manual names it. Not in the list: opening, reading, closing and looking, which are not
#: recorded; what a program does once it is the container's
CALLS = (
    "bpf", "capset", "chroot", "clone", "clone3", "close_range", "execve", "fork", "mkdir", "mknodat", "mount",
    "mount_setattr", "move_mount", "open_tree", "pidfd_send_signal", "pivot_root", "prctl", "prlimit64", "rmdir",
    "seccomp", "sendmsg", "sendto", "setdomainname", "setgid", "setgroups", "sethostname", "setns", "setresgid",
    "setresuid", "setsid", "setuid", "symlinkat", "umount2", "unshare", "vfork", "write",
)  # fmt: skip
#: strace's word → the trace's, where they differ
NAMES = {"prlimit64": "setrlimit", "mknodat": "mknod", "symlinkat": "symlink"}
#: what strace calls a message, by name or, for a socket of another namespace, by number
MESSAGES = {
    "NFT_MSG_NEWSETELEM": 0xA0C,
    "RTM_NEWLINK": 16, "RTM_GETLINK": 18, "RTM_SETLINK": 19, "RTM_NEWADDR": 20, "RTM_NEWROUTE": 24,
}  # fmt: skip
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_TYPE = re.compile(r"nlmsg_type=(?:NFNL_SUBSYS_NFTABLES<<8\|)?(\w+)")

Call = tuple[str, str]  # name, and the argument that tells one from another ("" where there is none)


def refusal(program: str) -> str:
    """Why strace cannot attach here; "" where it can."""
    with subprocess.Popen(["sleep", "600"]) as probe:
        words = [program, "-p", str(probe.pid), "-o", "/dev/null", "-e", "trace=none"]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as trial:
            assert trial.stderr is not None
            said = trial.stderr.readline().strip()
            if "attached" in said:
                trial.send_signal(signal.SIGINT)
                said = ""
            trial.stderr.read()
        probe.kill()
    return said


@contextmanager
def watched(program: str, log: Path, *pids: int) -> Iterator[None]:
    """What these processes, their threads and their children do is written to `log`."""
    words = [program, "-f", "-y", "-s", "200", "-o", str(log), "-e", f"trace={','.join(CALLS)}", "-e", "signal=none"]
    words += [word for pid in pids for word in ("-p", str(pid))]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as tracer:
        said = tracer.stderr
        assert said is not None
        waiting = set(pids)
        for line in said:
            waiting -= {int(word) for word in re.findall(r"Process (\d+)", line)}
            if not waiting:
                break
        rest = threading.Thread(target=said.read)  # or it would wait for somebody to read
        rest.start()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(PATIENCE)
            rest.join(PATIENCE)


def seen(log: Path, pids: set[int]) -> list[Call]:
    """The calls of these processes in their order, each up to the program that it becomes."""
    found: list[Call] = []
    gone: set[int] = set()
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None or int(match[1]) not in pids - gone:
            continue
        name, arguments = match[2], match[3]
        call = READERS.get(name, _plain)(name, arguments)
        if call is not None:
            found.append(call)
        if name == "execve":
            gone.add(int(match[1]))
    return _joined(found)


def _joined(calls: list[Call]) -> list[Call]:
    """Rights that are dropped one after another are one step."""
    return [
        call for at, call in enumerate(calls) if not (call[1] == "PR_CAPBSET_DROP" and calls[at - 1 : at] == [call])
    ]


# one call as strace writes it ----------------------------------------------------------------------------------------
def _plain(name: str, arguments: str) -> Call | None:
    return NAMES.get(name, name), ""


def _first_word(name: str, arguments: str) -> Call | None:
    return NAMES.get(name, name), re.split(r"[,)]", arguments)[0]


def _text(name: str, arguments: str) -> Call | None:
    match = re.search(r'"((?:[^"\\]|\\.)*)"', arguments)
    return NAMES.get(name, name), match[1] if match else ""


def _kernel_file(name: str, arguments: str) -> Call | None:
    """Only directories and files of control groups and settings: other writes are not asked of the kernel."""
    match = re.search(r'^"(/sys/fs/cgroup/[^"]*)"|^\d+<(/(?:sys/fs/cgroup|proc/sys|proc/\d+)/[^>]*)>', arguments)
    return (name, _own(match[1] or match[2])) if match else None


def _own(path: str) -> str:
    """A process names its own files in /proc by "self"."""
    return re.sub(r"^/proc/\d+/", "/proc/self/", path)


def _mount(name: str, arguments: str) -> Call | None:
    """The kind of file system: a bind and a change of propagation have none."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|NULL', arguments)
    return name, words[2].strip('"').replace("NULL", "") if len(words) > 2 else ""


def _limit(name: str, arguments: str) -> Call | None:
    """With a new value; without one it only asks."""
    match = re.match(r"\d+, (RLIMIT_\w+), \{", arguments)
    return ("setrlimit", match[1]) if match else None


def _message(name: str, arguments: str) -> Call | None:
    """A packet for nftables begins with a batch's own message, whose number another family uses too."""
    types = _TYPE.findall(arguments)
    if not types:
        return None
    words = {int(word, 16) if word.startswith("0x") else word for word in types}
    found = [message for message, number in MESSAGES.items() if words & {message, number}]
    return "netlink", found[0] if found else arguments


def _range(name: str, arguments: str) -> Call | None:
    return (name, "") if "CLOEXEC" in arguments else None


READERS: dict[str, Callable[[str, str], Call | None]] = {
    "close_range": _range,
    "execve": _text,
    "mkdir": _kernel_file,
    "mknodat": lambda name, arguments: ("mknod", arguments.split('"')[1]),
    "mount": _mount,
    "prctl": _first_word,
    "prlimit64": _limit,
    "rmdir": _kernel_file,
    "sendmsg": _message,
    "sendto": _message,
    "sethostname": _text,
    "symlinkat": _text,
    "write": _kernel_file,
}


# and as the trace has it ---------------------------------------------------------------------------------------------
def told(steps: list[dict[str, Any]], *processes: str) -> list[Call]:
    """The recorded steps of the list in the same form."""
    found: list[Call] = []
    for step in steps:
        name, arguments = step["Name"], step["Arguments"]
        if step["Process"] not in processes or name == "chdir":
            continue
        first = arguments.partition(" ")[0].rstrip(",")
        if name.startswith("netlink "):
            found.append(("netlink", name.removeprefix("netlink ")))
        elif name == "mknod":
            found.append((name, first.rpartition("/")[2]))
        elif name == "mount":
            kind = re.search(r" type (\S+)", arguments)
            found.append((name, kind[1] if kind else ""))
        elif name == "symlink":
            found.append((name, arguments.partition(" → ")[2]))
        elif name in ("execve", "prctl", "sethostname", "setrlimit", "write", "mkdir"):
            found.append((name, first))
        else:
            found.append((name, ""))
    return found


def threads(pid: int) -> set[int]:
    return {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()}
