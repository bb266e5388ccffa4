"""What depends on the machine's processor: what is said of it, and which of its calls the filter lets through.

The programs are a few instructions long and made here, for the machine's own calls and for those of its 32-bit
forerunner, which its kernel may run too: no compiler is needed, and no table of the engine's is believed.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.busybox_registry import Image, busybox
from tests.conftest import needs_root
from tests.daemon import Daemon

pytestmark = needs_root
MACHINE = os.uname().machine
DOCKER_S = {"x86_64": "amd64", "aarch64": "arm64"}.get(MACHINE, MACHINE)
#: the 32-bit processor whose programs this one runs
FORERUNNER = {"x86_64": "i386", "aarch64": "arm"}.get(MACHINE, "")
CLONE_NEWUTS, CLONE_NEWUSER = 0x04000000, 0x10000000
UNKNOWN = 100_000  #: no kernel has a call of this number
#: asm/unistd.h of each
NUMBERS = {
    "x86_64": {"getuid": 102, "unshare": 272, "keyctl": 250, "bpf": 321, "exit": 60},
    "i386": {"getuid": 199, "unshare": 310, "keyctl": 288, "bpf": 357, "exit": 1, "set_thread_area": 243},
    "aarch64": {"getuid": 174, "unshare": 97, "keyctl": 219, "bpf": 280, "exit": 93},
    "arm": {"getuid": 199, "unshare": 337, "keyctl": 311, "bpf": 386, "exit": 1, "set_tls": 0x0F0005},
}
CAPABLE = ("--cap-add", "SYS_ADMIN")
#: (name of the call, its first argument, options of `docker run`, what it answers)
ASKED = (
    ("getuid", 0, (), 0),
    ("unshare", CLONE_NEWUSER, (), errno.EPERM),
    ("unshare", CLONE_NEWUTS, CAPABLE, 0),
    ("keyctl", 0, CAPABLE, errno.EPERM),
    ("bpf", 0xFFFF, (), errno.EPERM),
    ("bpf", 0xFFFF, CAPABLE, errno.EINVAL),
    (UNKNOWN, 0, (), errno.ENOSYS),
    # what a 32-bit C library asks for at every start of a program
    ("set_thread_area", 0, (), errno.EFAULT),
    ("set_tls", 0, (), 0),
)


@dataclass(frozen=True, slots=True)
class Elf:
    bits: int
    machine: int  #: e_machine, elf(5)
    flags: int = 0


ELFS = {"x86_64": Elf(64, 62), "i386": Elf(32, 3), "aarch64": Elf(64, 183), "arm": Elf(32, 40, 0x05000000)}


def instructions(processor: str, call: int, argument: int) -> bytes:
    """Makes the call with one argument and zeros, and ends with its errno as exit status."""
    end = NUMBERS[processor]["exit"]
    match processor:
        case "x86_64":  # edi; esi, edx and r10d are zero at the start; eax; syscall; neg eax; mov edi, eax
            made = b"\xbf" + struct.pack("<I", argument) + b"\xb8" + struct.pack("<I", call) + b"\x0f\x05"
            return made + b"\xf7\xd8\x89\xc7\xb8" + struct.pack("<I", end) + b"\x0f\x05"
        case "i386":  # ebx; the others are zero at the start; eax; int 0x80; neg eax; mov ebx, eax
            made = b"\xbb" + struct.pack("<I", argument) + b"\xb8" + struct.pack("<I", call) + b"\xcd\x80"
            return made + b"\xf7\xd8\x89\xc3\xb8" + struct.pack("<I", end) + b"\xcd\x80"
        case "aarch64":  # movz and movk of w0 and w8; svc; neg w0, w0
            low, high = 0x52800000, 0x72A00000
            words = [form | (value >> shift & 0xFFFF) << 5 | register for register, value in ((0, argument), (8, call))
                     for form, shift in ((low, 0), (high, 16))]  # fmt: skip
            words += [0xD4000001, 0x4B0003E0, low | end << 5 | 8, 0xD4000001]
        case _:  # movw and movt of r0 and r7; svc; rsb r0, r0, #0
            words = [form | (value >> shift + 12 & 0xF) << 16 | register << 12 | (value >> shift & 0xFFF)
                     for register, value in ((0, argument), (7, call))
                     for form, shift in ((0xE3000000, 0), (0xE3400000, 16))]  # fmt: skip
            words += [0xEF000000, 0xE2600000, 0xE3A07000 | end, 0xEF000000]
    return struct.pack(f"<{len(words)}I", *words)


def executable(processor: str, call: int, argument: int) -> bytes:
    """A whole ELF file: header, one segment that is the file itself, the instructions."""
    elf, place = ELFS[processor], 0x10000
    wide = elf.bits == 64
    header, table = (64, 56) if wide else (52, 32)
    code = instructions(processor, call, argument)
    size = header + table + len(code)
    identity = b"\x7fELF" + bytes((2 if wide else 1, 1, 1)) + bytes(9)
    word = "Q" if wide else "I"
    first = struct.pack(
        f"<HHI{word}{word}{word}IHHHHHH",
        2, elf.machine, 1, place + header + table, header, 0, elf.flags, header, table, 1, 0, 0, 0,
    )  # fmt: skip
    if wide:
        segment = struct.pack("<IIQQQQQQ", 1, 5, 0, place, place, size, size, 0x10000)
    else:
        segment = struct.pack("<IIIIIIII", 1, 0, place, place, size, size, 5, 0x10000)
    return identity + first + segment + code


def written(directory: Path, processor: str, call: int, argument: int) -> Path:
    path = directory / f"{processor}-{call:#x}-{argument:#x}"
    path.write_bytes(executable(processor, call, argument))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def runs(directory: Path, processor: str) -> bool:
    """Whether this kernel runs its programs, and this test its instructions rightly."""
    try:
        done = subprocess.run([written(directory, processor, UNKNOWN, 0)], check=False)
    except OSError:
        return False
    return done.returncode == errno.ENOSYS


@pytest.mark.parametrize("processor", [name for name in (MACHINE, FORERUNNER) if name in NUMBERS])
def test_the_filter_knows_this_processor_s_calls(daemon: Daemon, directory: Path, processor: str) -> None:
    if processor != MACHINE and not runs(directory, processor):
        pytest.skip(f"this kernel runs no programs of {processor}")
    for options in dict.fromkeys(options for _, _, options, _ in ASKED):
        wanted = {}
        for call, argument, where, answer in ASKED:
            number = call if isinstance(call, int) else NUMBERS[processor].get(call)
            if where == options and number is not None:
                wanted[written(directory, processor, number, argument).name] = answer
        script = f"cd /programs; for name in {' '.join(wanted)}; do ./$name; echo $name $?; done"
        said = daemon.out("run", "--rm", *options, "-v", f"{directory}:/programs:ro", "busybox", "sh", "-c", script)
        assert {name: int(answer) for name, answer in (line.split() for line in said.splitlines())} == wanted


def test_what_is_said_of_the_processor(daemon: Daemon) -> None:
    assert daemon.out("version", "-f", "{{.Server.Arch}} {{.Client.Arch}}") == f"{DOCKER_S} {DOCKER_S}"
    assert daemon.out("info", "-f", "{{.Architecture}}") == MACHINE
    assert daemon.out("image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", "busybox") == f"linux/{DOCKER_S}"
    assert daemon.out("run", "--rm", "--platform", f"linux/{DOCKER_S}", "busybox", "uname", "-m") == MACHINE


def test_what_a_build_is_told_of_the_processor(daemon: Daemon) -> None:
    lines = (
        "FROM busybox", "ARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM",
        'RUN echo "$TARGETPLATFORM $TARGETARCH ($TARGETVARIANT) $BUILDPLATFORM" >/told',
    )  # fmt: skip
    daemon.docker("build", "-t", "told", "-", input="\n".join(lines))
    platform = f"linux/{DOCKER_S}"
    assert daemon.out("run", "--rm", "told", "cat", "/told") == f"{platform} {DOCKER_S} () {platform}"
    said = daemon.inspect("told")
    assert (said["Os"], said["Architecture"], said.get("Variant", "")) == ("linux", DOCKER_S, "")


def test_an_image_for_another_processor_is_warned_of(daemon: Daemon) -> None:
    """With this machine's own program in it, so that it runs all the same."""
    mine = busybox()
    other = next(name for name in ("arm64", "amd64") if name != DOCKER_S)
    warned = {}
    for architecture in (other, {"i386": "386"}.get(FORERUNNER, FORERUNNER), DOCKER_S):
        config = json.dumps(json.loads(mine.config) | {"architecture": architecture}).encode()
        daemon.api.post("/images/load", body=Image(config, mine.layer).archive(f"for:{architecture}")).read()
        warned[architecture] = daemon.docker("run", "--rm", f"for:{architecture}", "true").stderr
    assert warned.pop(other) == (
        f"WARNING: The requested image's platform (linux/{other}) does not match the detected host platform "
        f"(linux/{DOCKER_S}) and no specific platform was requested\n"
    )
    assert set(warned.values()) == {""}, warned
    daemon.docker("run", "--rm", "--platform", f"linux/{other}", f"for:{other}", "true")


def test_a_program_of_another_processor_is_refused(daemon: Daemon, directory: Path) -> None:
    other = next(name for name in ("aarch64", "x86_64") if name != MACHINE)
    if runs(directory, other):
        pytest.skip(f"this machine runs programs of {other}, too (binfmt_misc)")
    program = written(directory, other, NUMBERS[other]["getuid"], 0)
    done = daemon.docker("run", "--rm", "-v", f"{program}:/program:ro", "busybox", "/program", check=False)
    assert (done.returncode, done.stderr) == (1, "exec /program: exec format error\n")
