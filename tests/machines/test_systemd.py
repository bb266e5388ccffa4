"""The whole product on a Debian 12 of its own, with systemd and cgroup v2: from a bare system to `./lab down`.

One machine, booted once, rebooted once; what it is asked is in `inside.py`, and each answer is a test here. Software
emulation takes its time: half an hour and more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import needs_root
from tests.machines import inside, machine
from tests.machines.asking import Run, answers_in, copy_project

TIMEOUT = 2 * 60 * 60
#: of the time that the first `up` took: emulation stretches all times alike, and so does other work of the machine
QUICK = 0.1
SCRIPT = """
cd /root/docker-labs || exit 1
# timed NAME COMMAND...: a line of result as inside.py's
timed() {
    name=$1 began=$(date +%s)
    shift
    if "$@"; then word=ok; else word=failed; fi
    echo "check $name $word $(($(date +%s) - began))"
    [ $word = ok ]
}
inside() { /usr/bin/python3 -I tests/machines/inside.py "$@" || failed=1; }
failed=0
if [ ! -e /root/rebooted ]; then
    timed up ./lab up --detach --no-browser || exit 1
    timed up_again ./lab up --detach --no-browser || exit 1
    inside before
    echo $failed >/root/rebooted
    systemctl reboot
    sleep 600
fi
failed=$(cat /root/rebooted)
inside after
timed down ./lab down
inside down
timed down_again ./lab down
timed up_after_down ./lab up --detach --no-browser
inside once_more
timed down_at_last ./lab down
inside down
exit $failed
"""
SHELL_CHECKS = ("up", "up_again", "down", "down_again", "up_after_down", "down_at_last")

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(TIMEOUT + 1200),
    needs_root,
    pytest.mark.skipif(bool(machine.missing()), reason=f"this machine lacks: {machine.missing()}"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    scratch = tmp_path_factory.mktemp("machine")
    root = scratch / "root"
    try:
        machine.make_root(root)
        copy_project(root / "root/docker-labs")
        result = machine.boot(root, SCRIPT, scratch, timeout=TIMEOUT)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    yield Run(result, answers_in(result.output))


@pytest.mark.parametrize("name", (*SHELL_CHECKS, *(inside.name_of(check) for check in inside.ALL)))
def test_in_the_machine(run: Run, name: str) -> None:
    assert name in run.answers, f"it was never asked; the console's end:\n{run.result.console[-4000:]}"
    answer = run.answers[name]
    assert answer.word == "ok", answer.reason.replace(" | ", "\n") or run.result.output[-4000:]


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]


@pytest.mark.parametrize("name", ["up_again", "up_after_down", "down"])
def test_quick(run: Run, name: str) -> None:
    assert run.answers[name].seconds < QUICK * run.answers["up"].seconds
