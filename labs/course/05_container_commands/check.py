"""Checks of lab 05: tags and an image without a name, fixed and free ports, three ends, ENTRYPOINT and CMD, a file for
a container that does not run, choosing what to prune, a container as a filter, and commands to mend.
"""

from __future__ import annotations

import shlex
import time
from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Varied, missing


def _state(found: dict[str, Any] | None) -> str:
    """In a few words; the exit code where it has ended."""
    if found is None:
        return "없음"
    status: str = found["State"]["Status"]
    return f"{status} ({found['State']['ExitCode']})" if status == "exited" else status


def _first_line(said: str) -> str:
    return said.strip().splitlines()[0][:120] if said.strip() else "아무것도 나오지 않았어요."


# 05-1 ---------------------------------------------------------------------------------------------------------------
LATEST, KEPT = "lab/echo:latest", "lab/echo:0.1.0"
THREE_BUILDS = (
    "빌드할 때마다 이미지의 ID가 달라져야 해요. 태그는 첫 번째를 빌드한 바로 다음에 붙이세요.",
    "첫 빌드 → docker image tag → 파일을 고치고 빌드 → 또 고치고 빌드 → 이름을 잃은 이미지를 prune. "
    "세 번째까지 빌드해야 두 번째가 이름을 잃어요.",
    "docker image build -t lab/echo:latest echo\ndocker image tag lab/echo:latest lab/echo:0.1.0\n"
    "echo/server를 고치고 다시 빌드, 한 번 더 고치고 빌드\ndocker image prune -f --filter label=lesson=05",
)


def three_builds(engine: EngineView) -> Result:
    latest, kept = engine.image(LATEST), engine.image(KEPT)
    if latest is None or kept is None:
        return missing(f"이미지 `{LATEST if latest is None else KEPT}`", "docker image ls", THREE_BUILDS)
    built = [build["image"] for build in engine.builds() if LATEST in build["tags"] and build["image"]]
    made = _since_the_kept_one(built, kept["Id"])
    if not made:
        return NotYet(
            expected=f"`{KEPT}`은 `{LATEST}`로 빌드했던 이미지예요.",
            found="그렇게 빌드한 적이 없는 이미지예요.",
            read_from="GET /kernel-engine/builds, docker image inspect lab/echo:0.1.0",
            hints=THREE_BUILDS,
        )
    if len(made) < 3 or made[-1] != latest["Id"]:
        return NotYet(
            expected=f"`{KEPT}`부터 서로 다른 이미지를 세 번 빌드하고, 마지막 것이 `{LATEST}`예요.",
            found=f"서로 다른 이미지 {len(made)}개를 빌드했어요.",
            read_from="GET /kernel-engine/builds",
            hints=THREE_BUILDS,
        )
    if left := [image for image in made[1:-1] if engine.image(image) is not None]:
        return NotYet(
            expected="이름을 잃은 이미지가 남아 있지 않아요.",
            found=f"{len(left)}개가 남아 있어요.",
            read_from="docker image ls --filter dangling=true",
            hints=THREE_BUILDS,
        )
    return Passed(f"`{KEPT}`은 첫 이미지에, `{LATEST}`는 마지막 이미지에 붙어 있고, 그 사이의 것은 지워졌어요.")


def _since_the_kept_one(built: list[str], kept: str) -> list[str]:
    """The different images that were built under the name, from the tagged one on; [] where it is none of them."""
    if kept not in built:
        return []
    last = len(built) - 1 - built[::-1].index(kept)
    return list(dict.fromkeys(built[last:]))


# 05-2 ---------------------------------------------------------------------------------------------------------------
FIXED, INSIDE = Varied("port", ("9000", "9010", "9020", "9030", "9040")), "8080/tcp"
PORTS = ("port-fixed", "port-free")


def _two_ports_hints(port: str) -> tuple[str, ...]:
    return (
        "-p에 숫자를 하나만 쓰면 도커가 바깥 포트를 골라요. 두 컨테이너의 이미지는 같아야 해요.",
        f"port-fixed에는 -p {port}:8080, port-free에는 -p 8080을 쓰세요. "
        "컨테이너 안에서 8080번으로 대답하는 이미지여야 해요.",
        f"docker container run -d --name port-fixed -p {port}:8080 example/echo:latest\n"
        "docker container run -d --name port-free -p 8080 example/echo:latest",
    )


