"""What `-v`, `--mount`, `--volumes-from` and VOLUME say, without a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_engine.containers.mounting import parse_bind, points
from kernel_engine.containers.options import ContainerOptions, HostOptions, MountOptions
from kernel_engine.containers.record import Container, MountPoint
from kernel_engine.errors import InvalidRequest


def nobody(reference: str) -> Container:
    raise AssertionError(f"nothing asks for {reference}")


def asked(volumes: tuple[str, ...] = (), **host: Any) -> tuple[MountPoint, ...]:
    return points(ContainerOptions(image="x", volumes=volumes, host=HostOptions(**host)), nobody)


def test_a_bind_in_parts() -> None:
    point = parse_bind("/a/../b:/c/:ro,rshared")
    assert (point.type, point.source, point.destination) == ("bind", "/b", "/c")
    assert (point.read_only, point.propagation, point.mode, point.create_source) == (
        True,
        "rshared",
        "ro,rshared",
        True,
    )


def test_a_volume_in_parts() -> None:
    point = parse_bind("data:/d:nocopy,Z")
    assert (point.type, point.name, point.source, point.copy, point.read_only) == ("volume", "data", "", False, False)


def test_the_image_asks_last() -> None:
    found = asked(("/d", "/e"), binds=("data:/d",), mounts=(MountOptions(type="tmpfs", target="/t"),))
    assert [(point.destination, point.type, point.name) for point in found] == [
        ("/d", "volume", "data"),
        ("/t", "tmpfs", ""),
        ("/e", "volume", ""),
    ]


@pytest.mark.parametrize(
    ("bind", "text"),
    [
        ("/a", "invalid volume specification: '/a'"),
        ("/a:", "invalid volume specification"),
        ("/a:b", "mount path must be absolute"),
        ("/a:/", "destination can't be '/'"),
        ("/a:/b/..", "destination can't be '/'"),
        ("/a:/b:often", "invalid mode: often"),
        ("/a:/b:ro:x", "invalid volume specification"),
        ("data:/b:rshared", "invalid volume specification"),
    ],
)
def test_binds_refused(bind: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        asked(binds=(bind,))


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        (MountOptions(type="bind", source="a", target="/b"), "mount path must be absolute"),
        (MountOptions(type="bind", source="/no/such/place", target="/b"), "bind source path does not exist"),
        (MountOptions(type="volume", target="b"), "mount path must be absolute"),
    ],
)
def test_mounts_refused(mount: MountOptions, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        asked(mounts=(mount,))


def test_two_at_one_place_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="Duplicate mount point: /d"):
        asked(binds=("aa:/d", "bb:/d/"))
