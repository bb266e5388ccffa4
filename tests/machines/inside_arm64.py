"""What a machine with an arm64 processor is asked: the suite's own tests of what depends on the processor.

System call numbers, layouts of the kernel's structures, filters, BPF, what is said of the machine; and one of each
thing that a learner does. Run by the machine's script; lines of result as `inside_cgroup_v2` prints them.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.machines.inside_cgroup_v2 import Reporter

#: modules; `::` one test of a module. One process asks them all: to import pytest takes an emulated processor a minute
ASKED = (
    "tests/machines/inside_arm64.py",
    "tests/unit/syscalls",
    "tests/unit/runtime",
    "tests/kernel/runtime/test_zygote.py",
    "tests/kernel/runtime/test_device_program.py",
    "tests/kernel/runtime/test_limits.py",
    "tests/kernel/runtime/test_security.py",
    "tests/kernel/runtime/test_exec.py",
    "tests/kernel/streams/test_terminal.py",
    "tests/engine/test_processor.py",
    "tests/engine/test_limits.py",
    "tests/engine/test_xray.py",
    "tests/engine/test_run.py::test_explain_is_plain_korean_in_groups",
    "tests/engine/test_ports.py::test_published",
    "tests/engine/test_build.py::test_what_run_changes_is_the_layer",
    "tests/engine/test_user_namespaces.py::test_root_is_somebody_else_outside",
    "tests/engine/test_user_namespaces.py::test_it_looks_as_every_container_does",
    "tests/engine/test_walls.py::test_the_leak_is_seen_without_the_wall_and_not_with_it",
)


def test_the_doctor_is_content() -> None:
    """Asked with the others, but of this module: kernel-engine doctor has no test that expects a good machine."""
    done = subprocess.run(["kernel-engine", "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aarch64" in done.stdout, done.stdout


def main() -> int:
    options = ("-p", "no:cacheprovider", "--tb=short", "-q", "-m", "not full")
    return int(pytest.main([*options, *ASKED], plugins=[Reporter()]))


if __name__ == "__main__":
    sys.exit(main())
