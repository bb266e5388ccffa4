"""Checks of lab 06: a service scaled to three, a key handed over by environment, a compose file with five faults."""

from __future__ import annotations

from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"


def _service(engine: EngineView, project: str, service: str) -> list[dict[str, Any]]:
    """The containers of a service, whatever their state, as `docker inspect` shows them."""
    rows = engine.containers(label=f"{PROJECT}={project}")
    found = (engine.container(row["Id"]) for row in rows if row["Labels"].get(SERVICE) == service)
    return [item for item in found if item is not None]


def _running(engine: EngineView, project: str, service: str) -> list[dict[str, Any]]:
    return [found for found in _service(engine, project, service) if found["State"]["Running"]]


def _name(found: dict[str, Any]) -> str:
    return str(found["Name"]).lstrip("/")


def _no_service(project: str, service: str, hints: tuple[str, ...]) -> NotYet:
    return NotYet(
        expected=f"프로젝트 `{project}`의 서비스 `{service}`가 실행 중이에요.",
        found="실행 중인 컨테이너가 없어요.",
        read_from=f"docker compose -p {project} ps",
        hints=hints,
    )


# 06-1 ---------------------------------------------------------------------------------------------------------------
MANY = (
    "호스트의 포트를 적지 않으면 빈 포트를 골라 줘요.",
    'ports에 "8080"만 적고, up에 --scale을 붙이세요.',
    "docker compose -f many/compose.yaml up -d --scale echo=3",
)


def three_of_one(engine: EngineView) -> Result:
    found = _running(engine, "many", "echo")
    if len(found) != 3:
        return NotYet(
            expected="프로젝트 `many`의 서비스 `echo`에 실행 중인 컨테이너 3개",
            found=f"{len(found)}개예요.",
            read_from="docker compose -p many ps",
            hints=MANY,
        )
    image = engine.image("example/echo:latest")
    for item in found:
        if image is None or item["Image"] != image["Id"]:
            return NotYet(
                expected="세 컨테이너의 이미지는 `example/echo:latest`",
                found=f"`{_name(item)}`의 이미지는 `{item['Config']['Image']}`",
                read_from="docker compose -p many ps",
                hints=MANY,
            )
        if not item["NetworkSettings"]["Ports"].get("8080/tcp"):
            return NotYet(
                expected="세 컨테이너의 8080번 포트가 모두 호스트에 열려 있어요.",
                found=f"`{_name(item)}`의 8080번은 열려 있지 않아요.",
                read_from=f"docker port {_name(item)}",
                hints=MANY,
            )
    return Passed("`echo` 컨테이너 3개가 저마다 다른 호스트 포트로 열려 있어요.")


# 06-2 ---------------------------------------------------------------------------------------------------------------
KEYS = (
    "boss만 먼저 실행해서 키를 만들고, 공개 키를 .env에 적은 다음 worker를 더하세요.",
    "ssh-keygen은 boss 안에서, 공개 키는 worker의 environment에 JENKINS_SLAVE_SSH_PUBKEY: ${PUBLIC_KEY}로 건네요.",
    "docker compose -f team/compose.yaml exec -T boss ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519\n"
    'echo "PUBLIC_KEY=$(docker compose -f team/compose.yaml exec -T boss cat /root/.ssh/id_ed25519.pub)" > team/.env',
)
VARIABLES = ("JENKINS_SLAVE_SSH_PUBKEY=", "JENKINS_AGENT_SSH_PUBKEY=")


