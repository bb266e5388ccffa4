"""Checks of lab 10: what the Swarm's own API says of services, tasks and nodes, and a reconcile loop at work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from labs.checks import EngineView, Exercise, Ground, NotYet, Passed, Result
from labs.engine_view import LABEL, command_environment
from labs.swarm_view import Service, Swarm

MANAGER = "manager"
REGISTRY = "registry:5000/"
WORKERS = ("worker01", "worker02", "worker03")
#: a service that has just been changed gets so long to become what it should be
SETTLE_SECONDS = 20
LIST = "docker container exec manager docker service ls"
PS = "docker container exec manager docker service ps api"
NEEDS_ONES_OWN = (
    "노드는 권한 있는 컨테이너라서, 이 과제는 여러분만의 엔진에서만 할 수 있어요.",
    "여러분의 컴퓨터나 가상 머신에서 ./lab up으로 실습실을 여세요.",
    "거기에서 이 노트북을 열고 처음부터 실행해 보세요. 10-8은 여기에서도 할 수 있어요.",
)


def _settled(engine: EngineView, met: Callable[[Swarm], bool]) -> Swarm | None:
    """The Swarm as soon as `met`, or as it is after SETTLE_SECONDS; None when there is none."""
    until = time.monotonic() + SETTLE_SECONDS
    while (swarm := engine.swarm(MANAGER)) is not None and not met(swarm) and time.monotonic() < until:
        if not swarm.services:  # nothing has been begun
            break
        time.sleep(0.5)
    return swarm


def _full(service: Service | None) -> bool:
    return service is not None and service.wanted > 0 and len(service.running) == service.wanted


def _no_swarm(engine: EngineView, hints: tuple[str, ...]) -> NotYet:
    if not engine.can_be_privileged():
        return NotYet(
            expected="권한 있는 컨테이너(privileged)를 띄울 수 있는, 여러분만의 엔진",
            found="수업이나 채점을 위해 제한된 엔진이라서 노드(docker:dind)를 띄울 수 없어요.",
            read_from="docker info (Security Options: userns)",
            hints=NEEDS_ONES_OWN,
        )
    return NotYet(
        expected="컨테이너 `manager`가 매니저인 스웜",
        found="스웜이 대답하지 않아요.",
        read_from="docker container exec manager docker node ls",
        hints=("노드 넷이 먼저 있어야 해요.", "과제 앞의 셀에서 bash ready.sh를 실행하세요.", "!bash ready.sh"),
    )


def _service(
    engine: EngineView, hints: tuple[str, ...], *, name: str = "api", wanted: int | None = None
) -> tuple[Swarm, Service] | NotYet:
    """The service with all of its tasks running; `wanted`: so many."""

    def met(swarm: Swarm) -> bool:
        found = swarm.service(name)
        return _full(found) and found is not None and (wanted is None or found.wanted == wanted)

    swarm = _settled(engine, met)
    if swarm is None:
        return _no_swarm(engine, hints)
    found = swarm.service(name)
    if found is None:
        return NotYet(expected=f"서비스 `{name}`", found="그런 서비스가 없어요.", read_from=LIST, hints=hints)
    if not met(swarm):
        return NotYet(
            expected=f"`{name}`의 태스크 {wanted if wanted is not None else found.wanted}개가 모두 돌고 있어요.",
            found=f"바라는 모습 {found.wanted}개, 지금 {len(found.running)}개예요.",
            read_from=LIST,
            hints=hints,
        )
    return swarm, found


# 10-1 ---------------------------------------------------------------------------------------------------------------
THREE = (
    "서비스를 만드는 명령은 매니저에서 실행해요.",
    "이미지는 노드 어디서나 통하는 이름, registry:5000/example/api:v1로 쓰세요.",
    "docker container exec manager docker service create -d --name api --replicas 3 registry:5000/example/api:v1",
)


def three(engine: EngineView) -> Result:
    found = _service(engine, THREE, wanted=3)
    if isinstance(found, NotYet):
        return found
    image = found[1].image
    if not image.startswith(f"{REGISTRY}example/api:"):
        return NotYet(
            expected=f"이미지의 이름이 `{REGISTRY}example/api:v1`이에요.",
            found=f"`{image}`",
            read_from=LIST,
            hints=THREE,
        )
    return Passed("레지스트리에서 받은 이미지로 태스크 셋이 돌고 있어요.")


# 10-2 ---------------------------------------------------------------------------------------------------------------
HEALED = (
    "태스크는 어느 노드 안의 컨테이너예요.",
    "docker container exec 노드 docker ps로 컨테이너를 찾고, 그 노드에서 docker kill로 죽이세요.",
    "docker container exec worker01 sh -c 'docker kill $(docker ps -q --filter name=api | head -1)'",
)


def healed(engine: EngineView) -> Result:
    found = _service(engine, HEALED, wanted=3)
    if isinstance(found, NotYet):
        return found
    failed = [task for task in found[1].history if task.state == "failed" and task.exit_code == 137]
    if not failed:
        return NotYet(
            expected="지난 태스크에 종료 코드 137(강제 종료)로 실패한 것이 하나 이상 있어요.",
            found="실패한 태스크가 없어요.",
            read_from=PS,
            hints=HEALED,
        )
    return Passed("하나를 죽였는데도 스웜이 새로 세워서 셋이 돌고 있어요.")


# 10-3 ---------------------------------------------------------------------------------------------------------------
SCALED = (
    "늘리고 나서 줄이는 일이에요. 두 번 모두 scale이에요.",
    "docker service scale api=5 다음에 docker service scale api=2를 매니저에서 실행하세요.",
    "docker container exec manager docker service scale -d api=5 (그리고 api=2)",
)


def scaled(engine: EngineView) -> Result:
    found = _service(engine, SCALED, wanted=2)
    if isinstance(found, NotYet):
        return found
    before = found[1].previous_wanted
    if before != 5:
        return NotYet(
            expected="2개로 줄이기 바로 전에는 5개였어요.",
            found="바뀐 적이 없어요." if before is None else f"바로 전에는 {before}개였어요.",
            read_from="docker container exec manager docker service inspect api (PreviousSpec)",
            hints=SCALED,
        )
    return Passed("다섯으로 늘렸다가 둘로 줄였어요.")


# 10-4 ---------------------------------------------------------------------------------------------------------------
BACK = (
    "v2로 올렸다가 되돌리는(rollback) 일이에요.",
    "docker service update --image …:v2 api가 끝난 다음 docker service rollback api를 실행하세요.",
    "docker container exec manager docker service rollback -q api",
)


def back(engine: EngineView) -> Result:
    swarm = _settled(
        engine, lambda swarm: (service := swarm.service("api")) is not None and service.update == "rollback_completed"
    )
    if swarm is None:
        return _no_swarm(engine, BACK)
    service = swarm.service("api")
    if service is None:
        return NotYet(expected="서비스 `api`", found="그런 서비스가 없어요.", read_from=LIST, hints=BACK)
    if service.update != "rollback_completed" or not service.image.endswith("/api:v1"):
        return NotYet(
            expected="업데이트의 상태가 `rollback_completed`이고 이미지가 `v1`이에요.",
            found=f"상태: {service.update or '업데이트한 적이 없어요'}, 이미지: {service.image}",
            read_from="docker container exec manager docker service inspect --pretty api",
            hints=BACK,
        )
    if not any(task.image.endswith("/api:v2") for task in service.history):
        return NotYet(
            expected="지난 태스크에 `v2`가 있어요.",
            found="`v2`로 돌았던 태스크가 없어요.",
            read_from=PS,
            hints=BACK,
        )
    return Passed("v2로 올렸다가 v1로 되돌렸어요.")


# 10-5 ---------------------------------------------------------------------------------------------------------------
PLACED = (
    "어느 노드에 둘지는 조건(constraint)으로 말해요.",
    "서비스를 만들 때 --constraint node.role==worker를 쓰세요.",
    "docker container exec manager docker service create -d --name api --replicas 4 "
    "--constraint node.role==worker registry:5000/example/api:v1",
)


def placed(engine: EngineView) -> Result:
    found = _service(engine, PLACED, wanted=4)
    if isinstance(found, NotYet):
        return found
    swarm, service = found
    if not any("node.role" in constraint for constraint in service.constraints):
        return NotYet(
            expected="서비스에 `node.role` 조건이 있어요.",
            found=f"조건: {', '.join(service.constraints) or '없어요'}",
            read_from="docker container exec manager docker service inspect --pretty api",
            hints=PLACED,
        )
    managers = {node.name for node in swarm.nodes if node.role == "manager"}
    if any(task.node in managers for task in service.running):
        return NotYet(
            expected="태스크가 모두 워커에서 돌아요.",
            found="매니저에서 도는 태스크가 있어요.",
            read_from=PS,
            hints=PLACED,
        )
    return Passed("태스크 넷이 모두 워커에서 돌고 있어요.")


# 10-6 ---------------------------------------------------------------------------------------------------------------
DRAINED = (
    "노드를 비우는 것은 노드의 일이지 서비스의 일이 아니에요.",
    "docker node update --availability drain 노드를 매니저에서 실행하세요.",
    "docker container exec manager docker node update --availability drain worker02",
)


def drained(engine: EngineView) -> Result:
    found = _service(engine, DRAINED, wanted=4)
    if isinstance(found, NotYet):
        return found
    swarm, service = found
    node = swarm.node("worker02")
    if node is None or node.state != "ready" or node.availability != "drain":
        return NotYet(
            expected="노드 `worker02`는 켜져 있고(Ready) 비우는 중(Drain)이에요.",
            found=f"상태: {node.state}, {node.availability}" if node else "그런 노드가 없어요.",
            read_from="docker container exec manager docker node ls",
            hints=DRAINED,
        )
    if any(task.node == "worker02" for task in service.running):
        return NotYet(
            expected="`worker02`에서 도는 태스크가 없어요.",
            found="아직 도는 태스크가 있어요.",
            read_from="docker container exec manager docker node ps worker02",
            hints=DRAINED,
        )
    return Passed("worker02는 비었고, 태스크 넷은 다른 노드에서 돌고 있어요.")


# 10-7 ---------------------------------------------------------------------------------------------------------------
STACKED = (
    "네트워크를 먼저 만들고, 스택 파일에서는 이미 있는 것(external)이라고 적어요.",
    "docker network create --driver=overlay --attachable backend, 그리고 파일의 networks에 backend: {external: true}",
    "docker container exec -i manager docker stack deploy -c - pair < pair.yml",
)


def stacked(engine: EngineView) -> Result:
    swarm = _settled(
        engine,
        lambda swarm: (
            len(mine := [service for service in swarm.services if service.stack == "pair"]) >= 2
            and all(map(_full, mine))
        ),
    )
    if swarm is None:
        return _no_swarm(engine, STACKED)
    mine = [service for service in swarm.services if service.stack == "pair"]
    if len(mine) < 2 or not all(map(_full, mine)):
        said = ", ".join(f"{service.name} {len(service.running)}/{service.wanted}" for service in mine)
        return NotYet(
            expected="스택 `pair`의 서비스 둘 이상이 모두 돌고 있어요.",
            found=said or "그런 스택이 없어요.",
            read_from="docker container exec manager docker stack services pair",
            hints=STACKED,
        )
    shared = set.intersection(*(set(service.networks) for service in mine))
    networks = [swarm.networks[place] for place in shared if place in swarm.networks]
    backend = next((network for network in networks if network["Name"] == "backend"), None)
    if backend is None or backend["Driver"] != "overlay" or not backend["Attachable"]:
        names = ", ".join(sorted(network["Name"] for network in networks))
        return NotYet(
            expected="두 서비스가 함께 쓰는 네트워크 `backend`: overlay이고 attachable이에요.",
            found=f"함께 쓰는 네트워크: {names}" if names else "함께 쓰는 네트워크가 없어요.",
            read_from="docker container exec manager docker network inspect backend",
            hints=STACKED,
        )
    return Passed("스택 pair의 두 서비스가 overlay 네트워크 backend를 함께 써요.")


# 10-8 ---------------------------------------------------------------------------------------------------------------
LOOP = (
    "once.py가 한 번 하던 일을 쉬지 않고 되풀이하면 돼요.",
    "while True: 안에서 reconcile을 부르고 time.sleep(1)로 쉬세요. 끝난 컨테이너도 치우면 더 좋아요.",
    "from once import reconcile 다음에 while True: reconcile(sys.argv[1], int(sys.argv[2])); time.sleep(1)",
)
#: the check's own group: the learner's are left alone
KEPT = "check-10-8"


def looped(engine: EngineView) -> Result:
    program = engine.workspace / "reconcile.py"
    if not program.is_file():
        return NotYet(
            expected="파일 `reconcile.py`", found="그런 파일이 없어요.", read_from="ls reconcile.py", hints=LOOP
        )
    running = subprocess.Popen(
        [sys.executable, program.name, KEPT, "3"],
        cwd=engine.workspace,
        env=command_environment(engine.host),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return _watched(engine, running)
    finally:
        running.kill()
        running.wait()
        for row in engine.containers(label=f"keep={KEPT}"):
            engine.remove_container(row["Id"])


def _watched(engine: EngineView, running: subprocess.Popen[bytes]) -> Result:
    """Its group becomes three, again after two were removed, and again after one came too many."""
    more = ("run", "-d", "--label", f"keep={KEPT}", "--label", LABEL, "busybox", "sleep", "60")
    acts: tuple[tuple[str, Callable[[list[str]], object]], ...] = (
        ("처음에", lambda kept: None),
        ("둘을 지운 뒤에", lambda kept: engine.docker("rm", "-f", *kept[:2])),
        ("하나를 더 띄운 뒤에", lambda kept: engine.docker(*more)),
    )
    for when, act in acts:
        act(_kept(engine))
        if not _becomes_three(engine, running):
            ended = running.poll() is not None
            return NotYet(
                expected=f"`python reconcile.py {KEPT} 3`은 {when}도 라벨 `keep={KEPT}`인 컨테이너를 3개로 맞춰요.",
                found="프로그램이 끝나 버렸어요." if ended else f"{len(_kept(engine))}개예요.",
                read_from=f"docker ps --filter label=keep={KEPT}",
                hints=LOOP,
            )
    return Passed("지워도, 더 띄워도 세 개로 돌아와요. 이것이 오케스트레이션의 심장이에요.")


def _kept(engine: EngineView) -> list[str]:
    return [str(row["Id"]) for row in engine.containers(label=f"keep={KEPT}", status="running")]


def _becomes_three(engine: EngineView, running: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        kept = len(_kept(engine))
        if kept == 3:
            return True
        if running.poll() is not None:
            return False
        time.sleep(0.3)
    return False


# solutions ----------------------------------------------------------------------------------------------------------
M = "docker container exec manager docker"
GONE = (
    "docker rm -f -v twin >/dev/null 2>&1; docker compose -p swarm down -v -t 2 --remove-orphans >/dev/null 2>&1; true"
)
SWARM = Ground(setup="bash ready.sh", cleanup=GONE, containers=("registry", "manager", *WORKERS))
NO_API = f"{M} service rm api >/dev/null 2>&1; true"


def _create(replicas: int, more: str = "", image: str = f"{REGISTRY}example/api:v1") -> str:
    return f"{M} service create -d --name=api --replicas {replicas} {more} {image}\n"


def _wait(name: str, count: str) -> str:
    return f"bash wait.sh {count} {M} service ls --filter name={name} --format '{{{{.Replicas}}}}'\n"


KILL = "docker container exec worker01 sh -c 'docker kill $(docker ps -q --filter name=api | head -1)'"
#: so that worker01 has one
THREE_WORKERS = _create(3, "--constraint node.role==worker") + _wait("api", "3/3")
#: the manager writes down that it is done after it is: a change that comes in between is "out of sequence"
UPDATE = (
    f"{M} service update -q --update-parallelism 1 --update-monitor 1s --image {REGISTRY}example/api:v2 api\n"
    f"bash wait.sh completed {M} service inspect --format '{{{{.UpdateStatus.State}}}}' api\n"
)

SECOND = """  api:
    image: registry:5000/example/api:v1
    networks: [backend]
    deploy: {replicas: 2, endpoint_mode: dnsrr}
