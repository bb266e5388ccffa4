"""The BPF device program of cgroup v2, attached for real and asked by a process inside."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.runtime.defaults import DEVICE_RULES, PRIVILEGED_DEVICE_RULES
from kernel_engine.runtime.spec import DeviceRule
from kernel_engine.syscalls import bpf


def unified() -> str:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return line.split()[4]
    return ""


pytestmark = pytest.mark.skipif(not unified() or os.geteuid() != 0, reason="needs root and a cgroup2 mount")


@pytest.fixture
def group() -> Iterator[str]:
    directory = f"{unified()}/ke-test-{uuid.uuid4().hex[:8]}"
    os.mkdir(directory)
    yield directory
    os.rmdir(directory)


def outcomes(group: str, rules: tuple[DeviceRule, ...], opens: tuple[tuple[str, int], ...]) -> list[bool]:
    """Whether a process in the group may open each of these."""
    program = bpf.load_device_program(bpf.device_program(rules))
    directory = os.open(group, os.O_RDONLY)
    bpf.attach_device_program(directory, program, shown=group)
    os.close(directory)
    os.close(program)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with open(f"{group}/cgroup.procs", "w") as file:
                file.write("0")
            for path, flags in opens:
                try:
                    os.close(os.open(path, flags))
                    os.write(writing, b"1")
                except PermissionError:
                    os.write(writing, b"0")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    answer = os.read(reading, 100)
    os.close(reading)
    return [byte == ord("1") for byte in answer]


NULL, ZERO, KMSG = ("/dev/null", os.O_RDWR), ("/dev/zero", os.O_RDONLY), ("/dev/kmsg", os.O_RDONLY)


def test_docker_s_list(group: str) -> None:
    assert outcomes(group, DEVICE_RULES, (NULL, ZERO, KMSG)) == [True, True, False]


def test_everything(group: str) -> None:
    assert outcomes(group, PRIVILEGED_DEVICE_RULES, (NULL, KMSG)) == [True, True]


def test_reading_alone_and_a_later_refusal(group: str) -> None:
    rules = (
        DeviceRule(allow=False),
        DeviceRule(allow=True, type="c", major=1, access="r"),
        DeviceRule(allow=False, type="c", major=1, minor=5),
    )
    wanted = (("/dev/null", os.O_RDONLY), NULL, ZERO, KMSG)
    assert outcomes(group, rules, wanted) == [True, False, False, True]
