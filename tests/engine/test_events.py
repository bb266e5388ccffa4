"""docker events: what a container's life tells, in order. Measured with dockerd 20.10.24."""

from __future__ import annotations

import time

from tests.daemon import Daemon

LIFE = """
container create
network connect
container start
container exec_create: true\x20
container exec_start: true\x20
container exec_die
container pause
container unpause
container rename
container top
container archive-path
container export
container kill
container die
network disconnect
network connect
container start
container restart
container kill
container die
network disconnect
container destroy
""".strip().splitlines()
#: of these a restart tells more or less, by how quickly its process ends
_SIGNALS = ("container kill", "container stop")


def test_a_life(clean: Daemon) -> None:
    since = f"{time.time():.6f}"
    clean.docker("run", "-d", "--name", "web", "-l", "keep=1", "busybox", "sleep", "999")
    clean.docker("exec", "web", "true")
    clean.docker("pause", "web")
    clean.docker("unpause", "web")
    clean.docker("rename", "web", "shop")
    clean.docker("top", "shop")
    clean.docker("cp", "shop:/bin/true", "-")
    clean.docker("export", "-o", "/dev/null", "shop")
    clean.docker("restart", "-t", "0", "shop")
    clean.docker("rm", "-f", "shop")
    words = ("events", "--since", since, "--until", f"{time.time():.6f}")
    told = clean.docker(*words, "--format", "{{.Type}} {{.Action}}").stdout.split("\n")[:-1]
    assert [line for line in told if line not in _SIGNALS] == [line for line in LIFE if line not in _SIGNALS]
    assert told[-4:] == ["container kill", "container die", "network disconnect", "container destroy"]
    networks = clean.out(*words, "--filter", "type=network", "--format", "{{.Actor.Attributes.name}}")
    assert set(networks.split()) == {"bridge"}
    assert clean.out(*words, "--filter", "container=web", "--filter", "event=rename") == ""
    assert " container rename " in clean.out(*words, "--filter", "container=sh", "--filter", "event=rename")
    assert clean.out(*words, "--filter", "label=keep=2") == clean.out(*words, "--filter", "scope=swarm") == ""


def test_what_events_refuses(clean: Daemon) -> None:
    refused = clean.docker("events", "--since", "soon", check=False)
    assert refused.returncode == 1
    assert "soon" in refused.stderr