def key_handed_over(engine: EngineView) -> Result:
    pair = {name: _running(engine, "team", name) for name in ("boss", "worker")}
    for name, found in pair.items():
        if not found:
            return _no_service("team", name, KEYS)
    boss, worker = pair["boss"][0], pair["worker"][0]
    handed = [
        line.partition("=")[2]
        for line in worker["Config"]["Env"] or ()
        if line.startswith(VARIABLES) and "ssh-" in line
    ]
    if not handed:
        return NotYet(
            expected="`worker`의 환경 변수에 공개 키가 있어요.",
            found="`JENKINS_SLAVE_SSH_PUBKEY`가 없거나 키가 아니에요.",
            read_from="docker compose -p team config, docker inspect의 Config.Env",
            hints=KEYS,
        )
    image = engine.image("labs/ssh-agent")
    if image is None or {boss["Image"], worker["Image"]} != {image["Id"]}:
        return NotYet(
            expected="`boss`와 `worker`의 이미지는 `labs/ssh-agent`예요. 키가 이미지에 들어가면 안 되니까요.",
            found=f"`{boss['Config']['Image']}`, `{worker['Config']['Image']}`",
            read_from="docker compose -p team ps",
            hints=KEYS,
        )
    code, said = engine.exec(boss["Id"], "ssh", "-q", "-o", "ConnectTimeout=5", "jenkins@worker", "hostname")
    if code or said.strip() != worker["Config"]["Hostname"]:
        return NotYet(
            expected="`boss`에서 `ssh jenkins@worker hostname`을 하면 `worker`의 호스트 이름이 나와요.",
            found=said.strip()[:80] or f"종료 코드 {code}",
            read_from="docker compose -p team exec boss ssh jenkins@worker hostname",
            hints=KEYS,
        )
    code, _ = engine.exec(worker["Id"], "sh", "-c", "grep -rlq 'PRIVATE KEY' /root/.ssh /home/jenkins/.ssh")
    if code == 0:
        return NotYet(
            expected="`worker`에는 비밀 키가 없어요.",
            found="`worker`의 .ssh 폴더에 비밀 키가 있어요.",
            read_from="docker compose -p team exec worker ls /root/.ssh /home/jenkins/.ssh",
            hints=KEYS,
        )
    return Passed("`boss`가 `worker`라는 이름으로 찾아가 명령을 시켰어요. 건너간 것은 공개 키뿐이에요.")


# 06-3 ---------------------------------------------------------------------------------------------------------------
FAULTS = (
    "docker compose -f broken/compose.yaml config -q가 말해 주는 곳부터 하나씩 고치세요. "
    "마지막 하나는 config가 모르는 실수예요.",
    "서비스는 services 안에, volumes는 s가 있고, depends_on은 있는 서비스의 이름, environment의 목록은 이름=값이에요. "
    "포트의 순서도 보세요.",
    'back을 두 칸 들여 쓰고, volume: → volumes:, backend → back, "LANG: …" → "LANG=…", "80:9100" → "9100:80"',
)
BROKEN = "broken/compose.yaml"


def mended(engine: EngineView) -> Result:
    up = {name: bool(_running(engine, "broken", name)) for name in ("front", "back")}
    code, said = (
        engine.docker("compose", "-f", BROKEN, "config", "-q") if (engine.workspace / BROKEN).exists() else (1, "")
    )
    if code:
        return NotYet(
            expected=f"`docker compose -f {BROKEN} config -q`가 아무 말도 하지 않아요.",
            found=(said.strip() or f"`{BROKEN}`이 없어요.").splitlines()[0].replace(f"{engine.workspace}/", ""),
            read_from=f"docker compose -f {BROKEN} config -q",
            hints=FAULTS,
        )
    for name, running in up.items():
        if not running:
            return _no_service("broken", name, FAULTS)
    page = engine.published_page(9100)
    if page is None or "모두 고쳤어요" not in page.text:
        return NotYet(
            expected="호스트의 9100번 포트에서 `broken/www`의 페이지가 나와요.",
            found="아무도 대답하지 않아요." if page is None else page.text.strip()[:80] or "빈 화면",
            read_from="http://127.0.0.1:9100",
            hints=FAULTS,
        )
    return Passed("다섯 군데를 모두 고쳐서 두 서비스가 실행 중이고, 9100번에서 페이지가 나와요.")


# solutions ----------------------------------------------------------------------------------------------------------
def _down(project: str) -> str:
    return f"docker compose -p {project} down -v -t 0 --remove-orphans >/dev/null 2>&1; true"


def _write(path: str, text: str) -> str:
    return f"mkdir -p $(dirname {path}) && cat > {path} <<'END'\n{text}\nEND\n"


IMAGE = "docker build -q -t example/echo:latest echo"


def _echo(ports: str) -> str:
    return _write(
        "many/compose.yaml", f"services:\n  echo:\n    image: example/echo:latest\n    ports:\n      - {ports}"
    )


