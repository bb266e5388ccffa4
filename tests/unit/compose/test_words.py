"""One word of a file and what it means."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.words import (
    parse_command,
    parse_device,
    parse_duration,
    parse_hosts,
    parse_mount,
    parse_port,
    parse_size_word,
    text_of,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, ""),
        (1, "1"),
        (1.5, "1.5"),
        (1000.0, "1000"),
        (1e-7, "1e-07"),
        (1e21, "1e+21"),
        ("x", "x"),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("word", "nanoseconds"),
    [("10s", 10**10), ("1m30s", 90 * 10**9), ("1.5h", 5400 * 10**9), ("2d", 172800 * 10**9), ("500ms", 5 * 10**8),
     ("1us", 1000), ("0", 0), ("-1s", -(10**9)), ("1w", 604800 * 10**9)],
)  # fmt: skip
def test_durations(word: str, nanoseconds: int) -> None:
    assert parse_duration(word) == nanoseconds


@pytest.mark.parametrize("word", ["", "10", "s", "1x", "1 s", "abc"])
def test_no_durations(word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'time: invalid duration "{word}"')):
        parse_duration(word)


@pytest.mark.parametrize(
    ("value", "size"), [("512m", 512 << 20), ("1gb", 1 << 30), (1024, 1024), ("-1", -1), ("1.5k", 1536), ("10", 10)]
)
def test_sizes(value: Any, size: int) -> None:
    assert parse_size_word(value) == size


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b", ["a", "b"]),
        ("sh -c 'x y; z' \"a b\"", ["sh", "-c", "x y; z", "a b"]),
        ("a\\ b ''", ["a b", ""]),
        ("", []),
        (["a b", 3], ["a b", "3"]),
        ("echo a && echo b", ["echo", "a", "&&", "echo", "b"]),
    ],
)
def test_commands(line: Any, words: list[str]) -> None:
    assert parse_command(line) == words


def _port(word: Any) -> list[tuple[str, str, int, str]]:
    return [
        (port.get("host_ip", ""), port.get("published", ""), port["target"], port["protocol"])
        for port in parse_port(word, ())
    ]


@pytest.mark.parametrize(
    ("word", "ports"),
    [
        (80, [("", "", 80, "tcp")]),
        ("8080:80", [("", "8080", 80, "tcp")]),
        ("53:53/UDP", [("", "53", 53, "udp")]),
        ("127.0.0.1::80", [("127.0.0.1", "", 80, "tcp")]),
        ("[::1]:81:80", [("::1", "81", 80, "tcp")]),
        ("80-81", [("", "", 80, "tcp"), ("", "", 81, "tcp")]),
        ("8080-8081:80-81", [("", "8080", 80, "tcp"), ("", "8081", 81, "tcp")]),
        ("8000-9000:80", [("", "8000-9000", 80, "tcp")]),
    ],
)
def test_ports(word: Any, ports: list[tuple[str, str, int, str]]) -> None:
    assert _port(word) == ports


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("80:", "No port specified: 80:<empty>"),
        ("99999:80", "Invalid hostPort: 99999"),
        ("80:x", "Invalid containerPort: x"),
        ("80-82:80-81", "Invalid ranges specified for container and host Ports: 80-81 and 80-82"),
        ("1.2.3.400:80:80", "Invalid ip address: 1.2.3.400"),
        ("80/icmp", "Invalid proto: icmp"),
        ("a:b:c:d", "Invalid ip address a:b: address a:b:: too many colons in address"),
        ("²:80", "Invalid hostPort: ²"),
    ],
)
def test_no_ports(word: str, sentence: str) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(sentence)}$"):
        parse_port(word, ())


@pytest.mark.parametrize(
    ("word", "mount"),
    [
        ("/data", {"type": "volume", "target": "/data"}),
        ("data:/x/", {"type": "volume", "source": "data", "target": "/x"}),
        ("data:/x:nocopy", {"type": "volume", "source": "data", "target": "/x", "volume": {"nocopy": True}}),
        ("./a:/b", {"type": "bind", "source": "./a", "target": "/b", "bind": {"create_host_path": True}}),
        (
            "~/a:/b:ro,Z,rslave",
            {"type": "bind", "source": "~/a", "target": "/b", "read_only": True}
            | {"bind": {"create_host_path": True, "propagation": "rslave", "selinux": "Z"}},
        ),
    ],
)
def test_mounts(word: str, mount: dict[str, Any]) -> None:
    assert parse_mount(word, ()) == mount


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("", "invalid empty volume spec"),
        ("/a::/b", "invalid spec: /a::/b: empty section between colons"),
        ("/a:/b:ro:x", "invalid spec: /a:/b:ro:x: too many colons"),
    ],
)
def test_no_mounts(word: str, sentence: str) -> None:
    with pytest.raises(Refused, match=f"^{re.escape(sentence)}$"):
        parse_mount(word, ())


def test_devices() -> None:
    assert parse_device("/dev/a", ()) == {"source": "/dev/a", "target": "/dev/a", "permissions": "rwm"}
    assert parse_device("/dev/a:/dev/b:r", ()) == {"source": "/dev/a", "target": "/dev/b", "permissions": "r"}


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        (["a:1.2.3.4", "b=::1", "c:[::1]"], ["a=1.2.3.4", "b=::1", "c=::1"]),
        ({"a": "1.2.3.4", "b": ["1.1.1.1", "2.2.2.2"]}, ["a=1.2.3.4", "b=1.1.1.1", "b=2.2.2.2"]),
        (["a=1.1.1.1,2.2.2.2"], ["a=1.1.1.1", "a=2.2.2.2"]),
    ],
)
def test_hosts(value: Any, hosts: list[str]) -> None:
    assert parse_hosts(value) == hosts
