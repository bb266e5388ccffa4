"""Checks of lab 07: a job whose lines are in the logs, a small image, one image on three ports, a database that
outlives its container, a volume that was carried over, and a container that only holds a volume.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, first_line, missing, not_running


def _env(found: dict[str, Any], name: str) -> str | None:
    for line in found["Config"].get("Env") or ():
        key, _, value = line.partition("=")
        if key == name:
            return str(value)
    return None


def _mount(found: dict[str, Any], target: str) -> dict[str, Any] | None:
    return next((mount for mount in found["Mounts"] if mount["Destination"] == target), None)


# 07-1 ---------------------------------------------------------------------------------------------------------------
TABLE = "/etc/cron.d/ticker"
TICKER = (
    "1절의 시간표를 본떠 쓰되, 줄을 파일이 아니라 첫 프로세스의 표준 출력으로 보내세요.",
    "표준 출력은 /proc/1/fd/1이에요. /etc/cron.d의 줄에는 시간 다섯 칸 다음에 사용자 칸(root)이 있어야 하고, 줄은 "
    "줄바꿈으로 끝나야 해요.",
    "docker run -d --name ticker labs/cron\n"
    "docker exec ticker sh -c 'echo \"* * * * * root echo tick > /proc/1/fd/1\" > /etc/cron.d/ticker'\n"
    "그리고 다음 분이 될 때까지 기다리세요.",
)


def ticker(engine: EngineView) -> Result:
    found = engine.container("ticker")
    if found is None or not found["State"]["Running"]:
        return not_running("ticker", found, TICKER) or missing("컨테이너 `ticker`", "docker ps", TICKER)
    code, table = engine.exec("ticker", "cat", TABLE)
    if code:
        return missing(f"시간표 파일 `{TABLE}`", f"docker exec ticker cat {TABLE}", TICKER)
    if fault := _fault_of(table):
        return NotYet(
            expected="크론이 읽을 수 있는 시간표: `* * * * * root 명령`",
            found=fault,
            read_from=f"docker exec ticker cat {TABLE}",
            hints=TICKER,
        )
    if "tick" not in engine.logs("ticker"):
        return NotYet(
            expected="`docker logs ticker`에 `tick`이 든 줄",
            found="아직 없어요. 시간표는 읽을 수 있으니, 표준 출력으로 보냈는지 보고 1분을 기다려 보세요.",
            read_from="docker logs ticker",
            hints=TICKER,
        )
    return Passed("크론이 시간표대로 작업을 실행했고, 그 기록이 `docker logs`에 보여요.")


def _fault_of(table: str) -> str:
    """What keeps cron from reading it; "" for nothing."""
    if not table.endswith("\n"):
        return "마지막 줄이 줄바꿈으로 끝나지 않아요. 크론은 그런 파일을 읽지 않아요."
    lines = [line.split() for line in table.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    jobs = [words for words in lines if "=" not in words[0]]
    if not jobs:
        return "작업을 적은 줄이 없어요."
    if any(len(words) < 7 or words[5] != "root" for words in jobs):
        return "시간 다섯 칸 다음에 사용자(root) 칸이 없는 줄이 있어요."
    return ""


# 07-2 ---------------------------------------------------------------------------------------------------------------
BIG, SMALL = "lab/hello:big", "lab/hello:small"
SMALLER = (
    "2절의 두 Dockerfile과 같은 방법이에요. 이름만 달라요.",
    "작은 쪽은 FROM을 두 번 쓰고, 둘째 단계에서 COPY --from으로 결과만 가져와요. busybox에는 동적 라이브러리가 없으니 "
    "-static으로 빌드하세요.",
    "새 셀에 다음을 쓰세요.\n%%dockerfile -t lab/hello:small -f hello/Dockerfile.mine hello\nFROM gcc AS build\n"
    'COPY hello.c /\nRUN gcc -static -o /hello /hello.c\nFROM busybox\nCOPY --from=build /hello /hello\nCMD ["/hello"]',
)


def smaller(engine: EngineView) -> Result:
    images = {name: engine.image(name) for name in (BIG, SMALL)}
    for name, found in images.items():
        if found is None:
            return missing(f"이미지 `{name}`", "docker images lab/hello", SMALLER)
        code, said = engine.run(name)
        if code or said.strip() != "Hello Docker":
            return NotYet(
                expected=f"`{name}`을 실행하면 `Hello Docker`",
                found=first_line(said),
                read_from=f"docker run --rm {name}",
                hints=SMALLER,
            )
    big, small = (images[name]["Size"] for name in (BIG, SMALL))  # type: ignore[index]  # none is missing
    if small * 5 >= big:
        return NotYet(
            expected="작은 쪽이 큰 쪽의 20%보다 작아요.",
            found=f"{100 * small / big:.0f}%예요.",
            read_from="docker images lab/hello의 SIZE",
            hints=SMALLER,
        )
    if engine.run(SMALL, "gcc", "--version")[0] != 127:
        return NotYet(
            expected=f"`{SMALL}`에는 `gcc`가 없어요 (종료 코드 127).",
            found="`gcc`가 들어 있어요.",
            read_from=f"docker run --rm {SMALL} gcc --version",
            hints=SMALLER,
        )
    return Passed("두 이미지가 같은 일을 하는데, 작은 쪽은 큰 쪽의 20%보다 작고 컴파일러도 없어요.")


# 07-3 ---------------------------------------------------------------------------------------------------------------
PORTS = {"port-a": 7001, "port-b": 7002, "port-c": 7003}
THREE_PORTS = (
    "이미지는 한 번만 빌드하고, 실행할 때 -e PORT=…로 다른 값을 주세요.",
    "시작할 때 $PORT를 파일에 쓰고 그 포트에서 웹 서버를 시작하는 CMD가 필요해요. 변수를 바꿔 넣는 것은 셸이라서 "
    "sh -c로 실행해야 해요.",
    'FROM busybox\nENV PORT=7000\nCMD ["sh", "-c", "echo $PORT > /index.html; exec httpd -f -p $PORT -h /"]\n'
    "빌드한 다음: docker run -d --name port-a -e PORT=7001 lab/port (b와 c도 똑같이)",
)


def three_ports(engine: EngineView) -> Result:
    image = engine.image("lab/port")
    if image is None:
        return missing("이미지 `lab/port`", "docker images", THREE_PORTS)
    for name, port in PORTS.items():
        found = engine.container(name)
        if found is None or not found["State"]["Running"]:
            return not_running(name, found, THREE_PORTS) or missing(name, "docker ps", THREE_PORTS)
        if found["Image"] != image["Id"]:
            return NotYet(
                expected=f"`{name}`의 이미지는 `lab/port`",
                found=f"`{found['Config']['Image']}` (다른 이미지이거나 다시 빌드하기 전의 이미지)",
                read_from=f"docker inspect {name}의 Image",
                hints=THREE_PORTS,
            )
        if _env(found, "PORT") != str(port):
            return NotYet(
                expected=f"`{name}`의 환경 변수 `PORT={port}`",
                found=f"`PORT={_env(found, 'PORT')}`",
                read_from=f"docker inspect {name}의 Config.Env",
                hints=THREE_PORTS,
            )
        shown = engine.page(name, port)
        if shown is None or str(port) not in shown.text:
            return NotYet(
                expected=f"`{name}`의 {port}번 포트가 {port}라고 대답해요.",
                found="대답이 없어요." if shown is None else first_line(shown.text),
                read_from=f"GET / ({name}의 {port}번 포트)",
                hints=THREE_PORTS,
            )
    return Passed("이미지는 하나인데 세 컨테이너가 저마다 다른 포트에서 대답해요.")


# 07-4 ---------------------------------------------------------------------------------------------------------------
DATA = "/var/lib/mysql"
MOVED = (
    "4절과 같지만 데이터 볼륨 컨테이너 대신 볼륨의 이름을 바로 적어요.",
    f"-v dbdata:{DATA} 를 db1과 db2에 똑같이 쓰세요. 이름 있는 볼륨은 처음 쓸 때 저절로 만들어져요. "
    "db1을 지우고 나서 db2를 실행하세요.",
    "docker run -d --name db1 -e MYSQL_ALLOW_EMPTY_PASSWORD=yes -e MYSQL_DATABASE=volume_test "
    f"-v dbdata:{DATA} mariadb\n(준비될 때까지 기다렸다가 표를 만들고 세 줄을 넣은 다음)\ndocker rm -f db1\n"
    f"docker run -d --name db2 -e MYSQL_ALLOW_EMPTY_PASSWORD=yes -v dbdata:{DATA} mariadb",
)
READY = "until mysqladmin -h 127.0.0.1 --silent ping >/dev/null 2>&1; do sleep 0.2; done"


def moved(engine: EngineView) -> Result:
    if engine.volume("dbdata") is None:
        return missing("볼륨 `dbdata`", "docker volume ls", MOVED)
    found = engine.container("db2")
    if found is None or not found["State"]["Running"]:
        return not_running("db2", found, MOVED) or missing("db2", "docker ps", MOVED)
    mount = _mount(found, DATA)
    if mount is None or mount.get("Name") != "dbdata":
        return NotYet(
            expected=f"`db2`의 `{DATA}`에 볼륨 `dbdata`",
            found=f"{mount['Type']} `{str(mount.get('Name') or mount['Source'])[:30]}`"
            if mount
            else "붙어 있지 않아요.",
            read_from="docker inspect db2의 Mounts",
            hints=MOVED,
        )
    if engine.container("db1") is not None:
        return NotYet(expected="컨테이너 `db1`은 없어요.", found="아직 있어요.", read_from="docker ps -a", hints=MOVED)
    engine.exec("db2", "timeout", "30", "sh", "-c", READY)
    code, said = engine.exec("db2", "mysql", "-uroot", "-N", "volume_test", "-e", "SELECT COUNT(*) FROM user")
    if code or said.strip() != "3":
        return NotYet(
            expected="`volume_test.user`에 세 줄",
            found=first_line(said) if code else f"{said.strip()}줄이 있어요.",
            read_from="docker exec db2 mysql -u root volume_test -e 'SELECT COUNT(*) FROM user'",
            hints=MOVED,
        )
    return Passed("`db1`은 사라졌지만 `dbdata`에 남은 세 줄을 `db2`가 이어받았어요.")


# 07-5 ---------------------------------------------------------------------------------------------------------------
PHOTOS = """docker volume rm photos photos-copy >/dev/null 2>&1
docker run --rm -v photos:/data busybox sh -c 'for n in 1 2 3; do echo "사진 $n" > /data/$n.jpg; done'"""
CARRIED = (
    "5절처럼, 볼륨과 이 노트북의 폴더를 둘 다 붙인 컨테이너로 묶고 푸세요.",
    '-v photos:/data -v "$PWD:/backup" 를 붙인 busybox에서 tar czf로 묶고, photos-copy를 붙인 다른 컨테이너에서 '
    "tar xzf로 푸세요. 경로가 겹치지 않게 -C를 써 보세요.",
    'docker run --rm -v photos:/data -v "$PWD:/backup" busybox tar czf /backup/photos.tar.gz -C /data .\n'
    'docker run --rm -v photos-copy:/data -v "$PWD:/backup" busybox tar xzf /backup/photos.tar.gz -C /data',
)


def carried(engine: EngineView) -> Result:
    archive = engine.workspace / "photos.tar.gz"
    if not archive.is_file() or archive.read_bytes()[:2] != b"\x1f\x8b":
        return NotYet(
            expected="노트북의 폴더에 gzip으로 묶은 `photos.tar.gz`",
            found="gzip으로 묶은 파일이 아니에요." if archive.is_file() else "아직 없어요.",
            read_from=archive.name,
            hints=CARRIED,
        )
    wanted, found = engine.files_of_volume("photos"), engine.files_of_volume("photos-copy")
    if not wanted:
        return NotYet(
            expected="사진이 든 볼륨 `photos`",
            found="없거나 비어 있어요. 준비하는 셀을 다시 실행하세요.",
            read_from="docker volume ls",
            hints=CARRIED,
        )
    if found is None:
        return missing("볼륨 `photos-copy`", "docker volume ls", CARRIED)
    if found != wanted:
        return NotYet(
            expected=f"`photos-copy`에 {', '.join(sorted(wanted))}",
            found=", ".join(sorted(found)) or "비어 있어요.",
            read_from="볼륨 photos-copy의 파일과 그 SHA-256",
            hints=CARRIED,
        )
    return Passed("묶은 파일을 거쳐 `photos-copy`가 `photos`와 똑같아졌어요. 다른 호스트에서도 이렇게 하면 돼요.")


# 07-6 ---------------------------------------------------------------------------------------------------------------
HOLDER = (
    "볼륨을 가진 컨테이너는 정지해 있어도 돼요. 빌려 쓰는 쪽은 계속 실행되는 명령이 필요해요.",
    "store-only에는 -v /data를 주고 바로 끝나는 명령 true를, store-app에는 --volumes-from store-only와 sleep 같은 "
    "명령을 주세요.",
    "docker run -d --name store-only -v /data busybox true\n"
    "docker run -d --name store-app --volumes-from store-only busybox sleep 3600",
)


def holder(engine: EngineView) -> Result:
    only, app = engine.container("store-only"), engine.container("store-app")
    if only is None:
        return missing("컨테이너 `store-only`", "docker ps -a", HOLDER)
    if only["State"]["Status"] != "exited":
        return NotYet(
            expected="`store-only`의 상태: exited",
            found=f"`{only['State']['Status']}`",
            read_from="docker ps -a",
            hints=HOLDER,
        )
    mount = _mount(only, "/data")
    if mount is None or mount["Type"] != "volume":
        return NotYet(
            expected="`store-only`의 `/data`에 볼륨",
            found="바인드 마운트예요." if mount else "아무것도 붙어 있지 않아요.",
            read_from="docker inspect store-only의 Mounts",
            hints=HOLDER,
        )
    if app is None or not app["State"]["Running"]:
        return not_running("store-app", app, HOLDER) or missing("store-app", "docker ps", HOLDER)
    shared = _mount(app, "/data")
    if not app["HostConfig"].get("VolumesFrom") or shared is None or shared.get("Name") != mount["Name"]:
        return NotYet(
            expected="`store-app`이 `--volumes-from store-only`로 같은 볼륨을 써요.",
            found="같은 볼륨을 쓰지 않아요." if app["HostConfig"].get("VolumesFrom") else "`--volumes-from`이 없어요.",
            read_from="docker inspect store-app의 HostConfig.VolumesFrom, Mounts",
            hints=HOLDER,
        )
    return Passed("정지해 있는 `store-only`의 볼륨을 `store-app`이 함께 쓰고 있어요.")


# solutions ----------------------------------------------------------------------------------------------------------
def _dockerfile(place: str, *lines: str) -> str:
    """Writes a Dockerfile."""
    text = "\n".join(lines)
    return f"mkdir -p {Path(place).parent} && cat > {place} <<'END'\n{text}\nEND\n"


RUN_TICKER = "docker run -d --name ticker labs/cron\n"


def _table(line: str, end: str = r"\n") -> str:
    return f"docker exec ticker sh -c 'printf \"{line}{end}\" > {TABLE}'\n"


TICK = "* * * * * root echo tick > /proc/1/fd/1"
WAIT_FOR_TICK = "timeout 70 sh -c 'until docker logs ticker | grep -q tick; do sleep 1; done'"
BUILD_C = "RUN gcc -static -o /hello /hello.c"
BUILD_BIG = _dockerfile("hello/Big", "FROM gcc", "COPY hello.c /", BUILD_C, 'CMD ["/hello"]') + (
    f"docker build -q -t {BIG} -f hello/Big hello\n"
)


def _small(base: str, build: str = BUILD_C) -> str:
    stages = ("FROM gcc AS build", "COPY hello.c /", build, f"FROM {base}", "COPY --from=build /hello /hello")
    return _dockerfile("hello/Small", *stages, 'CMD ["/hello"]') + (
        f"docker build -q -t {SMALL} -f hello/Small hello\n"
    )


SERVE = 'CMD ["sh", "-c", "echo $PORT > /index.html; exec httpd -f -p $PORT -h /"]'
PORT_IMAGE = (
    _dockerfile("port/Dockerfile", "FROM busybox", "ENV PORT=7000", SERVE) + "docker build -q -t lab/port port\n"
)
FIXED_IMAGE = (
    _dockerfile(
        "port/Dockerfile", "FROM busybox", 'CMD ["sh", "-c", "echo $PORT > /index.html; exec httpd -f -p 7001 -h /"]'
    )
    + "docker build -q -t lab/port port\n"
)


def _ports(**values: int) -> str:
    return "\n".join(
        f"docker run -d --name {name.replace('_', '-')} -e PORT={port} lab/port" for name, port in values.items()
    )


ALL_PORTS = _ports(port_a=7001, port_b=7002, port_c=7003)
EMPTY = "-e MYSQL_ALLOW_EMPTY_PASSWORD=yes"


def _database(name: str, mount: str, more: str = "") -> str:
    return (
        f"docker run -d --name {name} {EMPTY} {more} {mount} mariadb\ndocker exec {name} timeout 60 sh -c '{READY}'\n"
    )


ROWS = (
    'docker exec db1 mysql -uroot volume_test -e "CREATE TABLE user (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT); '
    "INSERT INTO user (name) VALUES ('gihyo'), ('docker'), ('Solomon Hykes')\"\n"
)
NAMED = f"-v dbdata:{DATA}"
FIRST = _database("db1", NAMED, "-e MYSQL_DATABASE=volume_test")
PACK = 'docker run --rm -v photos:/data -v "$PWD:/backup" busybox tar czf /backup/photos.tar.gz -C /data .\n'
UNPACK = 'docker run --rm -v photos-copy:/data -v "$PWD:/backup" busybox tar xzf /backup/photos.tar.gz -C /data\n'
HOLD = "docker run -d --name store-only -v /data busybox true\n"
BORROW = "docker run -d --name store-app --volumes-from store-only busybox sleep 3600"

checks = {
    "07-1": Exercise(
        check=ticker,
        solve=RUN_TICKER + _table(TICK) + WAIT_FOR_TICK,
        wrong={
            "사용자 칸이 없음": RUN_TICKER + _table("* * * * * echo tick > /proc/1/fd/1"),
            "줄바꿈으로 끝나지 않음": RUN_TICKER + _table(TICK, end=""),
            "파일에 적음": RUN_TICKER + _table("* * * * * root echo tick >> /var/log/tick.log"),
            "정지함": RUN_TICKER + _table(TICK) + "docker stop ticker",
            "직접 한 줄 적음": RUN_TICKER + "docker exec ticker sh -c 'echo tick > /proc/1/fd/1'",
        },
        containers=("ticker",),
    ),
    "07-2": Exercise(
        check=smaller,
        solve=BUILD_BIG + _small("busybox"),
        wrong={
            "둘 다 gcc에서": BUILD_BIG + f"docker tag {BIG} {SMALL}",
            "동적으로 빌드함": BUILD_BIG + _small("busybox", "RUN gcc -o /hello /hello.c"),
            "바탕이 큼": BUILD_BIG + _small("debian:bookworm"),
            "큰 것만 만듦": BUILD_BIG,
        },
        images=(BIG, SMALL),
    ),
    "07-3": Exercise(
        check=three_ports,
        solve=PORT_IMAGE + ALL_PORTS,
        wrong={
            "-e를 잊음": PORT_IMAGE + ALL_PORTS.replace(" -e PORT=7003", ""),
            "포트가 이미지에 박힘": FIXED_IMAGE + ALL_PORTS,
            "하나를 다시 빌드한 이미지로": PORT_IMAGE
            + _ports(port_a=7001, port_b=7002)
            + "\n"
            + _dockerfile("port/Dockerfile", "FROM busybox", "ENV PORT=7003", SERVE)
            + "docker build -q -t lab/port port\n"
            + _ports(port_c=7003),
            "둘만 실행함": PORT_IMAGE + _ports(port_a=7001, port_b=7002),
        },
        containers=tuple(PORTS),
        images=("lab/port",),
    ),
    "07-4": Exercise(
        check=moved,
        solve=FIRST + ROWS + "docker rm -f db1\n" + _database("db2", NAMED),
        wrong={
            "이름 없는 볼륨": FIRST + ROWS + "docker rm -f db1\n" + _database("db2", f"-v {DATA}"),
            "db1을 남김": FIRST + ROWS + "docker stop db1\n" + _database("db2", NAMED),
            "줄을 넣지 않음": FIRST + "docker rm -f db1\n" + _database("db2", NAMED),
        },
        containers=("db1", "db2"),
        volumes=("dbdata",),
    ),
    "07-5": Exercise(
        check=carried,
        setup=PHOTOS,
        solve=PACK + UNPACK,
        wrong={
            "되돌리지 않음": PACK,
            "경로째 풀어서 한 겹 더 들어감": PACK.replace("-C /data .", "/data") + UNPACK,
            "파일을 거치지 않음": "docker run --rm -v photos:/from -v photos-copy:/to busybox cp -a /from/. /to",
            "하나를 빠뜨림": PACK + UNPACK + "docker run --rm -v photos-copy:/data busybox rm /data/2.jpg",
        },
        volumes=("photos", "photos-copy"),
    ),
    "07-6": Exercise(
        check=holder,
        solve=HOLD + BORROW,
        wrong={
            "주인이 실행 중": HOLD.replace("true", "sleep 3600") + BORROW,
            "이름으로 같은 볼륨을 붙임": "docker run -d --name store-only -v shelf:/data busybox true\n"
            "docker run -d --name store-app -v shelf:/data busybox sleep 3600",
            "볼륨이 없음": HOLD.replace(" -v /data", "") + BORROW,
            "빌려 쓰는 쪽이 끝남": HOLD + BORROW.replace("sleep 3600", "true"),
        },
        containers=("store-only", "store-app"),
        volumes=("shelf",),
    ),
}  # fmt: skip
