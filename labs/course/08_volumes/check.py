"""Checks of lab 08: a volume that nobody holds, a guest that may only read, a move, an attic without its nameless
volumes, a diary that outlives its compose project, and a file of a user who is not root.
"""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Varied, first_line, missing, not_running


def _mount(found: dict[str, Any], target: str) -> dict[str, Any] | None:
    return next((mount for mount in found["Mounts"] if mount["Destination"] == target), None)


def _wrong_mount(name: str, found: dict[str, Any], target: str, volume: str, hints: tuple[str, ...]) -> NotYet | None:
    mount = _mount(found, target)
    if mount is not None and mount["Type"] == "volume" and mount["Name"] == volume:
        return None
    return NotYet(
        expected=f"`{name}`의 `{target}`에 볼륨 `{volume}`",
        found=f"{mount['Type']} `{str(mount.get('Name') or mount['Source'])[:30]}`" if mount else "붙어 있지 않아요.",
        read_from=f"docker inspect {name}의 Mounts",
        hints=hints,
    )


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# 08-1 ---------------------------------------------------------------------------------------------------------------
WORDS = "열려라 참깨"
VAULT = Varied("volume", ("vault", "locker", "coffer", "strongbox", "chamber"))


def _vault_hints(name: str) -> tuple[str, ...]:
    return (
        "볼륨을 붙인 컨테이너를 하나 실행해서 파일을 쓰고, 그 컨테이너를 남기지 마세요.",
        "docker run에 --rm을 붙이면 명령이 끝난 컨테이너가 저절로 사라져요. 이름 있는 볼륨은 남아요.",
        f"docker run --rm -v {name}:/data busybox sh -c 'echo \"열려라 참깨\" > /data/secret.txt'",
    )


def vault(engine: EngineView) -> Result:
    name = engine.value(VAULT)
    hints = _vault_hints(name)
    files = engine.files_of_volume(name)
    if files is None:
        return missing(f"볼륨 `{name}`", "docker volume ls", hints)
    if files.get("secret.txt") not in (_sha(f"{WORDS}\n"), _sha(WORDS)):
        return NotYet(
            expected=f"`{name}`의 `secret.txt`에 `{WORDS}`",
            found="다른 글이 적혀 있어요." if "secret.txt" in files else "그런 파일이 없어요.",
            read_from=f"볼륨 {name}의 파일과 그 SHA-256",
            hints=hints,
        )
    holders = [row["Names"][0].lstrip("/") for row in engine.containers(volume=name)]
    if holders:
        return NotYet(
            expected=f"`{name}`를 붙인 컨테이너가 하나도 없어요.",
            found=", ".join(sorted(holders)),
            read_from=f"docker ps -a --filter volume={name}",
            hints=hints,
        )
    return Passed(f"붙인 컨테이너는 하나도 없는데 `{name}`의 글은 그대로 있어요.")


# 08-2 ---------------------------------------------------------------------------------------------------------------
GUEST = (
    "두 컨테이너에 같은 볼륨을 붙이되, 한쪽에만 읽기 전용이라고 적으세요.",
    "-v 볼륨:폴더 뒤에 :ro를 붙이면 읽기 전용이에요. 컨테이너가 끝나지 않게 -dit로 실행하세요.",
    "docker run -dit --name feeder -v feed:/feed busybox\ndocker run -dit --name watcher -v feed:/feed:ro busybox\n"
    "docker exec feeder sh -c 'echo 소식 > /feed/news'",
)


def guest(engine: EngineView) -> Result:
    for name in ("feeder", "watcher"):
        found = engine.container(name)
        if found is None or not found["State"]["Running"]:
            return not_running(name, found, GUEST) or missing(name, "docker ps", GUEST)
        if wrong := _wrong_mount(name, found, "/feed", "feed", GUEST):
            return wrong
        mount = _mount(found, "/feed") or {}
        if mount["RW"] != (name == "feeder"):
            return NotYet(
                expected="`feeder`는 쓸 수 있고 `watcher`는 읽기 전용",
                found=f"`{name}`이 {'쓸 수 있게' if mount['RW'] else '읽기 전용으로'} 붙였어요.",
                read_from=f"docker inspect {name}의 Mounts[].RW",
                hints=GUEST,
            )
    code, said = engine.exec("watcher", "cat", "/feed/news")
    if code or not said.strip():
        return NotYet(
            expected="`watcher`가 읽을 수 있는 `/feed/news`",
            found=first_line(said),
            read_from="docker exec watcher cat /feed/news",
            hints=GUEST,
        )
    return Passed("`feeder`가 쓴 것을 `watcher`가 읽지만, `watcher`는 쓸 수 없어요.")


