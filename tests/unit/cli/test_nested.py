"""Korean lines under a `docker` that runs in a container: Swarm's texts as measured (20.10.24)."""

from __future__ import annotations

import pytest

from kernel_engine.cli import nested
from kernel_engine.cli.korean import line

FAILED = {
    "wrong token": ("Error response from daemon: invalid join token", "join-token worker"),
    "another's token": (
        "Error response from daemon: rpc error: code = InvalidArgument desc = A valid join token is necessary to join "
        "this cluster",
        "join-token worker",
    ),
    "manager gone": (
        "Error response from daemon: rpc error: code = Unavailable desc = connection error: desc = "
        '"transport: Error while dialing dial tcp 172.22.0.4:2377: connect: connection refused"',
        "172.22.0.4:2377 주소에서",
    ),
    "manager without a name": (
        "Error response from daemon: could not find local IP address: dial udp: lookup manager on 127.0.0.11:53: "
        "no such host",
        "manager 이름을",
    ),
    "nobody who knows the manager's name": (
        "Error response from daemon: could not find local IP address: dial udp: lookup manager on 127.0.0.11:53: "
        "read udp 127.0.0.1:40000->127.0.0.11:53: i/o timeout",
        "manager 이름을",
    ),
    "two changes at once": (
        "Error response from daemon: rpc error: code = Unknown desc = update out of sequence",
        "한 번 더 실행",
    ),
    "asked a worker": (
        "Error response from daemon: This node is not a swarm manager. Worker nodes can't be used to view or modify "
        "cluster state. Please run this command on a manager node or promote the current node to a manager.",
        "매니저에서 실행",
    ),
    "in no swarm": (
        'Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
        "to connect this node to swarm and try again.",
        "docker swarm init",
    ),
    "twice": (
        'Error response from daemon: This node is already part of a swarm. Use "docker swarm leave" to leave this '
        "swarm and join another one.",
        "docker swarm leave",
    ),
    "same name": ("Error response from daemon: node worker01 is ambiguous (2 matches found)", "노드가 2개"),
    "service there": (
        "Error response from daemon: rpc error: code = AlreadyExists desc = name conflicts with an existing object: "
        "service api already exists",
        "docker service rm api",
    ),
    "no service": ("nothing: Error: No such service: nothing", "nothing 서비스"),
    "no image in the stack": (
        "failed to update service st_a: Error response from daemon: rpc error: code = InvalidArgument desc = "
        "ContainerSpec: image reference must be provided",
        "스웜은 이미지를 만들지 않아요",
    ),
    "no network": (
        'network "shop" is declared as external, but could not be found. You need to create a swarm-scoped network '
        "before the stack is deployed",
        "--attachable shop",
    ),
    "mesh without an address": (
        "Error response from daemon: rpc error: code = InvalidArgument desc = EndpointSpec: port published with "
        "ingress mode can't be used with dnsrr mode",
        "mode=host",
    ),
}
HEAD = "ID      NAME    IMAGE   NODE   DESIRED STATE   CURRENT STATE   ERROR   PORTS\n"
TOLD = {
    "constraint": (HEAD + 'x  ssd.1  api:v1  Running  Pending 7 seconds ago  "no suitable node (scheduling …"', "라벨"),
    "whole": (HEAD + 'x  b.1  Pending  "no suitable node (insufficient resources on 4 nodes)"', "--reserve-memory"),
    "replicas": (HEAD + 'x  max.1  Pending  "no suitable node (max replicas…"', "--replicas-max-per-node"),
    "image": (HEAD + 'x  lo.1  localonly:1  worker01  Ready  Rejected  "No such image: localonly:1"', "저절로"),
    "build": ("Ignoring unsupported options: build\n\nUpdating service st_a (id: loa8)", "docker push"),
    "build and more": ("Ignoring unsupported options: build, restart\n", "docker push"),
}


@pytest.mark.parametrize("name", FAILED)
def test_what_a_swarm_refuses_is_explained(name: str) -> None:
    text, word = FAILED[name]
    [said] = nested.lines(f"{text}\n", failed=True)
    assert word in said
    assert said == line(text)


@pytest.mark.parametrize("name", TOLD)
def test_what_it_tells_of_tasks_is_explained_once(name: str) -> None:
    text, word = TOLD[name]
    [said] = nested.lines(f"{text}\n{text}\n", failed=False)
    assert word in said


def test_an_engine_inside_is_not_ours() -> None:
    text = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    assert nested.lines(text, failed=True) == [nested.NOT_YET]
    assert nested.lines("", failed=True) == []


def test_nothing_is_said_of_what_goes_well() -> None:
    """Nor of a task that was killed: the course speaks of it."""
    text = HEAD + 'x  api.1  api:v1  worker01  Shutdown  Failed 3 seconds ago  "task: non-zero exit (137)"\n'
    assert nested.lines(text, failed=False) == []
    assert nested.lines("Ignoring unsupported options: restart\n", failed=False) == []
