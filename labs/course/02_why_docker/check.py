"""Checks of lab 02: one Dockerfile at two moments, one image in two environments and in three containers, and a build
that fails and changes nothing.
"""

from __future__ import annotations

from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, missing, not_running


def _env(found: dict[str, Any], name: str) -> str | None:
    """The value of an environment variable of a container or an image."""
    for line in found["Config"].get("Env") or ():
        key, _, value = line.partition("=")
        if key == name:
            return str(value)
    return None


# 02-1 ---------------------------------------------------------------------------------------------------------------
MOMENTS = ("lab/app:2020", "lab/app:2021")
TWO_MOMENTS = (
    "Dockerfile은 '가장 새 c'를 받게 쓰고 고치지 마세요. 바뀌는 것은 창고뿐이에요.",
    "RUN wget -q -O /bin/c http://127.0.0.1:8801/c && chmod +x /bin/c 한 줄이면 돼요. 두 번째 빌드에서 캐시를 쓰면 "
    "창고에 다시 가지 않아요.",
    "docker build --network host -t lab/app:2020 폴더\ncp store/c-2.0 shop/c\n"
    "docker build --no-cache --network host -t lab/app:2021 폴더",
)


def two_moments(engine: EngineView) -> Result:
    images = {name: engine.image(name) for name in MOMENTS}
    for name, found in images.items():
        if found is None:
            return missing(f"이미지 `{name}`", "docker images", TWO_MOMENTS)
    for name, wanted in zip(MOMENTS, ("c 1.0", "c 2.0"), strict=True):
        code, said = engine.run(name, "c", "--version")
        if code or said.strip() != wanted:
            return NotYet(
                expected=f"`{name}`의 `c --version`: {wanted}",
                found=said.strip().splitlines()[0] if said.strip() else "아무것도 나오지 않았어요.",
                read_from=f"docker run --rm {name} c --version",
                hints=TWO_MOMENTS,
            )
    steps = [[row["CreatedBy"] for row in engine.history(name)] for name in MOMENTS]
    if steps[0] != steps[1]:
        return NotYet(
            expected="두 이미지의 내력이 같아요. Dockerfile이 하나이니까요.",
            found="두 이미지를 만든 명령이 서로 달라요. Dockerfile을 고쳤거나 Dockerfile 없이 만들었나 봐요.",
            read_from="docker history lab/app:2020, docker history lab/app:2021",
            hints=TWO_MOMENTS,
        )
    return Passed("만든 명령은 글자까지 같은데 두 이미지의 ID와 `c`의 버전이 달라요. 빌드한 시점이 다르니까요.")


# 02-2 ---------------------------------------------------------------------------------------------------------------
MODES = {"web-dev": "dev", "web-prod": "prod"}
TWO_MODES = (
    "이미지는 하나만 빌드하고, 컨테이너를 실행할 때 다른 값을 주세요.",
    "Dockerfile에는 ENV MODE=dev와, $MODE를 파일에 쓰고 웹 서버를 시작하는 CMD가 필요해요. "
    "web-prod에는 docker run에 -e를 붙이세요.",
    'FROM busybox\nENV MODE=dev\nCMD ["sh", "-c", "echo $MODE > /index.html; exec httpd -f -p 80 -h /"]\n'
    "빌드한 다음: docker run -d --name web-dev lab/web / docker run -d --name web-prod -e MODE=prod lab/web",
)


def two_modes(engine: EngineView) -> Result:
    image = engine.image("lab/web")
    if image is None:
        return missing("이미지 `lab/web`", "docker images", TWO_MODES)
    if _env(image, "MODE") != "dev":
        return NotYet(
            expected="이미지에 담긴 기본값 `MODE=dev`",
            found=f"`MODE={_env(image, 'MODE')}`" if _env(image, "MODE") is not None else "`MODE`가 없어요.",
            read_from="docker inspect lab/web의 Config.Env",
            hints=TWO_MODES,
        )
    for name, mode in MODES.items():
        if found := _mode_of(engine, name, mode, image["Id"]):
            return found
    return Passed("이미지는 하나인데 `web-dev`는 dev를, `web-prod`는 prod를 보여 줘요.")


