"""docker ps --filter: each of Docker's filters, with what dockerd 20.10.24 answered to the same containers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import remove_containers
from tests.daemon import Daemon

FOUND = {
    "name=web": "web web2",
    "name=^/web$": "web",
    "name=^web$": "web",
    "name=/web": "web web2",
    "name=w.*2": "web2",
    "name=[": "",
    "id=zz": "",
    "label=role": "web web2",
    "label=role=a": "web",
    "label=nope": "",
    "status=running": "web",
    "status=paused": "web2",
    "status=exited": "done3",
    "status=created": "kid made",
    "exited=3": "done3",
    "exited=0": "",
    "ancestor=busybox": "kid made done3 web2 web",
    "ancestor=busybox:latest": "kid made done3 web2 web",
    "ancestor=child": "kid",
    "ancestor=nope": "",
    "health=none": "kid made done3 web",
    "health=healthy": "",  # nobody looks after one that is paused
    "health=unhealthy": "web2",
    "network=none": "kid made done3 web2",
    "network=bridge": "web",
    "expose=80": "web",
    "expose=80/tcp": "web",
    "expose=1-99": "web",
    "expose=80/udp": "",
    "publish=8080": "",
    "since=web": "kid made done3 web2",
    "before=done3": "web web2",
    "volume=/x": "",
    "is-task=false": "kid made done3 web2 web",
    "is-task=true": "",
}
REFUSED = {
    "status=nope": "invalid filter 'status=nope'",
    "exited=x": 'strconv.Atoi: parsing "x": invalid syntax',
    "health=x": "Unrecognised filter value for health: x",
    "since=nope": "No such container: nope",
    "before=nope": "No such container: nope",
    "is-task=x": "invalid filter 'is-task=[x]'",
    "foo=bar": "invalid filter 'foo'",
    "name=(a+)+b": "invalid filter 'name=(a+)+b': too many repetitions",
}


@pytest.fixture(scope="module")
def five(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    context: Path = tmp_path_factory.mktemp("child")
    (context / "Dockerfile").write_text("FROM busybox\nLABEL x=y\n")
    daemon.docker("run", "-d", "--name", "web", "-l", "role=a", "--expose", "80", "busybox", "sleep", "999")
    daemon.docker(
        "run", "-d", "--network", "none", "--name", "web2", "-l", "role=b",
        "--health-cmd", "true", "--health-interval", "100ms", "busybox", "sleep", "999",
    )  # fmt: skip
    daemon.docker("run", "--network", "none", "--name", "done3", "busybox", "sh", "-c", "exit 3", check=False)
    daemon.docker("create", "--network", "none", "--name", "made", "busybox", "true")
    daemon.docker("build", "-q", "-t", "child", str(context))
    daemon.docker("create", "--network", "none", "--name", "kid", "child", "true")
    for _ in range(100):
        if daemon.inspect("web2")["State"]["Health"]["Status"] == "healthy":
            break
        time.sleep(0.05)
    daemon.docker("pause", "web2")
    yield daemon
    daemon.docker("unpause", "web2")
    remove_containers(daemon)


def names(daemon: Daemon, *words: str) -> str:
    return " ".join(daemon.out("ps", "--format", "{{.Names}}", *words).split())


@pytest.mark.parametrize("word", FOUND)
def test_one_filter(five: Daemon, word: str) -> None:
    assert sorted(names(five, "-a", "--filter", word).split()) == sorted(FOUND[word].split())


@pytest.mark.parametrize("word", REFUSED)
def test_what_is_no_filter(five: Daemon, word: str) -> None:
    refused = five.docker("ps", "-a", "--filter", word, check=False)
    assert (refused.returncode, refused.stderr) == (1, f"Error response from daemon: {REFUSED[word]}\n")


def test_several_filters(five: Daemon) -> None:
    """Words of one filter are alternatives, filters narrow each other, labels must all be there."""
    both = ("--filter", "status=paused", "--filter", "status=created")
    assert names(five, "-a", "--filter", "name=web", "--filter", "name=kid", *both) == "kid web2"
    assert names(five, "--filter", "label=role", "--filter", "label=role=b") == "web2"


def test_which_filters_show_what_does_not_run(five: Daemon) -> None:
    assert names(five, "--filter", "exited=3") == ""
    assert names(five, "--filter", "status=created") == "kid made"
    assert names(five) == "web2 web"
    assert names(five, "-n", "2") == "kid made"
    assert names(five, "-l") == "kid"