"""
PAIR = f"""cat > pair.yml <<'END'
version: "3.8"
services:
  web:
    image: registry:5000/example/web:v1
    networks: [backend]
    deploy: {{replicas: 2, endpoint_mode: dnsrr}}
{SECOND}networks:
  backend: {{external: true}}
END
"""
BACKEND = f"{M} network create --driver=overlay --attachable backend\n"
DEPLOY = "docker container exec -i manager docker stack deploy -c - pair < pair.yml\n"
#: `stack rm` answers before the tasks have ended, and a network is on a node until its last task's container has gone
#: from there: meanwhile a new one of the same name is refused, on the manager as a duplicate, on a worker together with
#: the task that wants it. The manager lists none while one is just going: there the name is free when it can be taken
NO_PAIR = (
    f"{M} stack rm pair >/dev/null 2>&1\n"
    f"for node in {' '.join(WORKERS)} manager; do\n"
    f"    for i in $(seq 120); do\n"
    f"        {M} network rm backend >/dev/null 2>&1\n"
    '        [ "$(docker container exec $node docker network ls -q --filter name=^backend$ --filter name=^pair_ '
    '2>/dev/null)" ] || break\n'
    f"        sleep 0.5\n"
    f"    done\n"
    f"done\n"
    f"for i in $(seq 120); do\n"
    f"    {M} network create --driver=overlay backend >/dev/null 2>&1 && {M} network rm backend >/dev/null && break\n"
    f"    {M} node ls >/dev/null 2>&1 || break\n"
    f"    sleep 0.5\n"
    f"done; true"
)

ONCE = """from engine import api


