"""Checks of lab 09: replicas behind one port, one of them stopped, all of them replaced, and what they share."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result
from labs.engine_view import Page

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
PORT = 9200
#: a load balancer finds out within half a second who is there; a loaded machine may take longer
SETTLE_SECONDS = 5


def _web(engine: EngineView) -> list[dict[str, Any]]:
    """The containers of farm's service web, whatever their state."""
    rows = engine.containers(label=f"{PROJECT}=farm")
    found = (engine.container(row["Id"]) for row in rows if row["Labels"].get(SERVICE) == "web")
    return [item for item in found if item is not None]


def _running(engine: EngineView) -> list[dict[str, Any]]:
    return [item for item in _web(engine) if item["State"]["Running"]]


def _ask(engine: EngineView, count: int, path: str = "/") -> list[str]:
    """What port 9200 answers, "" for a request that failed."""
    answers: list[str] = []
    for _ in range(count):
        if not answers:
            page = _first_page(engine, path)
        else:  # nobody there: to have asked once is enough
            page = engine.published_page(PORT, path) if answers[0] else None
        answers.append(page.text.strip() if page is not None and page.status == 200 else "")
    return answers


def _first_page(engine: EngineView, path: str) -> Page | None:
    """A balancer that has just been started knows no replica yet, and says 503."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        page = engine.published_page(PORT, path)
        if page is None or page.status != 503 or time.monotonic() > until:
            return page
        time.sleep(0.2)


def _hosts(found: list[dict[str, Any]]) -> set[str]:
    return {str(item["Config"]["Hostname"]) for item in found}


def _nobody(answers: list[str], hints: tuple[str, ...]) -> NotYet | None:
    if answers[0]:
        return None
    return NotYet(
        expected=f"호스트의 {PORT}번 포트에서 `web`이 대답해요.",
        found="아무도 대답하지 않아요.",
        read_from=f"http://127.0.0.1:{PORT}/",
        hints=hints,
    )


def _count(engine: EngineView, wanted: int, hints: tuple[str, ...]) -> NotYet | None:
    found = len(_running(engine))
    if found == wanted:
        return None
    return NotYet(
        expected=f"프로젝트 `farm`에서 실행 중인 `web` {wanted}개",
        found=f"{found}개예요.",
        read_from="docker compose -p farm ps -a",
        hints=hints,
    )


# 09-1 ---------------------------------------------------------------------------------------------------------------
EVEN = (
    "lab의 compose.yaml에서 lb의 포트만 바꾸면 돼요.",
    'web에는 ports를 쓰지 말고, lb에만 "9200:80"을 쓰세요.',
    "docker compose -f farm.yaml -p farm up -d --scale web=3",
)


def even(engine: EngineView) -> Result:
    if found := _count(engine, 3, EVEN):
        return found
    web = _running(engine)
    open_ones = [item["Name"].lstrip("/") for item in web if any((item["NetworkSettings"]["Ports"] or {}).values())]
    if open_ones:
        return NotYet(
            expected="`web`은 호스트의 포트를 열지 않아요.",
            found=f"열려 있는 것: {', '.join(sorted(open_ones))}",
            read_from="docker compose -p farm ps",
            hints=EVEN,
        )
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        answers = _ask(engine, 30)
        counts = {host: sum(host in answer for answer in answers) for host in _hosts(web)}
        if min(counts.values()) >= 6 or time.monotonic() > until or not answers[0]:
            break
    if nobody := _nobody(answers, EVEN):
        return nobody
    if min(counts.values()) < 6:
        return NotYet(
            expected="서른 번 물으면 세 컨테이너가 모두 여섯 번 이상 대답해요.",
            found=f"대답한 횟수: {', '.join(map(str, sorted(counts.values(), reverse=True)))}",
            read_from=f"http://127.0.0.1:{PORT}/",
            hints=EVEN,
        )
    return Passed("세 컨테이너가 한 포트 뒤에서 요청을 고르게 나눠 받아요.")


# 09-2 ---------------------------------------------------------------------------------------------------------------
ONE_DOWN = (
    "멈추는 것과 지우는 것은 달라요.",
    "docker compose의 stop은 서비스 전체를 멈춰요. 컨테이너 하나는 docker stop으로 멈추세요.",
    "docker stop farm-web-2",
)


def one_down(engine: EngineView) -> Result:
    stopped = [item for item in _web(engine) if item["State"]["Status"] == "exited"]
    if found := _count(engine, 2, ONE_DOWN):
        return found
    if len(stopped) != 1:
        return NotYet(
            expected="멈춘 `web` 컨테이너 1개가 남아 있어요.",
            found=f"{len(stopped)}개예요.",
            read_from="docker compose -p farm ps -a",
            hints=ONE_DOWN,
        )
    answers = _ask(engine, 20)
    if nobody := _nobody(answers, ONE_DOWN):
        return nobody
    failed = answers.count("")
    if failed or not all(any(host in answer for answer in answers) for host in _hosts(_running(engine))):
        return NotYet(
            expected="스무 번 물어서 한 번도 실패하지 않고, 남은 둘이 모두 대답해요.",
            found=f"실패 {failed}번" if failed else "한 컨테이너만 대답했어요.",
            read_from=f"http://127.0.0.1:{PORT}/",
            hints=ONE_DOWN,
        )
    return Passed("하나가 멈췄는데도 스무 번 모두 대답했어요.")


# 09-3 ---------------------------------------------------------------------------------------------------------------
NEW = (
    "새 것을 먼저 늘리고 옛것을 지우세요.",
    "image의 이름표를 v2로 바꾸고 up -d --no-recreate --scale로 늘린 다음, v1을 지우세요.",
    "docker rm -f $(docker ps -aq --filter label=com.docker.compose.project=farm --filter ancestor=example/web:v1)",
)


def all_new(engine: EngineView) -> Result:
    web = _web(engine)
    wanted = engine.image("example/web:v2")
    old = [item for item in web if wanted is None or item["Image"] != wanted["Id"]]
    if old or not _running(engine):
        return NotYet(
            expected="`farm`의 `web`은 모두 `example/web:v2`예요.",
            found=f"다른 이미지의 컨테이너가 {len(old)}개 남았어요." if old else "실행 중인 `web`이 없어요.",
            read_from="docker compose -p farm ps -a",
            hints=NEW,
        )
    until = time.monotonic() + SETTLE_SECONDS
    answers = _ask(engine, 10)
    while not all(answer.startswith("v2 ") for answer in answers) and answers[0] and time.monotonic() < until:
        answers = _ask(engine, 10)
    if nobody := _nobody(answers, NEW):
        return nobody
    if not all(answer.startswith("v2 ") for answer in answers):
        return NotYet(
            expected="9200번에서 `v2`만 대답해요.",
            found=next(answer for answer in answers if not answer.startswith("v2 ")) or "대답하지 않은 요청이 있어요.",
            read_from=f"http://127.0.0.1:{PORT}/",
            hints=NEW,
        )
    return Passed("`v1`은 하나도 남지 않았고 `v2`만 대답해요.")


# 09-4 ---------------------------------------------------------------------------------------------------------------
SHARED = (
    "컨테이너 안이 아니라 모두가 보는 한 곳에서 세야 해요.",
    "redis 서비스를 더하고, web의 environment에 REDIS: 그 서비스의 이름을 적으세요.",
    "services 아래에 store: {image: redis}를 더하고 web에 environment: {REDIS: store}를 적은 다음 up -d --scale web=2",
)


def counted_together(engine: EngineView) -> Result:
    web = _running(engine)
    if len(web) < 2:
        return NotYet(
            expected="실행 중인 `web` 2개 이상",
            found=f"{len(web)}개예요.",
            read_from="docker compose -p farm ps",
            hints=SHARED,
        )
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        answers = _ask(engine, 8, "/count")
        numbers = [int(found[1]) if (found := re.match(r"(\d+)", answer)) else 0 for answer in answers]
        both = sum(any(host in answer for answer in answers) for host in _hosts(web)) >= 2
        one_by_one = all(after == before + 1 for before, after in pairwise(numbers))
        if (both and one_by_one) or time.monotonic() > until or not answers[0]:
            break
    if nobody := _nobody(answers, SHARED):
        return nobody
    if not one_by_one:
        return NotYet(
            expected="`/count`에 물을 때마다 숫자가 하나씩 커져요.",
            found="숫자가 컨테이너마다 따로 세어져요.",
            read_from=f"http://127.0.0.1:{PORT}/count",
            hints=SHARED,
        )
    if not both:
        return NotYet(
            expected="두 컨테이너가 모두 대답해요.",
            found="한 컨테이너만 대답했어요.",
            read_from=f"http://127.0.0.1:{PORT}/count",
            hints=SHARED,
        )
    return Passed("어느 컨테이너가 대답해도 하나의 수를 이어서 세요.")


# solutions ----------------------------------------------------------------------------------------------------------
#: the same lines stand in lab.md
IMAGES = "docker build -q -t example/web:v1 web\ndocker build -q -t example/web:v2 --build-arg VERSION=v2 web"
LB = """  lb:
    image: haproxy
    ports: ["9200:80"]
    volumes: ["./lb/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"]
    depends_on: {web: {condition: service_healthy}}"""
STORE = "\n  store:\n    image: redis"
UP = "docker compose -f farm.yaml -p farm up -d"
DOWN = "docker compose -p farm down -v -t 0 --remove-orphans >/dev/null 2>&1; true"
OLD = "docker ps -aq --filter label=com.docker.compose.project=farm --filter ancestor=example/web:v1"


def _farm(version: str = "v1", web: str = "", more: str = "") -> str:
    text = f"services:\n  web:\n    image: example/web:{version}{web}\n{LB}{more}"
    return f"cat > farm.yaml <<'END'\n{text}\nEND\n"


THREE = _farm() + f"{UP} --scale web=3\n"
SHARED_FARM = _farm(web="\n    environment: {REDIS: store}\n    depends_on: [store]", more=STORE)

checks = {
    "09-1": Exercise(
        check=even,
        setup=IMAGES,
        solve=THREE,
        wrong={
            "둘뿐": _farm() + f"{UP} --scale web=2",
            "web이 포트를 엶": _farm(web='\n    ports: ["8080"]') + f"{UP} --scale web=3",
            "lb를 멈춤": THREE + "docker compose -f farm.yaml -p farm stop lb",
        },
        cleanup=DOWN,
    ),
    "09-2": Exercise(
        check=one_down,
        setup=IMAGES,
        solve=THREE + "docker stop farm-web-2",
        wrong={
            "지움": THREE + "docker rm -f farm-web-2",
            "둘을 멈춤": THREE + "docker stop farm-web-1 farm-web-2",
            "아무것도 멈추지 않음": THREE,
        },
        cleanup=DOWN,
    ),
    "09-3": Exercise(
        check=all_new,
        setup=IMAGES,
        solve=THREE
        + _farm("v2")
        + f"{UP} --scale web=6 --no-recreate --wait\ndocker stop -t 2 $({OLD}) && docker rm $({OLD})",
        wrong={
            "옛것이 남음": THREE + _farm("v2") + f"{UP} --scale web=4 --no-recreate",
            "옛것을 멈추기만 함": THREE
            + _farm("v2")
            + f"{UP} --scale web=6 --no-recreate --wait\ndocker stop -t 2 $({OLD})",
            "바꾸지 않음": THREE,
        },
        cleanup=DOWN,
    ),
    "09-4": Exercise(
        check=counted_together,
        setup=IMAGES,
        solve=SHARED_FARM + f"{UP} --scale web=2",
        wrong={
            "따로 셈": _farm() + f"{UP} --scale web=2",
            "하나뿐": SHARED_FARM + f"{UP} --scale web=1",
            "저장소만 더함": _farm(more=STORE) + f"{UP} --scale web=2",
        },
        cleanup=DOWN,
    ),
}