def _mode_of(engine: EngineView, name: str, mode: str, image: str) -> NotYet | None:
    """What is not as wanted in one of the two containers."""
    found = engine.container(name)
    if found is None or not found["State"]["Running"]:
        return not_running(name, found, TWO_MODES)
    if found["Image"] != image:
        return NotYet(
            expected=f"`{name}`의 이미지는 `lab/web`",
            found=f"`{found['Config']['Image']}`",
            read_from=f"docker inspect {name}의 Image",
            hints=TWO_MODES,
        )
    if _env(found, "MODE") != mode:
        return NotYet(
            expected=f"`{name}`의 환경 변수 `MODE={mode}`",
            found=f"`MODE={_env(found, 'MODE')}`",
            read_from=f"docker inspect {name}의 Config.Env",
            hints=TWO_MODES,
        )
    shown = engine.page(name)
    if shown is None or mode not in shown.text:
        return NotYet(
            expected=f"`{name}`의 80번 포트가 보여 주는 글: {mode}",
            found="80번 포트에서 대답이 없어요." if shown is None else shown.text.strip()[:80] or "빈 화면",
            read_from=f"GET / ({name}의 80번 포트)",
            hints=TWO_MODES,
        )
    return None


# 02-3 ---------------------------------------------------------------------------------------------------------------
THREE = (
    "이미지는 한 번만 만들고 docker run을 세 번 하세요.",
    "컨테이너가 금방 끝나지 않는 이미지여야 해요. 다시 빌드했다면 컨테이너 셋도 그 이미지로 다시 만드세요.",
    "docker tag app:2021 lab/many 다음에\ndocker run -d --name w1 lab/many\nw2와 w3도 똑같이 하세요.",
)


def three_servers(engine: EngineView) -> Result:
    if engine.image("lab/many") is None:
        return missing("이미지 `lab/many`", "docker images", THREE)
    ids = {row["Id"] for row in engine.images() for tag in row["RepoTags"] or () if tag.startswith("lab/many:")}
    if len(ids) != 1:
        return NotYet(
            expected="이름이 `lab/many`인 이미지 하나",
            found=f"{len(ids)}개가 있어요.",
            read_from="docker images lab/many",
            hints=THREE,
        )
    for name in ("w1", "w2", "w3"):
        found = engine.container(name)
        if found is None or not found["State"]["Running"]:
            return not_running(name, found, THREE) or missing(name, "docker ps", THREE)
        if found["Image"] not in ids:
            return NotYet(
                expected=f"`{name}`의 이미지는 `lab/many`",
                found=f"`{found['Config']['Image']}` (다른 이미지이거나 다시 빌드하기 전의 이미지)",
                read_from=f"docker inspect {name}의 Image",
                hints=THREE,
            )
    return Passed("`w1`, `w2`, `w3`의 이미지 번호가 모두 같아요. 셋은 똑같은 서버예요.")


# 02-4 ---------------------------------------------------------------------------------------------------------------
SAFE = "lab/safe:1"
FAILS_SAFELY = (
    "0이 아닌 종료 코드로 끝나는 명령을 RUN에 쓰면 빌드가 실패해요.",
    "safe/Dockerfile에 RUN false 같은 줄을 더하고 docker build -t lab/safe:1 safe를 실행하세요. "
    "이미지나 컨테이너까지 바꾸었다면 준비하는 셀부터 다시 실행하세요.",
    '새 셀에 다음을 쓰세요.\n%%dockerfile -t lab/safe:1 safe\nFROM busybox\nRUN false\nCMD ["sleep", "3600"]',
)
#: the same lines stand in lab.md
SHOP = """docker rm -f shop >/dev/null 2>&1
mkdir -p shop && cp store/c-1.0 shop/c
docker run -d --name shop --network host -v "$PWD/shop:/www" busybox httpd -f -p 127.0.0.1:8801 -h /www"""
FRONT = r"""docker rm -f shop-front >/dev/null 2>&1
mkdir -p safe
printf 'FROM busybox\nCMD ["sleep", "3600"]\n' > safe/Dockerfile
docker build -q -t lab/safe:1 safe
docker run -d --name shop-front lab/safe:1"""


