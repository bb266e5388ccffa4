"""`docker run`'s options as the body of POST /containers/create (field by field as the docker CLI sends it)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernel_engine.cli.body import create_body
from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused, options_of, parse

OPTIONS = options_of(COMMANDS["run"].options)


def body(*words: str, detached: bool = False) -> dict[str, Any]:
    return create_body(parse(OPTIONS, words, interspersed=False), detached=detached, console=(0, 0))


def host(*words: str) -> Any:
    return body(*words, "busybox")["HostConfig"]


def test_a_plain_run() -> None:
    made = body("busybox", "echo", "hi")
    assert (made["Image"], made["Cmd"], made["Entrypoint"]) == ("busybox", ["echo", "hi"], None)
    assert (made["AttachStdin"], made["AttachStdout"], made["AttachStderr"]) == (False, True, True)
    assert (made["OpenStdin"], made["StdinOnce"], made["Tty"]) == (False, False, False)
    assert made["NetworkingConfig"] == {"EndpointsConfig": {"default": {}}}
    assert made["HostConfig"]["NetworkMode"] == "default"
    assert made["HostConfig"]["MemorySwappiness"] == -1
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert body("busybox")["Cmd"] is None


def test_several_networks() -> None:
    long = "name=n2,alias=a,alias=b,ip=10.0.0.9,driver-opt=k=v"
    made = body("--network", "n1", "--network", long, "--network-alias", "web", "--ip6", "fd00::9",
                "--link", "db:base", "--mac-address", "02:42:ac:11:00:09", "busybox")  # fmt: skip
    assert made["HostConfig"]["NetworkMode"] == "n1"
    assert made["NetworkingConfig"]["EndpointsConfig"] == {
        "n1": {
            "IPAMConfig": {"IPv6Address": "fd00::9"},
            "Aliases": ["web"],
            "MacAddress": "02:42:ac:11:00:09",
            "Links": ["db:base"],
        },
        "n2": {"Aliases": ["a", "b"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}, "DriverOpts": {"k": "v"}},
    }
    assert body("--link", "db", "busybox")["NetworkingConfig"]["EndpointsConfig"] == {"default": {}}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--network", "n1", "--network", "bridge"), "cannot attach both user-defined and non-user-defined"),
        (("--network", "n1", "--network", "n1"), 'network "n1" is specified multiple times'),
        (("--network", "name=n1,ip=1.2.3.4", "--ip", "1.2.3.5"), "both --ip and per-network IPv4 address"),
        (("--network", "name=n1,alias=x", "--network-alias", "y"), "both --network-alias and per-network alias"),
        (
            ("--network", "name=n1,foo=x"),
            'invalid argument "name=n1,foo=x" for "--network" flag: invalid field key foo',
        ),
        (("--network", "alias=x"), "network name/id is not specified"),
        (("--network", ""), "no name set for network"),
        (("--network", "bridge", "--link", "db"), "links are only supported for user-defined networks"),
        (("--network-alias", "x"), "network-scoped aliases are only supported for user-defined networks"),
        (("--link", "a:b:c"), 'invalid argument "a:b:c" for "--link" flag: bad format for links: a:b:c'),
    ],
)
def test_networks_that_are_refused(words: tuple[str, ...], text: str) -> None:
    with pytest.raises((Failed, Misused)) as raised:
        body(*words, "busybox")
    assert text in str(raised.value)


def test_streams() -> None:
    made = body("-it", "busybox")
    assert (made["AttachStdin"], made["OpenStdin"], made["StdinOnce"], made["Tty"]) == (True, True, True, True)
    made = body("-itd", "busybox", detached=True)
    assert (made["AttachStdin"], made["AttachStdout"], made["OpenStdin"], made["StdinOnce"]) == (
        False,
        False,
        True,
        False,
    )
    made = body("-a", "STDERR", "busybox")
    assert (made["AttachStdin"], made["AttachStdout"], made["AttachStderr"]) == (False, False, True)
    with pytest.raises(Misused, match="valid streams are STDIN, STDOUT and STDERR"):
        body("-a", "foo", "busybox")


def test_names_and_places() -> None:
    made = body("-w", "/srv", "-u", "1000:1000", "-h", "web", "--domainname", "d", "--entrypoint", "ls", "-l", "a=b=c",
                "--label", "bare", "--stop-signal", "SIGINT", "--stop-timeout", "0", "busybox")  # fmt: skip
    assert (made["WorkingDir"], made["User"], made["Hostname"], made["Domainname"]) == ("/srv", "1000:1000", "web", "d")
    assert made["Entrypoint"] == ["ls"]
    assert made["Labels"] == {"a": "b=c", "bare": ""}
    assert (made["StopSignal"], made["StopTimeout"]) == ("SIGINT", 0)
    assert body("--entrypoint", "", "busybox")["Entrypoint"] == [""]


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "here")
    monkeypatch.delenv("NOWHERE", raising=False)
    file = tmp_path / "env"
    file.write_text("# comment\n\n  FROM_FILE=한 글\nOURS\n")
    made = body("--env-file", str(file), "-e", "A=b=c", "-e", "OURS", "-e", "NOWHERE", "busybox")
    assert made["Env"] == ["FROM_FILE=한 글", "OURS=here", "A=b=c", "OURS=here", "NOWHERE"]


def test_environment_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misused) as misused:
        body("-e", "=x", "busybox")
    assert str(misused.value) == 'invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x'
    with pytest.raises(Failed) as failed:
        body("--env-file", str(tmp_path / "none"), "busybox")
    assert failed.value.message == f"open {tmp_path}/none: no such file or directory"
    file = tmp_path / "env"
    file.write_text("A B=c\n")
    with pytest.raises(Failed, match="variable 'A B' contains whitespaces"):
        body("--env-file", str(file), "busybox")


def test_limits() -> None:
    made = host("-m", "64m", "--memory-swap", "-1", "--memory-reservation", "32m", "--cpus", ".5",
                "--cpu-shares", "512",
                "--cpuset-cpus", "0,1", "--pids-limit", "20", "--shm-size", "1g", "--oom-kill-disable",
                "--ulimit", "nofile=1024:2048", "--ulimit", "core=-1")  # fmt: skip
    assert (made["Memory"], made["MemorySwap"], made["MemoryReservation"]) == (64 << 20, -1, 32 << 20)
    assert (made["NanoCpus"], made["CpuShares"], made["CpusetCpus"], made["PidsLimit"]) == (500_000_000, 512, "0,1", 20)
    assert (made["ShmSize"], made["OomKillDisable"]) == (1 << 30, True)
    assert made["Ulimits"] == [
        {"Name": "nofile", "Hard": 2048, "Soft": 1024},
        {"Name": "core", "Hard": -1, "Soft": -1},
    ]


@pytest.mark.parametrize("text", ["x", "nofile=", "nofile=a", "nofile=1:2:3", "nofile=2:1"])
def test_ulimits_that_are_refused(text: str) -> None:
    with pytest.raises(Misused, match='for "--ulimit" flag'):
        host("--ulimit", text)


def test_security() -> None:
    made = host("--privileged", "--cap-add", "NET_ADMIN", "--cap-drop", "ALL", "--read-only", "--security-opt",
                "no-new-privileges", "--security-opt", "seccomp=unconfined",
                "--security-opt", "label:disable")  # fmt: skip
    assert (made["Privileged"], made["ReadonlyRootfs"]) == (True, True)
    assert (made["CapAdd"], made["CapDrop"]) == (["NET_ADMIN"], ["ALL"])
    assert made["SecurityOpt"] == ["no-new-privileges", "seccomp=unconfined", "label=disable"]
    with pytest.raises(Failed, match='Invalid --security-opt: "foo"'):
        host("--security-opt", "foo")


def test_a_seccomp_file_is_sent_whole(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert host("--security-opt", f"seccomp={file}")["SecurityOpt"] == [f"seccomp={file.read_text()}"]
    with pytest.raises(
        Failed, match=r"opening seccomp profile \(/none\) failed: open /none: no such file or directory"
    ):
        host("--security-opt", "seccomp=/none")


def test_volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = body("-v", "/host:/inside:ro", "-v", "./data:/data", "-v", ".:/here", "-v", "name:/vol", "-v", "/anonymous",
                "--tmpfs", "/run:size=1m", "--tmpfs", "/tmp", "busybox")  # fmt: skip
    assert made["HostConfig"]["Binds"] == [
        "/host:/inside:ro",
        f"{tmp_path}/data:/data",
        f"{tmp_path}:/here",
        "name:/vol",
    ]
    assert made["Volumes"] == {"/anonymous": {}}
    assert made["HostConfig"]["Tmpfs"] == {"/run": "size=1m", "/tmp": ""}


def test_mounts() -> None:
    made = host("--mount", "type=bind,src=/a,dst=/b,readonly", "--mount", "type=tmpfs,target=/t,tmpfs-size=1m",
                "--mount", "source=v,destination=/v,volume-nocopy=true")  # fmt: skip
    assert made["Mounts"] == [
        {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True},
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20}},
        {"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"NoCopy": True}},
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("type=bind,nosuch=x,dst=/a", "unexpected key 'nosuch' in 'nosuch=x'"),
        ("type=bind,src=/a", "target is required"),
        ("dst=/a,readonly=maybe", "invalid value for readonly: maybe"),
    ],
)
def test_mounts_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(Misused) as caught:
        host("--mount", text)
    assert str(caught.value) == f'invalid argument "{text}" for "--mount" flag: {reason}'


@pytest.mark.parametrize("option", ["--network", "--net"])
def test_networks(option: str) -> None:
    made = body(option, "n1", "--network-alias", "db", "--ip", "10.0.0.9", "busybox")
    assert made["HostConfig"]["NetworkMode"] == "n1"
    assert made["NetworkingConfig"]["EndpointsConfig"] == {
        "n1": {"Aliases": ["db"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}}
    }
    assert body(f"{option}=none", "busybox")["HostConfig"]["NetworkMode"] == "none"


def test_mac_address() -> None:
    assert body("--mac-address", "92:d0:c6:0a:29:33", "busybox")["MacAddress"] == "92:d0:c6:0a:29:33"
    with pytest.raises(Failed, match="x is not a valid mac address"):
        body("--mac-address", "x", "busybox")


@pytest.mark.parametrize(
    ("text", "policy"),
    [("always", ("always", 0)), ("on-failure:3", ("on-failure", 3)), ("unless-stopped", ("unless-stopped", 0))],
)
def test_restart_policies(text: str, policy: tuple[str, int]) -> None:
    assert tuple(host("--restart", text)["RestartPolicy"].values()) == policy


def test_a_restart_count_is_a_number() -> None:
    with pytest.raises(Failed, match="invalid restart policy format: maximum retry count must be an integer"):
        host("--restart", "on-failure:x")


def test_rest_of_the_host() -> None:
    made = host("--rm", "--init=false", "--dns", "1.1.1.1", "--add-host", "a:1.2.3.4", "--pid", "host", "--uts", "host",
                "--sysctl", "net.core.somaxconn=1", "--log-driver", "none", "--log-opt", "max-size=1m",
                "--device", "/dev/fuse", "--device", "/dev/a:/dev/b:r", "--group-add", "audio")  # fmt: skip
    assert (made["AutoRemove"], made["Init"]) == (True, False)
    assert (made["Dns"], made["ExtraHosts"], made["PidMode"], made["UTSMode"]) == (
        ["1.1.1.1"],
        ["a:1.2.3.4"],
        "host",
        "host",
    )
    assert made["Sysctls"] == {"net.core.somaxconn": "1"}
    assert made["LogConfig"] == {"Type": "none", "Config": {"max-size": "1m"}}
    assert made["Devices"][0] == {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}
    assert made["Devices"][1] == {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}
    assert "Init" not in host()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--add-host", "x"), 'invalid argument "x" for "--add-host" flag: bad format for add-host: "x"'),
        (("--dns", "x"), 'invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x'),
        (("--sysctl", "x"), 'invalid argument "x" for "--sysctl" flag: sysctl \'x\' is not allowed'),
        (("--sysctl", "vm.swappiness=1"), "sysctl 'vm.swappiness=1' is not allowed"),
        (("--pid", "foo"), "--pid: invalid PID mode"),
        (("--uts", "foo"), "--uts: invalid UTS mode"),
    ],
)
def test_host_options_that_are_refused(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises((Misused, Failed)) as caught:
        host(*words)
    assert sentence in str(caught.value)


def test_host_options_that_fit() -> None:
    made = host("--pid", "container:web", "--dns", "::1", "--add-host", "v6=::1", "--sysctl", "kernel.msgmax=1")
    assert (made["PidMode"], made["Dns"], made["ExtraHosts"]) == ("container:web", ["::1"], ["v6:::1"])


def test_health() -> None:
    assert "Healthcheck" not in body("busybox")
    made = body("--health-cmd", "curl -f localhost", "--health-interval", "1m30s", "--health-timeout", "500ms",
                "--health-start-period", "10s", "--health-start-interval", "1s", "--health-retries", "5",
                "busybox")  # fmt: skip
    assert made["Healthcheck"] == {
        "Test": ["CMD-SHELL", "curl -f localhost"],
        "Interval": 90_000_000_000,
        "Timeout": 500_000_000,
        "StartPeriod": 10_000_000_000,
        "StartInterval": 1_000_000_000,
        "Retries": 5,
    }
    assert body("--health-retries", "2", "busybox")["Healthcheck"] == {"Retries": 2}
    assert body("--no-healthcheck", "busybox")["Healthcheck"] == {"Test": ["NONE"]}
    with pytest.raises(Failed, match="--no-healthcheck conflicts with --health-\\* options"):
        body("--no-healthcheck", "--health-cmd", "true", "busybox")
    with pytest.raises(Failed, match="--health-retries cannot be negative"):
        body("--health-retries", "-1", "busybox")
    with pytest.raises(Misused, match='"5" for "--health-interval" flag: time: missing unit in duration "5"'):
        body("--health-interval", "5", "busybox")