def two_ports(engine: EngineView) -> Result:
    port = engine.value(FIXED)
    hints = _two_ports_hints(port)
    found = {name: engine.container(name) for name in PORTS}
    for name, container in found.items():
        if container is None or not container["State"]["Running"]:
            return NotYet(
                expected=f"실행 중인 컨테이너 `{name}`",
                found=f"상태: {_state(container)}",
                read_from="docker container ls -a",
                hints=hints,
            )
    if len({container["Image"] for container in found.values() if container}) != 1:
        return NotYet(
            expected="두 컨테이너의 이미지가 같아요.",
            found="서로 다른 이미지예요. 한쪽을 만든 다음에 다시 빌드했을지도 몰라요.",
            read_from="docker inspect의 Image",
            hints=hints,
        )
    return (
        _port_of(engine, "port-fixed", wanted=port)
        or _port_of(engine, "port-free", wanted="")
        or Passed(f"`port-fixed`는 {port}번에서, `port-free`는 도커가 고른 포트에서 대답해요.")
    )


def _port_of(engine: EngineView, name: str, *, wanted: str) -> NotYet | None:
    """What is not as wanted with one of the two; `wanted` is "" for a port that the engine chose."""
    container = engine.container(name) or {}
    hints = _two_ports_hints(engine.value(FIXED))
    bound = (container["HostConfig"]["PortBindings"] or {}).get(INSIDE) or [{"HostPort": "열리지 않음"}]
    asked = bound[0]["HostPort"]
    if asked.removeprefix("0") != wanted:
        return NotYet(
            expected=f"호스트의 {f'{wanted}번' if wanted else '도커가 고른 빈 포트'}이 안쪽의 8080번으로 이어져요.",
            found=f"안쪽 8080번에 정해 준 바깥 포트: {asked or '정하지 않음'}",
            read_from=f"docker inspect {name}의 HostConfig.PortBindings",
            hints=hints,
        )
    number = int(container["NetworkSettings"]["Ports"][INSIDE][0]["HostPort"])
    page = engine.published_page(number)
    if page is None or page.status != 200:
        return NotYet(
            expected=f"`{name}`의 포트가 대답해요.",
            found="대답이 없어요." if page is None else f"상태 {page.status}",
            read_from=f"GET / ({name}의 바깥 포트)",
            hints=hints,
        )
    return None


# 05-3 ---------------------------------------------------------------------------------------------------------------
NEVER = "0001-01-01T00:00:00Z"
THREE_ENDS = (
    "stop은 지우지 않아요. 이름까지 없애는 것은 rm이에요.",
    "docker container stop을 하면 프로그램이 신호를 받아 스스로 끝나야 종료 코드가 0이에요. "
    "busybox의 sleep은 신호를 무시해서 137이 돼요.",
    "docker container run -d --name c-run example/echo:latest\n"
    "docker container run -d --name c-stop example/echo:latest && docker container stop c-stop\n"
    "docker container create --name c-gone example/echo:latest && docker container rm c-gone",
)


def three_ends(engine: EngineView) -> Result:
    running, stopped, gone = (engine.container(name) for name in ("c-run", "c-stop", "c-gone"))
    if running is None or running["State"]["Status"] != "running":
        return NotYet(
            expected="실행 중인 `c-run`",
            found=f"상태: {_state(running)}",
            read_from="docker container ls -a",
            hints=THREE_ENDS,
        )
    ended = stopped is not None and stopped["State"]["StartedAt"] != NEVER and _state(stopped) == "exited (0)"
    if not ended:
        return NotYet(
            expected="실행됐다가 종료 코드 0으로 끝난 `c-stop`",
            found=f"상태: {_state(stopped)}",
            read_from="docker inspect c-stop의 State",
            hints=THREE_ENDS,
        )
    if gone is not None:
        return NotYet(
            expected="지워서 없는 `c-gone`",
            found=f"상태: {_state(gone)}",
            read_from="docker container ls -a",
            hints=THREE_ENDS,
        )
    happened = [
        event["Action"]
        for event in engine.events(1, time.time(), type="container", container="c-gone")
        if event["timeNano"] > _nanoseconds(engine, running["Id"])
    ]
    if not {"create", "destroy"} <= set(happened):
        return NotYet(
            expected="`c-run` 다음에 `c-gone`을 만들었다가 지웠어요.",
            found="그런 일이 없었어요.",
            read_from="docker events --filter container=c-gone",
            hints=THREE_ENDS,
        )
    return Passed("`c-run`은 실행 중, `c-stop`은 종료(0), `c-gone`은 만들어졌다가 파기됐어요.")


