"""Checks of lab 04: an image in a registry with its digest, a tag that was moved, a page on another server, an image
that came as a file, and names taken apart.
"""

from __future__ import annotations

import csv
import json
import tarfile
from pathlib import Path

from labs.checks import EngineView, Exercise, NotYet, Passed, Result
from labs.registry_view import Entry, Locked, NoRegistry, Registry

SECOND = "second"
REPOSITORY = "lab/page"
PORT = 5000
NEW_TITLE, OLD_TITLE = "공지 2판", "공지 1판"


def _missing(what: str, where: str, hints: tuple[str, ...], found: str = "아직 없어요.") -> NotYet:
    return NotYet(expected=what, found=found, read_from=where, hints=hints)


def _entry(tag: str) -> Entry | None:
    """What the registry has; None where there is no registry, no such repository or no such tag."""
    try:
        return Registry("127.0.0.1", PORT).entry(REPOSITORY, tag)
    except (Locked, NoRegistry):
        return None


def _not_pushed(tag: str, hints: tuple[str, ...]) -> NotYet:
    try:
        Registry("127.0.0.1", PORT).entries()
    except (Locked, NoRegistry):
        return _missing(
            f"{PORT}번 포트의 레지스트리에 올린 `{REPOSITORY}:{tag}`",
            f"GET http://127.0.0.1:{PORT}/v2/",
            ("먼저 레지스트리를 켜세요.", "과제 앞의 셀을 다시 실행하면 켜져요.", "docker ps로 registry를 확인하세요."),
            "레지스트리가 대답하지 않아요.",
        )
    return _missing(f"레지스트리의 `{REPOSITORY}:{tag}`", f"GET /v2/{REPOSITORY}/manifests/{tag}", hints)


# 04-1 ---------------------------------------------------------------------------------------------------------------
PUSHED = (
    "빌드하고, 레지스트리의 주소가 든 이름을 붙이고, 올리세요.",
    "docker build, docker tag, docker push 순서예요. 이름은 $FIRST:5000/lab/page:1.0이에요.",
    "docker build -t page:1.0 page\ndocker tag page:1.0 $FIRST:5000/lab/page:1.0\ndocker push $FIRST:5000/lab/page:1.0",
)


def pushed(engine: EngineView) -> Result:
    entry = _entry("1.0")
    if entry is None:
        return _not_pushed("1.0", PUSHED)
    mine = next((row for row in engine.images() if row["Id"] == entry.image_id), None)
    if mine is None:
        return NotYet(
            expected="레지스트리에 올린 것과 같은 이미지가 이 서버에도 있어요.",
            found="레지스트리에만 있어요.",
            read_from="docker images --digests",
            hints=PUSHED,
        )
    digests = {name.partition("@")[2] for name in mine.get("RepoDigests") or () if f"/{REPOSITORY}@" in name}
    if entry.digest not in digests:
        return NotYet(
            expected=f"이 서버의 `{REPOSITORY}`에 적힌 다이제스트가 레지스트리의 것과 같아요.",
            found="이 서버의 이미지에는 그 레지스트리의 다이제스트가 적혀 있지 않아요.",
            read_from="docker images --digests, 레지스트리의 Docker-Content-Digest",
            hints=PUSHED,
        )
    if not _serves(engine, entry.image_id, OLD_TITLE):
        return NotYet(
            expected=f"`page` 폴더로 만든 `{OLD_TITLE}`",
            found="다른 이미지예요.",
            read_from="이미지 안의 /www/index.html",
            hints=PUSHED,
        )
    return Passed(f"`{REPOSITORY}:1.0`의 다이제스트가 여러분의 서버와 레지스트리에서 같아요.")


def _serves(engine: EngineView, image_id: str, title: str) -> bool:
    code, said = engine.run(image_id, "cat", "/www/index.html")
    return code == 0 and f"<h1>{title}</h1>" in said


