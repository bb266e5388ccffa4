"""What stands in front of libseccomp's program, run instruction by instruction as linux/filter.h says."""

from __future__ import annotations

import struct

import pytest

from kernel_engine.runtime import seccomp

ALLOWED, NO_SUCH_CALL, ON = 0x7FFF0000, 0x00050000 | 38, "libseccomp's program decides"
X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028  # AUDIT_ARCH_*, linux/audit.h
FCHMODAT2, CACHESTAT = 452, 451  # the same on every machine


def answered(program: bytes, arch: int, number: int) -> int | str:
    """seccomp(2): number and architecture are the first two words of seccomp_data; what comes after the program."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    at, accumulator = 0, 0
    while at < len(instructions):
        code, true, false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                accumulator = {0: number, 4: arch}[value]
            case 0x54:
                accumulator &= value
            case 0x15 | 0x25 | 0x35:
                holds = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}[code]
                at += true if holds else false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"instruction {code:#x}")
    assert at == len(instructions), "a jump into the middle of the next program"
    return ON


@pytest.mark.parametrize(
    ("machine", "arch"), [("x86_64", X86_64), ("x86_64", I386), ("aarch64", AARCH64), ("aarch64", ARM)]
)
@pytest.mark.parametrize("allowed", [(), (FCHMODAT2,), (FCHMODAT2, CACHESTAT)])
def test_new_calls_are_allowed_or_unknown(machine: str, arch: int, allowed: tuple[int, ...]) -> None:
    program = seccomp.preface(allowed, machine)
    asked = {number: answered(program, arch, number) for number in (0, 0x1C0, CACHESTAT, FCHMODAT2, 466, 467, 100_000)}
    wanted = {0: ON, 0x1C0: ON, 466: ON, 467: NO_SUCH_CALL, 100_000: NO_SUCH_CALL}
    assert asked == wanted | {number: ALLOWED if number in allowed else ON for number in (CACHESTAT, FCHMODAT2)}


@pytest.mark.parametrize(("machine", "other"), [("x86_64", AARCH64), ("aarch64", X86_64), ("aarch64", I386)])
def test_calls_of_other_machines_are_libseccomp_s(machine: str, other: int) -> None:
    program = seccomp.preface((FCHMODAT2,), machine)
    assert [answered(program, other, number) for number in (0, FCHMODAT2, 100_000)] == [ON, ON, ON]


def test_x32_s_calls_are_known_by_their_numbers() -> None:
    program = seccomp.preface((FCHMODAT2,), "x86_64")
    x32 = 0x40000000
    asked = [answered(program, X86_64, x32 | number) for number in (0, FCHMODAT2, 467)]
    assert asked == [ON, ALLOWED, NO_SUCH_CALL]


@pytest.mark.parametrize("number", [0x0F0001, 0x0F0002, 0x0F0005], ids=["breakpoint", "cacheflush", "set_tls"])
def test_calls_of_32_bit_arm_s_own_are_the_profile_s(number: int) -> None:
    """The C library makes set_tls at every start; as a call that nobody knows it would end every such program."""
    assert answered(seccomp.preface((FCHMODAT2,), "aarch64"), ARM, number) == ON
    assert answered(seccomp.preface((FCHMODAT2,), "aarch64"), AARCH64, number) == NO_SUCH_CALL