def reconcile(name, wanted):
    rows = api("GET", "/containers/json", filters={"label": [f"keep={name}"]}, all=1)
    running = [row for row in rows if row["State"] == "running"]
    for row in rows:
        if row["State"] == "exited":
            api("DELETE", f"/containers/{row['Id']}")
    for _ in range(wanted - len(running)):
        wish = {"Image": "busybox", "Cmd": ["sleep", "inf"], "Labels": {"keep": name}}
        made = api("POST", "/containers/create", wish)
        api("POST", f"/containers/{made['Id']}/start")
    for row in running[wanted:]:
        api("DELETE", f"/containers/{row['Id']}", force=1)
"""
REPEAT = """

import sys
import time

while True:
    reconcile(sys.argv[1], int(sys.argv[2]))
    time.sleep(1)
"""
#: without the last two lines
NEVER_LESS = "".join(ONCE.splitlines(keepends=True)[:-2])


def _program(text: str) -> str:
    return f"cat > reconcile.py <<'END'\n{text}END\ndocker pull -q busybox"


checks = {
    "10-1": Exercise(
        check=three,
        ground=SWARM,
        solve=_create(3) + _wait("api", "3/3"),
        wrong={
            "둘뿐": _create(2) + _wait("api", "2/2"),
            "매니저에만 있는 이미지": (
                f"{M} pull -q {REGISTRY}example/api:v1; {M} tag {REGISTRY}example/api:v1 api:local\n"
                + _create(3, "--constraint node.role==manager", "api:local")
                + _wait("api", "3/3")
            ),
            "없는 이미지": _create(3, image=f"{REGISTRY}example/api:v9"),
        },
        cleanup=NO_API,
    ),
    "10-2": Exercise(
        check=healed,
        ground=SWARM,
        solve=f"{THREE_WORKERS}{KILL}\nbash wait.sh x {M} service ps api --filter desired-state=shutdown --format x\n"
        + _wait("api", "3/3"),
        wrong={
            "아무것도 죽이지 않음": THREE_WORKERS,
            "둘만 남김": THREE_WORKERS + f"{KILL}\n{M} service scale -d api=2",
            "얌전히 다시 시작함": THREE_WORKERS + f"{M} service update -q --force --update-monitor 1s api",
        },
        cleanup=NO_API,
    ),
    "10-3": Exercise(
        check=scaled,
        ground=SWARM,
        solve=_create(3) + f"{M} service scale -d api=5\n" + _wait("api", "5/5") + f"{M} service scale -d api=2",
        wrong={
            "줄이지 않음": _create(3) + f"{M} service scale -d api=5\n" + _wait("api", "5/5"),
            "여섯으로 늘림": _create(3) + f"{M} service scale -d api=6\n{M} service scale -d api=2",
            "늘리지 않음": _create(3) + _wait("api", "3/3") + f"{M} service scale -d api=2",
        },
        cleanup=NO_API,
    ),
    "10-4": Exercise(
        check=back,
        ground=SWARM,
        solve=_create(2) + _wait("api", "2/2") + UPDATE + f"{M} service rollback -q api",
        wrong={
            "올리기만 함": _create(2) + _wait("api", "2/2") + UPDATE,
            "처음부터 v1": _create(2) + _wait("api", "2/2"),
            "v1로 다시 올림": _create(2) + _wait("api", "2/2") + UPDATE + UPDATE.replace(":v2", ":v1"),
        },
        cleanup=NO_API,
    ),
    "10-5": Exercise(
        check=placed,
        ground=SWARM,
        solve=_create(4, "--constraint node.role==worker") + _wait("api", "4/4"),
        wrong={
            "조건이 없음": _create(4) + _wait("api", "4/4"),
            "매니저에만": _create(4, "--constraint node.role==manager") + _wait("api", "4/4"),
            "맞는 노드가 없음": _create(4, "--constraint node.role==boss"),
        },
        cleanup=NO_API,
    ),
    "10-6": Exercise(
        check=drained,
        ground=SWARM,
        solve=_create(4) + _wait("api", "4/4") + f"{M} node update --availability drain worker02\n",
        wrong={
            "새것만 막음": _create(4) + _wait("api", "4/4") + f"{M} node update --availability pause worker02",
            "비우지 않음": _create(4) + _wait("api", "4/4"),
            "다른 노드를 비움": _create(4) + _wait("api", "4/4") + f"{M} node update --availability drain worker01",
        },
        cleanup=f"{NO_API}\n"
        + "".join(f"{M} node update --availability active {name} >/dev/null 2>&1; true\n" for name in WORKERS),
    ),
    "10-7": Exercise(
        check=stacked,
        ground=SWARM,
        solve=BACKEND + PAIR + DEPLOY,
        wrong={
            "스택의 네트워크": PAIR.replace("{external: true}", "{driver: overlay}") + DEPLOY,
            "서비스 하나": BACKEND + PAIR.replace(SECOND, "") + DEPLOY,
            "붙을 수 없는 네트워크": BACKEND.replace("--attachable ", "") + PAIR + DEPLOY,
        },
        cleanup=NO_PAIR,
    ),
    "10-8": Exercise(
        check=looped,
        solve=_program(ONCE + REPEAT),
        wrong={
            "한 번만 맞춤": _program(ONCE + "\n\nimport sys\n\nreconcile(sys.argv[1], int(sys.argv[2]))\n"),
            "줄이지 않음": _program(NEVER_LESS + REPEAT),
            "아무것도 하지 않음": _program("import time\n\ntime.sleep(600)\n"),
        },
        cleanup="rm -f reconcile.py",
    ),
}
