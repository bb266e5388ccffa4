"""Lab 10 on kernels with IPVS and without it: the probe's two answers, and what cells and files become of each.

Nothing here needs IPVS; what a kernel with it then does is not to be seen on one without.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernel_engine.compose.loading import load
from labs import catalogue
from tests.labs.test_course_text import cells
from tests.unit.compose.cases import wanted

LAB = catalogue.lab("10")
[PROBE] = [cell for cell in cells(LAB) if "/proc/net/ip_vs" in cell]
[CHOICE] = [cell for cell in cells(LAB) if cell.startswith("import os") and "MODE" in cell]
IN_THE_NODE = "docker container exec manager sh -c "
BRANCHES = pytest.mark.parametrize(
    ("mesh", "mode", "publish"), [(True, "vip", "ingress"), (False, "dnsrr", "host")], ids=["ipvs", "no-ipvs"]
)


def chosen(mesh: bool, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """What the cell after the probe leaves in the environment of all later ones."""
    monkeypatch.delenv("MODE", raising=False)
    monkeypatch.delenv("PUBLISH", raising=False)
    exec(CHOICE, {"_exit_code": 0 if mesh else 1})
    found = {name: os.environ[name] for name in ("MODE", "PUBLISH")}
    monkeypatch.delenv("MODE")
    monkeypatch.delenv("PUBLISH")
    return found


@BRANCHES
def test_the_page_says_which_way_it_goes(
    mesh: bool, mode: str, publish: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chosen(mesh, monkeypatch) == {"MODE": mode, "PUBLISH": publish}
    assert capsys.readouterr().out.startswith("IPVS가 있어요: 가상 주소" if mesh else "IPVS가 없어요: 이름 하나에 주소")
    text = LAB.source.read_text(encoding="utf-8")
    assert f"`--endpoint-mode {mode}`" in text


@pytest.mark.parametrize("kernel", ["loaded", "loads it when asked", "has none"])
def test_the_probe_asks_for_the_module_before_it_looks(kernel: str, tmp_path: Path) -> None:
    """A file stands for the kernel's; the node has a `modprobe` that makes the kernel load what it has."""
    assert PROBE.startswith(IN_THE_NODE) and "\n" not in PROBE
    seen = tmp_path / "ip_vs"
    _program(
        tmp_path / "modprobe",
        '[ "$*" = ip_vs ] || exit 9\n' + (f"touch {seen}\n" if kernel == "loads it when asked" else ""),
    )
    if kernel == "loaded":
        seen.touch()
    script = PROBE.removeprefix(IN_THE_NODE).strip("'").replace("/proc/net/ip_vs", str(seen))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(["sh", "-c", script], env=environment, check=False).returncode == (kernel == "has none")


@BRANCHES
def test_the_stacks_follow_it(mesh: bool, mode: str, publish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in chosen(mesh, monkeypatch).items():
        monkeypatch.setenv(name, value)
    echo, front = _stack("echo.yml"), _stack("lb/stack.yml")
    assert {service["deploy"]["endpoint_mode"] for service in echo["services"].values()} == {mode}
    [service] = front["services"].values()
    assert [port["mode"] for port in service["ports"]] == [publish]
    # the Swarm refuses a routing mesh without virtual addresses
    assert "endpoint_mode" not in service["deploy"]


def test_the_stacks_stand_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who skipped the probe gets what works on every kernel."""
    monkeypatch.delenv("MODE", raising=False)
    monkeypatch.delenv("PUBLISH", raising=False)
    assert {service["deploy"]["endpoint_mode"] for service in _stack("echo.yml")["services"].values()} == {"dnsrr"}
    assert _stack("lb/stack.yml")["services"]["haproxy"]["ports"][0]["mode"] == "host"


def _stack(name: str) -> Any:
    """The file as `stack deploy` reads it: variables filled in."""
    filled = subprocess.run(
        ["bash", "-c", f"cat <<END\n{(LAB.folder / name).read_text(encoding='utf-8')}\nEND"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return yaml.safe_load(filled.stdout)


def test_compose_reads_the_stacks_too() -> None:
    for name in ("echo.yml", "lb/stack.yml"):
        assert load(wanted(LAB.folder, ["-f", name]), warn=lambda _: None).services


def test_haproxy_looks_for_the_tasks_and_not_for_a_virtual_address() -> None:
    """`tasks.NAME` is the tasks' own addresses on either kernel, which is what it tells them apart by."""
    text = (LAB.folder / "lb" / "haproxy.cfg").read_text(encoding="utf-8")
    assert "server-template web 10 tasks.echo_web:8080" in text
    assert "resolvers docker init-addr none" in text


@pytest.mark.parametrize(
    ("addresses", "asked"),
    [
        (("10.0.1.2",), ["10.0.1.2", "10.0.1.2", "10.0.1.2"]),
        (("10.0.1.3", "10.0.1.4", "10.0.1.5"), ["10.0.1.3", "10.0.1.4", "10.0.1.5"]),
        ((), []),
    ],
    ids=["virtual address", "round robin", "no such name"],
)
@pytest.mark.parametrize("answering", [0, 1, 3])
def test_the_web_server_asks_again(
    addresses: tuple[str, ...], asked: list[str], answering: int, tmp_path: Path
) -> None:
    """Of a virtual address it asks again, since the kernel leads the next connection to another task."""
    programs = tmp_path / "bin"
    programs.mkdir()
    lines = "".join(f"echo 'Name: api'; echo 'Address: {address}'\n" for address in addresses)
    _program(programs / "nslookup", f"echo 'Server: 127.0.0.11'; echo 'Address: 127.0.0.11:53'\n{lines}")
    _program(
        programs / "nc",
        f'echo "$3" >> {tmp_path}/asked\n'
        f"if [ $(wc -l < {tmp_path}/asked) = {answering} ]; then printf 'HTTP/1.0 200 OK\\r\\n\\r\\nv1 task\\n'; fi\n",
    )
    done = subprocess.run(
        ["sh", LAB.folder / "web" / "server", "answer"],
        input="GET / HTTP/1.0\r\n\r\n",
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "BACKEND_HOST": "api:8080"},
        check=True,
    )
    seen = (tmp_path / "asked").read_text().split() if (tmp_path / "asked").exists() else []
    if answering and asked:
        assert seen == asked[:answering]
        assert done.stdout.startswith("HTTP/1.0 200 OK") and "→ v1 task" in done.stdout
    else:
        assert seen == asked
        assert done.stdout.startswith("HTTP/1.0 502 Bad Gateway")


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
