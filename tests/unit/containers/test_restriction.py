"""Which paths lie in a folder, by their words and by what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_engine.containers.options import ContainerOptions, HostOptions, MountOptions
from kernel_engine.containers.restriction import Folder, Restriction
from kernel_engine.errors import Forbidden

_FOLDER = Folder(path="/home/me/work", owner=(1001, 1001))


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/home/me/work", ""),
        ("/home/me/work/", ""),
        ("/home/me/work/a/b", "a/b"),
        ("/home/me/work/a/../b", "b"),
        ("/home/me/work/..", None),
        ("/home/me/work/../work2", None),
        ("/home/me/workers", None),
        ("/home/me", None),
        ("/", None),
    ],
)
def test_what_lies_in_a_folder_by_its_words(path: str, inner: str | None) -> None:
    assert _FOLDER.inner(path) == inner


def test_what_is_there(tmp_path: Path) -> None:
    folder = Folder(path=str(tmp_path.resolve()), owner=(0, 0))
    (tmp_path / "file").touch()
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "in").symlink_to("file")
    assert [folder.has(name) for name in ("", "file", "in", "out", "none")] == [True, True, True, False, False]
    (tmp_path / "link").symlink_to(tmp_path)
    assert not Folder(path=str(tmp_path.resolve() / "link"), owner=(0, 0)).has(""), "no link is on the way to it"


def test_without_a_folder_nothing_of_the_machine_is_mounted() -> None:
    restriction = Restriction()
    for host in (
        HostOptions(binds=("/tmp:/x",)),
        HostOptions(mounts=(MountOptions(type="bind", source="/tmp", target="/x"),)),
    ):
        with pytest.raises(Forbidden, match="/tmp cannot be mounted, nothing of this machine can"):
            restriction.check(ContainerOptions(image="busybox", host=host))
    restriction.check(ContainerOptions(image="busybox", host=HostOptions(binds=("volume:/x:ro",))))
