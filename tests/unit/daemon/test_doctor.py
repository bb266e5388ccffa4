from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel_engine.daemon import doctor
from kernel_engine.formats.findings import Finding
from kernel_engine.paths import Instance

MOUNTS = """
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /var/lib rw shared:1 - overlay none rw
31 30 0:41 / /var/lib/kernel-engine rw - xfs none rw
""".strip()


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/var/lib/kernel-engine/x", "xfs"), ("/var/lib/other", "overlay"), ("/var/library", "ext4"), ("/", "ext4")],
)
def test_file_system(place: str, kind: str) -> None:
    assert doctor.file_system(MOUNTS, Path(place)) == kind


def test_a_group_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = doctor.check_group("nobody-has-this-group")
    assert finding.grade == "warning"
    assert "nobody-has-this-group" in finding.text and "groupadd" in finding.advice


@pytest.mark.parametrize(
    ("release", "grade"),
    [
        ("6.1.0-18-amd64", "ok"),
        ("4.19.0-26-amd64", "missing"),
        ("5.15.153.1-microsoft-standard-WSL2", "ok"),
        ("4.4.0-19041-Microsoft", "missing"),
    ],
)
def test_kernels(monkeypatch: pytest.MonkeyPatch, release: str, grade: str) -> None:
    monkeypatch.setattr("platform.release", lambda: release)
    (finding,) = doctor.check_kernel()
    assert finding.grade == grade


def test_the_exit_code_tells_whether_something_essential_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking() -> list[Finding]:
        return [Finding(grade="missing", text="nft 명령이 없어요.", advice="apt-get install nftables")]

    instance = Instance.at(tmp_path / "root", tmp_path / "run")
    monkeypatch.setattr(doctor, "_CHECKS", (lacking,))
    assert doctor.doctor(instance, "docker-labs") == 1
    assert "✘ nft 명령이 없어요.\n    → apt-get install nftables" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "_CHECKS", ())
    assert doctor.doctor(instance, "docker-labs") == 0


def test_programs_are_told_which_check_found_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_CHECKS", (doctor.check_kernel,))
    doctor.doctor(Instance.at(tmp_path / "root", tmp_path / "run"), "nobody-has-this-group", "json")
    told = json.loads(capsys.readouterr().out)
    assert {"kernel", "directory", "group"} <= {item["name"] for item in told["findings"]}
    assert told["missing"] == sum(item["grade"] == "missing" for item in told["findings"])


def test_a_kernel_that_cannot_shift_owners(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Old:
        release = "5.15.0-1-generic"

    monkeypatch.setattr("os.uname", Old)
    (finding,) = doctor.check_restricted(tmp_path / "not" / "there")
    assert finding.grade == "warning"
    assert "5.15.0-1-generic" in finding.text
