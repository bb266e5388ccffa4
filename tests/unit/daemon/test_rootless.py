from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from kernel_engine.client import default_context
from kernel_engine.daemon import remapping, rootless, rootless_needs
from kernel_engine.errors import InvalidRequest
from kernel_engine.paths import Instance

NAME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's lines in files of the test's own."""
    for name, text in (("subuid", f"{NAME}:100000:1000\n{NAME}:200000:64536\n"), ("subgid", f"{NAME}:300000:65536\n")):
        (tmp_path / name).write_text(text)
        for module in (rootless, remapping):
            monkeypatch.setattr(module, name.upper(), tmp_path / name)
    monkeypatch.setattr(rootless, "_find", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(rootless_needs, "has_program", lambda _: True)
    return tmp_path


def test_the_user_is_root_and_the_ranges_follow(lines: Path) -> None:
    found = rootless.maps()
    assert found.users == (0, os.getuid(), 1, 1, 100000, 1000, 1001, 200000, 64536)
    assert found.groups == (0, os.getgid(), 1, 1, 300000, 65536)
    assert not found.lacking


def test_without_a_line_or_a_program_there_is_one_id(lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootless, "_find", lambda _: "")
    assert rootless.maps().users == (0, os.getuid(), 1)
    assert "apt install uidmap" in rootless.maps().lacking
    (lines / "subgid").write_text("")
    assert f'no subgid ranges found for "{NAME}"' in rootless.maps().lacking


def test_whose_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/kim")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    found = rootless.instance(None, None)
    assert found == Instance(
        Path("/home/kim/.local/share/kernel-engine"), Path("/run/user/1000/kernel-engine"), rootless=True
    )
    assert rootless.instance(Path("/r"), Path("/s")) == Instance(Path("/r"), Path("/s"), rootless=True)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with pytest.raises(InvalidRequest, match="XDG_RUNTIME_DIR is not set"):
        rootless.instance(None, None)


def test_a_rootless_engine_locks_nobody_elses_networks() -> None:
    assert Instance(Path("/r"), Path("/s")).machine_lock.parent == Path("/run/lock")
    assert Instance(Path("/r"), Path("/s"), rootless=True).machine_lock == Path("/s/network.lock")


def test_the_command_finds_the_users_own_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_LABS_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(default_context, "DEFAULT_HOST", f"unix://{tmp_path}/machine.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_context.default_host() == f"unix://{tmp_path}/machine.sock"
    (tmp_path / "kernel-engine").mkdir()
    (tmp_path / "kernel-engine" / "engine.sock").touch()
    assert default_context.default_host() == f"unix://{tmp_path}/kernel-engine/engine.sock"
    (tmp_path / "machine.sock").touch()
    assert default_context.default_host() == f"unix://{tmp_path}/machine.sock"


def test_the_doctor_knows_ids(lines: Path) -> None:
    assert [item.grade for item in rootless_needs.check_ids()] == ["ok", "ok"]
    (lines / "subuid").write_text(f"{NAME}:100000:10\n")
    (lines / "subgid").write_text("")
    few, none = rootless_needs.check_ids()
    assert (few.grade, none.grade) == ("warning", "warning")
    assert "10개뿐" in few.text
    assert ">>" in none.advice and str(lines / "subgid") in none.advice


def setting(proc: Path, name: str, value: str) -> None:
    path = proc / "sys" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"),
        ("kernel/other", "1", "바깥 컴퓨터"),
    ],
)
def test_the_doctor_says_what_refuses_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str
) -> None:
    setting(tmp_path, name, value)
    monkeypatch.setattr(rootless_needs, "tried", lambda *_: "Operation not permitted")
    (finding,) = rootless_needs.check_namespaces(tmp_path)
    assert finding.grade == "missing"
    assert advice in finding.advice


def test_the_doctor_on_the_way_out_and_old_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootless_needs, "has_program", lambda _: True)
    (finding,) = rootless_needs.check_way_out(tmp_path / "none")
    assert finding.grade == "warning" and "modprobe tun" in finding.advice
    (tmp_path / "tun").touch()
    assert [item.grade for item in rootless_needs.check_way_out(tmp_path / "tun")] == ["ok"]
    monkeypatch.setattr(rootless_needs, "has_program", lambda _: False)
    assert "slirp4netns" in next(rootless_needs.check_way_out()).advice
    assert next(rootless_needs.check_kernel("5.10.0-30-amd64")).grade == "missing"
    assert next(rootless_needs.check_kernel("6.1.0")).grade == "ok"


def test_groups_of_a_former_engine_go_with_the_next_and_stay_for_cleanup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He has started it in a scope of his manager before, and does so in a plain shell now."""
    removed = list[str]()
    monkeypatch.setattr(rootless.cgroups, "remove_instance", removed.append)
    monkeypatch.setattr(rootless.delegation, "delegated", lambda: "")
    monkeypatch.setattr(rootless, "standing", lambda _: 0)
    for name in ("_make", "pin"):
        monkeypatch.setattr(rootless, name, lambda *_: None)
    monkeypatch.setattr(os, "execv", lambda *_: None)
    instance = Instance(tmp_path / "root", tmp_path / "run", rootless=True)
    instance.run.mkdir()
    note = instance.run / "cgroup"
    note.write_text("user.slice/his")
    rootless.go_inside(instance, ["cleanup", "--all"])
    assert (note.read_text(), removed) == ("user.slice/his", [])
    rootless.go_inside(instance, ["serve"])
    assert note.read_text() == ""
    assert [Path(group).parent for group in removed] == [Path("user.slice/his")]