def _nanoseconds(engine: EngineView, container: str) -> int:
    """When it was created, by the engine's own clock of events; 0 when that is long past."""
    made = engine.events(1, time.time(), type="container", event="create", container=container)
    return max((int(event["timeNano"]) for event in made), default=0)


# 05-4 ---------------------------------------------------------------------------------------------------------------
ENTRYPOINT, COMMAND = ["echo", "도구:"], ["도움말"]
TOOL = (
    "늘 나오는 부분은 ENTRYPOINT에, 바뀌는 부분은 CMD에 적으세요.",
    "ENTRYPOINT와 CMD를 모두 괄호와 큰따옴표로 쓰세요. 셸 형식의 ENTRYPOINT는 뒤에 쓴 인자를 받지 못해요.",
    'FROM busybox\nENTRYPOINT ["echo", "도구:"]\nCMD ["도움말"]',
)


def tool(engine: EngineView) -> Result:
    image = engine.image("lab/tool")
    if image is None:
        return missing("이미지 `lab/tool`", "docker image ls", TOOL)
    config = image["Config"]
    if config.get("Entrypoint") != ENTRYPOINT or config.get("Cmd") != COMMAND:
        return NotYet(
            expected=f"ENTRYPOINT {ENTRYPOINT}, CMD {COMMAND}",
            found=f"ENTRYPOINT {config.get('Entrypoint')}, CMD {config.get('Cmd')}",
            read_from="docker image inspect lab/tool의 Config",
            hints=TOOL,
        )
    for words, wanted in ((), "도구: 도움말"), (("빌드",), "도구: 빌드"):
        code, said = engine.run("lab/tool", *words)
        if code or said.strip() != wanted:
            return NotYet(
                expected=f"`{wanted}`",
                found=_first_line(said),
                read_from=f"docker container run --rm lab/tool {' '.join(words)}".strip(),
                hints=TOOL,
            )
    return Passed("`ENTRYPOINT`는 늘 실행되고, `CMD`는 뒤에 쓴 말로 바뀌어요.")


# 05-5 ---------------------------------------------------------------------------------------------------------------
PLACE, LETTER = "/parcel.txt", "소포가 도착했어요"
COMMAND_OF_PARCEL = ["sh", "-c", "cat /parcel.txt && sleep 1000"]
PARCEL = (
    "시작하기 전에 파일이 있어야 해요. 정지한 컨테이너에도 쓸 수 있는 명령은 무엇이었나요?",
    "파일을 노트북 옆에 만들고 docker container cp로 넣은 다음 docker container start를 하세요.",
    f"!echo '{LETTER}' > parcel.txt\ndocker container cp parcel.txt parcel:{PLACE}\ndocker container start parcel",
)


def parcel(engine: EngineView) -> Result:
    found = engine.container("parcel")
    if found is None:
        return missing("컨테이너 `parcel`", "docker container ls -a", PARCEL)
    base = engine.image("busybox")
    if base is None or found["Image"] != base["Id"] or found["Config"]["Cmd"] != COMMAND_OF_PARCEL:
        return NotYet(
            expected="과제에 적힌 명령으로 `busybox`에서 만든 `parcel`",
            found=f"이미지 `{found['Config']['Image']}`, 명령 `{shlex.join(found['Config']['Cmd'] or [])}`",
            read_from="docker inspect parcel의 Image, Config.Cmd",
            hints=PARCEL,
        )
    written = engine.file("parcel", PLACE)
    if not found["State"]["Running"]:
        return NotYet(
            expected="실행 중인 `parcel`",
            found=f"상태: {_state(found)}",
            read_from="docker container ls -a",
            hints=PARCEL,
        )
    if written is None or written.strip() != LETTER or LETTER not in engine.logs("parcel"):
        return NotYet(
            expected=f"`{PLACE}`에 적힌 `{LETTER}`",
            found=f"`{_first_line(written)}`" if written is not None else "그런 파일이 없어요.",
            read_from=f"docker container cp parcel:{PLACE} -",
            hints=PARCEL,
        )
    return Passed("정지한 컨테이너에 넣은 파일을, 시작할 때 읽었어요.")


