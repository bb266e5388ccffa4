"""Checks of lab 00: a container that has ended, shells with and without input, one process with two numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result
from labs.hub.userland import os_release, other_than_this_machine

OS_RELEASE = Path("/etc/os-release")


def _state(found: dict[str, Any]) -> str:
    """In a learner's words."""
    state = found["State"]
    if state["Status"] == "running":
        return "실행 중"
    if state["Status"] == "exited":
        return f"정지, 종료 코드 {state['ExitCode']}"
    return str(state["Status"])


def _command(found: dict[str, Any]) -> str:
    return " ".join([found["Path"], *found["Args"]])


def _pretty_name(lines: Iterable[str]) -> str:
    return os_release("\n".join(line.strip() for line in lines)).get("PRETTY_NAME", "")


# 00-1 ---------------------------------------------------------------------------------------------------------------
def first(engine: EngineView) -> Result:
    image = other_than_this_machine()
    hints = (
        "호스트와 다른 리눅스의 이미지로 컨테이너를 실행하고, 그 안에서 두 명령을 치고 나오세요. "
        "--rm을 붙이면 끝나자마자 지워지니 붙이지 마세요.",
        f"%%docker run -it --name first {image} bash 아래에 명령을 한 줄에 하나씩 쓰고 마지막 줄에 exit를 쓰세요. "
        "이미 만든 first가 있으면 docker rm -f first로 먼저 지우세요.",
        f"%%docker run -it --name first {image} bash\nuname -r\ngrep PRETTY_NAME /etc/os-release\nexit",
    )
    found = engine.container("first")
    if found is None:
        return NotYet(
            expected=f"`{image}` 이미지로 만든 컨테이너 `first`",
            found="이름이 `first`인 컨테이너가 없어요.",
            read_from="docker ps -a",
            hints=hints,
        )
    state = found["State"]
    if state["Status"] != "exited" or state["ExitCode"] != 0:
        return NotYet(
            expected="정상으로 끝난 상태 (정지, 종료 코드 0)",
            found=f"`first`의 상태: {_state(found)}",
            read_from="docker inspect first의 State",
            hints=hints,
        )
    lines = engine.logs("first").splitlines()
    kernel = os.uname().release
    if kernel not in (line.strip() for line in lines):
        return NotYet(
            expected=f"`uname -r`의 결과 `{kernel}`",
            found=f"`first`는 그런 줄을 쓰지 않았어요. (명령: `{_command(found)}`)",
            read_from="docker logs first",
            hints=hints,
        )
    name, host = _pretty_name(lines), _pretty_name(OS_RELEASE.read_text(encoding="utf-8").splitlines())
    if not name:
        return NotYet(
            expected="`grep PRETTY_NAME /etc/os-release`의 결과",
            found="`PRETTY_NAME=`으로 시작하는 줄이 없어요.",
            read_from="docker logs first",
            hints=hints,
        )
    if name == host:
        return NotYet(
            expected="호스트와 다른 리눅스",
            found=f"둘 다 같은 리눅스: {host} (이미지: `{found['Config']['Image']}`)",
            read_from="docker logs first, 호스트의 /etc/os-release",
            hints=hints,
        )
    return Passed(f"`first`는 {name}, 호스트는 {host}이고, 커널은 둘 다 `{kernel}`로 같아요.")


# 00-2 ---------------------------------------------------------------------------------------------------------------
STAY_AND_LEAVE = (
    "셸은 읽을 입력이 없으면 끝나요. 두 컨테이너의 차이는 옵션 하나예요.",
    "둘 다 -d로 뒤에서 실행하고, stay에만 -it를 더 붙이세요. 이름이 이미 있다면 docker rm -f로 먼저 지우세요.",
    "docker run -dit --name stay busybox sh\ndocker run -d --name leave busybox sh",
)


def stay_and_leave(engine: EngineView) -> Result:
    for name, wanted in (("stay", "실행 중"), ("leave", "정지, 종료 코드 0")):
        result = _shell(engine, name, wanted)
        if result is not None:
            return result
    return Passed("같은 이미지와 같은 명령인데 `stay`는 실행 중이고 `leave`는 정지했어요.")


def _shell(engine: EngineView, name: str, wanted: str) -> NotYet | None:
    found = engine.container(name)
    if found is None:
        return NotYet(
            expected=f"컨테이너 `{name}` ({wanted})",
            found=f"이름이 `{name}`인 컨테이너가 없어요.",
            read_from="docker ps -a",
            hints=STAY_AND_LEAVE,
        )
    image = engine.image("busybox")
    if image is None or found["Image"] != image["Id"] or _command(found) != "sh":
        return NotYet(
            expected=f"`{name}`의 이미지는 `busybox`, 명령은 `sh`",
            found=f"이미지 `{found['Config']['Image']}`, 명령 `{_command(found)}`",
            read_from=f"docker inspect {name}",
            hints=STAY_AND_LEAVE,
        )
    if _state(found) != wanted:
        return NotYet(
            expected=f"`{name}`의 상태: {wanted}",
            found=f"`{name}`의 상태: {_state(found)}",
            read_from="docker ps -a",
            hints=STAY_AND_LEAVE,
        )
    return None