# 08-3 ---------------------------------------------------------------------------------------------------------------
HOME = """docker volume rm old-home new-home >/dev/null 2>&1
docker run --rm -v old-home:/data busybox sh -c 'mkdir /data/room; echo "책장" > /data/room/shelf'
docker run --rm -v old-home:/data busybox sh -c 'echo "열쇠" > /data/key'"""
FURNITURE = {"room/shelf": _sha("책장\n"), "key": _sha("열쇠\n")}
MOVE = (
    "7절의 복제를 하고, 확인한 다음 옛 볼륨을 지우세요.",
    "두 볼륨을 다른 자리에 붙인 컨테이너에서 cp -a /from/. /to 를 실행하면 폴더까지 옮겨져요.",
    "docker run --rm -v old-home:/from:ro -v new-home:/to busybox cp -a /from/. /to\ndocker volume rm old-home",
)


def move(engine: EngineView) -> Result:
    found = engine.files_of_volume("new-home")
    if found is None:
        return missing("볼륨 `new-home`", "docker volume ls", MOVE)
    if found != FURNITURE:
        return NotYet(
            expected=f"`new-home`에 {', '.join(sorted(FURNITURE))}",
            found=", ".join(sorted(found)) or "비어 있어요.",
            read_from="볼륨 new-home의 파일과 그 SHA-256",
            hints=MOVE,
        )
    if engine.volume("old-home") is not None:
        return NotYet(
            expected="볼륨 `old-home`은 없어요.", found="아직 있어요.", read_from="docker volume ls", hints=MOVE
        )
    return Passed("`new-home`에 모두 옮겨졌고 `old-home`은 없어졌어요.")


# 08-4 ---------------------------------------------------------------------------------------------------------------
ATTIC = """docker volume rm precious >/dev/null 2>&1
docker volume create --label room=attic precious
docker volume create --label room=attic
docker volume create --label room=attic"""
TIDY = (
    "이름 없는 것만 지우는 명령이 있어요. 8절을 보세요.",
    "docker volume prune은 이름 없는 볼륨만 지워요. --filter label=…로 이 방의 것만 고르세요. -a는 붙이지 마세요.",
    "docker volume prune -f --filter label=room=attic",
)


def tidy(engine: EngineView) -> Result:
    if engine.volume("precious") is None:
        return NotYet(
            expected="볼륨 `precious`는 남아 있어요.",
            found="`precious`가 없어요. 준비하는 셀을 다시 실행하세요.",
            read_from="docker volume ls --filter label=room=attic",
            hints=TIDY,
        )
    left = engine.volumes(label="room=attic")
    if len(left) > 1:
        return NotYet(
            expected="라벨이 `room=attic`인 볼륨은 `precious` 하나",
            found=f"{len(left)}개가 있어요.",
            read_from="docker volume ls --filter label=room=attic",
            hints=TIDY,
        )
    return Passed("이름 없는 볼륨은 사라지고 `precious`만 남았어요.")


def forget_the_attic(engine: EngineView) -> None:
    for row in engine.volumes(label="room=attic"):
        engine.remove_volume(row["Name"])


# 08-5 ---------------------------------------------------------------------------------------------------------------
PROJECT = "com.docker.compose.project"
REBORN = (
    "9절의 ledger와 같은 모양이에요. 프로젝트, 서비스, 볼륨의 이름만 달라요.",
    "폴더 daybook에 compose.yaml을 쓰고 docker compose -f daybook/compose.yaml로 up, exec, down, up을 차례로 하세요. "
    "down에 -v를 붙이면 일기가 사라져요.",
    "services:\n  book:\n    image: busybox\n    command: sleep 3600\n    volumes:\n      - pages:/data\nvolumes:\n"
    "  pages:\n(-f daybook/compose.yaml로) up -d → exec -T book sh -c 'echo 첫 장 > /data/diary' → down → up -d",
)


