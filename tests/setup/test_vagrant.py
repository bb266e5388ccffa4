"""The Vagrantfile, run by Ruby with a stand-in for Vagrant's words; and the script that it runs inside the machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOUBLE = Path(__file__).with_name("vagrant_double.rb")
PROVIDERS = {"virtualbox", "vmware_desktop", "parallels", "utm", "libvirt"}

needs_ruby = pytest.mark.skipif(not shutil.which("ruby"), reason="needs the package ruby")


@pytest.fixture(scope="module")
def vagrantfile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: it makes a folder beside itself."""
    return Path(shutil.copy(ROOT / "Vagrantfile", tmp_path_factory.mktemp("vagrant")))


def asked(vagrantfile: Path, forwarded: dict[int, int] | None = None, **environment: str) -> dict[str, Any]:
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}
    words: list[str | Path] = ["ruby", DOUBLE, vagrantfile, json.dumps(forwarded)]
    done = subprocess.run(words, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def plain(vagrantfile: Path) -> dict[str, Any]:
    return asked(vagrantfile, {port: port for port in (8888, 8000, 8080, 9000, 9999)}, HAS_RSYNC="1")


@needs_ruby
def test_ruby_has_nothing_to_say(vagrantfile: Path) -> None:
    done = subprocess.run(["ruby", "-wc", vagrantfile, DOUBLE], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@needs_ruby
def test_ports_are_this_computers_alone_and_give_way(plain: dict[str, Any]) -> None:
    ports = plain["networks"]
    assert {port["guest"] for port in ports} == {8888, 8000, 8080, 9000, 9999}
    for port in ports:
        assert (port["kind"], port["host_ip"], port["auto_correct"]) == ("forwarded_port", "127.0.0.1", True)


@needs_ruby
def test_every_provider_has_a_box_and_the_sizes_that_were_asked_for(vagrantfile: Path) -> None:
    found = asked(vagrantfile, DOCKER_LABS_MEMORY="8192", DOCKER_LABS_CPUS="6")
    assert found["box"] == "bento/ubuntu-24.04"
    assert set(found["providers"]) == PROVIDERS
    for name, settings in found["providers"].items():
        assert (settings["memory"], settings["cpus"]) == (8192, 6), name
    assert found["providers"]["libvirt"]["override"]["box"] == "cloud-image/ubuntu-24.04"


@needs_ruby
def test_a_size_that_is_no_number_is_refused(vagrantfile: Path) -> None:
    done = subprocess.run(
        ["ruby", DOUBLE, vagrantfile, "null"],
        env={"PATH": os.environ["PATH"], "DOCKER_LABS_MEMORY": "many"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "many" in done.stderr


@needs_ruby
@pytest.mark.parametrize("rsync", ["", "1"])
def test_only_notebooks_are_shared_both_ways(vagrantfile: Path, rsync: str) -> None:
    found = asked(vagrantfile, HAS_RSYNC="1") if rsync else asked(vagrantfile)
    folders = found["folders"]
    assert folders.pop("/vagrant")["disabled"] is True
    source = folders.pop("/opt/docker-labs-source")
    assert source.get("type") == "rsync" if rsync else source["mount_options"] == ["ro"]
    assert source["owner"] == "root"
    [notebooks] = folders.values()
    assert notebooks["here"] == str(vagrantfile.parent / "notebooks")
    assert notebooks["there"] == "/home/vagrant/notebooks"
    assert (vagrantfile.parent / "notebooks").is_dir()


@needs_ruby
def test_a_bundle_goes_along(vagrantfile: Path) -> None:
    found = asked(vagrantfile, DOCKER_LABS_BUNDLE="/media/usb/docker-labs")
    assert found["folders"]["bundle"]["here"] == "/media/usb/docker-labs"
    [provision] = found["provisions"]
    assert provision["env"]["DOCKER_LABS_BUNDLE"] == found["folders"]["bundle"]["there"]
    assert provision["run"] == "always"


@needs_ruby
def test_the_address_is_the_one_out_here(vagrantfile: Path, plain: dict[str, Any]) -> None:
    assert plain["said"][-1] == "http://127.0.0.1:8888/lab?token=secret"
    assert "warned" not in plain
    moved = asked(vagrantfile, {2200: 8888, 8000: 8000, 2201: 8080, 9000: 9000, 9999: 9999})
    assert moved["said"][-1] == "http://127.0.0.1:2200/lab?token=secret"
    [warning] = moved["warned"]
    assert "http://127.0.0.1:2201" in warning
    told = json.loads(moved["executed"][-1].split("'")[1])
    assert told == {"8000": 8000, "8080": 2201, "9000": 9000, "9999": 9999}


@needs_ruby
def test_a_provider_that_cannot_be_asked(vagrantfile: Path) -> None:
    """Then what Vagrant has corrected is in its configuration."""
    assert asked(vagrantfile)["said"][-1] == "http://127.0.0.1:8888/lab?token=secret"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A provisioning script whose `lab` is the test's, for whoever runs the test."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/lab").write_text("echo one\necho http://127.0.0.1:8888/lab\nexit ${LAB_ENDS:-0}\n")
    return tmp_path


def provision(machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "DOCKER_LABS_USER": "root"}
    given |= {"DOCKER_LABS_SOURCE": str(machine / "source")} | environment
    return subprocess.run(
        ["dash", ROOT / "packaging/provision"], env=given, capture_output=True, text=True, check=False
    )


def test_provisioning_shows_what_lab_says_but_not_the_machines_own_address(machine: Path) -> None:
    done = provision(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\n", "")


def test_provisioning_does_not_wait_for_what_lab_has_started(machine: Path) -> None:
    """Where systemd does not run, services are children of `./lab`."""
    lab = machine / "source/lab"
    lab.write_text(f"sleep 600 >/dev/null 2>&1 </dev/null &\necho $! >{machine}/pid\n" + lab.read_text())
    try:
        assert provision(machine).stdout == "one\n"
        os.kill(int((machine / "pid").read_text()), 0)
    finally:
        os.kill(int((machine / "pid").read_text()), signal.SIGKILL)


def test_provisioning_fails_when_lab_does(machine: Path) -> None:
    done = provision(machine, LAB_ENDS="3")
    assert done.returncode == 1
    assert "vagrant provision" in done.stderr


def test_provisioning_without_the_shared_folder_says_so(machine: Path) -> None:
    done = provision(machine, DOCKER_LABS_SOURCE=str(machine / "nowhere"))
    assert done.returncode == 1
    assert "실습 폴더가 가상 머신 안에 보이지 않아요" in done.stderr


def share(workspace: Path, shared: Path) -> None:
    script = (ROOT / "packaging/provision").read_text(encoding="utf-8").split("share_notebooks='")[1].split("done'")[0]
    subprocess.run(["dash", "-c", f"{script}done", "sh", workspace, shared], check=True)


def test_notebooks_are_links_and_the_learners_own_work_stays(tmp_path: Path) -> None:
    workspace, shared = tmp_path / "work space", tmp_path / "shared"
    for name in ("00 a/lab.ipynb", "01_b/lab.ipynb", ".docker-labs/jupyter/x.ipynb", "01_b/data.txt"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("the course's")
    (shared / "01_b").mkdir(parents=True)
    (shared / "01_b/lab.ipynb").write_text("mine")
    for _ in range(2):
        share(workspace, shared)
        assert (workspace / "00 a/lab.ipynb").read_text() == "the course's"
        assert (workspace / "00 a/lab.ipynb").readlink() == shared / "00 a/lab.ipynb"
        assert (workspace / "01_b/lab.ipynb").read_text() == "mine"
    assert not (workspace / "01_b/data.txt").is_symlink()
    assert sorted(path.name for path in shared.rglob("*") if path.is_file()) == ["lab.ipynb", "lab.ipynb"]