# 05-6 ---------------------------------------------------------------------------------------------------------------
KEEP, TOSS = {"keep-1": "exited (0)", "keep-2": "created"}, ("toss-1", "toss-2", "toss-3")
#: the same lines stand in lab.md
MESS = """docker rm -f keep-1 keep-2 toss-1 toss-2 toss-3 >/dev/null 2>&1
docker container run --name keep-1 --label mess=1 --label keep=1 busybox true
docker container create --name keep-2 --label mess=1 --label keep=1 busybox true
docker container run --name toss-1 --label mess=1 busybox true
docker container run --name toss-2 --label mess=1 --label keep=0 busybox true
docker container run -d --name toss-3 --label mess=1 busybox sleep 1000"""
CHOOSE = (
    "prune은 실행 중인 것을 지우지 않아요. 필터를 여럿 쓰면 모두 맞는 것만 골라요.",
    "toss-3을 먼저 멈추고, docker container prune에 --filter label=mess=1과 --filter label!=keep=1을 함께 쓰세요.",
    "docker container kill toss-3\ndocker container prune -f --filter label=mess=1 --filter label!=keep=1\n"
    "keep까지 지웠다면 준비하는 셀부터 다시 실행하세요.",
)


def chosen(engine: EngineView) -> Result:
    for name, wanted in KEEP.items():
        found = engine.container(name)
        if _state(found) != wanted:
            return NotYet(
                expected=f"`{name}`의 상태: {wanted}",
                found=_state(found),
                read_from="docker container ls -a --filter label=keep=1",
                hints=CHOOSE,
            )
    if left := [name for name in TOSS if engine.container(name) is not None]:
        return NotYet(
            expected="`keep=1`이 없는 컨테이너는 하나도 없어요.",
            found=f"남아 있는 것: {', '.join(left)}",
            read_from="docker container ls -a --filter label=mess=1",
            hints=CHOOSE,
        )
    return Passed("`keep=1`이 붙은 둘만 남았어요.")


# 05-7 ---------------------------------------------------------------------------------------------------------------
LOG = "access.log"
COUNT = (
    "파일을 이미지에 넣지 말고 표준 입력으로 보내세요. 무엇을 세든 같은 이미지로 셀 수 있어야 해요.",
    "wc -l은 표준 입력의 줄 수를 세요. ENTRYPOINT로 적고, 실행할 때 -i와 --rm을 붙이세요.",
    'FROM busybox\nENTRYPOINT ["wc", "-l"]\n빌드한 다음: docker container run -i --rm lab/count < access.log',
)


def counted(engine: EngineView) -> Result:
    image = engine.image("lab/count")
    if image is None:
        return missing("이미지 `lab/count`", "docker image ls", COUNT)
    lines = len((engine.workspace / LOG).read_bytes().splitlines()) if (engine.workspace / LOG).is_file() else 0
    trial = lines + 3
    run = f"docker run -i --rm --network none --label {engine.LABEL} lab/count"
    code, said = engine.shell(f"seq {trial} | {run}")
    if code or said.split()[:1] != [str(trial)]:
        return NotYet(
            expected=f"{trial}줄을 표준 입력으로 보내면 {trial}을 세요.",
            found=_first_line(said),
            read_from=f"seq {trial} | docker container run -i --rm lab/count",
            hints=COUNT,
        )
    left = [row for row in engine.containers(ancestor="lab/count") if engine.LABEL not in (row["Labels"] or {})]
    if left:
        return NotYet(
            expected="`lab/count`의 컨테이너가 남아 있지 않아요.",
            found=f"{len(left)}개가 남아 있어요.",
            read_from="docker container ls -a --filter ancestor=lab/count",
            hints=COUNT,
        )
    if engine.answer.strip() != str(lines):
        return NotYet(
            expected=f"`{LOG}`의 줄 수",
            found=f"`{engine.answer.strip() or '아직 쓰지 않았어요'}`",
            read_from=f"%check 05-7 다음에 쓴 수, {LOG}",
            hints=COUNT,
        )
    return Passed(f"`{LOG}`는 {lines}줄이에요. 파일은 이미지에도 컨테이너에도 없어요.")