# 00-3 ---------------------------------------------------------------------------------------------------------------
WORKER = (
    "컨테이너 안의 번호는 1이에요. 호스트에서의 번호는 도커에게 물어보거나 호스트의 프로세스 목록에서 찾을 수 있어요.",
    "docker inspect --format '{{.State.Pid}}' 컨테이너이름 을 쓰면 번호만 나와요.",
    "docker run -d --name worker busybox sleep 1000\ndocker inspect --format '{{.State.Pid}}' worker\n"
    "나온 번호를 %check 00-3 뒤에 쓰세요.",
)


def worker(engine: EngineView) -> Result:
    found = engine.container("worker")
    if found is None:
        return NotYet(
            expected="`sleep 1000`을 실행하는 컨테이너 `worker`",
            found="이름이 `worker`인 컨테이너가 없어요.",
            read_from="docker ps -a",
            hints=WORKER,
        )
    if found["State"]["Status"] != "running" or _command(found) != "sleep 1000":
        return NotYet(
            expected="`worker`가 `sleep 1000`을 실행 중",
            found=f"상태 {_state(found)}, 명령 `{_command(found)}`",
            read_from="docker inspect worker",
            hints=WORKER,
        )
    answer = engine.answer.strip()
    if not answer.isdecimal():
        said = f"`{answer}`" if answer else "아무것도 쓰지 않았어요."
        return NotYet(
            expected="호스트에서의 PID인 숫자 하나", found=said, read_from="%check 00-3 뒤에 쓴 것", hints=WORKER
        )
    if int(answer) != found["State"]["Pid"]:
        inside = " 1은 컨테이너 안에서의 번호예요." if answer == "1" else ""
        return NotYet(
            expected="`worker`의 첫 프로세스가 호스트에서 갖는 PID",
            found=f"{answer}번은 그 프로세스가 아니에요.{inside}",
            read_from="docker inspect worker의 State.Pid",
            hints=WORKER,
        )
    return Passed(f"컨테이너 안의 1번과 호스트의 {answer}번은 같은 프로세스예요.")


def _pid_of_worker(engine: EngineView) -> str:
    found = engine.container("worker")
    return str(found["State"]["Pid"]) if found else ""


# solutions ----------------------------------------------------------------------------------------------------------
BOTH = "bash -c 'uname -r; grep PRETTY_NAME /etc/os-release'"


def _first_with(options: str, command: str) -> Any:
    return lambda engine: engine.must(f"docker run {options} --name first {other_than_this_machine()} {command}")


checks = {
    "00-1": Exercise(
        check=first,
        solve=_first_with("", BOTH),
        wrong={
            "끝나자마자 지움": _first_with("--rm", BOTH),
            "아직 실행 중": _first_with("-dit", "bash"),
            "커널을 묻지 않음": _first_with("", "grep PRETTY_NAME /etc/os-release"),
            "리눅스의 이름을 묻지 않음": _first_with("", "uname -r"),
            "종료 코드가 0이 아님": _first_with("", "bash -c 'uname -r; cat /etc/os-release; exit 3' || true"),
            "다른 이미지": "docker run --name first busybox uname -r",
        },
        containers=("first",),
    ),
    "00-2": Exercise(
        check=stay_and_leave,
        solve="docker run -dit --name stay busybox sh && docker run -d --name leave busybox sh && docker wait leave",
        wrong={
            "둘 다 입력이 없음": "docker run -d --name stay busybox sh; docker run -d --name leave busybox sh; "
            "docker wait stay leave",
            "둘 다 터미널이 있음": "docker run -dit --name stay busybox sh; docker run -dit --name leave busybox sh",
            "다른 명령으로 버팀": "docker run -d --name stay busybox sleep 1000; "
            "docker run -d --name leave busybox sh; docker wait leave",
            "지워 버림": "docker run -dit --name stay busybox sh; docker run --rm --name leave busybox sh",
        },
        containers=("stay", "leave"),
    ),
    "00-3": Exercise(
        check=worker,
        solve="docker run -d --name worker busybox sleep 1000",
        answer=_pid_of_worker,
        wrong={
            "아무것도 실행하지 않음": "",
            "다른 명령": "docker run -d --name worker busybox sleep 10",
            "컨테이너를 끝냄": "docker run -d --name worker busybox sleep 1000; docker kill worker",
        },
        wrong_answers={"안에서의 번호": "1", "번호가 아님": "sleep", "빈 답": ""},
        containers=("worker",),
    ),
}
