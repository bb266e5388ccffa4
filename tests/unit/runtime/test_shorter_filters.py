"""A filter that was written again answers as libseccomp's does, to every call, on every architecture."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.runtime import capabilities, seccomp
from kernel_engine.runtime.seccomp_program import Instruction, ranges, shorten

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028  # AUDIT_ARCH_*, linux/audit.h
X32 = 0x40000000
ALLOW, KILL, EPERM = 0x7FFF0000, 0, 0x00050001

ODD: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_KILL",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ],
    "syscalls": [
        {"names": ["read", "write", "openat", "close", "mmap", "exit_group"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["unlinkat"], "action": "SCMP_ACT_TRAP"},
        {"names": ["mkdirat"], "action": "SCMP_ACT_LOG"},
        {"names": ["renameat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        *(
            {
                "names": ["socket"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": value, "op": f"SCMP_CMP_{operator}"}],
            }
            for value, operator in ((2, "EQ"), (40, "GT"))
        ),
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
        },
    ],
}


def lines(program: bytes) -> list[Instruction]:
    return [Instruction(*words) for words in struct.iter_unpack("=HBBI", program)]


def answered(program: Sequence[Instruction], data: bytes) -> int:
    """What the kernel does with it: linux/filter.h, on struct seccomp_data."""
    at = held = 0
    while True:
        code, true, false, value = program[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("=I", data, value)
            case 0x54:
                held &= value
            case 0x05:
                at += value
            case 0x15:
                at += true if held == value else false
            case 0x25:
                at += true if held > value else false
            case 0x35:
                at += true if held >= value else false
            case 0x06:
                return value
            case _:
                raise AssertionError(f"instruction {code:#x}")


def calls(chance: random.Random) -> Iterator[bytes]:
    """Every call there is, with arguments that filters look at and others."""
    numbers = [high | number for high in (0, X32, 1 << 31, 3 << 30) for number in range(560)]
    numbers += [0x0F0001, 0x0F0002, 0x0F0005, 0xFFFFFFFF, *(chance.getrandbits(32) for _ in range(200))]
    for arch in (X86_64, I386, AARCH64, ARM, 0, 0xFFFFFFFF):
        for number in numbers:
            yield struct.pack("=IIQ6Q", number, arch, 0, *(_argument(chance) for _ in range(6)))


def _argument(chance: random.Random) -> int:
    known = (0, 1, 2, 8, 16, 40, 41, 0x7E020000, 0x10000000, 0x20000, 0x20008, 0xFFFFFFFF, 1 << 32, (1 << 64) - 1)
    return chance.choice((*known, chance.getrandbits(64)))


def compiled(monkeypatch: pytest.MonkeyPatch, text: str, held: Sequence[str], place: Path) -> tuple[bytes, bytes]:
    """As libseccomp has it, and as it is used."""
    found = []
    for write in (lambda program: program, shorten):
        monkeypatch.setattr(seccomp, "shorten", write)
        seccomp.compile_profile(text, held, place)
        found.append(place.read_bytes())
    return found[0], found[1]


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (seccomp.default_text(), capabilities.DEFAULT),
        (seccomp.default_text(), ("ALL",)),
        (seccomp.default_text(), ()),
        (json.dumps(ODD), ()),
        (json.dumps(ODD | {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38}), ()),
        (json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}), ()),
    ],
    ids=["default", "all capabilities", "none", "kill", "errno", "nothing"],
)
def test_both_answer_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, held: Sequence[str]) -> None:
    long, short = compiled(monkeypatch, text, held, tmp_path / "filter")
    before, after, seen = lines(long), lines(short), set()
    for data in calls(random.Random(20261127)):
        answer = answered(before, data)
        assert answered(after, data) == answer, struct.unpack_from("=II", data)
        seen.add(answer)
    assert len(short) <= len(long)
    assert len(seen) > 1 or "SCMP_ACT_ALLOW" in text


def test_the_default_is_a_third_of_what_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long, short = compiled(monkeypatch, seccomp.default_text(), capabilities.DEFAULT, tmp_path / "filter")
    assert len(short) < len(long) / 3


@pytest.mark.parametrize("strange", [(0x07, 0, 0, 0), (0x02, 0, 0, 3), (0x54, 0, 0, 0xFF)])
def test_what_is_not_understood_stays(strange: tuple[int, int, int, int]) -> None:
    words = ((0x20, 0, 0, 0), strange, (0x15, 0, 0, 7), (0x15, 0, 0, 8), (0x06, 0, 0, ALLOW))
    program = b"".join(struct.pack("=HBBI", *line) for line in words)
    assert shorten(program) == program


def test_neighbours_are_one_range() -> None:
    words = (
        (0x20, 0, 0, 0),
        (0x25, 0, 1, 9),
        (0x06, 0, 0, KILL),
        (0x15, 0, 1, 5),
        (0x06, 0, 0, EPERM),
        (6, 0, 0, ALLOW),
    )
    found = ranges([Instruction(*line) for line in words], X86_64)
    assert [(each.first, each.answer.returned) for each in found] == [(0, ALLOW), (5, EPERM), (6, ALLOW), (10, KILL)]


def test_a_program_that_compares_nothing() -> None:
    program = struct.pack("=HBBI", 0x06, 0, 0, ALLOW)
    assert shorten(program) == program
