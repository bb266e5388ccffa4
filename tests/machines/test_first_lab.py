"""From a bare system to a passed first lab, with the address that a person on the host opens.

By `./lab up` with the internet on Debian 12 and 13, Ubuntu 22.04 and 24.04, Debian 12 for arm64; by the Vagrantfile's
provisioning script on a Debian 12 that reaches nobody, from a bundle. Software emulation: half an hour and more each.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.machines import inside, machine, suites
from tests.machines.asking import REPOSITORY, Answer, answers_in, copy_project

TIMEOUT = 2 * 60 * 60
#: the machine waits so long for its host to open the address (seconds)
VISIT = 180
PROVISION = """
useradd --create-home --shell /bin/bash vagrant
export DOCKER_LABS_SOURCE=/opt/docker-labs-source DOCKER_LABS_SHARED=/home/vagrant/notebooks
export DOCKER_LABS_BUNDLE=/opt/docker-labs-bundle
install -d -o vagrant -g vagrant /home/vagrant/notebooks
began=$(date +%s)
sh /opt/docker-labs-source/packaging/provision || exit 1
echo "check provision ok $(($(date +%s) - began))"
began=$(date +%s)
sh /opt/docker-labs-source/packaging/provision || exit 1
echo "check provision_again ok $(($(date +%s) - began))"
echo "http://127.0.0.1:8888/lab?token=$(cat /home/vagrant/docker-labs/.docker-labs/token)"
cd /opt/docker-labs-source
/usr/bin/python3 -I tests/machines/inside.py offline || failed=1
/usr/bin/python3 -I tests/machines/inside.py first_lab || failed=1
test -s /home/vagrant/notebooks/00_what_is_docker/lab.ipynb || failed=1
exit ${failed-0}
"""
UP = """
cd /root/docker-labs || exit 1
began=$(date +%s)
./lab up --detach --no-browser --listen 0.0.0.0 --port 8888 || exit 1
echo "check up ok $(($(date +%s) - began))"
/usr/bin/python3 -I tests/machines/inside.py first_lab || failed=1
/usr/bin/python3 -I tests/machines/inside.py ordinary || failed=1
./lab status
sleep VISIT
exit ${failed-0}
""".replace("VISIT", str(VISIT))

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(TIMEOUT + 1200),
    needs_root,
    pytest.mark.skipif(bool(machine.missing()), reason=f"this machine lacks: {machine.missing()}"),
]


@dataclass(slots=True)
class Visitor(threading.Thread):
    """Opens the address that the machine prints, on the host, as soon as it is printed."""

    console: Path
    port: int  #: of this host
    seen: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.gone.wait(2):
            printed = self.console.read_text(errors="replace") if self.console.exists() else ""
            found = re.findall(r"http://127\.0\.0\.1:8888(/lab\S*token=\w+)", printed)
            if not found:
                continue
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{found[0]}", timeout=60) as answer:
                    self.seen.append(answer.read().decode())
                return
            except OSError:
                continue


@dataclass(frozen=True, slots=True)
class Run:
    result: machine.Result
    answers: dict[str, Answer]
    page: str  #: what the host saw


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


#: another processor's machine is emulated as this one's is, but what runs while it is made is emulated too
MACHINES = {
    **{name: (suite, machine.HERE) for name, suite in suites.SUITES.items()},
    "bookworm-arm64": (suites.BOOKWORM, machine.AARCH64),
}


@pytest.fixture(scope="module", params=MACHINES.values(), ids=MACHINES)
def by_lab_up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    suite: suites.Suite
    processor: machine.Processor
    suite, processor = request.param
    if reason := machine.missing(processor):
        pytest.skip(f"this machine lacks: {reason}")
    if reason := suites.unreachable(suite, processor.debian):
        pytest.skip(reason)
    scratch = tmp_path_factory.mktemp("machine")
    root, port = scratch / "root", free_port()
    visitor = Visitor(scratch / "console.log", port)
    try:
        machine.make_root(root, suite=suite, processor=processor)
        copy_project(root / "root/docker-labs")
        visitor.start()
        result = machine.boot(root, UP, scratch, timeout=TIMEOUT, forward={port: 8888}, processor=processor)
    finally:
        visitor.gone.set()
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    yield Run(result, answers_in(result.output), "".join(visitor.seen))


@pytest.fixture(scope="module")
def by_provisioning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """On a machine that reaches nobody, whose clock is months ahead of the bundle."""
    scratch = tmp_path_factory.mktemp("machine")
    root, port, bundle = scratch / "root", free_port(), scratch / "bundle"
    visitor = Visitor(scratch / "console.log", port)
    try:
        subprocess.run(["dash", REPOSITORY / "lab", "bundle", bundle], check=True)
        machine.make_root(root)
        copy_project(root / "opt/docker-labs-source")
        bundle.rename(root / "opt/docker-labs-bundle")
        visitor.start()
        later = (datetime.now(UTC) + timedelta(days=100)).strftime("%Y-%m-%dT%H:%M:%S")
        result = machine.boot(
            root, PROVISION, scratch, timeout=TIMEOUT, forward={port: 8888}, offline=True, clock=later
        )
    finally:
        visitor.gone.set()
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    yield Run(result, answers_in(result.output), "".join(visitor.seen))


PROVISIONED = (
    "provision",
    "provision_again",
    *(inside.name_of(check) for check in (*inside.OFFLINE, *inside.FIRST_LAB)),
)


@pytest.mark.parametrize("name", PROVISIONED)
def test_by_provisioning(by_provisioning: Run, name: str) -> None:
    assert name in by_provisioning.answers, f"never asked; the console's end:\n{by_provisioning.result.console[-4000:]}"
    answer = by_provisioning.answers[name]
    assert answer.word == "ok", answer.reason.replace(" | ", "\n")


def test_the_host_opens_the_address_of_a_provisioned_machine(by_provisioning: Run) -> None:
    assert by_provisioning.result.status == 0, by_provisioning.result.console[-4000:]
    assert "jupyter" in by_provisioning.page.lower(), by_provisioning.result.output[-2000:]


@pytest.mark.parametrize("name", ["up", *(inside.name_of(check) for check in (*inside.FIRST_LAB, *inside.ORDINARY))])
def test_by_lab_up(by_lab_up: Run, name: str) -> None:
    assert name in by_lab_up.answers, f"it was never asked; the console's end:\n{by_lab_up.result.console[-4000:]}"
    answer = by_lab_up.answers[name]
    assert answer.word == "ok", answer.reason.replace(" | ", "\n")


def test_the_host_opens_the_address_that_was_printed(by_lab_up: Run) -> None:
    assert "jupyter" in by_lab_up.page.lower(), by_lab_up.result.output[-2000:]