# 05-8 ---------------------------------------------------------------------------------------------------------------
MENDED = (
    "빌드하면서 나오는 오류부터 하나씩 고치세요. 오류가 나지 않는 잘못도 하나 있어요.",
    "주석은 줄의 맨 앞에만, 빌드에는 폴더가, 글자 하나짜리 옵션에는 - 하나가 필요해요. "
    "괄호로 쓴 CMD는 $NAME을 풀어 줄 셸이 없어요.",
    'FROM busybox\nENV NAME=도커\nCOPY hello.txt /app/\nCMD echo "안녕, $NAME"\n\nrun.sh:\n'
    "docker image build -q -t lab/fixed-hello fix\ndocker container run --rm lab/fixed-hello",
)


def mended(engine: EngineView) -> Result:
    script = engine.workspace / "fix" / "run.sh"
    lines = script.read_text().splitlines() if script.is_file() else []
    commands = [shlex.split(line, comments=True) for line in lines]
    image = engine.image("lab/fixed-hello")
    if image is None:
        return missing("이미지 `lab/fixed-hello`", "docker image ls", MENDED)
    run = ("run", "--rm", "--network", "none", "--label", engine.LABEL)
    for words, wanted in ((), "안녕, 도커"), (("-e", "NAME=길동"), "안녕, 길동"):
        code, said = engine.docker(*run, *words, "lab/fixed-hello")
        if code or said.strip() != wanted:
            return NotYet(
                expected=f"`{wanted}`",
                found=_first_line(said),
                read_from=shlex.join(["docker", "container", "run", "--rm", *words, "lab/fixed-hello"]),
                hints=MENDED,
            )
    code, _ = engine.run("lab/fixed-hello", "test", "-s", "/app/hello.txt")
    if code:
        return NotYet(
            expected="이미지 안의 `/app/hello.txt`",
            found="그런 파일이 없어요.",
            read_from="docker container run --rm lab/fixed-hello ls /app",
            hints=MENDED,
        )
    wrong = [words for words in commands if "--it" in words or (words[2:3] == ["build"] and words[-1] != "fix")]
    if wrong or not commands:
        return NotYet(
            expected="오류 없이 실행되는 `fix/run.sh`",
            found=f"`{shlex.join(wrong[0])}`" if wrong else "`fix/run.sh`가 없거나 비어 있어요.",
            read_from="fix/run.sh",
            hints=MENDED,
        )
    return Passed("다섯 군데를 모두 고쳤어요. 인사는 `NAME`을 따라 바뀌어요.")


# solutions ----------------------------------------------------------------------------------------------------------
def _built(tag: str, folder: str, *lines: str) -> str:
    """Writes a Dockerfile and builds it."""
    text = "\n".join(lines)
    return f"mkdir -p {folder} && cat > {folder}/Dockerfile <<'END'\n{text}\nEND\ndocker build -q -t {tag} {folder}\n"


PULL = "docker pull -q busybox\n"
ECHO = _built(
    "example/echo:latest", "echo", "FROM busybox", "LABEL lesson=05", "WORKDIR /echo", "COPY server .",
    'CMD ["/echo/server"]',
)  # fmt: skip
RUN = "docker container run -d --name"
TAG_FIRST = f"docker tag {LATEST} {KEPT}\n"
PRUNE = "docker image prune -f --filter label=try=1\n"
MAKE_PARCEL = (
    PULL + "docker container create --name parcel busybox sh -c 'cat /parcel.txt && sleep 1000'\n"
    f"echo '{LETTER}' > parcel.txt\n"
)
TO_FIX = ("FROM busybox", "ENV NAME=도커", "COPY hello.txt /app/")
RUN_SH = """cat > fix/run.sh <<'END'
docker image build -q -t lab/fixed-hello fix
docker container run --rm lab/fixed-hello
END
"""


