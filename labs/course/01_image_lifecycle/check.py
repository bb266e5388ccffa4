"""Checks of lab 01: an image with one layer more, changes of three kinds, two writable layers, a new default command,
and a clean-up that takes what uses an image and nothing else.
"""

from __future__ import annotations

from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, missing

BASE = "debian:bookworm"
NO_SUCH_COMMAND = 127


def _layers(image: dict[str, Any]) -> list[str]:
    return list(image["RootFS"]["Layers"])


def _not_of_base(engine: EngineView, name: str, found: dict[str, Any], hints: tuple[str, ...]) -> NotYet | None:
    """The container stands on the base image."""
    base = engine.image(BASE)
    if base is not None and found["Image"] == base["Id"]:
        return None
    return NotYet(
        expected=f"`{name}`의 이미지는 `{BASE}`",
        found=f"`{found['Config']['Image']}`",
        read_from=f"docker inspect {name}",
        hints=hints,
    )


# 01-1 ---------------------------------------------------------------------------------------------------------------
WITH_GIT = (
    "실습에서 git을 설치한 컨테이너가 아직 있을 거예요. 그 컨테이너를 한 번만 굳히면 돼요.",
    "docker commit 컨테이너 이미지:태그. 두 번 나누어 굳히면 레이어도 두 장이 돼요.",
    "docker commit git lab:git",
)


def with_git(engine: EngineView) -> Result:
    made, base = engine.image("lab:git"), engine.image(BASE)
    if made is None or base is None:
        return missing("이미지 `lab:git`" if made is None else f"이미지 `{BASE}`", "docker images", WITH_GIT)
    layers, below = _layers(made), _layers(base)
    if layers[: len(below)] != below:
        return NotYet(
            expected=f"`{BASE}`의 레이어 위에 쌓은 이미지",
            found=f"`lab:git`의 아래쪽 레이어가 `{BASE}` 이미지와 달라요. 다른 이미지에서 시작했나 봐요.",
            read_from="docker inspect lab:git의 RootFS.Layers",
            hints=WITH_GIT,
        )
    if len(layers) != len(below) + 1:
        return NotYet(
            expected=f"`{BASE}`보다 레이어가 한 장 많은 이미지 ({len(below) + 1}장)",
            found=f"`lab:git`의 레이어는 {len(layers)}장이에요.",
            read_from="docker inspect lab:git의 RootFS.Layers",
            hints=WITH_GIT,
        )
    code, said = engine.run("lab:git", "git", "--version")
    if code:
        return NotYet(
            expected="`lab:git`에서 `git --version`이 버전을 보여 줘요.",
            found="`lab:git`에 `git`이 없어요." if code == NO_SUCH_COMMAND else f"종료 코드 {code}",
            read_from="docker run --rm lab:git git --version",
            hints=WITH_GIT,
        )
    return Passed(f"`lab:git`은 `{BASE}`에 레이어 한 장을 더한 이미지예요. ({said.strip()})")


# 01-2 ---------------------------------------------------------------------------------------------------------------
THREE_CHANGES = (
    "컨테이너의 터미널에 들어가 만들기, 고치기, 지우기를 하나씩 하세요. "
    "다른 것까지 바꾸었다면 컨테이너를 지우고 새로 시작하는 것이 빨라요.",
    "만들기는 touch /root/이름, 고치기는 echo … >> /etc/profile, 지우기는 rm /etc/issue.net이에요. "
    "docker diff diff-lab으로 살펴보세요.",
    "docker rm -f diff-lab 다음에 새 셀에서\n%%docker run -it --name diff-lab debian:bookworm bash\ntouch /root/new\n"
    "echo hello >> /etc/profile\nrm /etc/issue.net\nexit",
)
#: folders change with what is in them, and a shell that ends notes what was typed
NATURAL = {"/etc": "C", "/root": "C", "/root/.bash_history": "A"}


def three_changes(engine: EngineView) -> Result:
    found = engine.container("diff-lab")
    if found is None:
        return missing("컨테이너 `diff-lab`", "docker ps -a", THREE_CHANGES)
    if other := _not_of_base(engine, "diff-lab", found, THREE_CHANGES):
        return other
    changes = {path: kind for path, kind in engine.changes("diff-lab").items() if NATURAL.get(path) != kind}
    new = [path for path, kind in changes.items() if kind == "A" and path.startswith("/root/")]
    wanted = {"/etc/profile": "C", "/etc/issue.net": "D", **dict.fromkeys(new[:1], "A")}
    if len(new) == 1 and changes == wanted:
        return Passed(f"`A {new[0]}`, `C /etc/profile`, `D /etc/issue.net`, 딱 세 가지예요.")
    shown = [f"{kind} {path}" for path, kind in sorted(changes.items())]
    more = f"\n그 밖에 {len(shown) - 8}개" if len(shown) > 8 else ""
    return NotYet(
        expected="`/root/` 아래의 A 하나, `C /etc/profile`, `D /etc/issue.net`",
        found="\n".join(shown[:8]) + more if shown else "달라진 것이 없어요.",
        read_from="docker diff diff-lab (바뀐 파일이 든 폴더와 /root/.bash_history는 빼고)",
        hints=THREE_CHANGES,
    )


