"""`docker diff` over real overlays."""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Storage, mounted, naive_changes

Act = Callable[[Path], object]


async def image(storage: Storage) -> str:
    """Two layers: a small system, and one that deletes, replaces and hides some of it."""
    staged = storage.layers.stage()
    for path in ("etc/apt", "usr/bin", "var/lib/old/deep", "tmp", "gone", "hidden"):
        (staged / path).mkdir(parents=True)
    for path in (
        "etc/profile",
        "etc/issue",
        "etc/apt/sources",
        "usr/bin/tool",
        "var/lib/old/deep/x",
        "gone/y",
        "hidden/z",
    ):
        (staged / path).write_text(path)
    (staged / "usr/bin/sh").symlink_to("tool")
    os.setxattr(staged / "usr/bin/tool", "security.capability", b"\x01\0\0\x02" + bytes(16))
    await storage.layers.commit(staged, chain_id="a", parent=None, diff_id="d", size=0)
    staged = storage.layers.stage()
    (staged / "etc").mkdir()
    (staged / "etc/top").write_text("top")
    os.mknod(staged / "gone", stat.S_IFCHR, 0)
    (staged / "hidden").mkdir()
    os.setxattr(staged / "hidden", "trusted.overlay.opaque", b"y")
    (staged / "hidden/new").write_text("new")
    await storage.layers.commit(staged, chain_id="b", parent="a", diff_id="d", size=0, implied=("etc",))
    return "b"


async def changes_after(storage: Storage, *acts: Act) -> list[str]:
    """What is told about a container in which these things were done; checked against the oracle."""
    chain = await image(storage)
    await storage.snapshots.create("container", chain)
    await storage.snapshots.create("untouched", chain)
    with mounted(storage.snapshots.rootfs("container")) as root:
        for act in acts:
            act(root)
        with mounted(storage.snapshots.rootfs("untouched")) as old:
            expected = naive_changes(root, old)
    told = told_about(storage)
    assert told == expected
    return told


def told_about(storage: Storage) -> list[str]:
    return [f"{'CAD'[change.kind]} {change.path}" for change in storage.snapshots.changes("container")]


def write(path: str, text: str = "text") -> Act:
    return lambda root: (root / path).write_text(text)


def remove(path: str) -> Act:
    return lambda root: shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


def make(path: str) -> Act:
    return lambda root: (root / path).mkdir()


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ((), []),
        ((write("root"),), ["A /root"]),
        ((make("srv"), write("srv/f")), ["A /srv", "A /srv/f"]),
        ((write("etc/profile", "changed"),), ["C /etc", "C /etc/profile"]),
        ((write("etc/new"),), ["C /etc", "A /etc/new"]),
        ((remove("etc/issue"),), ["C /etc", "D /etc/issue"]),
        ((remove("var/lib/old"),), ["C /var", "C /var/lib", "D /var/lib/old"]),
        ((remove("etc/issue"), write("etc/issue", "again")), ["C /etc", "C /etc/issue"]),
        (
            (remove("var/lib/old"), make("var/lib/old"), write("var/lib/old/n")),
            ["C /var", "C /var/lib", "C /var/lib/old", "D /var/lib/old/deep", "A /var/lib/old/n"],
        ),
        ((remove("var/lib/old"), write("var/lib/old")), ["C /var", "C /var/lib", "C /var/lib/old"]),
        (
            (remove("etc/issue"), make("etc/issue"), write("etc/issue/f")),
            ["C /etc", "C /etc/issue", "A /etc/issue/f"],
        ),
        ((write("tmp/f"), remove("tmp/f")), []),
        ((make("gone"), write("gone/mine")), ["A /gone", "A /gone/mine"]),
        ((write("hidden/z", "mine"), remove("hidden/new")), ["C /hidden", "D /hidden/new", "A /hidden/z"]),
        ((lambda root: (root / "etc/profile").chmod(0o600),), ["C /etc", "C /etc/profile"]),
        ((lambda root: (root / "etc").chmod(0o700),), ["C /etc"]),
        ((lambda root: os.chown(root / "usr/bin/tool", 5, 5),), ["C /usr", "C /usr/bin", "C /usr/bin/tool"]),
        (
            (lambda root: os.removexattr(root / "usr/bin/tool", "security.capability"),),
            ["C /usr", "C /usr/bin", "C /usr/bin/tool"],
        ),
        ((lambda root: (root / "etc/profile").open("r+").close(),), []),
        ((lambda root: os.utime(root / "etc", (1, 1)),), []),
        ((lambda root: (root / "tmp").chmod(0o1777), lambda root: (root / "tmp").chmod(0o755)), []),
        (
            (lambda root: (root / "var/lib/old/deep/x").rename(root / "x"),),
            ["C /var", "C /var/lib", "C /var/lib/old", "C /var/lib/old/deep", "D /var/lib/old/deep/x", "A /x"],
        ),
        (
            (lambda root: os.link(root / "etc/profile", root / "etc/second"),),
            ["C /etc", "A /etc/second"],
        ),
        ((lambda root: os.mkfifo(root / "pipe"),), ["A /pipe"]),
    ],
)
async def test_what_docker_would_print(storage: Storage, acts: tuple[Act, ...], expected: list[str]) -> None:
    assert await changes_after(storage, *acts) == expected