def _try(number: int) -> str:
    """One more build of lab/echo:latest, another image than before."""
    return _built(LATEST, "tries", "FROM busybox", "LABEL try=1", f"RUN echo {number} > /try")


checks = {
    "05-1": Exercise(
        check=three_builds,
        solve=PULL + _try(1) + TAG_FIRST + _try(2) + _try(3) + PRUNE,
        wrong={
            "지우지 않음": PULL + _try(1) + TAG_FIRST + _try(2) + _try(3),
            "두 번만 빌드함": PULL + _try(1) + TAG_FIRST + _try(2) + PRUNE,
            "태그를 나중에 붙임": PULL + _try(1) + _try(2) + _try(3) + TAG_FIRST + PRUNE,
            "고치지 않고 세 번 빌드함": PULL + _try(1) + TAG_FIRST + _try(1) + _try(1) + PRUNE,
            "태그만 붙임": PULL + f"docker tag busybox {LATEST}\n" + TAG_FIRST,
        },
        images=(LATEST, KEPT),
        cleanup="docker image prune -f --filter label=try=1",
    ),
    "05-2": Exercise(
        check=two_ports,
        solve=lambda engine: engine.must(
            PULL + ECHO + f"{RUN} port-fixed -p {engine.value(FIXED)}:8080 example/echo\n"
            f"{RUN} port-free -p 8080 example/echo"
        ),
        varied=(FIXED,),
        wrong={
            "둘 다 정해진 포트": PULL + ECHO
            + f"{RUN} port-fixed -p 9000:8080 example/echo\n{RUN} port-free -p 9001:8080 example/echo",
            "안쪽 포트를 틀림": PULL + ECHO
            + f"{RUN} port-fixed -p 9000:80 example/echo\n{RUN} port-free -p 8080 example/echo",
            "하나만 엶": PULL + ECHO + f"{RUN} port-fixed -p 9000:8080 example/echo\n{RUN} port-free example/echo",
            "대답하지 않음": PULL + f"{RUN} port-fixed -p 9000:8080 busybox sleep 1000\n"
            f"{RUN} port-free -p 8080 busybox sleep 1000",
            "이미지가 다름": PULL + ECHO + f"{RUN} port-fixed -p 9000:8080 example/echo\n"
            "echo '# 고침' >> echo/server\n" + ECHO + f"{RUN} port-free -p 8080 example/echo",
        },
        containers=PORTS,
        images=("example/echo:latest",),
        cleanup="docker image prune -f --filter label=lesson=05",
    ),
    "05-3": Exercise(
        check=three_ends,
        solve=PULL + ECHO + f"{RUN} c-run example/echo\n{RUN} c-stop example/echo\ndocker stop c-stop\n"
        "docker create --name c-gone example/echo\ndocker rm c-gone",
        wrong={
            "지운 적이 없음": PULL + ECHO + f"{RUN} c-run example/echo\n{RUN} c-stop example/echo\ndocker stop c-stop",
            "강제로 끝남": PULL + f"{RUN} c-run busybox sleep 1000\n{RUN} c-stop busybox sleep 1000\n"
            "docker kill c-stop\ndocker create --name c-gone busybox\ndocker rm c-gone",
            "만들기만 함": PULL + ECHO + f"{RUN} c-run example/echo\ndocker create --name c-stop example/echo\n"
            "docker create --name c-gone example/echo\ndocker rm c-gone",
            "지우지 않음": PULL + ECHO + f"{RUN} c-run example/echo\n{RUN} c-stop example/echo\ndocker stop c-stop\n"
            "docker create --name c-gone example/echo",
        },
        containers=("c-run", "c-stop", "c-gone"),
        images=("example/echo:latest",),
    ),
    "05-4": Exercise(
        check=tool,
        solve=_built("lab/tool", "tool", "FROM busybox", 'ENTRYPOINT ["echo", "도구:"]', 'CMD ["도움말"]'),
        wrong={
            "CMD만 씀": _built("lab/tool", "tool", "FROM busybox", 'CMD ["echo", "도구:", "도움말"]'),
            "셸 형식": _built("lab/tool", "tool", "FROM busybox", "ENTRYPOINT echo 도구:", 'CMD ["도움말"]'),
            "ENTRYPOINT만 씀": _built("lab/tool", "tool", "FROM busybox", 'ENTRYPOINT ["echo", "도구:", "도움말"]'),
        },
        images=("lab/tool",),
    ),
    "05-5": Exercise(
        check=parcel,
        solve=MAKE_PARCEL + f"docker cp parcel.txt parcel:{PLACE}\ndocker start parcel",
        wrong={
            "시작하지 않음": MAKE_PARCEL + f"docker cp parcel.txt parcel:{PLACE}",
            "넣지 않고 시작함": MAKE_PARCEL + "docker start parcel; true",
            "다른 글": MAKE_PARCEL
            + f"echo 다른 글 > parcel.txt\ndocker cp parcel.txt parcel:{PLACE}\ndocker start parcel",
            "이미지를 고침": PULL + _built("lab/post", "post", "FROM busybox", f"RUN echo {LETTER} > {PLACE}")
            + "docker container run -d --name parcel lab/post sh -c 'cat /parcel.txt && sleep 1000'",
            "명령을 바꿈": PULL + f"{RUN} parcel busybox sh -c 'echo {LETTER} | tee {PLACE}; sleep 1000'",
        },
        containers=("parcel",),
        images=("lab/post",),
    ),
    "05-6": Exercise(
        check=chosen,
        setup=MESS,
        solve="docker kill toss-3\ndocker container prune -f --filter label=mess=1 --filter label!=keep=1",
        wrong={
            "실행 중인 것을 남김": "docker container prune -f --filter label=mess=1 --filter label!=keep=1",
            "모두 지움": "docker kill toss-3\ndocker container prune -f --filter label=mess=1",
            "keep이 있으면 다 남김": "docker kill toss-3\n"
            "docker container prune -f --filter label=mess=1 --filter label!=keep",
            "keep-2를 시작함": "docker rm -f toss-1 toss-2 toss-3\ndocker start keep-2",
        },
        containers=("keep-1", "keep-2", "toss-1", "toss-2", "toss-3"),
    ),
    "05-7": Exercise(
        check=counted,
        solve=_built("lab/count", "count", "FROM busybox", 'ENTRYPOINT ["wc", "-l"]')
        + "docker run -i --rm lab/count < access.log",
        answer="217",
        wrong={
            "파일을 이미지에 넣음": "mkdir -p count && cp access.log count/\n"
            + _built("lab/count", "count", "FROM busybox", "COPY access.log /", 'CMD ["wc", "-l", "/access.log"]'),
            "컨테이너를 남김": _built("lab/count", "count", "FROM busybox", 'ENTRYPOINT ["wc", "-l"]')
            + "docker run -i --name counted lab/count < access.log",
            "글자를 셈": _built("lab/count", "count", "FROM busybox", 'ENTRYPOINT ["wc", "-c"]'),
        },
        wrong_answers={"다른 수": "216", "쓰지 않음": ""},
        containers=("counted",),
        images=("lab/count",),
    ),
    "05-8": Exercise(
        check=mended,
        solve=_built("lab/fixed-hello", "fix", *TO_FIX, 'CMD echo "안녕, $NAME"') + RUN_SH,
        wrong={
            "그대로": "sed -i 's/ *#.*//' fix/Dockerfile && docker build -q -t lab/fixed-hello fix",
            "이름을 그대로 적음": _built("lab/fixed-hello", "fix", *TO_FIX, 'CMD ["echo", "안녕, 도커"]') + RUN_SH,
            "run.sh를 고치지 않음": _built("lab/fixed-hello", "fix", *TO_FIX, 'CMD echo "안녕, $NAME"'),
            "COPY를 지움": _built("lab/fixed-hello", "fix", *TO_FIX[:2], 'CMD echo "안녕, $NAME"') + RUN_SH,
        },
        images=("lab/fixed-hello",),
    ),
}  # fmt: skip
