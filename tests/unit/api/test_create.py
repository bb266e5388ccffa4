from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.api.wire.create import read_create
from kernel_engine.containers.options import LogConfig, MountOptions, RestartPolicy
from kernel_engine.errors import EngineError, InvalidRequest

#: what `docker run -it --rm …` of CLI 28 sends, shortened to what can go wrong
CLI: dict[str, Any] = {
    "Hostname": "h",
    "Domainname": "",
    "User": "1000:1000",
    "AttachStdin": True,
    "AttachStdout": True,
    "AttachStderr": True,
    "Tty": True,
    "OpenStdin": True,
    "StdinOnce": True,
    "Env": ["A=b", "C"],
    "Cmd": ["sh", "-c", "exit 3"],
    "Image": "debian:bookworm",
    "Volumes": {},
    "WorkingDir": "/w",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": {"x": "y"},
    "StopTimeout": 3,
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {
        "Binds": ["/a:/b:ro"],
        "ContainerIDFile": "",
        "LogConfig": {"Type": "", "Config": {}},
        "NetworkMode": "default",
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "81/tcp": None},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "AutoRemove": True,
        "VolumesFrom": None,
        "ConsoleSize": [24, 80],
        "CapAdd": ["NET_ADMIN"],
        "CapDrop": None,
        "CgroupnsMode": "",
        "Dns": [],
        "Privileged": True,
        "ReadonlyRootfs": True,
        "Memory": 268435456,
        "NanoCpus": 500000000,
        "MemorySwappiness": -1,
        "OomKillDisable": None,
        "PidsLimit": 0,
        "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
        "Init": True,
        "Tmpfs": {"/t": "size=1m"},
        "Sysctls": {"net.ipv4.ip_forward": "1"},
        "ShmSize": 1024,
        "Runtime": "runc",
        "Unknown": {"kept": [1]},
    },
    "NetworkingConfig": {"EndpointsConfig": {"default": {"IPAMConfig": None}}},
    "Healthcheck": {"Test": ["NONE"]},
}


def test_what_the_docker_cli_sends() -> None:
    options = read_create(CLI)
    host = options.host
    assert (options.image, options.command, options.entrypoint) == ("debian:bookworm", ("sh", "-c", "exit 3"), None)
    assert (options.user, options.hostname, options.working_dir) == ("1000:1000", "h", "/w")
    assert options.environment == ("A=b", "C")
    assert options.tty and options.open_stdin and options.stdin_once and options.attach_stdin
    assert (options.labels, options.stop_timeout, options.exposed_ports) == ({"x": "y"}, 3, ("80/tcp",))
    assert host.binds == ("/a:/b:ro",)
    assert host.network_mode == "default"
    assert host.restart == RestartPolicy(name="on-failure", maximum_retry_count=3)
    assert host.log == LogConfig(driver="json-file")
    assert host.auto_remove and host.privileged and host.read_only and host.init
    assert host.port_bindings == {"80/tcp": (("127.0.0.1", "8080"),), "81/tcp": ()}
    assert (host.memory, host.nano_cpus, host.pids_limit, host.shm_size) == (268435456, 500000000, 0, 1024)
    assert (host.cap_add, host.cap_drop, host.console_size) == (("NET_ADMIN",), (), (24, 80))
    assert (host.ulimits, host.tmpfs) == ((("nofile", 10, 20),), {"/t": "size=1m"})
    assert host.sysctls == {"net.ipv4.ip_forward": "1"}
    assert host.raw["Unknown"] == {"kept": [1]}


def test_the_least_that_can_be_sent() -> None:
    options = read_create({"Image": "x"})
    assert options.host.network_mode == "default"
    assert options.host.restart.name == "no"
    assert options.host.init is None
    assert (options.command, options.entrypoint) == (None, None)


def test_names_differ_in_capitals_too() -> None:
    """As Go's encoding/json takes them; the exact name counts where both are there. A label's name stays as it is."""
    options = read_create(
        {"image": "x", "hostconfig": {"privileged": True}, "labels": {"A": "1", "a": "2"}, "Cmd": ["b"], "cmd": ["c"]}
    )
    assert (options.image, options.host.privileged, options.command) == ("x", True, ("b",))
    assert options.labels == {"A": "1", "a": "2"}


def test_an_unknown_runtime_is_refused() -> None:
    assert read_create({"Image": "x", "HostConfig": {"Runtime": "runc"}}).image == "x"
    with pytest.raises(InvalidRequest, match="unknown or invalid runtime name: nope"):
        read_create({"Image": "x", "HostConfig": {"Runtime": "nope"}})


def test_a_runtime_that_is_asked_for_is_shown() -> None:
    """docker-py writes it beside HostConfig."""
    for body in ({"Runtime": "runc"}, {"HostConfig": {"Runtime": "runc"}}):
        assert read_create({"Image": "x", **body}).host.raw["Runtime"] == "runc"
    with pytest.raises(InvalidRequest, match="unknown or invalid runtime name: nope"):
        read_create({"Image": "x", "Runtime": "nope"})


