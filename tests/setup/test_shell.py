"""`./lab` and its parts as text: they parse, pass shellcheck, and start with nothing but a POSIX shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = sorted((ROOT / "packaging").glob("*.sh"))
PROGRAMS = [
    ROOT / "lab",
    *(ROOT / "packaging" / name for name in ("supervise", "engine", "mirror-ways", "provision", "jupyter/start")),
]
#: of the hub's images
SCRIPTS = [
    file for file in sorted((ROOT / "labs/hub/images").rglob("*")) if file.is_file() and file.read_bytes()[:2] == b"#!"
]
BARE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["dash", ROOT / "lab", *arguments],
        env=BARE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("file", [*PROGRAMS, *PARTS, *SCRIPTS], ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_is_posix_shell(file: Path) -> None:
    subprocess.run(["dash", "-n", file], check=True)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs the package shellcheck")
def test_shellcheck_has_nothing_to_say() -> None:
    found = subprocess.run(
        ["shellcheck", "-x", *PROGRAMS, *PARTS, *SCRIPTS, ROOT / ".ci/run", ROOT / "packaging/jupyter/bashrc"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    "file", [*PROGRAMS, ROOT / ".ci/run", *(ROOT / "packaging/bin").iterdir()], ids=lambda file: file.name
)
def test_it_can_be_run(file: Path) -> None:
    assert os.access(file, os.X_OK)


def test_help_is_korean_and_names_every_command() -> None:
    shown = lab("--help")
    assert shown.returncode == 0
    assert "사용법" in shown.stdout
    assert all(f"\n  {verb} " in shown.stdout for verb in ("up", "down", "status", "bundle", "test"))


@pytest.mark.parametrize(
    "arguments",
    [("upp",), ("up", "--prot", "1"), ("up", "--port", "x"), ("up", "--port", "70000"), ("up", "--listen", "a;b")],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="the option is looked at after becoming root")
def test_a_wrong_command_line_changes_nothing_and_says_so(arguments: tuple[str, ...]) -> None:
    shown = lab(*arguments)
    assert shown.returncode == 2
    assert "./lab --help" in shown.stderr
    assert shown.stdout == ""


def test_without_sudo_it_asks_su(tmp_path: Path) -> None:
    """An ordinary user on a machine without sudo: the whole command reaches root's shell, quoted."""
    for name in ("dirname", "sed", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "id").write_text('#!/bin/sh\n[ "$1" = -u ] && echo 1000 || echo "kim"\n')
    (tmp_path / "su").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    for name in ("id", "su"):
        (tmp_path / name).chmod(0o755)
    # PATH is set anew by ./lab, so the stand-ins come first through a copy of it that does not
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "packaging", clone / "packaging", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "lab", clone / "lab")
    places = clone / "packaging/places.sh"
    places.write_text(places.read_text(encoding="utf-8").replace("export PATH=", "export UNUSED="), encoding="utf-8")
    shown = subprocess.run(
        ["/bin/sh", clone / "lab", "up", "--listen", "it's"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "root의 비밀번호" in shown.stdout
    command = shown.stdout.splitlines()[-1]
    said = subprocess.run(["sh", "-c", f"printf '%s|' {command}"], capture_output=True, text=True, check=True).stdout
    assert said.split("|")[:4] == ["env", "DOCKER_LABS_USER=kim", "sh", str(clone / "lab")]
    assert said.split("|")[4:7] == ["up", "--listen", "it's"]
