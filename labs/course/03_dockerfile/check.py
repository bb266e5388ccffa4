"""Checks of lab 03: an image from one RUN, a published wiki with a title of its own, a small image, an order that saves
the cache, a server that ends when it is asked to, and a Dockerfile that has been mended.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, first_line, missing

BASE = "debian:bookworm"
MEGABYTE = 1_000_000


def _layers(image: dict[str, Any]) -> list[str]:
    return list(image["RootFS"]["Layers"] or ())


# 03-1 ---------------------------------------------------------------------------------------------------------------
WITH_GIT = (
    "1절의 Dockerfile에서 RUN 두 줄을 한 줄로 합치면 돼요.",
    "명령 둘은 &&로 이어요. 앞의 것이 성공해야 뒤의 것이 실행돼요.",
    "새 셀에 다음을 쓰세요.\n%%dockerfile -t lab:git-df git-df\nFROM debian:bookworm\n"
    "RUN apt-get update && apt-get install -y --no-install-recommends git",
)


def with_git(engine: EngineView) -> Result:
    made, base = engine.image("lab:git-df"), engine.image(BASE)
    if made is None or base is None:
        return missing("이미지 `lab:git-df`" if made is None else f"이미지 `{BASE}`", "docker images", WITH_GIT)
    below = _layers(base)
    if _layers(made)[: len(below)] != below or len(_layers(made)) != len(below) + 1:
        return NotYet(
            expected=f"`{BASE}`의 레이어 위에 한 장을 더한 이미지",
            found=f"`lab:git-df`의 레이어는 {len(_layers(made))}장이에요."
            if _layers(made)[: len(below)] == below
            else f"`{BASE}`에서 시작하지 않았어요.",
            read_from="docker inspect lab:git-df의 RootFS.Layers",
            hints=WITH_GIT,
        )
    top = next((row["CreatedBy"] for row in engine.history("lab:git-df") if row["Size"]), "")
    if "apt-get update" not in top or "apt-get install" not in top:
        return NotYet(
            expected="`apt-get update`와 `apt-get install`이 함께 있는 `RUN` 하나",
            found=f"맨 위 레이어를 만든 명령: `{top[:80]}`",
            read_from="docker history lab:git-df",
            hints=WITH_GIT,
        )
    code, said = engine.run("lab:git-df", "git", "--version")
    if code:
        return NotYet(
            expected="`lab:git-df`에서 `git --version`이 버전을 보여 줘요.",
            found=first_line(said),
            read_from="docker run --rm lab:git-df git --version",
            hints=WITH_GIT,
        )
    return Passed("`git`이 든 레이어는 한 장이고, 어떻게 만들었는지가 내력에 남아 있어요.")


# 03-2 ---------------------------------------------------------------------------------------------------------------
TEAM_PORT = "9000"
TEAM_TITLE = "팀 위키"
TEAM_WIKI = (
    "이미지는 그대로 두고 docker run의 옵션으로 포트와 제목을 정하세요.",
    "포트는 -p 외부:내부, 제목은 -e WIKI_TITLE='…'이에요. 이름이 이미 있으면 docker rm -f team-wiki부터 하세요.",
    "docker run -d --name team-wiki -p 9000:80 -e WIKI_TITLE='팀 위키' wiki",
)


def team_wiki(engine: EngineView) -> Result:
    found, image = engine.container("team-wiki"), engine.image("wiki")
    if found is None or image is None:
        return missing("컨테이너 `team-wiki`" if found is None else "이미지 `wiki`", "docker ps -a", TEAM_WIKI)
    if found["Image"] != image["Id"]:
        return NotYet(
            expected="`team-wiki`의 이미지는 `wiki`",
            found=f"`{found['Config']['Image']}` (다른 이미지이거나 다시 빌드하기 전의 이미지)",
            read_from="docker inspect team-wiki의 Image",
            hints=TEAM_WIKI,
        )
    bound = (found["HostConfig"]["PortBindings"] or {}).get("80/tcp") or [{"HostPort": "없음"}]
    if bound[0]["HostPort"] != TEAM_PORT or not found["State"]["Running"]:
        return NotYet(
            expected=f"실행 중이고, 호스트의 {TEAM_PORT}번이 컨테이너의 80번으로 이어져요.",
            found=f"상태: {found['State']['Status']}, 80번에 이어진 호스트의 포트: {bound[0]['HostPort']}",
            read_from="docker inspect team-wiki의 State, HostConfig.PortBindings",
            hints=TEAM_WIKI,
        )
    page = engine.published_page(int(TEAM_PORT))
    if page is None or page.status != 200 or f"[{TEAM_TITLE}]</title>" not in page.text:
        title = page.text.partition("<title>")[2].partition("</title>")[0] if page is not None else ""
        return NotYet(
            expected=f"제목이 `{TEAM_TITLE}`인 페이지",
            found="대답이 없어요." if page is None else f"상태 {page.status}, 제목 `{title}`",
            read_from=f"GET http://127.0.0.1:{TEAM_PORT}/",
            hints=TEAM_WIKI,
        )
    return Passed(f"http://127.0.0.1:{TEAM_PORT} 에서 `{TEAM_TITLE}`가 열려요. 이미지는 `wiki` 그대로예요.")


# 03-3 ---------------------------------------------------------------------------------------------------------------
MOST_LAYERS = 2
MOST_BYTES = 5 * MEGABYTE
REPORT = ["20000000", "done"]
SLIM = (
    "큰 파일을 만들고, 쓰고, 지우는 일을 모두 같은 레이어에서 하세요.",
    "RUN 여러 줄을 &&로 이어 한 줄로 만드세요. 긴 줄은 끝에 \\를 쓰고 다음 줄로 넘겨요.",
    "FROM busybox\nRUN mkdir /report && head -c 20000000 /dev/zero > /tmp/data && wc -c < /tmp/data > /report/size.txt "
    "&& \\\n    rm /tmp/data && echo done >> /report/size.txt && chmod 444 /report/size.txt\n"
    'CMD ["cat", "/report/size.txt"]',
)


def slim(engine: EngineView) -> Result:
    made, base = engine.image("lab/slim"), engine.image("busybox")
    if made is None or base is None:
        return missing("이미지 `lab/slim`" if made is None else "이미지 `busybox`", "docker images", SLIM)
    code, said = engine.run("lab/slim")
    if code or said.split() != REPORT:
        return NotYet(
            expected=f"`{' '.join(REPORT)}`이 한 줄씩 나와요.",
            found=first_line(said),
            read_from="docker run --rm lab/slim",
            hints=SLIM,
        )
    more = len(_layers(made)) - len(_layers(base))
    if more > MOST_LAYERS or made["Size"] > MOST_BYTES:
        return NotYet(
            expected=f"`busybox`보다 레이어가 {MOST_LAYERS}장까지 많고 {MOST_BYTES // MEGABYTE}MB를 넘지 않아요.",
            found=f"레이어 {more}장이 더 있고, 크기는 {made['Size'] / MEGABYTE:.0f}MB예요.",
            read_from="docker inspect lab/slim의 RootFS.Layers, Size",
            hints=SLIM,
        )
    return Passed(f"같은 것을 출력하면서 {made['Size'] / MEGABYTE:.0f}MB가 됐어요. 더한 레이어는 {more}장이에요.")


# 03-4 ---------------------------------------------------------------------------------------------------------------
FOLDER = "slow"
TRIAL = "docker-labs-check/slow"
CAREFUL_ORDER = (
    "자주 바뀌는 index.html을 복사하는 줄을 어디에 두면 좋을까요?",
    "slow/Dockerfile을 열어 COPY 줄을 RUN 줄들 아래로 옮기세요. 다른 줄은 그대로 두세요.",
    'FROM busybox\nRUN sleep 2 && mkdir -p /tools && echo "tool 1.0" > /tools/version\nRUN mkdir -p /var/log/web\n'
    'COPY . /www/\nEXPOSE 80\nCMD ["httpd", "-f", "-p", "80", "-h", "/www"]',
)


def careful_order(engine: EngineView) -> Result:
    folder = engine.workspace / FOLDER
    if not (folder / "Dockerfile").is_file() or not (folder / "index.html").is_file():
        return missing(f"`{FOLDER}/Dockerfile`과 `{FOLDER}/index.html`", "노트북 옆의 폴더", CAREFUL_ORDER)
    names = (f"{TRIAL}:1", f"{TRIAL}:2")
    try:
        with tempfile.TemporaryDirectory(prefix="docker-labs-") as scratch:
            copied = Path(shutil.copytree(folder, Path(scratch, FOLDER)))
            for name in names:
                code, said = engine.docker("build", "-q", "-t", name, str(copied))
                if code:
                    return NotYet(
                        expected=f"`{FOLDER}/Dockerfile`이 빌드돼요.",
                        found=said.strip().splitlines()[-1][:120],
                        read_from=f"docker build {FOLDER}",
                        hints=CAREFUL_ORDER,
                    )
                with (copied / "index.html").open("a") as page:
                    page.write("<p>고친 줄</p>\n")
        return _compared(engine, *names)
    finally:
        for name in names:
            engine.remove_image(name)


def _compared(engine: EngineView, before: str, after: str) -> Result:
    code, said = engine.run(after, "sh", "-c", "cat /tools/version; ls -d /var/log/web; tail -n 1 /www/index.html")
    if code or said.splitlines() != ["tool 1.0", "/var/log/web", "<p>고친 줄</p>"]:
        return NotYet(
            expected="`/tools/version`, `/var/log/web`, 고친 `/www/index.html`이 모두 있어요.",
            found=first_line(said) if code else "고친 글이나 설치한 도구가 없어요.",
            read_from="빌드한 이미지의 파일",
            hints=CAREFUL_ORDER,
        )
    first, second = (_layers(engine.image(name) or {"RootFS": {"Layers": ()}}) for name in (before, after))
    same = next((at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), len(first))
    if same != len(second) - 1:
        return NotYet(
            expected="`index.html`을 고치면 맨 위 레이어 한 장만 바뀌어요.",
            found=f"{len(second)}장 가운데 위의 {len(second) - same}장이 바뀌었어요.",
            read_from="두 번 빌드한 이미지의 RootFS.Layers",
            hints=CAREFUL_ORDER,
        )
    return Passed(f"`index.html`을 고쳤을 때 {len(second)}장 가운데 맨 위 한 장만 바뀌었어요.")


# 03-5 ---------------------------------------------------------------------------------------------------------------
QUICK_SECONDS = 3
GOOD_CODES = (0, 143)
QUICK = (
    "docker stop의 신호를 아파치가 직접 받게 하세요. PID 1이 누구인지가 열쇠예요.",
    "FROM wiki 아래에 CMD를 새로 쓰세요. 실행 형식으로 쓰고, 셸이 필요하면 마지막 명령 앞에 exec를 붙여요.",
    "새 셀에 다음을 쓰세요.\n%%dockerfile -t lab/quick quick\nFROM wiki\n"
    'CMD ["bash", "-c", ". /etc/apache2/envvars && exec apache2 -D FOREGROUND"]',
)


def quick(engine: EngineView) -> Result:
    made, wiki = engine.image("lab/quick"), engine.image("wiki")
    if made is None or wiki is None:
        return missing("이미지 `lab/quick`" if made is None else "이미지 `wiki`", "docker images", QUICK)
    below = _layers(wiki)
    if _layers(made)[: len(below)] != below:
        return NotYet(
            expected="`wiki`에서 시작한 이미지",
            found="`lab/quick`의 아래쪽 레이어가 `wiki`와 달라요.",
            read_from="docker inspect lab/quick의 RootFS.Layers",
            hints=QUICK,
        )
    trial = engine.stop_trial("lab/quick")
    if not trial.stayed:
        return NotYet(
            expected="멈추라고 할 때까지 계속 실행돼요.",
            found=f"스스로 끝나 버렸어요. (종료 코드 {trial.code})",
            read_from="시험 삼아 실행한 컨테이너의 상태",
            hints=QUICK,
        )
    if trial.page is None or trial.page.status != 200:
        return NotYet(
            expected="80번 포트에서 위키가 나와요.",
            found="대답이 없어요." if trial.page is None else f"상태 {trial.page.status}",
            read_from="시험 삼아 실행한 컨테이너의 GET /",
            hints=QUICK,
        )
    if trial.seconds > QUICK_SECONDS or trial.code not in GOOD_CODES:
        return NotYet(
            expected=f"`docker stop`을 하면 {QUICK_SECONDS}초 안에 스스로 끝나요. (종료 코드 0이나 143)",
            found="기다려도 스스로 끝나지 않아서 강제로 끝났어요. (종료 코드 137)"
            if trial.code == 137
            else f"종료 코드 {trial.code}",
            read_from="시험 삼아 실행한 컨테이너의 docker stop",
            hints=QUICK,
        )
    return Passed(f"`docker stop`을 하자마자 종료 코드 {trial.code}로 스스로 끝났어요.")


# 03-6 ---------------------------------------------------------------------------------------------------------------
MENDED = (
    "한 번에 다 찾지 않아도 돼요. 빌드하면서 나오는 오류부터 하나씩 고치세요.",
    "주석은 줄의 맨 앞에서만 쓸 수 있어요. 폴더를 옮기려면 cd 말고 무엇을 썼나요? CMD는 몇 개까지 남을까요?",
    "FROM busybox\nWORKDIR /app\nCOPY hello.txt .\nRUN pwd > where.txt\nCMD cat hello.txt where.txt",
)


def mended(engine: EngineView) -> Result:
    made = engine.image("lab/fixed")
    if made is None:
        return missing("이미지 `lab/fixed`", "docker images", MENDED)
    if made["Config"].get("WorkingDir") != "/app":
        return NotYet(
            expected="작업 폴더 `/app`",
            found=f"`{made['Config'].get('WorkingDir') or '/'}`",
            read_from="docker inspect lab/fixed의 Config.WorkingDir",
            hints=MENDED,
        )
    code, said = engine.run("lab/fixed")
    if code or said.splitlines() != ["안녕하세요", "/app"]:
        return NotYet(
            expected="`안녕하세요`와 `/app`이 한 줄씩 나와요.",
            found=" / ".join(said.strip().splitlines()[:3]) or "아무것도 나오지 않았어요.",
            read_from="docker run --rm lab/fixed",
            hints=MENDED,
        )
    return Passed("`lab/fixed`가 `/app`에서 시작하고 두 줄을 보여 줘요.")


# solutions ----------------------------------------------------------------------------------------------------------
def _built(tag: str, folder: str, *lines: str) -> str:
    """Writes a Dockerfile and builds it."""
    text = "\n".join(lines)
    return f"mkdir -p {folder} && cat > {folder}/Dockerfile <<'END'\n{text}\nEND\ndocker build -q -t {tag} {folder}\n"


#: as in the lab
WIKI = _built(
    "wiki",
    "wiki",
    f"FROM {BASE}",
    "RUN apt-get update && \\",
    "    apt-get install -y --no-install-recommends apache2 libapache2-mod-php dokuwiki",
    "WORKDIR /etc/dokuwiki",
    "COPY local.php .",
    "COPY wiki.conf /etc/apache2/conf-available/",
    "RUN a2enconf wiki",
    "COPY --chown=www-data start.txt /var/lib/dokuwiki/data/pages/",
    'ENV WIKI_TITLE="도커 실습 위키"',
    "EXPOSE 80",
    "CMD . /etc/apache2/envvars && apache2 -D FOREGROUND",
)
PULL = f"docker pull -q {BASE} && docker pull -q busybox\n"
IN_ONE = "RUN apt-get update && apt-get install -y --no-install-recommends git"
PRETENDS = "printf '#!/bin/sh\\necho git version 2\\n' > /usr/bin/git && chmod +x /usr/bin/git"
TEAM = f"docker run -d --name team-wiki -p {TEAM_PORT}:80 -e WIKI_TITLE='{TEAM_TITLE}'"
ONE_RUN = (
    "RUN mkdir /report && head -c 20000000 /dev/zero > /tmp/data && wc -c < /tmp/data > /report/size.txt && "
    "rm /tmp/data && echo done >> /report/size.txt && chmod 444 /report/size.txt"
)
KEEPS_DATA = ONE_RUN.replace("rm /tmp/data && ", "")
SHOWS = 'CMD ["cat", "/report/size.txt"]'
TOOLS = 'RUN sleep 2 && mkdir -p /tools && echo "tool 1.0" > /tools/version'
LOGS = "RUN mkdir -p /var/log/web"
SERVES = 'CMD ["httpd", "-f", "-p", "80", "-h", "/www"]'
APACHE = ". /etc/apache2/envvars && exec apache2 -D FOREGROUND"


def _slow(*lines: str) -> str:
    """Only written: the check builds it."""
    text = "\n".join(("FROM busybox", *lines, "EXPOSE 80", SERVES))
    return f"cat > {FOLDER}/Dockerfile <<'END'\n{text}\nEND"


checks = {
    "03-1": Exercise(
        check=with_git,
        solve=PULL + _built("lab:git-df", "git-df", f"FROM {BASE}", IN_ONE),
        wrong={
            "설치하지 않음": PULL + _built("lab:git-df", "git-df", f"FROM {BASE}", "RUN apt-get --version > /version"),
            "RUN을 둘로 나눔": PULL
            + _built("lab:git-df", "git-df", f"FROM {BASE}", "RUN touch /apt-get-update", f"RUN {PRETENDS}"),
            "굳혀서 만듦": PULL + f'docker run --name pretends {BASE} bash -c "{PRETENDS}" && '
            "docker commit pretends lab:git-df",
            "다른 이미지에서 시작": PULL + _built("lab:git-df", "git-df", "FROM busybox", "RUN touch /git"),
        },
        containers=("pretends",),
        images=("lab:git-df",),
    ),
    "03-2": Exercise(
        check=team_wiki,
        solve=f"{WIKI}{TEAM} wiki",
        wrong={
            "제목을 바꾸지 않음": f"{WIKI}docker run -d --name team-wiki -p {TEAM_PORT}:80 wiki",
            "안쪽 포트를 틀림": f"{WIKI}docker run -d --name team-wiki -p {TEAM_PORT}:8080 -e WIKI_TITLE=x wiki",
            "포트를 열지 않음": f"{WIKI}docker run -d --name team-wiki -e WIKI_TITLE='{TEAM_TITLE}' wiki",
            "이미지를 새로 만듦": WIKI
            + _built("wiki:team", "team", "FROM wiki", f'ENV WIKI_TITLE="{TEAM_TITLE}"')
            + f"docker run -d --name team-wiki -p {TEAM_PORT}:80 wiki:team",
            "정지함": f"{WIKI}{TEAM} wiki && docker kill team-wiki",
        },
        containers=("team-wiki",),
        images=("wiki:team",),
    ),
    "03-3": Exercise(
        check=slim,
        solve=PULL + _built("lab/slim", "slim", "FROM busybox", ONE_RUN, SHOWS),
        wrong={
            "그대로 빌드함": PULL + "docker build -q -t lab/slim messy",
            "나중에 지움": PULL
            + _built("lab/slim", "slim", "FROM busybox", KEEPS_DATA, "RUN rm /tmp/data", SHOWS),
            "출력이 다름": PULL + _built("lab/slim", "slim", "FROM busybox", 'CMD ["echo", "done"]'),
            "레이어가 많음": PULL
            + _built("lab/slim", "slim", "FROM busybox", "RUN touch /one", "RUN touch /two", ONE_RUN, SHOWS),
        },
        images=("lab/slim",),
    ),
    "03-4": Exercise(
        check=careful_order,
        solve=PULL + _slow(TOOLS, LOGS, "COPY . /www/"),
        wrong={
            "가운데로 옮김": PULL + _slow(TOOLS, "COPY . /www/", LOGS),
            "설치를 지움": PULL + _slow(LOGS, "COPY . /www/"),
            "복사하지 않음": PULL + _slow(TOOLS, LOGS),
            "빌드되지 않음": PULL + _slow(TOOLS, LOGS, "COPY nothing.html /www/"),
        },
    ),
    "03-5": Exercise(
        check=quick,
        solve=WIKI + _built("lab/quick", "quick", "FROM wiki", f'CMD ["bash", "-c", "{APACHE}"]'),
        wrong={
            "셸 형식 그대로": f"{WIKI}docker tag wiki lab/quick",
            "셸이 남아 있음": WIKI
            + _built("lab/quick", "quick", "FROM wiki", f'CMD ["sh", "-c", "{APACHE.replace("exec ", "")}; true"]'),
            "시작하자마자 끝남": WIKI + _built("lab/quick", "quick", "FROM wiki", "CMD service apache2 start"),
            "다른 이미지에서 시작": WIKI
            + _built("lab/quick", "quick", "FROM busybox", 'CMD ["httpd", "-f", "-p", "80", "-h", "/"]'),
        },
        images=("lab/quick",),
    ),
    "03-6": Exercise(
        check=mended,
        solve=_built(
            "lab/fixed", "broken", "FROM busybox", "WORKDIR /app", "COPY hello.txt .", "RUN pwd > where.txt",
            "CMD cat hello.txt where.txt",
        ),
        wrong={
            "주석만 고침": "sed -i 's/ *#.*//' broken/Dockerfile && docker build -q -t lab/fixed broken",
            "CMD를 남김": _built(
                "lab/fixed", "broken", "FROM busybox", "WORKDIR /app", "COPY hello.txt .", "RUN pwd > where.txt",
                "CMD cat hello.txt where.txt", "CMD echo 끝",
            ),
            "cd를 남김": _built(
                "lab/fixed", "broken", "FROM busybox", "RUN mkdir /app", "RUN cd /app", "COPY hello.txt .",
                "RUN pwd > where.txt", "CMD cat hello.txt where.txt",
            ),
            "WORKDIR를 나중에 씀": _built(
                "lab/fixed", "broken", "FROM busybox", "COPY hello.txt .", "RUN pwd > where.txt", "WORKDIR /app",
                "CMD cat /hello.txt /where.txt",
            ),
        },
        images=("lab/fixed",),
    ),
}  # fmt: skip
