"""What a container's options ask of the host's ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from kernel_engine.containers.options import ContainerOptions, HostOptions
from kernel_engine.containers.publishing import is_exposed, is_published, normal, opened, port_range, wishes
from kernel_engine.containers.record import Container, State
from kernel_engine.errors import InvalidRequest
from kernel_engine.network.endpoint import Endpoint, Published
from kernel_engine.network.ports import Wish

Bindings = Mapping[str, tuple[tuple[str, str], ...]]


def options(bindings: Bindings, *exposed: str, all_of_them: bool = False) -> ContainerOptions:
    host = HostOptions(port_bindings=bindings, publish_all=all_of_them)
    return ContainerOptions(image="x", exposed_ports=exposed, host=host)


def wish(port: int, first: int = 0, last: int = 0, protocol: str = "tcp", address: str = "0.0.0.0") -> Wish:
    return Wish(container_port=port, protocol=protocol, host_addresses=(address,), first=first, last=last or first)


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        ({}, ()),
        ({"80/tcp": ()}, ()),
        ({"80/tcp": (("", ""),)}, (wish(80),)),
        ({"80": (("", "0"),)}, (wish(80),)),
        ({"80/TCP": (("", "9000"),)}, (wish(80, 9000),)),
        ({"53/udp": (("127.0.0.1", "9000"),)}, (wish(53, 9000, protocol="udp", address="127.0.0.1"),)),
        ({"80/tcp": (("0.0.0.0", "8000-8005"),)}, (wish(80, 8000, 8005),)),
        ({"80/tcp": (("", "8000"), ("", "8001"))}, (wish(80, 8000), wish(80, 8001))),
        ({"80/sctp": (("", "8000"),)}, (wish(80, 8000, protocol="sctp"),)),
    ],
)
def test_bindings(bindings: Bindings, expected: tuple[Wish, ...]) -> None:
    assert wishes(options(bindings)) == expected


def test_fixed_ports_come_first_and_then_ranges_and_free_ones_from_the_highest_down() -> None:
    found = wishes(
        options({"70/tcp": (("", ""),), "71/tcp": (("", ""),), "5/tcp": (("", "1-9"),), "80/tcp": (("", "7"),)})
    )
    assert [item.container_port for item in found] == [80, 5, 71, 70]


def test_publish_all() -> None:
    bindings = {"80/tcp": (("", "9000"),), "81/tcp": ()}
    found = wishes(options(bindings, "80/tcp", "81", "90/udp", "abc", "0/tcp", "80/foo", all_of_them=True))
    assert found == (wish(80, 9000), wish(90, protocol="udp"), wish(81))
    assert wishes(options(bindings, "90/udp")) == (wish(80, 9000),)


@pytest.mark.parametrize(
    ("bindings", "sentence"),
    [
        ({"abc/tcp": (("", "9100"),)}, 'invalid port specification: "abc"'),
        ({"80/tcp": (("", "abc"),)}, 'invalid port specification: "abc"'),
        ({"80/tcp": (("", "70000"),)}, 'invalid port specification: "70000"'),
        ({"70000/tcp": (("", "1"),)}, 'invalid port specification: "70000"'),
        ({"80-82/tcp": (("", "1"),)}, 'invalid port specification: "80-82"'),
        ({"80/tcp": (("", "9-5"),)}, 'invalid port specification: "9-5"'),
        ({"80/tcp": (("", "9-"),)}, 'invalid port specification: "9-"'),
        ({"80/tcp": (("", "\u0661"),)}, 'invalid port specification: "\u0661"'),
        ({"80/tcp": (("", "-9"),)}, 'invalid port specification: "-9"'),
        ({"0/tcp": (("", "9"),)}, 'invalid port specification: "0"'),
        ({"80/icmp": (("", "9"),)}, "invalid proto: icmp"),
        ({"80/tcp": (("nonsense", "9"),)}, "invalid IP address: nonsense"),
    ],
)
def test_what_is_refused(bindings: Bindings, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wishes(options(bindings))
    assert caught.value.message == sentence


def test_addresses_of_both_kinds() -> None:
    both = ("0.0.0.0", "::")
    found = wishes(options({"80/tcp": (("", "8080"), ("::1", "8081"))}), everywhere=both)
    assert [item.host_addresses for item in found] == [both, ("::1",)]
    with pytest.raises(InvalidRequest, match="invalid IP address: zz"):
        wishes(options({"80/tcp": (("zz", "8080"),)}))


def test_normal() -> None:
    assert [normal(port) for port in ("80", "80/tcp", "53/UDP", "abc")] == ["80/tcp", "80/tcp", "53/udp", "abc"]


def running(*places: tuple[Published, ...]) -> Container:
    """A container with one endpoint for each of `places`, which exposes 443."""
    endpoints = tuple(
        Endpoint(
            network_id="n",
            network_name="bridge",
            endpoint_id="e",
            address="172.17.0.2",
            prefix_length=16,
            gateway="172.17.0.1",
            mac="02:42:ac:11:00:02",
            host_interface="ke0",
            published=published,
        )
        for published in places
    )
    return Container(
        id="c" * 64,
        name="web",
        created=0.0,
        image_id="sha256:a",
        image_name="x",
        config=ContainerOptions(image="x", exposed_ports=("443", "80/tcp")),
        state=State(status="running", pid=1),
        path="x",
        args=(),
        endpoints=endpoints,
    )


WEB = Published(container_port=80, protocol="tcp", host_address="0.0.0.0", host_port=9300)
NAMES = Published(container_port=53, protocol="udp", host_address="127.0.0.1", host_port=53)


def test_ports_of_all_networks_together() -> None:
    assert opened(running((WEB,), (NAMES,))) == {"443/tcp": (), "80/tcp": (WEB,), "53/udp": (NAMES,)}
    assert opened(running()) == {}
    assert opened(replace(running((WEB,)), state=State(status="exited"))) == {}


@pytest.mark.parametrize(
    ("key", "word", "fits"),
    [
        ("publish", "9300", True),
        ("publish", "80", False),
        ("publish", "9300/tcp", True),
        ("publish", "9300/udp", False),
        ("publish", "9000-9400", True),
        ("publish", "53/udp", True),
        ("publish", "80/foo", False),
        ("expose", "443", True),
        ("expose", "443/tcp", True),
        ("expose", "53/udp", True),
        ("expose", "53", False),
        ("expose", "80", True),
        ("expose", "90-500", True),
        ("expose", "81-442", False),
    ],
)
def test_filters(key: str, word: str, fits: bool) -> None:
    test = is_published if key == "publish" else is_exposed
    assert test(running((WEB, NAMES)), word) is fits


def test_a_filter_that_is_no_port() -> None:
    with pytest.raises(InvalidRequest) as caught:
        port_range("publish", "x")
    assert (
        caught.value.message == 'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax'
    )
    with pytest.raises(InvalidRequest, match="value out of range"):
        port_range("expose", "1-70000")