def test_one_word_is_a_list_of_one() -> None:
    options = read_create({"Image": "x", "Cmd": "ls", "Entrypoint": ""})
    assert (options.command, options.entrypoint) == (("ls",), ("",))


def test_an_empty_entrypoint_is_not_no_entrypoint() -> None:
    assert read_create({"Image": "x", "Entrypoint": []}).entrypoint == ()


def test_the_network_of_networking_config_counts_where_the_mode_is_not_said() -> None:
    body = {"Image": "x", "NetworkingConfig": {"EndpointsConfig": {"none": {}}}}
    assert read_create(body).host.network_mode == "none"
    assert read_create({**body, "HostConfig": {"NetworkMode": "host"}}).host.network_mode == "host"


def test_mounts() -> None:
    mounts = [
        {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True, "BindOptions": {"Propagation": "rslave"}},
        {"Type": "bind", "Source": "/c", "Target": "/d"},
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 0o1777}},
        {"Type": "volume", "Target": "/v"},
    ]
    options = read_create({"Image": "x", "HostConfig": {"Mounts": mounts}})
    assert options.host.mounts == (
        MountOptions(type="bind", source="/a", target="/b", read_only=True, propagation="rslave"),
        MountOptions(type="bind", source="/c", target="/d"),
        MountOptions(type="tmpfs", target="/t", data="size=1048576,mode=1777"),
        MountOptions(type="volume", target="/v"),
    )
    assert (options.host.binds, options.volumes) == ((), ())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"Image": 1}, "field Image of type string"),
        ({"Image": "x", "Env": "A=b\0"}, "NUL"),
        ({"Image": "x", "Env": [1]}, "field Env of type string"),
        ({"Image": "x", "Env": {"A": "b"}}, r"object into field Env of type \[\]string"),
        ({"Image": "x", "Tty": "yes"}, "string into field Tty of type bool"),
        ({"Image": "x", "HostConfig": {"Memory": "1g"}}, "field HostConfig.Memory of type int64"),
        ({"Image": "x", "HostConfig": {"Memory": True}}, "bool into field HostConfig.Memory"),
        ({"Image": "x", "HostConfig": {"Memory": 1 << 70}}, "HostConfig.Memory"),
        ({"Image": "x", "HostConfig": {"Memory": 1.5}}, "HostConfig.Memory"),
        ({"Image": "x", "HostConfig": []}, None),
        ({"Image": "x", "HostConfig": [1]}, "array into field HostConfig of type object"),
        ({"Image": "x", "HostConfig": {"PortBindings": {"80/tcp": {"HostPort": "1"}}}}, "PortBindings.80/tcp"),
        ({"Image": "x", "HostConfig": {"ConsoleSize": [1]}}, "ConsoleSize"),
        ({"Image": "x", "HostConfig": {"RestartPolicy": {"Name": 1}}}, "HostConfig.RestartPolicy.Name"),
        ({"Image": "x", "HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 2, "Hard": 1}]}}, "ulimit soft limit"),
        ({"Image": "x", "HostConfig": {"Mounts": [{"Type": "ram", "Target": "/x"}]}}, "mount type unknown"),
        ({"Image": "x", "HostConfig": {"Mounts": [{"Type": "bind", "Target": "/x"}]}}, "field Source"),
        ({"Image": "x", "HostConfig": {"ShmSize": -1}}, "SHM size"),
    ],
)
def test_values_of_the_wrong_type(body: dict[str, Any], field: str | None) -> None:
    if field is None:
        read_create(body)  # Go reads an empty list of the wrong kind as an error; an absent value is more use
        return
    with pytest.raises(InvalidRequest, match=field):
        read_create(body)


_SCALARS = (None, True, 0, -1, 1 << 65, 1.5, "", "x", "a\0b")
_LISTS = ([], [None], [1], ["x"], [{}], [[]], [{"Type": "bind", "Target": "x"}])
_OBJECTS = ({}, {"x": 1}, {"x": None}, {"x": "y"}, {"Name": 1}, {"Name": "always", "Type": "none"})
_JSON = st.sampled_from((*_SCALARS, *_LISTS, *_OBJECTS))


@given(
    st.dictionaries(st.sampled_from(sorted(CLI)), _JSON, max_size=4),
    st.dictionaries(st.sampled_from([*CLI["HostConfig"], "Mounts"]), _JSON, max_size=5),
)
def test_nothing_but_options_or_a_refusal_comes_of_a_hostile_body(body: dict[str, Any], host: dict[str, Any]) -> None:
    try:
        read_create({**body, "HostConfig": host})
    except EngineError:
        pass
