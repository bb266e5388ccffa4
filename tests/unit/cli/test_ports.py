"""`-p` and `--expose`, and the column PORTS: as `docker create` and `docker ps` of CLI 28.2 were seen to have them."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.ports import as_words, bindings, exposed


@pytest.mark.parametrize(
    ("text", "port", "address", "host_port"),
    [
        ("80", "80/tcp", "", ""),
        ("8080:80", "80/tcp", "", "8080"),
        ("127.0.0.1:8080:80", "80/tcp", "127.0.0.1", "8080"),
        ("127.0.0.1::80", "80/tcp", "127.0.0.1", ""),
        (":80", "80/tcp", "", ""),
        (":8080:80", "80/tcp", "", "8080"),
        ("80/", "80/tcp", "", ""),
        ("0:80", "80/tcp", "", "0"),
        ("8000-8002:80", "80/tcp", "", "8000-8002"),
        ("[::1]:8080:80", "80/tcp", "::1", "8080"),
        ("::1:8080:80", "80/tcp", "::1", "8080"),
        ("80/TCP", "80/tcp", "", ""),
        ("80/tcp/udp", "80/tcp", "", ""),
        ("9.9.9.9:80:80", "80/tcp", "9.9.9.9", "80"),
        ("8080:80/udp", "80/udp", "", "8080"),
        ("80/sctp", "80/sctp", "", ""),
    ],
)
def test_one_port(text: str, port: str, address: str, host_port: str) -> None:
    assert bindings([text]) == {port: [{"HostIp": address, "HostPort": host_port}]}
    assert exposed([text], []) == [port]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8000-8002:80-82", {"80/tcp": "8000", "81/tcp": "8001", "82/tcp": "8002"}),
        ("80-82", {"80/tcp": "", "81/tcp": "", "82/tcp": ""}),
        ("1-2-3", {"1/tcp": "", "2/tcp": ""}),
    ],
)
def test_ranges(text: str, expected: dict[str, str]) -> None:
    assert bindings([text]) == {port: [{"HostIp": "", "HostPort": number}] for port, number in expected.items()}


def test_one_port_twice() -> None:
    assert bindings(["8080:80", "127.0.0.1:8081:80"]) == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "8081"}]
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no port specified: <empty>"),
        ("8080:", "no port specified: 8080:<empty>"),
        ("a:80", "invalid hostPort: a"),
        ("80:b", "invalid containerPort: b"),
        ("abc", "invalid containerPort: abc"),
        (" 80", "invalid containerPort:  80"),
        ("70000:80", "invalid hostPort: 70000"),
        ("80:70000", "invalid containerPort: 70000"),
        ("80/icmp", "invalid proto: icmp"),
        ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
        ("8002-8000:80-82", "invalid hostPort: 8002-8000"),
        ("300.1.1.1:80:80", "invalid IP address: 300.1.1.1"),
        ("localhost:80:80", "invalid IP address: localhost"),
        ("[::1:8080:80", "invalid IP address [::1: address [::1:: missing ']' in address"),
        ("127.0.0.1:80", "invalid hostPort: 127.0.0.1"),
        ("[fe80::1%eth0]:80:80", "invalid IP address: fe80::1%eth0"),
        ("80:80:80:80", "invalid IP address: 80:80"),
    ],
)
def test_ports_that_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(Failed) as caught:
        bindings([text])
    assert (caught.value.message, caught.value.code) == (sentence, 125)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", ["80/tcp"]),
        ("80/udp", ["80/udp"]),
        ("80-82", ["80/tcp", "81/tcp", "82/tcp"]),
        ("80/", ["80/tcp"]),
        ("80/foo", ["80/foo"]),
        ("0", ["0/tcp"]),
    ],
)
def test_exposed(text: str, expected: list[str]) -> None:
    assert exposed([], [text]) == expected
    assert exposed(["8080:80"], ["80"]) == ["80/tcp"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("82-80", "invalid range format for --expose: 82-80, error: invalid range specified for port: 82-80"),
        ("a", 'invalid range format for --expose: a, error: strconv.ParseUint: parsing "a": invalid syntax'),
        ("70000", 'invalid range format for --expose: 70000, error: strconv.ParseUint: parsing "70000": '
                  "value out of range"),
        ("80:80", "invalid port format for --expose: 80:80"),
        ("", "invalid range format for --expose: , error: empty string specified for ports"),
    ],
)  # fmt: skip
def test_exposed_that_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(Failed) as caught:
        exposed([], [text])
    assert caught.value.message == sentence


def port(private: int, public: int | None = None, address: str = "0.0.0.0", kind: str = "tcp") -> dict[str, Any]:
    inside = {"PrivatePort": private, "Type": kind}
    return inside if public is None else {"IP": address, "PublicPort": public, **inside}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([], ""),
        ([port(80)], "80/tcp"),
        ([port(80, 9999)], "0.0.0.0:9999->80/tcp"),
        ([port(80, 9999), port(80, 9999, "::")], "0.0.0.0:9999->80/tcp, [::]:9999->80/tcp"),
        ([port(443), port(80, 9007), port(80, 9007, "::")], "443/tcp, 0.0.0.0:9007->80/tcp, [::]:9007->80/tcp"),
        ([port(54, kind="udp"), port(53, kind="udp")], "53-54/udp"),
        ([port(81, 81), port(80, 80)], "0.0.0.0:80-81->80-81/tcp"),
        ([port(82, 82), port(80, 80)], "0.0.0.0:80->80/tcp, 0.0.0.0:82->82/tcp"),
        ([port(81, 8101), port(82, 8102), port(80, 8100)],
         "0.0.0.0:8100->80/tcp, 0.0.0.0:8101->81/tcp, 0.0.0.0:8102->82/tcp"),
        ([port(80, 8201), port(80, 8200, "127.0.0.1"), port(81, 8202, kind="udp")],
         "0.0.0.0:8201->80/tcp, 127.0.0.1:8200->80/tcp, 0.0.0.0:8202->81/udp"),
    ],
)  # fmt: skip
def test_the_column_of_ps(given: list[dict[str, Any]], shown: str) -> None:
    assert as_words(given) == shown