BOSS = "services:\n  boss:\n    image: labs/ssh-agent"
WORKER = "\n  worker:\n    image: labs/ssh-agent"
HANDED = "\n    environment:\n      JENKINS_SLAVE_SSH_PUBKEY: ${PUBLIC_KEY}"
UP_TEAM = "docker compose -f team/compose.yaml up -d\n"
MAKE_KEY = (
    "docker compose -f team/compose.yaml exec -T boss sh -c "
    "'mkdir -p /root/.ssh && ssh-keygen -q -t ed25519 -N \"\" -f /root/.ssh/id_ed25519'\n"
    'echo "PUBLIC_KEY=$(docker compose -f team/compose.yaml exec -T boss cat /root/.ssh/id_ed25519.pub)" > team/.env\n'
)
#: sshd needs a moment before it listens
ASK = "docker compose -f team/compose.yaml exec -T boss ssh -q jenkins@worker true"
WAIT = f"for i in $(seq 50); do {ASK} && break; sleep 0.1; done"
TEAM = _write("team/compose.yaml", BOSS) + UP_TEAM + MAKE_KEY

FRONT = """services:
  front:
    image: busybox
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    volumes:
      - ./www:/www:ro
    ports:
      - "{ports}"
    depends_on:
      - back
    environment:
      - LANG=ko_KR.UTF-8
  back:
    image: busybox
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    volumes:
      - ./www:/www:ro"""
UP_BROKEN = "docker compose -f broken/compose.yaml up -d"


def _mended(ports: str) -> str:
    return _write(BROKEN, FRONT.format(ports=ports)) + UP_BROKEN


checks = {
    "06-1": Exercise(
        check=three_of_one,
        setup=IMAGE,
        solve=_echo('"8080"') + "docker compose -f many/compose.yaml up -d --scale echo=3",
        wrong={
            "포트를 적음": _echo('"9000:8080"') + "docker compose -f many/compose.yaml up -d --scale echo=3; true",
            "둘뿐": _echo('"8080"') + "docker compose -f many/compose.yaml up -d --scale echo=2",
            "포트를 열지 않음": _write("many/compose.yaml", "services:\n  echo:\n    image: example/echo:latest")
            + "docker compose -f many/compose.yaml up -d --scale echo=3",
            "손으로 실행함": "for n in 1 2 3; do docker run -d --name echo-$n -p 8080 example/echo:latest; done",
            "멈춤": _echo('"8080"')
            + "docker compose -f many/compose.yaml up -d --scale echo=3 && docker compose -f many/compose.yaml stop",
        },
        containers=("echo-1", "echo-2", "echo-3"),
        images=("example/echo:latest",),
        cleanup=_down("many"),
    ),
    "06-2": Exercise(
        check=key_handed_over,
        setup="docker pull -q labs/ssh-agent",
        solve=TEAM + _write("team/compose.yaml", BOSS + WORKER + HANDED) + UP_TEAM + WAIT,
        wrong={
            "키를 건네지 않음": TEAM + _write("team/compose.yaml", BOSS + WORKER) + UP_TEAM,
            "다른 키를 건넴": TEAM
            + "echo 'PUBLIC_KEY=ssh-ed25519 AAAA other' > team/.env\n"
            + _write("team/compose.yaml", BOSS + WORKER + HANDED)
            + UP_TEAM,
            "worker가 없음": TEAM,
            "비밀 키까지 건넴": TEAM
            + _write("team/compose.yaml", BOSS + WORKER + HANDED)
            + UP_TEAM
            + WAIT
            + "\ndocker compose -f team/compose.yaml exec -T boss cat /root/.ssh/id_ed25519 | docker compose -f "
            "team/compose.yaml exec -T worker sh -c 'mkdir -p /root/.ssh && cat > /root/.ssh/id_ed25519'",
        },
        cleanup=_down("team"),
    ),
    "06-3": Exercise(
        check=mended,
        setup="docker pull -q busybox",
        solve=_mended("9100:80"),
        wrong={
            "포트의 순서": _mended("8099:9100"),
            "하나만 실행함": _mended("9100:80") + " && docker compose -f broken/compose.yaml stop back",
            "고치고 실행하지 않음": _write(BROKEN, FRONT.format(ports="9100:80")),
        },
        cleanup=_down("broken"),
    ),
}