async def test_mount_points_of_the_engine_are_no_changes(storage: Storage) -> None:
    """Whoever starts a container binds these over; writing through the merged tree is what is told."""
    await storage.layer("empty")
    await storage.snapshots.create("container", "empty")
    with mounted(storage.snapshots.rootfs("container")) as root:
        for path in (".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console"):
            assert (root / path).is_file()
        for path in ("proc", "sys", "dev/pts", "dev/shm"):
            assert (root / path).is_dir()
    assert told_about(storage) == []
    assert not list(storage.snapshots.upper("container").iterdir())


async def test_a_file_name_that_is_not_utf8(storage: Storage) -> None:
    await storage.snapshots.create("container", None)
    with mounted(storage.snapshots.rootfs("container")) as root:
        os.close(os.open(os.fsencode(root) + b"/caf\xe9", os.O_CREAT))
    assert told_about(storage) == ["A /caf\ufffd"]


async def test_a_link_in_the_upper_directory_leads_nowhere(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/name").touch()
    await storage.snapshots.create("container", None)
    (storage.snapshots.upper("container") / "link").symlink_to(tmp_path / "secret")
    assert told_about(storage) == ["A /link"]
    assert storage.snapshots.size("container") == len(str(tmp_path / "secret"))


async def test_a_tree_deeper_than_paths_go_does_not_stop_the_others(storage: Storage) -> None:
    await storage.snapshots.create("container", None)
    upper = storage.snapshots.upper("container")
    (upper / "file").write_text("12345")
    directory = os.open(upper, os.O_RDONLY)
    for _ in range(100):
        os.mkdir("d" * 100, dir_fd=directory)
        deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = deeper
    os.close(directory)
    assert "A /file" in told_about(storage)
    assert storage.snapshots.size("container") == 5
    await storage.snapshots.remove("container")
    await storage.layers.trash.emptied()


@pytest.mark.parametrize("seed", range(12))
async def test_any_sequence_of_changes_is_told_as_moby_tells_it(storage: Storage, seed: int) -> None:
    choose = random.Random(seed)
    await changes_after(storage, *(_random_act(choose) for _ in range(60)))


def _random_act(choose: random.Random) -> Act:
    seed = choose.random()

    def act(root: Path) -> None:
        pick = random.Random(seed)
        paths = sorted(path for path in root.rglob("*") if "pipe" not in path.name)
        path = pick.choice(paths)
        folder = path if path.is_dir() and not path.is_symlink() else path.parent
        name = folder / pick.choice("abcdefgh")
        what = pick.randrange(8)
        if what == 0 and not name.is_dir():
            name.write_text("x" * pick.randrange(9))
        elif what == 1 and not os.path.lexists(name):
            name.mkdir()
        elif what == 2:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif what == 3 and not os.path.lexists(name):
            name.symlink_to("../" + path.name)
        elif what == 4 and path.is_file() and not path.is_symlink():
            path.write_text("y" * pick.randrange(9))
        elif what == 5 and not path.is_symlink():
            path.chmod(pick.choice((0o700, 0o755)))
        elif what == 6 and not path.is_dir() and not os.path.lexists(name):
            path.rename(name)
        elif what == 7 and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            path.mkdir()

    return act
