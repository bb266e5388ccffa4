"""Seccomp profiles in Docker's JSON format, compiled to the kernel's BPF by libseccomp and kept in a file.

Used by the daemon; the child only loads the finished bytes. What a rule means for a container is decided here from its
capabilities and this machine (`choose`, pure); libseccomp writes the program. Calls that are newer than the installed
libseccomp are answered by a short piece of our own in front of its program (`preface`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime.capabilities import ALL, NAMES
from kernel_engine.runtime.seccomp_program import shorten

DEFAULT = Path(__file__).with_name("seccomp_default.json")
#: changes when compiled programs of older versions of this file must not be used any more
_FORMAT = "3"

#: numbers that are the same on every machine, for names that an older libseccomp does not know (Linux 5.17 to 6.13)
_NEW_CALLS = {
    "set_mempolicy_home_node": 450, "cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454,
    "futex_wait": 455, "futex_requeue": 456, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463, "getxattrat": 464,
    "listxattrat": 465, "removexattrat": 466,
}  # fmt: skip
_NEWEST = max(_NEW_CALLS.values())

#: AUDIT_ARCH_* by machine, native first (linux/audit.h), and Docker's words for them
_MACHINES = {
    "x86_64": ((0xC000003E, 0x40000003), ("amd64", "x86", "x32")),
    "aarch64": ((0xC00000B7, 0x40000028), ("arm64", "arm")),
}
_X32_BIT = 0x40000000
#: from here on, calls of 32-bit Arm alone (asm/unistd.h), one of which its C library makes at every start
_ARM_PRIVATE = 0x0F0000
_RET_ALLOW, _RET_ERRNO = 0x7FFF0000, 0x00050000
_LD_ABS, _JEQ, _JGT, _JGE, _AND, _RET = 0x20, 0x15, 0x25, 0x35, 0x54, 0x06

_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison of an argument; for MASKED_EQ `value` is the mask and `second` what must be left."""

    index: int
    value: int
    operator: str
    second: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    names: tuple[str, ...]
    action: str  #: "SCMP_ACT_ALLOW", …
    errno: int
    conditions: tuple[Condition, ...]


@cache
def default_text() -> str:
    """Docker's default profile."""
    return DEFAULT.read_text()


@lru_cache(maxsize=64)
def place(text: str, capabilities: tuple[str, ...], directory: Path) -> Path:
    """Where the compiled program of this profile lies for a container with these capabilities, if it is there yet."""
    content = "\0".join((_FORMAT, text, *sorted(capabilities), os.uname().machine, os.uname().release))
    return directory / f"seccomp-{hashlib.sha256(content.encode()).hexdigest()[:24]}.bpf"


def compile_profile(text: str, capabilities: Sequence[str], path: Path) -> None:
    """Writes the program to its `place`. InvalidRequest with Docker's text where it is no profile. Takes 100 ms."""
    machine, kernel = os.uname().machine, os.uname().release
    try:
        profile = json.loads(text)
        rules = choose(profile, capabilities, machine, kernel)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"Decoding seccomp profile failed: {error}") from None
    _write_once(path, shorten(_program(profile, rules, machine)))


def choose(profile: Mapping[str, Any], capabilities: Iterable[str], machine: str, kernel: str) -> tuple[Rule, ...]:
    """The rules that count for these capabilities on this machine and kernel ("6.1.0-13-amd64"). Pure."""
    held = set(capabilities)
    held = set(NAMES) if ALL in held else held
    words = set(_MACHINES[machine][1])
    chosen = []
    for rule in profile.get("syscalls") or ():
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if not _all_hold(includes, held, words, kernel) or _any_holds(excludes, held, words, kernel):
            continue
        names = tuple(rule.get("names") or ()) or (rule["name"],)
        default = rule.get("errnoRet")
        conditions = tuple(_condition(item) for item in rule.get("args") or ())
        number = errno.EPERM if default is None else int(default)
        chosen.append(Rule(names=names, action=rule["action"], errno=number, conditions=conditions))
    return tuple(chosen)


def preface(allowed: Iterable[int], machine: str) -> bytes:
    """Instructions for the head of a program: allow these numbers, answer ENOSYS for calls newer than we know.

    A program that is refused an unknown call with EPERM believes it; with ENOSYS it takes the older call (runc does the
    same). Other architectures than the machine's own fall through to libseccomp's program, which kills them.
    """
    numbers = sorted(allowed)
    body = [_bpf(_LD_ABS, 0)]
    if machine == "x86_64":
        body.append(_bpf(_AND, ~_X32_BIT & 0xFFFFFFFF))
    for position, number in enumerate(numbers):
        # to the ALLOW behind the remaining comparisons, the newest-check and its answer
        body.append(_bpf(_JEQ, number, true=len(numbers) - position - 1 + 2))
    body.append(_bpf(_JGT, _NEWEST, true=0, false=2))
    body.append(_bpf(_RET, _RET_ERRNO | errno.ENOSYS))
    body.append(_bpf(_RET, _RET_ALLOW))
    native, compat = _MACHINES[machine][0]
    private = []
    if machine == "aarch64":  # set_tls, cacheflush and breakpoint are no newer calls: the profile's rules name them
        private = [_bpf(_LD_ABS, 0), _bpf(_JGE, _ARM_PRIVATE, true=len(body))]
    head = [
        _bpf(_LD_ABS, 4),
        _bpf(_JEQ, native, true=1 + len(private)),
        _bpf(_JEQ, compat, true=0, false=len(private) + len(body)),
    ]
    return b"".join(head + private + body)