# 04-2 ---------------------------------------------------------------------------------------------------------------
MOVED = (
    "2.0을 새로 빌드해서 올린 다음, latest라는 이름표를 2.0에 붙여서 올리세요. 1.0은 건드리지 마세요.",
    "index.html을 고치고 docker build -t page:2.0 page를 하세요. docker tag와 docker push는 이름마다 한 번씩이에요.",
    "sed -i 's/공지 1판/공지 2판/' page/index.html\ndocker build -t page:2.0 page\n"
    "docker tag page:2.0 $FIRST:5000/lab/page:2.0 && docker push $FIRST:5000/lab/page:2.0\n"
    "docker tag page:2.0 $FIRST:5000/lab/page:latest && docker push $FIRST:5000/lab/page:latest",
)


def moved(engine: EngineView) -> Result:
    found = {tag: _entry(tag) for tag in ("1.0", "2.0", "latest")}
    for tag, entry in found.items():
        if entry is None:
            return _not_pushed(tag, MOVED if tag != "1.0" else PUSHED)
    old, new, latest = (entry for entry in found.values() if entry is not None)
    if latest.digest != new.digest:
        return NotYet(
            expected="`latest`와 `2.0`의 다이제스트가 같아요.",
            found="`latest`가 " + ("1.0을 가리켜요." if latest.digest == old.digest else "다른 이미지를 가리켜요."),
            read_from=f"레지스트리의 {REPOSITORY}:latest와 :2.0",
            hints=MOVED,
        )
    for entry, title in ((old, OLD_TITLE), (new, NEW_TITLE)):
        said = _page_of(engine, entry)
        if f"<h1>{title}</h1>" not in said or f"<title>{title}</title>" not in said:
            return NotYet(
                expected=f"`{REPOSITORY}:{entry.tag}`의 페이지는 `{title}`",
                found=_title(said),
                read_from=f"{REPOSITORY}:{entry.tag}의 /www/index.html",
                hints=MOVED,
            )
    return Passed("`latest`는 2.0을 가리키고, 1.0은 예전 그대로예요.")


def _page_of(engine: EngineView, entry: Entry) -> str:
    """Pulled by its digest, for the digest is what is asked for; a name that was not here goes again."""
    name = f"localhost:{PORT}/{entry.repository}@{entry.digest}"
    known = engine.image(name) is not None
    try:
        return engine.run(name, "cat", "/www/index.html")[1]
    finally:
        if not known:
            engine.remove_image(name)


def _title(page: str) -> str:
    title = page.partition("<title>")[2].partition("</title>")[0]
    return f"`{title}`" if title else "페이지가 없어요."


# 04-3 ---------------------------------------------------------------------------------------------------------------
NOTICE_PORT = 8080
NO_SERVER = (
    "둘째 서버부터 만드세요.",
    "과제 앞의 셀을 다시 실행하면 만들어져요.",
    f"%server create {SECOND}",
)
DEPLOYED = (
    "둘째 서버의 엔진에게 말해야 해요. --host나 --context를 쓰세요.",
    "이미지의 이름은 $FIRST:5000/lab/page:2.0이고, -p 8080:80이에요. 둘째 서버에는 빌드하지 않아도 돼요.",
    "docker --host $SECOND_HOST run -d --name notice -p 8080:80 $FIRST:5000/lab/page:2.0",
)