# 01-3 ---------------------------------------------------------------------------------------------------------------
TWO = (
    "이미지 하나로 컨테이너를 둘 실행해 두고, 각각의 안에서 파일을 만드세요.",
    "-dit와 bash로 실행해 두면 계속 실행돼요. 파일은 docker exec 이름 sh -c 'echo … > /who'로 만들 수 있어요.",
    "docker run -dit --name left debian:bookworm bash\ndocker exec left sh -c 'echo left > /who'\n"
    "right도 똑같이 하세요.",
)


def two_containers(engine: EngineView) -> Result:
    for name in ("left", "right"):
        found = engine.container(name)
        if found is None:
            return missing(f"실행 중인 컨테이너 `{name}`", "docker ps -a", TWO)
        if other := _not_of_base(engine, name, found, TWO):
            return other
        if not found["State"]["Running"]:
            return NotYet(
                expected=f"실행 중인 컨테이너 `{name}`",
                found=f"`{name}`의 상태: {found['State']['Status']}",
                read_from="docker ps -a",
                hints=TWO,
            )
        code, said = engine.exec(name, "cat", "/who")
        if code or said.strip() != name:
            return NotYet(
                expected=f"`{name}`의 `/who`에 적힌 글: {name}",
                found=said.strip() or "아무것도 적혀 있지 않아요.",
                read_from=f"docker exec {name} cat /who",
                hints=TWO,
            )
    return Passed("같은 이미지의 같은 자리에 있는 파일인데 `left`와 `right`에서 내용이 달라요.")


# 01-4 ---------------------------------------------------------------------------------------------------------------
HELLO = (
    "파일이 든 컨테이너를 먼저 만들고, 굳히면서 기본 명령을 바꾸세요.",
    '기본 명령은 파일을 보여 주는 cat이면 돼요: docker commit -c \'CMD ["cat", "/hello.txt"]\' 컨테이너 lab:hello',
    "docker run --name hello debian:bookworm sh -c 'echo hello > /hello.txt'\n"
    'docker commit -c \'CMD ["cat", "/hello.txt"]\' hello lab:hello',
)


def hello(engine: EngineView) -> Result:
    made = engine.image("lab:hello")
    if made is None:
        return missing("이미지 `lab:hello`", "docker images", HELLO)
    command = " ".join([*(made["Config"].get("Entrypoint") or ()), *(made["Config"].get("Cmd") or ())])
    if "/hello.txt" not in command:
        return NotYet(
            expected="`/hello.txt`를 보여 주는 기본 명령",
            found=f"`lab:hello`의 기본 명령: `{command or '없음'}`",
            read_from="docker inspect lab:hello의 Config.Cmd",
            hints=HELLO,
        )
    for words in ((), ("cat", "/hello.txt")):
        code, said = engine.run("lab:hello", *words)
        if code or said.strip() != "hello":
            return NotYet(
                expected="출력 `hello`",
                found=said.strip() or "아무것도 나오지 않았어요.",
                read_from=" ".join(["docker run --rm lab:hello", *words]),
                hints=HELLO,
            )
    return Passed(f"`lab:hello`는 명령을 주지 않으면 `{command}`를 실행해요.")


# 01-5 ---------------------------------------------------------------------------------------------------------------
TIDY = (
    "이미지를 쓰는 컨테이너를 모두 찾아 지운 다음 이미지를 지우세요. 정지한 컨테이너도 이미지를 써요.",
    "docker ps -a --filter ancestor=tidy:tool로 찾고, docker rm -f와 docker rmi로 지우세요. "
    "tidy-a까지 지웠다면 어질러 놓는 셀부터 다시 실행하세요.",
    "docker rm -f tidy-b tidy-c\ndocker rmi tidy:tool",
)
#: the same lines stand in lab.md
MESS = """docker rm -f tidy-a tidy-b tidy-c >/dev/null 2>&1
docker run --name tidy-a debian:bookworm touch /tool
docker commit tidy-a tidy:tool
docker run --name tidy-b tidy:tool true
docker run -d --name tidy-c tidy:tool sleep 1000"""


def tidy(engine: EngineView) -> Result:
    if engine.container("tidy-a") is None or engine.image(BASE) is None:
        return NotYet(
            expected=f"남겨 둘 컨테이너 `tidy-a`와 이미지 `{BASE}`",
            found="둘 가운데 없는 것이 있어요. 위의 어질러 놓는 셀을 실행하지 않았거나, 이것까지 지웠어요.",
            read_from="docker ps -a, docker images",
            hints=TIDY,
        )
    left = [
        name
        for row in engine.containers()
        for name in (row["Names"][0].lstrip("/"),)
        if name in ("tidy-b", "tidy-c") or row["Image"] == "tidy:tool"
    ]
    if left:
        return NotYet(
            expected="`tidy:tool`로 만든 컨테이너가 하나도 없어요.",
            found=f"남은 컨테이너: {', '.join(sorted(left))}",
            read_from="docker ps -a",
            hints=TIDY,
        )
    if engine.image("tidy:tool") is not None:
        return NotYet(
            expected="이미지 `tidy:tool`이 없어요.", found="아직 있어요.", read_from="docker images", hints=TIDY
        )
    return Passed("`tidy:tool`과 그것을 쓰던 컨테이너만 사라지고 나머지는 그대로예요.")


