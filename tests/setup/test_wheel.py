"""The wheel that ./lab up installs: what is in it, and that it works away from the clone."""

from __future__ import annotations

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.daemon import running_daemon
from tests.labs import submitted
from tests.labs.test_notebooks import replay

ROOT = Path(__file__).parents[2]
SOURCES = ("kernel_engine", "labs", "packaging", "setup.py", "pyproject.toml", "README.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as ./lab does, from a copy: building leaves things beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / "source" / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder,
         folder / "source"],
        check=True, cwd=folder,
    )  # fmt: skip
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh venv with the wheel in it, whose other packages are those of the venv that runs the tests."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--python", venv / "bin/python3", "install", "--no-deps", wheel],
        check=True,
    )
    [packages] = venv.glob("lib/python3*/site-packages")
    [others] = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "others.pth").write_text(f"{others}\n")
    return venv


def run(venv: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{venv}/bin:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_it_holds_all_that_is_committed_of_the_packages(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "kernel_engine", "labs"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("the sources are not a git clone")
    committed = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).exists()}
    assert committed - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_it_holds_nothing_that_running_left_behind(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if "__pycache__" in name or ".ipynb_checkpoints" in name]
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_the_packages_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    said = run(
        installed,
        "python3",
        "-I",
        "-c",
        "import labs, kernel_engine; print(labs.__file__, kernel_engine.__file__)",
        cwd=tmp_path,
    )
    assert all(word.startswith(str(installed)) for word in said.stdout.split()), said


def test_the_command_finds_its_data(installed: Path, tmp_path: Path) -> None:
    program = "from kernel_engine.cli.substitutes import find; print(find('centos').use)"
    said = run(installed, "python3", "-I", "-c", program, cwd=tmp_path)
    assert said.stdout == "debian:trixie\n", said.stderr


def test_the_workspace_is_made_from_the_installed_course(installed: Path, tmp_path: Path) -> None:
    said = run(installed, "python3", "-I", "-m", "labs.workspace", str(tmp_path / "docker-labs"), cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "docker-labs/sources/kernel_engine").readlink().is_relative_to(installed)


@needs_root
@pytest.mark.timeout(600)
def test_lab_00_runs_from_the_installed_course(installed: Path, hub: str, tmp_path: Path) -> None:
    """Engine, command, extension, checks and notebook: all from the wheel, strictly replayed."""
    python = str(installed / "bin/python3")
    said = run(installed, "python3", "-I", "-m", "labs.workspace", str(tmp_path / "docker-labs"), cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    [notebook] = (tmp_path / "docker-labs").glob("00_*/lab.ipynb")
    program = (python, "-I", "-m", "kernel_engine.daemon")
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as place,
        running_daemon(Path(place), (hub,), program=program) as engine,
    ):
        result = replay(notebook, engine, tmp_path, python=python)
        served = Path(f"/proc/{engine.process.pid}/cmdline").read_text() if engine.process else ""
    assert result.returncode == 0, result.stdout
    assert served.startswith(python)


@pytest.mark.parametrize("name", ["docker", "kernel-engine", "labs"])
def test_the_commands_are_there(installed: Path, name: str) -> None:
    assert os.access(installed / "bin" / name, os.X_OK)


def test_docker_runs_from_anywhere_and_through_a_link(installed: Path, tmp_path: Path) -> None:
    link = tmp_path / "docker"
    link.symlink_to(installed / "bin/docker")
    for command in ("docker", str(link)):
        said = run(installed, command, "--version", cwd=tmp_path)
        assert said.returncode == 0, said.stderr
        assert said.stdout.startswith("Docker version "), said.stdout


@pytest.fixture(scope="module")
def product(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh venv with the wheel and all that it needs, nothing editable: as `./lab up` makes it."""
    venv = tmp_path_factory.mktemp("product") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "--quiet", "--disable-pip-version-check", "install", wheel], check=True)
    return venv


@pytest.mark.full
@needs_root
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("network", [False, True])
def test_a_submission_is_graded_by_the_installed_product(
    product: Path, busybox_mirror: str, tmp_path: Path, network: bool
) -> None:
    """Also of a lab with `network: true`, whose kernel then has a way out."""
    course, name = tmp_path / "course", "90_practice"
    shutil.copytree(ROOT / "tests/testdata/grading", course, ignore=shutil.ignore_patterns("__pycache__"))
    source = course / name / "lab.md"
    source.write_text(source.read_text().replace("minutes: 5", f"minutes: 5\n  network: {str(network).lower()}"))
    program = (str(product / "bin/python3"), "-I", "-m", "kernel_engine.daemon")
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as place,
        running_daemon(Path(place), (busybox_mirror,), program=program) as engine,
    ):
        environment = {"DOCKER_HOST": engine.host, "DOCKER_LABS_COURSE": str(course)}
        _labs(product, tmp_path, environment, "assign", "90", "-o", "out")
        # its own engine's bridges are routes, too
        routes = "targets = [row.split()[1] for row in open('/proc/net/route')]\nassert ('00000000' in targets) is {}"
        cell = submitted.first(routes.format(network))
        (tmp_path / "in").mkdir()
        made = submitted.notebook(tmp_path / "out/release" / name, submitted.right("apple"), cell)
        (tmp_path / "in/kim.ipynb").write_bytes(made)
        _labs(product, tmp_path, environment, "grade", "in", "-o", "book", "--assigned", "out")
        assert engine.api.get("/containers/json", query={"all": "1"}).json() == []
    with sqlite3.connect(tmp_path / "book/gradebook.db") as book:
        assert book.execute("SELECT line, why FROM cells").fetchall() == []
    rows = list(csv.DictReader((tmp_path / "book/exercises.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["exercise"]: float(row["score"]) for row in rows} == submitted.POINTS


def _labs(product: Path, folder: Path, environment: dict[str, str], *words: str) -> None:
    given = {"PATH": f"{product}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **environment}
    command = [product / "bin/labs", *words]
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