def deployed(engine: EngineView) -> Result:
    entry = _entry("2.0")
    if entry is None:
        return _not_pushed("2.0", MOVED)
    there = engine.server(SECOND)
    if there is None:
        return _missing(f"둘째 서버 `{SECOND}`", "%server", NO_SERVER, "그런 서버가 없어요.")
    found = there.container("notice")
    if found is None:
        here = engine.container("notice") is not None
        return _missing(
            f"`{SECOND}`에서 실행 중인 컨테이너 `notice`",
            "docker --host $SECOND_HOST ps -a",
            DEPLOYED,
            "여러분의 서버에 있어요. 둘째 서버가 아니에요." if here else "둘째 서버에 없어요.",
        )
    image = there.image(found["Image"]) or {}
    digests = {name.partition("@")[2] for name in image.get("RepoDigests") or ()}
    if entry.digest not in digests:
        return NotYet(
            expected=f"레지스트리의 `{REPOSITORY}:2.0`으로 실행한 컨테이너",
            found=f"이미지 `{found['Config']['Image']}`: 다이제스트가 레지스트리의 2.0과 달라요.",
            read_from="둘째 서버의 docker inspect notice, 이미지의 RepoDigests",
            hints=DEPLOYED,
        )
    page = there.published_page(NOTICE_PORT) if found["State"]["Running"] else None
    if page is None or page.status != 200 or f"<h1>{NEW_TITLE}</h1>" not in page.text:
        return NotYet(
            expected=f"둘째 서버의 {NOTICE_PORT}번 포트에서 `{NEW_TITLE}`",
            found="대답이 없어요." if page is None else _title(page.text),
            read_from=f"GET http://둘째 서버:{NOTICE_PORT}/",
            hints=DEPLOYED,
        )
    return Passed(f"둘째 서버의 {NOTICE_PORT}번 포트에서 `{NEW_TITLE}`이 열려요. 레지스트리에 올린 바로 그 이미지예요.")


# 04-4 ---------------------------------------------------------------------------------------------------------------
OFFLINE, ARCHIVE = "lab/offline:1.0", "page.tar"
CARRIED = (
    "docker save로 파일을 만들고, 둘째 서버에서 docker load로 읽으세요.",
    "레지스트리의 주소가 들지 않은 이름 lab/offline:1.0으로 빌드하세요. load는 둘째 서버의 엔진에게 말해야 해요.",
    "docker build -t lab/offline:1.0 page\ndocker save -o page.tar lab/offline:1.0\n"
    "docker --host $SECOND_HOST load -i page.tar",
)


def carried(engine: EngineView) -> Result:
    there, mine = engine.server(SECOND), engine.image(OFFLINE)
    if there is None or mine is None:
        what = f"둘째 서버 `{SECOND}`" if there is None else f"이미지 `{OFFLINE}`"
        where, hints = ("%server", NO_SERVER) if there is None else ("docker images", CARRIED)
        return _missing(what, where, hints)
    inside = _saved(engine.workspace / ARCHIVE)
    if mine["Id"] not in inside:
        return NotYet(
            expected=f"`{OFFLINE}`이 든 `{ARCHIVE}`",
            found="파일이 없거나 이미지를 담은 파일이 아니에요." if not inside else "다른 이미지가 들어 있어요.",
            read_from=f"노트북 옆의 {ARCHIVE}",
            hints=CARRIED,
        )
    theirs = there.image(OFFLINE)
    if theirs is None or theirs["Id"] != mine["Id"]:
        return NotYet(
            expected=f"둘째 서버에도 같은 ID의 `{OFFLINE}`",
            found="둘째 서버에 없어요." if theirs is None else "둘째 서버의 것은 ID가 달라요.",
            read_from="docker --host $SECOND_HOST images",
            hints=CARRIED,
        )
    if theirs.get("RepoDigests") and any("/offline@" in name for name in theirs["RepoDigests"]):
        return NotYet(
            expected="레지스트리를 거치지 않고 옮긴 이미지",
            found="레지스트리에서 받은 다이제스트가 적혀 있어요.",
            read_from="둘째 서버의 docker images --digests",
            hints=CARRIED,
        )
    return Passed("파일로 옮긴 이미지가 두 서버에서 같은 ID예요.")


def _saved(path: Path) -> set[str]:
    """The ids of the images in an archive of `docker save`; nothing where it is none."""
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile("manifest.json")
            listed = json.load(member) if member is not None else []
        return {f"sha256:{Path(item['Config']).name.removesuffix('.json')}" for item in listed}
    except (OSError, KeyError, TypeError, ValueError, tarfile.TarError):
        return set()