def fails_safely(engine: EngineView) -> Result:
    image, front = engine.image(SAFE), engine.container("shop-front")
    if image is None:
        return missing(f"이미지 `{SAFE}`", "docker images", FAILS_SAFELY)
    if front is None or not front["State"]["Running"]:
        return not_running("shop-front", front, FAILS_SAFELY) or missing("shop-front", "docker ps", FAILS_SAFELY)
    if front["Image"] != image["Id"]:
        return NotYet(
            expected=f"`{SAFE}`이 처음 그대로예요.",
            found=f"`{SAFE}`이 새 이미지로 바뀌었어요. 빌드가 성공했나 봐요.",
            read_from=f"docker inspect {SAFE}, docker inspect shop-front",
            hints=FAILS_SAFELY,
        )
    failed = _failed_since_the_last_success(engine)
    if not any(
        step["instruction"] == "RUN" and step["state"] == "failed" for build in failed for step in build["steps"]
    ):
        return NotYet(
            expected=f"`RUN`에서 실패한 `-t {SAFE}` 빌드",
            found=failed[-1]["error"] if failed else f"`-t {SAFE}`로 실패한 빌드가 없어요.",
            read_from="GET /kernel-engine/builds",
            hints=FAILS_SAFELY,
        )
    return Passed(f"빌드는 실패했지만 `{SAFE}`도, 실행 중인 `shop-front`도 그대로예요.")


def _failed_since_the_last_success(engine: EngineView) -> list[dict[str, Any]]:
    failed: list[dict[str, Any]] = []
    for build in engine.builds():
        if SAFE in build["tags"]:
            failed = [*failed, build] if build["error"] else []
    return failed


# solutions ----------------------------------------------------------------------------------------------------------
def _dockerfile(folder: str, *lines: str) -> str:
    """Writes a Dockerfile."""
    text = "\n".join(lines)
    return f"mkdir -p {folder} && cat > {folder}/Dockerfile <<'END'\n{text}\nEND\n"


NEWEST = "RUN wget -q -O /bin/c http://127.0.0.1:8801/c && chmod +x /bin/c"
LATEST = _dockerfile("moment", "FROM busybox", NEWEST)
BUILD = "docker build --network host -q"
UPGRADE = "cp store/c-2.0 shop/c"
SHOWS_MODE = 'CMD ["sh", "-c", "echo $MODE > /index.html; exec httpd -f -p 80 -h /"]'
WEB = _dockerfile("web", "FROM busybox", "ENV MODE=dev", SHOWS_MODE) + "docker build -q -t lab/web web\n"
PROD_WEB = _dockerfile("web", "FROM busybox", "ENV MODE=prod", SHOWS_MODE) + "docker build -q -t lab/web web\n"
MANY = "docker pull -q busybox && docker tag busybox lab/many\n"


def _runs(*names: str, image: str = "lab/many") -> str:
    return "\n".join(f"docker run -d --name {name} {image} sleep 1000" for name in names)