# compiling ----------------------------------------------------------------------------------------------------------
def _write_once(path: Path, program: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(program)
    os.rename(file.name, path)


def _program(profile: Mapping[str, Any], rules: Sequence[Rule], machine: str) -> bytes:
    import pyseccomp  # type: ignore[import-untyped]  # loads libseccomp, which only a first compilation needs

    actions = {
        "SCMP_ACT_ALLOW": pyseccomp.ALLOW,
        "SCMP_ACT_KILL": pyseccomp.KILL_THREAD,
        "SCMP_ACT_KILL_THREAD": pyseccomp.KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS": pyseccomp.KILL_PROCESS,
        "SCMP_ACT_TRAP": pyseccomp.TRAP,
        "SCMP_ACT_LOG": pyseccomp.LOG,
    }

    def action(name: str, number: int) -> int:
        if name == "SCMP_ACT_ERRNO":
            return int(pyseccomp.ERRNO(number))
        if name not in actions:
            raise InvalidRequest(f"Decoding seccomp profile failed: unknown action {name}")
        return int(actions[name])

    default_number = profile.get("defaultErrnoRet")
    default = action(profile["defaultAction"], errno.EPERM if default_number is None else int(default_number))
    program = pyseccomp.SyscallFilter(defaction=default)
    program.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, 2)  # a binary tree: the kernel walks it for every call at load time
    for name in _sub_architectures(profile, machine):
        program.add_arch(getattr(pyseccomp.Arch, name))
    unknown: set[str] = set()
    for rule in rules:
        wanted = action(rule.action, rule.errno)
        arguments = [_argument(pyseccomp, condition) for condition in rule.conditions]
        for name in rule.names if wanted != default else ():
            if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) == -1:  # __NR_SCMP_ERROR
                unknown |= {name} if rule.action == "SCMP_ACT_ALLOW" and not arguments else set()
            else:
                program.add_rule(wanted, name, *arguments)
    with tempfile.TemporaryFile() as file:
        program.export_bpf(file)
        file.seek(0)
        compiled = file.read()
    if profile["defaultAction"] != "SCMP_ACT_ERRNO":
        return compiled
    return preface((_NEW_CALLS[name] for name in unknown if name in _NEW_CALLS), machine) + compiled


def _sub_architectures(profile: Mapping[str, Any], machine: str) -> tuple[str, ...]:
    native = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[machine]
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            return tuple(name.removeprefix("SCMP_ARCH_") for name in entry.get("subArchitectures") or ())
    return ()


def _argument(pyseccomp: Any, condition: Condition) -> Any:
    operator = getattr(pyseccomp, condition.operator)
    return pyseccomp.Arg(condition.index, operator, condition.value, condition.second)


def _condition(item: Mapping[str, Any]) -> Condition:
    operator = str(item["op"]).removeprefix("SCMP_CMP_")
    if operator not in _OPERATORS:
        raise ValueError(f"unknown operator {item['op']}")
    second = int(item.get("valueTwo") or 0)
    return Condition(index=int(item["index"]), value=int(item["value"]), operator=operator, second=second)


def _all_hold(words: Mapping[str, Any], held: set[str], machines: set[str], kernel: str) -> bool:
    if words.get("arches") and not machines & set(words["arches"]):
        return False
    if not held >= set(words.get("caps") or ()):
        return False
    return not words.get("minKernel") or _version(kernel) >= _version(words["minKernel"])


def _any_holds(words: Mapping[str, Any], held: set[str], machines: set[str], kernel: str) -> bool:
    if words.get("arches") and machines & set(words["arches"]):
        return True
    if held & set(words.get("caps") or ()):
        return True
    return bool(words.get("minKernel")) and _version(kernel) >= _version(words["minKernel"])


def _version(release: str) -> tuple[int, int]:
    major, minor = release.split("-", maxsplit=1)[0].split(".")[:2]
    return int(major), int("".join(filter(str.isdigit, minor)) or 0)


def _bpf(code: int, value: int, *, true: int = 0, false: int = 0) -> bytes:
    """struct sock_filter, linux/filter.h."""
    return struct.pack("=HBBI", code, true, false, value)