# 04-5 ---------------------------------------------------------------------------------------------------------------
NAMES = "names.csv"
PARTS = ("레지스트리", "네임스페이스", "저장소", "태그")
PORTED = "localhost:5000/team/wiki"
ANSWERS: dict[str, tuple[str, ...]] = {
    "ubuntu": ("docker.io", "library", "ubuntu", "latest"),
    "gildong/moniwiki:2.0": ("docker.io", "gildong", "moniwiki", "2.0"),
    PORTED: ("localhost:5000", "team", "wiki", "latest"),
    "gcr.io/google-samples/hello-app:1.0": ("gcr.io", "google-samples", "hello-app", "1.0"),
    "docker.io/library/busybox:latest": ("docker.io", "library", "busybox", "latest"),
}
READ = (
    "2절의 표를 보세요. 맨 앞 조각에 점이나 콜론이 있을 때만 레지스트리예요.",
    "안 적힌 레지스트리는 docker.io, 네임스페이스는 library, 태그는 latest예요. 앞 조각의 콜론은 포트예요.",
    "ubuntu,docker.io,library,ubuntu,latest\nlocalhost:5000/team/wiki,localhost:5000,team,wiki,latest",
)


def read(engine: EngineView) -> Result:
    path = engine.workspace / NAMES
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error):
        return _missing(f"노트북 옆의 `{NAMES}`", NAMES, READ)
    given = {row[0].strip(): tuple(cell.strip() for cell in row[1:]) for row in rows if row}
    for name, wanted in ANSWERS.items():
        if name not in given:
            return NotYet(expected=f"`{name}`의 줄", found="그 줄이 없어요.", read_from=NAMES, hints=READ)
        for part, right, said in zip(PARTS, wanted, (*given[name], *[""] * len(PARTS)), strict=False):
            if said != right:
                return NotYet(
                    expected=f"`{name}`의 {part}",
                    found=f"`{said}`라고 적혀 있어요." if said else "빈칸이에요.",
                    read_from=NAMES,
                    hints=READ,
                )
    return Passed("다섯 이름을 모두 바르게 읽었어요.")


# solutions ----------------------------------------------------------------------------------------------------------
#: a registry and the second server, as the lab leaves them
BEGIN = """docker context use default
bash registry.sh
labs server create second >/dev/null 2>&1
docker ps --filter name=registry"""


def end(engine: EngineView) -> None:
    """Also what solutions and learners named with the servers' address, which nobody knows beforehand."""
    engine.remove_container("registry")
    engine.remove_server(SECOND)
    for row in engine.images():
        for name in row.get("RepoTags") or ():
            if f"/{REPOSITORY}:" in name:
                engine.remove_image(name)


def _page(version: int) -> str:
    return f"sed -i 's/공지 .판/공지 {version}판/' page/index.html && docker build -q -t page:{version}.0 page\n"


def _push(version: int, *tags: str, at: str = "$FIRST") -> str:
    return "".join(
        f"docker tag page:{version}.0 {at}:{PORT}/{REPOSITORY}:{tag} && docker push -q {at}:{PORT}/{REPOSITORY}:{tag}\n"
        for tag in tags
    )


FIRST_EDITION = _page(1) + _push(1, "1.0")
BOTH = FIRST_EDITION + _page(2) + _push(2, "2.0", "latest")
RUN = f"run -d --name notice -p {NOTICE_PORT}:80 $FIRST:{PORT}/{REPOSITORY}"
BUILD = _page(1) + f"docker tag page:1.0 {OFFLINE}\n"
LOAD = f"docker --host $SECOND_HOST load -i {ARCHIVE}\n"
SAVE = f"docker save -o {ARCHIVE} {OFFLINE}\n"
OWN = ("page:1.0", "page:2.0", OFFLINE)


def _names(answers: dict[str, tuple[str, ...]]) -> str:
    lines = "\n".join(",".join((name, *parts)) for name, parts in answers.items())
    return f"cat > {NAMES} <<'END'\n이름,{','.join(PARTS)}\n{lines}\nEND"


