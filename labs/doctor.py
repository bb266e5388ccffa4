"""`labs doctor`: can this machine give the course, and what is missing? The engine's own doctor is asked for the rest.

Each check tries the thing itself, leaves nothing behind, and says in Korean what to do.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from kernel_engine.client import APIError, Client, EngineUnreachable
from kernel_engine.formats.findings import Finding, Grade
from labs.hub.need import addresses

WELL = "실습할 수 있는 컴퓨터예요."
#: the labs publish these; 5000 is the learner's own registry of lab 04
PORTS = (5000, 8000, 8080, 9000, 9999)
_GIGABYTE = 1024**3
#: 1: only programs with an AppArmor profile that says so make user namespaces (Ubuntu, from 23.10 on)
_APPARMORS_LIMIT = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
#: what a room of the kernel's alone needs
_ROOM = ("unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt")


def examine(client: Client) -> Iterator[Finding]:
    """The course's checks first, each finding under its check's name; then what the engine's doctor finds."""
    workspace = Path(os.environ.get("DOCKER_LABS_WORKSPACE") or Path.home())
    checks = (
        partial(check_engine, client),
        check_hub,
        partial(check_ports, client),
        check_command,
        partial(check_workspace, workspace),
        check_rooms,
    )
    for check in checks:
        for finding in check():
            yield replace(finding, name=check.func.__name__.removeprefix("check_") if isinstance(check, partial) else
                          check.__name__.removeprefix("check_"))  # fmt: skip
    yield from check_machine()


def check_engine(client: Client) -> Iterator[Finding]:
    try:
        client.get("/kernel-engine/info").close()
    except EngineUnreachable as error:
        may = "permission" not in error.message.lower()
        yield Finding(
            grade="missing",
            text=f"컨테이너 엔진이 대답하지 않아요: {error.message}" if may else "엔진을 쓸 권한이 없어요.",
            advice="./lab up을 실행하세요."
            if may
            else "docker-labs 그룹에 들어 있어야 해요. 로그아웃했다가 다시 들어오세요.",
        )
    except APIError:
        yield Finding(
            grade="missing",
            text="DOCKER_HOST에는 이 실습의 엔진이 아니라 다른 도커가 있어요.",
            advice="unset DOCKER_HOST를 실행하고 다시 해 보세요.",
        )
    else:
        yield Finding(grade="ok", text="컨테이너 엔진이 대답해요.")


def check_hub() -> Iterator[Finding]:
    hub, maker = addresses()
    lacking = "없는 이미지를 만들 수 없어요" if _answers(hub) else "docker pull이 되지 않아요"
    if silent := [place for place in (hub, maker) if not _answers(place)]:
        text = f"오프라인 허브가 대답하지 않아서 {lacking}: {', '.join(silent)}"
        yield Finding(grade="warning", text=text, advice="./lab status로 확인하고 ./lab up을 실행하세요.")
    else:
        yield Finding(grade="ok", text="오프라인 허브가 대답해요.")


def _answers(place: str) -> bool:
    try:
        with urllib.request.urlopen(f"{place}/v2/", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def check_ports(client: Client) -> Iterator[Finding]:
    """Those that the labs publish: free, or a container's of this engine."""
    own = _published(client)
    for port in PORTS:
        if port not in own and not _free(port):
            yield Finding(
                grade="warning",
                text=f"실습에서 쓰는 {port} 포트를 다른 프로그램이 쓰고 있어요.",
                advice=f"sudo ss -ltnp 'sport = :{port}'로 찾아서 끄거나, 셀의 -p {port}:…을 다른 번호로 바꾸세요.",
            )
            continue
    busy = [str(port) for port in PORTS if port in own]
    text = "실습에서 쓰는 포트를 살펴봤어요" + (f" (내 컨테이너가 쓰는 것: {', '.join(busy)})." if busy else ".")
    yield Finding(grade="ok", text=text)


def _published(client: Client) -> set[int]:
    try:
        with client.get("/containers/json") as answer:
            containers = json.loads(b"".join(answer.pieces()))
    except (EngineUnreachable, APIError):
        return set()
    return {port["PublicPort"] for item in containers for port in item["Ports"] if "PublicPort" in port}


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def check_command() -> Iterator[Finding]:
    """The terminal's `docker` is the course's."""
    found = shutil.which("docker")
    own = Path(sys.executable).parent / "docker"
    if found is None or not own.exists() or Path(found).samefile(own):
        yield Finding(grade="ok", text=f"docker 명령: {found or own}")
    else:
        yield Finding(
            grade="warning",
            text=f"여기서 docker는 다른 도커예요({found}).",
            advice=f"JupyterLab의 터미널을 쓰거나 export PATH={own.parent}:$PATH를 실행하세요.",
        )


def check_workspace(folder: Path) -> Iterator[Finding]:
    """Progress and JupyterLab's own records need SQLite's locks, and atomic writing."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    grade: Grade = "warning" if free < _GIGABYTE else "ok"
    advice = "오래된 이미지를 docker system prune으로 지워 보세요." if grade == "warning" else ""
    yield Finding(grade=grade, text=f"작업 폴더 {place}에 {free / _GIGABYTE:.1f} GB가 남아 있어요.", advice=advice)
    try:
        with tempfile.TemporaryDirectory(dir=place) as probe:
            with closing(sqlite3.connect(Path(probe) / "probe.db")) as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("CREATE TABLE probe (x)")
                database.commit()
            os.link(Path(probe) / "probe.db", Path(probe) / "link")
    except (OSError, sqlite3.Error) as error:
        yield Finding(
            grade="warning",
            text=f"작업 폴더 {place}는 잠금이나 하드 링크가 되지 않는 곳이에요({error}). 공유 폴더인가요?",
            advice="가상 머신이나 컴퓨터 자신의 디스크에 있는 폴더에서 실습하세요.",
        )


def check_rooms(limit: Path = _APPARMORS_LIMIT) -> Iterator[Finding]:
    """Where an ordinary user's `%%wall` cells run. Root is told of that limit by the engine's doctor."""
    if os.geteuid() == 0:
        return
    if subprocess.run(_ROOM, capture_output=True, check=False).returncode == 0:
        yield Finding(grade="ok", text="%%wall 작업실이 이 컴퓨터의 커널만으로 열려요.")
        return
    who = "AppArmor가" if limit.exists() and limit.read_text().strip() == "1" else "커널이"
    yield Finding(
        grade="ok",
        text=f"{who} 일반 사용자의 사용자 네임스페이스(user namespace)를 막아서, %%wall 작업실이 컨테이너 안에 열려요. "
        "셀과 과제는 똑같이 하면 돼요.",
    )


def check_machine() -> Iterator[Finding]:
    """The engine's doctor, which needs root for most of what it tries."""
    if os.geteuid() != 0:
        yield Finding(
            grade="ok",
            text="커널과 네트워크는 관리자(root)만 살펴볼 수 있어서 건너뛰었어요.",
            advice=f"모두 보려면: sudo {Path(sys.executable).parent / 'labs'} doctor",
            name="machine",
        )
        return
    words = [sys.executable, "-I", "-m", "kernel_engine.daemon", "doctor", "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    try:
        yield from (Finding(**item) for item in json.loads(done.stdout)["findings"])
    except (ValueError, KeyError, TypeError):
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        yield Finding(grade="missing", text=f"kernel-engine doctor가 실패했어요: {' '.join(last)}", name="machine")
