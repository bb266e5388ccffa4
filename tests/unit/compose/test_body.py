"""A service as the engine is asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.compose import labels
from kernel_engine.compose.converge.body import Making, Peers, create_body, resolved
from kernel_engine.compose.converge.mounts import injected
from kernel_engine.compose.model import (
    Attachment,
    Dependency,
    Deploy,
    DeployRestart,
    FileObject,
    Grant,
    Healthcheck,
    Mount,
    Network,
    Port,
    Project,
    Resources,
    Service,
)
from tests.unit.compose.projects import project, service, there


def body(owner: Project, item: Service, peers: Peers | None = None, **making: Any) -> dict[str, Any]:
    given = {"name": f"demo-{item.name}-1", "number": 1, "labels": {}, "peers": peers or {}} | making
    return create_body(owner, item, Making(**given), several_networks=True)


def test_a_plain_service() -> None:
    web = service("web", command=("sleep", "1"), environment={"A": "1", "GONE": None})
    found = body(project(web), web)
    assert found["Image"] == "busybox"
    assert found["Cmd"] == ["sleep", "1"]
    assert found["Entrypoint"] is None
    assert found["Env"] == ["A=1", "GONE"]
    assert found["HostConfig"]["NetworkMode"] == "demo_default"
    assert found["NetworkingConfig"]["EndpointsConfig"] == {
        "demo_default": {"Aliases": ["demo-web-1", "web"], "Links": None}
    }


def test_an_image_that_is_built_is_named_after_project_and_service() -> None:
    web = service("web", image="")
    assert body(project(web), web)["Image"] == "demo-web"


def test_networks_by_priority_with_their_aliases_and_addresses() -> None:
    web = service(
        "web",
        networks={"back": Attachment(aliases=("www",)), "front": Attachment(priority=5, ipv4_address="10.9.0.7")},
    )
    owner = project(web, networks={"back": Network(name="demo_back"), "front": Network(name="demo_front")})
    found = body(owner, web)
    endpoints = found["NetworkingConfig"]["EndpointsConfig"]
    assert list(endpoints) == ["demo_front", "demo_back"]
    assert found["HostConfig"]["NetworkMode"] == "demo_front"
    assert endpoints["demo_back"]["Aliases"] == ["demo-web-1", "web", "www"]
    assert endpoints["demo_front"]["IPAMConfig"] == {"IPv4Address": "10.9.0.7"}
    old = create_body(owner, web, Making(name="x", number=1, labels={}, peers={}), several_networks=False)
    assert list(old["NetworkingConfig"]["EndpointsConfig"]) == ["demo_front"]


def test_ports_are_exposed_and_bound() -> None:
    ports = Port(target=80, published="8080", host_ip="127.0.0.1"), Port(target=53, protocol="udp")
    web = service("web", ports=ports, expose=("9000-9001", "80"))
    found = body(project(web), web)
    assert list(found["ExposedPorts"]) == ["9000/tcp", "9001/tcp", "80/tcp", "53/udp"]
    assert found["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "", "HostPort": ""}],
    }


def test_volumes_take_the_short_form_where_it_says_all() -> None:
    web = service(
        "web",
        volumes=(
            Mount(type="volume", source="data", target="/data"),
            Mount(type="bind", source="/src", target="/src", read_only=True),
            Mount(type="bind", source="/must", target="/must", create_host_path=False),
            Mount(type="volume", target="/anonymous"),
            Mount(type="tmpfs", target="/tmp", size=1024),
        ),
    )
    found = body(project(web, volumes=("data",)), web)["HostConfig"]
    assert found["Binds"] == ["demo_data:/data:rw", "/src:/src:ro"]
    assert [(mount["Type"], mount["Target"]) for mount in found["Mounts"]] == [
        ("bind", "/must"),
        ("volume", "/anonymous"),
        ("tmpfs", "/tmp"),
    ]


def test_anonymous_volumes_go_on() -> None:
    web = service(
        "web", volumes=(Mount(type="volume", target="/kept"), Mount(type="volume", source="data", target="/data"))
    )
    owner = project(web, volumes=("data",))
    mounts = [
        {"Type": "volume", "Name": name, "Destination": target, "RW": True}
        for name, target in (("abc", "/kept"), ("def", "/image"), ("gone", "/gone"), ("demo_data", "/data"))
    ]
    found = body(owner, web, inherits=there(owner, web, mounts=mounts), image_volumes=frozenset(("/image",)))
    assert found["HostConfig"]["Binds"] == ["demo_data:/data:rw"]
    assert [(mount["Source"], mount["Target"]) for mount in found["HostConfig"]["Mounts"]] == [
        ("abc", "/kept"),
        ("def", "/image"),
    ]


def test_secrets_are_mounted_or_copied_in() -> None:
    web = service(
        "web",
        secrets=(Grant(source="file", target="/run/secrets/file"), Grant(source="word", target="/run/secrets/word")),
        configs=(Grant(source="site", target="/site.conf", mode=0o440, uid="7"),),
    )
    owner = project(
        web,
        secrets={
            "file": FileObject(name="demo_file", file="/demo/key"),
            "word": FileObject(name="demo_word", environment="WORD", content="hush"),
        },
        configs={"site": FileObject(name="demo_site", file="/demo/site.conf")},
    )
    assert body(owner, web)["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": "/demo/key", "Target": "/run/secrets/file", "ReadOnly": True}
    ]
    found = injected(owner, web, {"/demo/site.conf": b"listen"})
    assert [(file.target, file.content, file.mode, file.uid) for file in found] == [
        ("/run/secrets/word", b"hush", 0o444, 0),
        ("/site.conf", b"listen", 0o440, 7),
    ]
    with pytest.raises(Failed, match='cannot create secret "demo_word" in read-only service web'):
        injected(owner, replace(web, read_only=True), {})


def test_only_a_swarm_has_external_secrets() -> None:
    web = service("web", secrets=(Grant(source="key", target="/run/secrets/key"),))
    with pytest.raises(Failed, match="unsupported external secret key"):
        body(project(web, secrets={"key": FileObject(name="key", external=True)}), web)


def test_links_name_each_container() -> None:
    web = service("web", "db", links=("db:database",), external_links=("old:legacy",))
    db = service("db")
    owner = project(web, db)
    found = body(owner, web, {"db": [there(owner, db)]})
    links = ["demo-db-1:database", "demo-db-1:db-1", "demo-db-1:demo-db-1", "old:legacy"]
    assert found["HostConfig"]["Links"] == links
    assert found["NetworkingConfig"]["EndpointsConfig"]["demo_default"]["Links"] == links


def test_what_is_shared_with_a_service_is_shared_with_its_container() -> None:
    app = service("app")
    side = service(
        "side", network_mode="service:app", pid="service:app", volumes_from=("app:ro", "container:x"), networks={}
    )
    owner = project(app, side)
    peers = {"app": [there(owner, app)]}
    found = body(owner, resolved(side, peers), peers)
    name = peers["app"][0].id
    assert found["HostConfig"]["NetworkMode"] == f"container:{name}"
    assert found["HostConfig"]["PidMode"] == f"container:{name}"
    assert found["HostConfig"]["VolumesFrom"] == [f"{name}:ro", "x"]
    assert found["NetworkingConfig"]["EndpointsConfig"] == {}
    with pytest.raises(Failed, match="cannot share network namespace with service app: container missing"):
        resolved(side, {})


def test_limits_of_deploy_come_first() -> None:
    limits = Deploy(
        limits=Resources(nano_cpus=5 * 10**8, memory=1 << 20, pids=9), reservations=Resources(memory=1 << 19)
    )
    web = service("web", mem_limit=7, nano_cpus=8, deploy=limits)
    host = body(project(web), web)["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"], host["MemoryReservation"]) == (
        1 << 20,
        5 * 10**8,
        9,
        1 << 19,
    )


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ({"restart": "on-failure:3"}, {"Name": "on-failure", "MaximumRetryCount": 3}),
        ({"restart": "unless-stopped"}, {"Name": "unless-stopped", "MaximumRetryCount": 0}),
        ({}, {"Name": "", "MaximumRetryCount": 0}),
        ({"deploy": Deploy(restart_policy=DeployRestart(condition="any"))}, {"Name": "always", "MaximumRetryCount": 0}),
        ({"deploy": Deploy(restart_policy=DeployRestart(condition="none"))}, {"Name": "no", "MaximumRetryCount": 0}),
    ],
)
def test_restart_policies(given: dict[str, Any], policy: dict[str, Any]) -> None:
    web = service("web", **given)
    assert body(project(web), web)["HostConfig"]["RestartPolicy"] == policy


def test_health_checks() -> None:
    web = service(
        "web", healthcheck=Healthcheck(test=("CMD", "true"), interval=10**9, retries=2), stop_grace_period=10**9
    )
    found = body(project(web), web)
    assert found["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 10**9, "Retries": 2}
    assert found["StopTimeout"] == 1
    off = service("web", healthcheck=Healthcheck(disable=True))
    assert body(project(off), off)["Healthcheck"] == {"Test": ["NONE"]}


def test_labels_are_those_of_dockers_own_compose() -> None:
    web = replace(service("web", "db"), depends_on={"db": Dependency(condition="service_healthy", restart=True)})
    owner = project(replace(web, labels={"mine": "1"}), service("db"))
    found = labels.of_container(owner, owner.services["web"], config_hash="0" * 64, image="sha256:1")
    assert found.pop("com.docker.compose.version")
    assert found == {
        "mine": "1",
        "com.docker.compose.config-hash": "0" * 64,
        "com.docker.compose.depends_on": "db:service_healthy:true",
        "com.docker.compose.image": "sha256:1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project": "demo",
        "com.docker.compose.project.config_files": "/demo/compose.yaml",
        "com.docker.compose.project.working_dir": "/demo",
        "com.docker.compose.service": "web",
    }
    assert labels.read_dependencies("db:service_healthy:true,old") == {
        "db": ("service_healthy", True),
        "old": ("service_started", False),
    }