checks = {
    "04-1": Exercise(
        check=pushed,
        solve=FIRST_EDITION,
        wrong={
            "올리지 않음": _page(1) + f"docker tag page:1.0 $FIRST:{PORT}/{REPOSITORY}:1.0",
            "다른 태그": _page(1) + _push(1, "1"),
            "다른 이미지": "docker pull -q busybox && docker tag busybox page:1.0\n" + _push(1, "1.0"),
            "올린 뒤에 지움": FIRST_EDITION
            + f"docker rmi -f page:1.0 $FIRST:{PORT}/{REPOSITORY}:1.0",
        },
        images=OWN,
        setup=BEGIN,
        cleanup=end,
    ),
    "04-2": Exercise(
        check=moved,
        solve=BOTH,
        wrong={
            "latest를 옮기지 않음": FIRST_EDITION + _push(1, "latest") + _page(2) + _push(2, "2.0"),
            "latest가 없음": FIRST_EDITION + _page(2) + _push(2, "2.0"),
            "1.0까지 바꿈": BOTH + _push(2, "1.0"),
            "고치지 않음": FIRST_EDITION + "docker tag page:1.0 page:2.0\n" + _push(2, "2.0", "latest"),
            "제목만 고침": FIRST_EDITION
            + "sed -i 's|<title>공지 1판|<title>공지 2판|' page/index.html && docker build -q -t page:2.0 page\n"
            + _push(2, "2.0", "latest"),
        },
        images=OWN,
        setup=BEGIN,
        cleanup=end,
    ),
    "04-3": Exercise(
        check=deployed,
        solve=f"{BOTH}docker --host $SECOND_HOST rm -f notice\ndocker --host $SECOND_HOST {RUN}:2.0",
        wrong={
            "여러분의 서버에 배포함": f"{BOTH}docker {RUN}:2.0",
            "1.0을 배포함": f"{BOTH}docker --host $SECOND_HOST {RUN}:1.0",
            "포트를 바꿔 씀": f"{BOTH}docker --host $SECOND_HOST {RUN.replace('8080:80', '80:8080')}:2.0",
            "정지함": f"{BOTH}docker --host $SECOND_HOST {RUN}:2.0 && docker --host $SECOND_HOST kill notice",
            "따로 빌드함": f"{BOTH}docker --host $SECOND_HOST build -q -t $FIRST:{PORT}/{REPOSITORY}:2.0 page && "
            f"docker --host $SECOND_HOST {RUN}:2.0",
        },
        containers=("notice",),
        images=OWN,
        setup=BEGIN,
        cleanup=end,
    ),
    "04-4": Exercise(
        check=carried,
        solve=BUILD + SAVE + LOAD,
        wrong={
            "읽어 들이지 않음": BUILD + SAVE,
            "여러분의 서버에서 읽음": BUILD + SAVE + LOAD.replace("--host $SECOND_HOST ", ""),
            "컨테이너를 저장함": BUILD
            + f"docker create --name packed {OFFLINE} && docker export -o {ARCHIVE} packed && "
            f"docker rm packed && docker save {OFFLINE} | docker --host $SECOND_HOST load",
            "레지스트리로 옮김": BUILD
            + SAVE
            + f"docker tag {OFFLINE} $FIRST:{PORT}/lab/offline:1.0 && docker push -q $FIRST:{PORT}/lab/offline:1.0 && "
            f"docker --host $SECOND_HOST pull -q $FIRST:{PORT}/lab/offline:1.0 && "
            f"docker --host $SECOND_HOST tag $FIRST:{PORT}/lab/offline:1.0 {OFFLINE} && "
            f"docker rmi $FIRST:{PORT}/lab/offline:1.0",
        },
        images=OWN,
        setup=BEGIN,
        cleanup=end,
    ),
    "04-5": Exercise(
        check=read,
        solve=_names(ANSWERS),
        wrong={
            "빈칸을 남김": _names({**ANSWERS, "ubuntu": ("", "", "ubuntu", "")}),
            "포트를 태그로 읽음": _names({**ANSWERS, PORTED: ("localhost", "team", "wiki", "5000")}),
            "줄을 지움": _names({name: parts for name, parts in ANSWERS.items() if name != "ubuntu"}),
        },
    ),
}  # fmt: skip
