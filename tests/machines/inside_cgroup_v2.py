"""What a machine with cgroup v2 is asked: the suite's own tests of what differs there, one line of result each.

Run by the machine's script with the Python of its virtual environment; the test beside this file reads the lines
`check NAME ok|failed SECONDS reason`, NAME being the test's id in words.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

#: modules, classes of what differs; `::` one test of a module
ASKED = (
    "tests/kernel/runtime/test_device_program.py",
    "tests/kernel/runtime/test_limits.py",
    "tests/kernel/runtime/test_zygote.py",
    "tests/engine/test_limits.py",
    "tests/engine/test_usage.py",
    "tests/engine/test_walls.py",
    "tests/engine/test_steps.py",
    "tests/engine/test_xray.py",
    "tests/engine/test_user_namespaces.py",
    "tests/engine/test_restricted.py::test_all_of_its_containers_together_have_limits",
    "tests/engine/test_restricted.py::test_what_a_lab_needs_is_there",
    "tests/engine/test_nested.py",
    "tests/labs/test_wall.py::test_the_same_room_in_a_container_has_cgroups_too",
    "tests/labs/test_images.py::test_two_machines_are_a_swarm",
    "tests/labs/test_notebooks.py::test_nbval_replays_it_on_a_fresh_engine[engine/04]",
)
#: a test that hangs shall not take the others with it (seconds); what a test says of itself is meant for no emulation
HANGS = 3000


def name_of(asked: str) -> str:
    """As a word of a line of result: a test's id begins with its module's."""
    return re.sub(r"\W+", "_", asked.removeprefix("tests/").removesuffix("]")).replace("_py", "")


class Reporter:
    """A line for each test when its last phase is over; a skipped one has none."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._reasons: dict[str, str] = {}
        self._ran: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            item.add_marker(pytest.mark.timeout(HANGS), append=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        id = report.nodeid
        self._seconds[id] = self._seconds.get(id, 0.0) + report.duration
        if report.failed:
            self._reasons.setdefault(id, f"{report.when}: {report.longreprtext}".strip().replace("\n", " | "))
        if report.when == "call" and not report.skipped:
            self._ran.add(id)
        if report.when == "teardown" and (id in self._ran or id in self._reasons):
            reason = self._reasons.get(id, "")
            word = "failed" if reason else "ok"
            print(f"\ncheck {name_of(id)} {word} {self._seconds[id]:.1f} {reason}", flush=True)


def main(asked: list[str]) -> int:
    """Several are asked one after another, each in a process of its own: what one leaves is not the next one's."""
    if len(asked) == 1:
        options = ("-p", "no:cacheprovider", "--tb=short", "-q", "-m", "not full")
        return int(pytest.main([*options, *asked], plugins=[Reporter()]))
    program = (sys.executable, "-m", "tests.machines.inside_cgroup_v2")
    return int(any([subprocess.run([*program, one], check=False).returncode for one in asked or ASKED]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