checks = {
    "02-1": Exercise(
        check=two_moments,
        setup=SHOP,
        solve=f"{LATEST}{BUILD} -t lab/app:2020 moment\n{UPGRADE}\n{BUILD} --no-cache -t lab/app:2021 moment",
        wrong={
            "캐시를 씀": f"{LATEST}{BUILD} -t lab/app:2020 moment\n{UPGRADE}\n{BUILD} -t lab/app:2021 moment",
            "창고를 먼저 바꿈": f"{UPGRADE}\n{LATEST}{BUILD} -t lab/app:2020 moment\n"
            f"{BUILD} --no-cache -t lab/app:2021 moment",
            "이름만 붙임": f"{LATEST}{BUILD} -t lab/app:2020 moment\ndocker tag lab/app:2020 lab/app:2021",
            "Dockerfile을 고침": f"{LATEST}{BUILD} -t lab/app:2020 moment\n{UPGRADE}\n"
            + _dockerfile("moment", "FROM busybox", NEWEST, "LABEL year=2021")
            + f"{BUILD} -t lab/app:2021 --no-cache moment",
            "하나만 만듦": f"{LATEST}{BUILD} -t lab/app:2020 moment",
        },
        containers=("shop",),
        images=MOMENTS,
    ),
    "02-2": Exercise(
        check=two_modes,
        solve=WEB + "docker run -d --name web-dev lab/web && docker run -d --name web-prod -e MODE=prod lab/web",
        wrong={
            "-e를 잊음": WEB + "docker run -d --name web-dev lab/web && docker run -d --name web-prod lab/web",
            "기본값이 prod": PROD_WEB
            + "docker run -d --name web-dev -e MODE=dev lab/web && docker run -d --name web-prod lab/web",
            "다시 빌드해서 바꿈": WEB
            + "docker run -d --name web-dev lab/web\n"
            + PROD_WEB
            + "docker run -d --name web-prod lab/web",
            "MODE를 보여 주지 않음": WEB
            + "docker run -d --name web-dev lab/web sleep 100 && "
            + "docker run -d --name web-prod -e MODE=prod lab/web sleep 100",
            "정지함": WEB
            + "docker run -d --name web-dev lab/web && docker run -d --name web-prod -e MODE=prod lab/web && "
            + "docker kill web-prod",
        },
        containers=("web-dev", "web-prod"),
        images=("lab/web",),
    ),
    "02-3": Exercise(
        check=three_servers,
        solve=MANY + _runs("w1", "w2", "w3"),
        wrong={
            "둘만 실행함": MANY + _runs("w1", "w2"),
            "하나는 다른 이미지": MANY + "docker pull -q debian:bookworm\n" + _runs("w1", "w2")
            + "\n" + _runs("w3", image="debian:bookworm"),
            "이미지가 둘": MANY + "docker pull -q debian:bookworm && docker tag debian:bookworm lab/many:2\n"
            + _runs("w1", "w2", "w3"),
            "금방 끝남": MANY + "docker run -d --name w1 lab/many && docker run -d --name w2 lab/many && "
            "docker run -d --name w3 lab/many",
        },
        containers=("w1", "w2", "w3"),
        images=("lab/many", "lab/many:2"),
    ),
    "02-4": Exercise(
        check=fails_safely,
        setup=FRONT,
        solve=_dockerfile("safe", "FROM busybox", "RUN false", 'CMD ["sleep", "3600"]')
        + "docker build -t lab/safe:1 safe; true",
        wrong={
            "성공하는 빌드": _dockerfile("safe", "FROM busybox", "RUN true", 'CMD ["sleep", "3600"]')
            + "docker build -q -t lab/safe:1 safe",
            "다른 이름으로 실패함": _dockerfile("safe", "FROM busybox", "RUN false")
            + "docker build -t lab/safe:2 safe; true",
            "빌드를 시작하지 못함": _dockerfile("safe", "FROM busybox", "RUM false")
            + "docker build -t lab/safe:1 safe; true",
            "서비스를 정지시킴": _dockerfile("safe", "FROM busybox", "RUN false")
            + "docker build -t lab/safe:1 safe; docker kill shop-front",
        },
        containers=("shop-front",),
        images=(SAFE,),
    ),
}  # fmt: skip
