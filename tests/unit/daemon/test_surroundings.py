"""The doctor's look at the machine: on files as the kernel would show them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel_engine.daemon import surroundings
from kernel_engine.formats.findings import Finding, as_json, as_text


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/user").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("total", "free", "grade", "advice"),
    [(8, 6, "ok", ""), (8, 0.5, "warning", "DOCKER_LABS_MEMORY"), (1.5, 1.2, "warning", "2 GB")],
)
def test_memory(proc: Path, total: float, free: float, grade: str, advice: str) -> None:
    lines = [("MemTotal", total), ("MemFree", 0), ("MemAvailable", free)]
    (proc / "meminfo").write_text("".join(f"{name}:  {int(size * 1024**2)} kB\n" for name, size in lines))
    (finding,) = surroundings.check_memory(proc)
    assert finding.grade == grade
    assert advice in finding.advice
    assert f"{total:.1f} GB" in finding.text


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("sys/user/max_user_namespaces", "0", "꺼져 있어요"),
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"),
        ("sys/kernel/unprivileged_userns_clone", "0", "일반 사용자는"),
    ],
)
def test_what_limits_user_namespaces_is_named_with_its_setting(proc: Path, name: str, value: str, word: str) -> None:
    (finding,) = surroundings.check_user_namespaces(proc)
    assert finding.grade == "ok"
    (proc / name).write_text(f"{value}\n")
    (finding,) = surroundings.check_user_namespaces(proc)
    assert finding.grade == "warning"
    assert word in finding.text
    assert name.removeprefix("sys/").replace("/", ".") in finding.advice


@pytest.mark.parametrize(
    ("modules", "warned"),
    [(["kvm_intel"], False), (["vboxdrv"], False), (["kvm_amd", "vboxdrv"], True), (["kvm_intel", "vmmon"], True)],
)
def test_hypervisors_that_fight(tmp_path: Path, proc: Path, modules: list[str], warned: bool) -> None:
    for name in modules:
        (tmp_path / "module" / name).mkdir(parents=True)
    found = list(surroundings.check_hypervisors(proc, tmp_path))
    assert any(finding.grade == "warning" and modules[0] in finding.text for finding in found) is warned


def test_the_subsystem_of_windows_is_named(tmp_path: Path, proc: Path) -> None:
    (proc / "sys/kernel/osrelease").write_text("5.15.153.1-microsoft-standard-WSL2\n")
    (finding,) = surroundings.check_hypervisors(proc, tmp_path)
    assert "WSL 2" in finding.text


@pytest.mark.parametrize(("machine", "grade"), [("x86_64", "ok"), ("aarch64", "ok"), ("riscv64", "warning")])
def test_processors(monkeypatch: pytest.MonkeyPatch, machine: str, grade: str) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    (finding,) = surroundings.check_architecture()
    assert (finding.grade, machine in finding.text) == (grade, True)


def test_for_people_and_for_programs() -> None:
    findings = (Finding(grade="ok", text="좋아요", name="a"), Finding(grade="missing", text="없어요", advice="해요"))
    assert as_text(findings, "다 있어요.") == "✔ 좋아요\n✘ 없어요\n    → 해요\n\n꼭 필요한 것이 1개 빠져 있어요."
    told = json.loads(as_json(findings))
    assert told["missing"] == 1
    assert told["findings"][0] == {"grade": "ok", "text": "좋아요", "advice": "", "name": "a"}
