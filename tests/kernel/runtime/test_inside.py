"""Mounts of what lies inside directories that are not trusted: an image's layers, a build's context."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_engine.errors import KernelRefused
from kernel_engine.runtime.spec import Mount
from tests.kernel.runtime.conftest import Machine


@pytest.fixture
def layers(machine: Machine) -> Path:
    """Two layers, whose links point out of them, and a directory to write to."""
    base = machine.base / "layers"
    for name in ("one/dir", "two/dir", "upper", "work"):
        (base / name).mkdir(parents=True)
    (base / "one/dir/low").write_text("low\n")
    (base / "one/file").write_text("one\n")
    (base / "two/file").write_text("two\n")
    (base / "two/out").symlink_to("/etc")
    (base / "two/up").symlink_to("../../../../../../../../etc/hostname")
    (base / "two/etc").mkdir()
    (base / "two/etc/hostname").write_text("the layer's\n")
    return base


def inside(layers: Path, source: str, target: str = "/m", **values: object) -> Mount:
    known = {"lower": ("two", "one"), "base": str(layers), "read_only": True} | values
    return Mount(type="inside", source=source, target=target, **known)  # type: ignore[arg-type]


async def test_layers_are_seen_as_one(machine: Machine, layers: Path) -> None:
    mounts = (inside(layers, "", "/whole"), inside(layers, "dir", "/part"), inside(layers, "/file", "/etc/one"))
    result = await machine.sh("cat /whole/file /whole/dir/low /part/low /etc/one; touch /whole/x", mounts=mounts)
    assert result.out == "two\nlow\nlow\ntwo\n"
    assert "Read-only file system" in result.err
    assert not (layers / "two/x").exists()


async def test_one_directory_needs_no_overlay(machine: Machine, layers: Path) -> None:
    result = await machine.sh("cat /m/low; ls /m", mounts=(inside(layers, "dir", lower=("one",)),))
    assert result.out == "low\nlow\n"


async def test_links_end_inside(machine: Machine, layers: Path) -> None:
    mounts = (inside(layers, "up", "/a"), inside(layers, "out/hostname", "/b"))
    result = await machine.sh("cat /a /b", mounts=mounts)
    assert result.out == "the layer's\nthe layer's\n"


async def test_what_is_written_goes_to_the_upper_directory(machine: Machine, layers: Path) -> None:
    mount = inside(layers, "", read_only=False, upper="upper", work="work")
    result = await machine.sh("echo new > /m/file; rm /m/dir/low; cat /m/file; ls /m/dir", mounts=(mount,))
    assert result.out == "new\n"
    assert (layers / "two/file").read_text() == "two\n"
    assert (layers / "upper/file").read_text() == "new\n"


async def test_nothing_there_is_one_sentence(machine: Machine, layers: Path) -> None:
    with pytest.raises(KernelRefused, match='mount source path "nosuch/x": no such file or directory'):
        await machine.run("true", mounts=(inside(layers, "nosuch/x"),))
    with pytest.raises(KernelRefused, match='mount source path "file/x": not a directory'):
        await machine.run("true", mounts=(inside(layers, "file/x"),))


async def test_the_host_sees_none_of_it(machine: Machine, layers: Path) -> None:
    def seen() -> list[str]:
        """This machine's alone: others mount, too."""
        return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(machine.base) in line]

    before = seen()
    await machine.sh("true", mounts=(inside(layers, ""), inside(layers, "dir", "/n")))
    assert seen() == before