def reborn(engine: EngineView) -> Result:
    volume = engine.volume("daybook_pages")
    if volume is None:
        return missing("프로젝트 `daybook`의 볼륨 `pages`", "docker volume ls", REBORN)
    rows = [row for row in engine.containers(label=f"{PROJECT}=daybook") if row["State"] == "running"]
    mine = [row for row in rows if row["Labels"].get("com.docker.compose.service") == "book"]
    if not mine:
        return missing("프로젝트 `daybook`의 실행 중인 서비스 `book`", "docker compose ls, docker ps -a", REBORN)
    found = engine.container(mine[0]["Id"])
    assert found is not None, mine[0]["Id"]
    name = found["Name"].lstrip("/")
    if wrong := _wrong_mount(name, found, "/data", "daybook_pages", REBORN):
        return wrong
    code, said = engine.exec(name, "cat", "/data/diary")
    if code or "첫 장" not in said:
        return NotYet(
            expected="`/data/diary`에 `첫 장`",
            found=first_line(said),
            read_from=f"docker exec {name} cat /data/diary",
            hints=REBORN,
        )
    since = datetime.fromisoformat(volume["CreatedAt"]).timestamp()
    gone = [
        event
        for event in engine.events(since, time.time(), type="container", event="destroy")
        if event["Actor"]["Attributes"].get(PROJECT) == "daybook"
    ]
    if not gone:
        return NotYet(
            expected="볼륨이 생긴 뒤에 `down`으로 지워진 컨테이너",
            found="이 프로젝트의 컨테이너가 지워진 적이 없어요.",
            read_from="docker events --filter event=destroy",
            hints=REBORN,
        )
    return Passed("컨테이너는 새것인데 일기는 옛것 그대로예요.")


def forget_the_daybook(engine: EngineView) -> None:
    for row in engine.containers(label=f"{PROJECT}=daybook"):
        engine.remove_container(row["Id"])
    engine.shell("docker network rm daybook_default >/dev/null 2>&1")
    engine.remove_volume("daybook_pages")


# 08-6 ---------------------------------------------------------------------------------------------------------------
CLERK = (
    "새 볼륨의 주인은 root예요. 5절처럼 주인을 먼저 바꿔 주세요.",
    "root로 실행한 컨테이너로 chown 1000:1000을 한 번 하고, clerk은 -u 1000으로 실행하세요.",
    "docker run --rm -v desk:/desk busybox chown 1000:1000 /desk\n"
    "docker run -dit --name clerk -u 1000 -v desk:/desk busybox\ndocker exec clerk sh -c 'echo 보고 > /desk/report'",
)


def clerk(engine: EngineView) -> Result:
    found = engine.container("clerk")
    if found is None or not found["State"]["Running"]:
        return not_running("clerk", found, CLERK) or missing("clerk", "docker ps", CLERK)
    if found["Config"]["User"].partition(":")[0] != "1000":
        return NotYet(
            expected="`clerk`의 사용자: 1000",
            found=f"`{found['Config']['User'] or 'root'}`",
            read_from="docker inspect clerk의 Config.User",
            hints=CLERK,
        )
    if wrong := _wrong_mount("clerk", found, "/desk", "desk", CLERK):
        return wrong
    code, said = engine.exec("clerk", "stat", "-c", "%u", "/desk/report")
    if code or said.strip() != "1000":
        return NotYet(
            expected="`/desk/report`의 주인: 1000",
            found=first_line(said),
            read_from="docker exec clerk stat -c %u /desk/report",
            hints=CLERK,
        )
    return Passed("1000번 사용자로 실행한 `clerk`이 볼륨에 자기 파일을 썼어요.")


# solutions ----------------------------------------------------------------------------------------------------------
SAY_IT = f"sh -c 'echo \"{WORDS}\" > /data/secret.txt'"
FEEDER = "docker run -dit --name feeder -v feed:/feed busybox\n"
WATCHER = "docker run -dit --name watcher -v feed:/feed:ro busybox\n"
NEWS = "docker exec feeder sh -c 'echo 소식 > /feed/news'"
COPY = "docker run --rm -v old-home:/from:ro -v new-home:/to busybox cp -a /from/. /to\n"
COMPOSE = "docker compose -f daybook/compose.yaml"
BOOK = """mkdir -p daybook && cat > daybook/compose.yaml <<'END'
services:
  book:
    image: busybox
    command: sleep 3600
    stop_grace_period: 0s
    volumes:
      - pages:/data
volumes:
  pages:
END
"""
UP = f"{COMPOSE} up -d 2>/dev/null\n"
FIRST_PAGE = f"{COMPOSE} exec -T book sh -c 'echo 첫 장 > /data/diary'\n"
DOWN = f"{COMPOSE} down 2>/dev/null\n"
OWN = "docker run --rm -v desk:/desk busybox chown 1000:1000 /desk\n"
SIT = "docker run -dit --name clerk -u 1000 -v desk:/desk busybox\n"
REPORT = "docker exec clerk sh -c 'echo 보고 > /desk/report'"