# solutions ----------------------------------------------------------------------------------------------------------
def _made(name: str, image: str, script: str, options: str = "") -> str:
    """A container that has run a script and is exited."""
    return f"docker run {options} --name {name} {image} bash -c '{script}'"


PACK = f"docker run -dit --name pack {BASE} bash"
INSTALL = "apt-get update >/dev/null && apt-get install -y --no-install-recommends git >/dev/null 2>&1"
THREE = "touch /root/new; echo hello >> /etc/profile; rm /etc/issue.net"
HELLO_CMD = """-c 'CMD ["cat", "/hello.txt"]'"""


def _who(name: str, text: str) -> str:
    return f"docker run -dit --name {name} {BASE} bash && docker exec {name} sh -c 'echo {text} > /who'"


checks = {
    "01-1": Exercise(
        check=with_git,
        solve=f"{PACK} && docker exec pack sh -c '{INSTALL}' && docker commit pack lab:git",
        wrong={
            "이름만 붙임": f"docker pull {BASE} && docker tag {BASE} lab:git",
            "설치하지 않고 굳힘": f"{PACK} && docker exec pack touch /git && docker commit pack lab:git",
            "두 번 나누어 굳힘": f"{PACK} && docker exec pack touch /one && docker commit pack lab:git && "
            "docker rm -f pack && docker run --name pack lab:git touch /git && docker commit pack lab:git",
            "다른 이미지에서 시작": f"docker pull {BASE} && docker run --name pack debian:trixie touch /git && "
            "docker commit pack lab:git",
        },
        containers=("pack",),
        images=("lab:git",),
    ),
    "01-2": Exercise(
        check=three_changes,
        solve=_made("diff-lab", BASE, THREE),
        wrong={
            "아무것도 하지 않음": _made("diff-lab", BASE, "true"),
            "지우지 않음": _made("diff-lab", BASE, "touch /root/new; echo hello >> /etc/profile"),
            "파일을 둘 만듦": _made("diff-lab", BASE, f"{THREE}; touch /root/newer"),
            "다른 것도 바꿈": _made("diff-lab", BASE, f"{THREE}; echo hello >> /etc/hosts.allow"),
            "한 뒤에 --rm으로 사라짐": _made("diff-lab", BASE, THREE, "--rm"),
            "다른 이미지": "docker run --name diff-lab debian:trixie touch /root/new",
        },
        containers=("diff-lab",),
    ),
    "01-3": Exercise(
        check=two_containers,
        solve=f"{_who('left', 'left')} && {_who('right', 'right')}",
        wrong={
            "하나만 만듦": _who("left", "left"),
            "내용이 뒤바뀜": f"{_who('left', 'right')} && {_who('right', 'left')}",
            "파일이 없음": f"{_who('left', 'left')} && docker run -dit --name right {BASE} bash",
            "정지함": f"{_who('left', 'left')} && {_who('right', 'right')} && docker kill right",
            "다른 이미지": f"{_who('left', 'left')} && docker run -dit --name right debian:trixie bash",
        },
        containers=("left", "right"),
    ),
    "01-4": Exercise(
        check=hello,
        solve=f"{_made('hello', BASE, 'echo hello > /hello.txt')} && docker commit {HELLO_CMD} hello lab:hello",
        wrong={
            "기본 명령을 바꾸지 않음": f"{_made('hello', BASE, 'echo hello > /hello.txt')} && "
            "docker commit hello lab:hello",
            "파일이 없음": f"{_made('hello', BASE, 'true')} && docker commit {HELLO_CMD} hello lab:hello",
            "내용이 다름": f"{_made('hello', BASE, 'echo bye > /hello.txt')} && "
            f"docker commit {HELLO_CMD} hello lab:hello",
            "파일 없이 말만 함": f"{_made('hello', BASE, 'true')} && "
            'docker commit -c \'CMD ["echo", "hello"]\' hello lab:hello',
        },
        containers=("hello",),
        images=("lab:hello",),
    ),
    "01-5": Exercise(
        check=tidy,
        setup=MESS,
        solve="docker rm -f tidy-b tidy-c && docker rmi tidy:tool",
        wrong={
            "이미지를 남김": "docker rm -f tidy-b tidy-c",
            "정지한 컨테이너를 남김": "docker rm -f tidy-c; docker rmi -f tidy:tool; true",
            "실행 중인 컨테이너를 남김": "docker rm tidy-b; docker rmi -f tidy:tool; true",
            "모두 지움": "docker rm -f tidy-a tidy-b tidy-c && docker rmi tidy:tool",
        },
        containers=("tidy-a", "tidy-b", "tidy-c"),
        images=("tidy:tool",),
    ),
}
