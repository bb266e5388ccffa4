"""bpf(2) for one purpose: the program that decides which device nodes a cgroup v2 may use (BPF_CGROUP_DEVICE).

Building the instructions from rules is pure (`device_program`); loading and attaching is two calls.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Protocol

from kernel_engine.syscalls.libc import call

BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2
#: bpf_cgroup_dev_ctx.access_type: low half type, high half access (linux/bpf.h)
BPF_DEVCG_DEV = {"b": 1, "c": 2}
BPF_DEVCG_ACC = {"m": 1, "r": 2, "w": 4}

_LDX_W, _MOV64_REG, _MOV64_IMM, _AND32_IMM, _RSH32_IMM, _JNE32_IMM, _JNE32_REG, _JEQ32_IMM, _EXIT = (
    0x61, 0xBF, 0xB7, 0x54, 0x74, 0x56, 0x5E, 0x16, 0x95,
)  # fmt: skip
_TYPE, _ACCESS, _MAJOR, _MINOR = 2, 3, 4, 5  # registers that hold the request


class Rule(Protocol):
    """One line of an allow-list; `type` a|b|c, -1 = any number, `access` of "rwm"."""

    @property
    def allow(self) -> bool: ...
    @property
    def type(self) -> str: ...
    @property
    def major(self) -> int: ...
    @property
    def minor(self) -> int: ...
    @property
    def access(self) -> str: ...


def _instruction(code: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("=BBhi", code, destination | source << 4, offset, immediate)


def device_program(rules: Sequence[Rule]) -> bytes:
    """The last rule that fits wins, as in v1's devices.allow and devices.deny; nothing fits = refused."""
    program = [
        _instruction(_LDX_W, _TYPE, 1, 0),
        _instruction(_AND32_IMM, _TYPE, immediate=0xFFFF),
        _instruction(_LDX_W, _ACCESS, 1, 0),
        _instruction(_RSH32_IMM, _ACCESS, immediate=16),
        _instruction(_LDX_W, _MAJOR, 1, 4),
        _instruction(_LDX_W, _MINOR, 1, 8),
    ]
    for rule in reversed(rules):
        program += _rule(rule)
        if rule.type == "a" and rule.major < 0 and rule.minor < 0 and set(rule.access) >= set("rwm"):
            return b"".join(program)  # every request has been answered; the verifier refuses unreachable code
    program += [_instruction(_MOV64_IMM, 0, immediate=0), _instruction(_EXIT)]
    return b"".join(program)


def _rule(rule: Rule) -> list[bytes]:
    """Tests that jump over the answer when they do not fit, then the answer."""
    tests: list[tuple[int, int, int]] = []  # register, code, immediate
    if rule.type != "a":
        tests.append((_TYPE, _JNE32_IMM, BPF_DEVCG_DEV[rule.type]))
    if rule.major >= 0:
        tests.append((_MAJOR, _JNE32_IMM, rule.major))
    if rule.minor >= 0:
        tests.append((_MINOR, _JNE32_IMM, rule.minor))
    access = sum(BPF_DEVCG_ACC[letter] for letter in set(rule.access))
    masked = access != sum(BPF_DEVCG_ACC.values())
    length = (3 if masked else 0) + len(tests) + 2
    code: list[bytes] = []
    if masked:
        # an allowing rule must cover all that is asked; a refusing one bites on any of it
        code.append(_instruction(_MOV64_REG, 1, _ACCESS))
        code.append(_instruction(_AND32_IMM, 1, immediate=access))
        if rule.allow:
            code.append(_instruction(_JNE32_REG, 1, _ACCESS, offset=length - len(code) - 1))
        else:
            code.append(_instruction(_JEQ32_IMM, 1, offset=length - len(code) - 1))
    for register, jump, value in tests:
        code.append(_instruction(jump, register, offset=length - len(code) - 1, immediate=value))
    return [*code, _instruction(_MOV64_IMM, 0, immediate=int(rule.allow)), _instruction(_EXIT)]


def load_device_program(program: bytes) -> int:
    """A descriptor of the verified program."""
    instructions = ctypes.create_string_buffer(program)
    license_text = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "=IIQQIIQ", BPF_PROG_TYPE_CGROUP_DEVICE, len(program) // 8,
        ctypes.addressof(instructions), ctypes.addressof(license_text), 0, 0, 0,
    )  # fmt: skip
    packed = ctypes.create_string_buffer(attributes)
    show = f"BPF_PROG_LOAD BPF_PROG_TYPE_CGROUP_DEVICE {len(program) // 8} instructions"
    return call("bpf", BPF_PROG_LOAD, packed, len(attributes), show=show)


def attach_device_program(cgroup: int, program: int, *, shown: str) -> None:
    """Attaches to the cgroup v2 directory that `cgroup` is open on."""
    attributes = struct.pack("=IIII", cgroup, program, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI)
    packed = ctypes.create_string_buffer(attributes)
    call("bpf", BPF_PROG_ATTACH, packed, len(attributes), show=f"BPF_PROG_ATTACH BPF_CGROUP_DEVICE {shown}", path=shown)