checks = {
    "08-1": Exercise(
        check=vault,
        solve=lambda engine: engine.must(f"docker run --rm -v {engine.value(VAULT)}:/data busybox {SAY_IT}"),
        varied=(VAULT,),
        wrong={
            "컨테이너를 남김": f"docker run --name safe-box -v vault:/data busybox {SAY_IT}",
            "다른 글": "docker run --rm -v vault:/data busybox sh -c 'echo 참깨 > /data/secret.txt'",
            "볼륨만 만듦": "docker volume create vault",
            "이름 없는 볼륨에 씀": f"docker run --rm -v /data busybox {SAY_IT}",
        },
        containers=("safe-box",),
        volumes=VAULT.choices,
    ),
    "08-2": Exercise(
        check=guest,
        solve=FEEDER + WATCHER + NEWS,
        wrong={
            "둘 다 쓸 수 있음": FEEDER + WATCHER.replace(":ro", "") + NEWS,
            "다른 볼륨": FEEDER + WATCHER.replace("feed:/feed", "other-feed:/feed") + NEWS,
            "소식을 쓰지 않음": FEEDER + WATCHER,
            "손님이 끝남": FEEDER + WATCHER.replace("busybox", "busybox true") + NEWS,
        },
        containers=("feeder", "watcher"),
        volumes=("feed", "other-feed"),
    ),
    "08-3": Exercise(
        check=move,
        setup=HOME,
        solve=COPY + "docker volume rm old-home",
        wrong={
            "옛집을 남김": COPY,
            "폴더를 빠뜨림": "docker run --rm -v old-home:/from:ro -v new-home:/to busybox cp /from/key /to\n"
            "docker volume rm old-home",
            "한 겹 더 들어감": COPY.replace("/from/. /to", "/from /to") + "docker volume rm old-home",
        },
        volumes=("old-home", "new-home"),
    ),
    "08-4": Exercise(
        check=tidy,
        setup=ATTIC,
        solve="docker volume prune -f --filter label=room=attic",
        wrong={
            "모두 지움": "docker volume prune -a -f --filter label=room=attic",
            "하나만 지움": "docker volume rm "
            "$(docker volume ls -q --filter label=room=attic | grep -v precious | head -1)",
            "precious를 지움": "docker volume rm precious",
        },
        cleanup=forget_the_attic,
        volumes=("precious",),
    ),
    "08-5": Exercise(
        check=reborn,
        solve=BOOK + UP + FIRST_PAGE + DOWN + UP,
        wrong={
            "다시 만들지 않음": BOOK + UP + FIRST_PAGE,
            "볼륨까지 지움": BOOK + UP + FIRST_PAGE + DOWN.replace("down", "down -v") + UP,
            "볼륨을 붙이지 않음": BOOK.replace("    volumes:\n      - pages:/data\n", "")
            + UP + FIRST_PAGE.replace("echo", "mkdir -p /data; echo") + DOWN + UP,
            "내려놓고 끝냄": BOOK + UP + FIRST_PAGE + DOWN,
        },
        cleanup=forget_the_daybook,
        volumes=("daybook_pages",),
    ),
    "08-6": Exercise(
        check=clerk,
        solve=OWN + SIT + REPORT,
        wrong={
            "root로 실행함": SIT.replace(" -u 1000", "") + REPORT,
            "주인을 바꾸지 않음": SIT + REPORT + "; true",
            "root가 대신 씀": SIT + REPORT.replace("exec", "exec -u 0"),
            "볼륨을 붙이지 않음": SIT.replace(" -v desk:/desk", " --tmpfs /desk:mode=1777") + REPORT,
        },
        containers=("clerk",),
        volumes=("desk",),
    ),
}  # fmt: skip
