"""Checks of lab engine/07: a process whose root is an unpacked image, and a whiteout below an overlay."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, missing, no_program, no_room
from labs.wall.view import Mount, Process

IMAGE = "busybox"
PLACE, FILE = "/mnt/merged", "bin/vi"


# engine/07-1 --------------------------------------------------------------------------------------------------------
ROOT = (
    "이미지를 풀고, 자식의 루트를 그 폴더로 바꾸고, 설정의 Env를 환경 변수로 주어 execve를 부르세요.",
    "6장의 run과 같아요. 폴더 하나라면 pivot_root 대신 os.chroot도 괜찮아요. 프로그램은 새 루트의 /bin/sleep이에요.",
    'os.chroot("/mnt/layer1")\nos.chdir("/")\nprocess.execve("/bin/sleep", ["sleep", "1000"], environment)',
)


def rooted(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(ROOT)
    found = next(iter(room.running("sleep", "1000")), None)
    if found is None:
        return no_program("sleep 1000", ROOT)
    if not _runs_busybox_of_its_root(found):
        return NotYet(
            expected="푼 이미지를 루트로 하고 그 안의 busybox를 실행",
            found="호스트의 프로그램이거나, 루트에 이미지가 없어요.",
            read_from="/proc/PID/root, /proc/PID/exe",
            hints=ROOT,
        )
    wanted = _path_of_image(engine)
    if _path_of(found) != wanted:
        return NotYet(
            expected=f"PATH: {wanted}",
            found=f"PATH: {_path_of(found) or '없음'}",
            read_from="/proc/PID/environ",
            hints=ROOT,
        )
    return Passed("손으로 푼 이미지의 `sleep 1000`이 이미지의 설정대로 실행 중이에요.")


def _runs_busybox_of_its_root(found: Process) -> bool:
    try:
        return found.root() != "/" and os.path.samefile(found.file("/bin/busybox"), f"/proc/{found.pid}/exe")
    except OSError:
        return False


def _path_of(found: Process) -> str:
    try:
        lines = Path(f"/proc/{found.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((line[5:].decode() for line in lines if line.startswith(b"PATH=")), "")


def _path_of_image(engine: EngineView) -> str:
    lines = ((engine.image(IMAGE) or {}).get("Config") or {}).get("Env") or []
    return next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), "")


# engine/07-2 --------------------------------------------------------------------------------------------------------
HIDDEN = (
    "화이트아웃이 든 폴더를 하나 만들고, 그 폴더를 lowerdir의 앞쪽에 두세요.",
    "화이트아웃은 가릴 파일과 같은 이름의, 번호가 0:0인 문자 장치예요. 폴더 bin 안에 mknodat으로 만드세요.",
    'os.makedirs("/mnt/hide/bin")\ndirectory = os.open("/mnt/hide/bin", os.O_PATH)\n'
    'mounts.mknodat(directory, "vi", stat.S_IFCHR, 0, 0, shown="vi")\n'
    '… data="lowerdir=/mnt/hide:/mnt/layer1,upperdir=…,workdir=…,userxattr"',
)


def hidden(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(HIDDEN)
    worker = room.worker
    mount = worker.mount(PLACE)
    if mount is None or mount.kind != "overlay":
        return missing(f"{PLACE}에 마운트한 overlay", "/proc/PID/mountinfo", HIDDEN)
    lower = _folders(mount, "lowerdir")
    if len(lower) < 2 or not _is_file(worker, f"{lower[-1]}/{FILE}"):
        return NotYet(
            expected=f"맨 아래층에 {FILE}가 있는 두 겹 이상의 아래층",
            found=f"아래층 {len(lower)}겹",
            read_from="/proc/PID/mountinfo의 lowerdir",
            hints=HIDDEN,
        )
    if os.path.lexists(worker.file(f"{PLACE}/{FILE}")):
        return NotYet(
            expected=f"{PLACE}/{FILE}가 없음", found="아직 보여요.", read_from=f"{PLACE}/{FILE}", hints=HIDDEN
        )
    if not any(_is_whiteout(worker, f"{folder}/{FILE}") for folder in lower[:-1]):
        return NotYet(
            expected=f"아래층 가운데 하나에 {FILE}의 화이트아웃",
            found="아래층에는 화이트아웃이 없어요. 쓰는 층(upperdir)이 가리고 있어요.",
            read_from="lowerdir의 폴더들",
            hints=HIDDEN,
        )
    return Passed(f"아래층의 화이트아웃이 {FILE}를 가리고 있어요. 파일은 맨 아래층에 그대로 있어요.")


def _folders(mount: Mount, option: str) -> list[str]:
    """Of `lowerdir=/b:/a`, the upper one first."""
    words = (word.partition("=") for word in mount.data)
    return next((value.split(":") for name, _, value in words if name == option), [])


def _is_file(worker: Process, path: str) -> bool:
    return os.path.lexists(worker.file(path)) and not _is_whiteout(worker, path)


def _is_whiteout(worker: Process, path: str) -> bool:
    try:
        found = os.lstat(worker.file(path))
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


# solutions ----------------------------------------------------------------------------------------------------------
UNPACKED = """import gzip, io, json, os, stat, tarfile, time
from kernel_engine.syscalls import mounts, process

archive = tarfile.open("busybox.tar")

def blob(name):
    return archive.extractfile("blobs/" + name.replace(":", "/")).read()

manifest = json.loads(blob(json.loads(archive.extractfile("index.json").read())["manifests"][0]["digest"]))
config = json.loads(blob(manifest["config"]["digest"]))["config"]
for layer in manifest["layers"]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer["digest"])))) as opened:
        opened.extraction_filter = lambda member, place: member
        for member in opened:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
        opened.extractall("/mnt/box")
"""
RUNS = """
environment = dict(line.split("=", 1) for line in config["Env"])
pid = os.fork()
if pid == 0:
    os.chroot("/mnt/box")
    os.chdir("/")
    process.execve("/bin/sleep", ["sleep", "1000"], environment)
while "sleep" not in open(f"/proc/{pid}/cmdline").read():
    time.sleep(0.01)
"""
MARK = 'mounts.mknodat(directory, "vi", stat.S_IFCHR, 0, 0, shown="vi")'
HIDES = f"""
for folder in ("hide/bin", "upper", "work", "merged"):
    os.makedirs("/mnt/" + folder)
directory = os.open("/mnt/hide/bin", os.O_PATH)
{MARK}
data = "lowerdir=/mnt/hide:/mnt/box,upperdir=/mnt/upper,workdir=/mnt/work,userxattr"
mounts.mount("overlay", "/mnt/merged", "overlay", data=data)
"""


def _after_unpacking(source: str) -> Work:
    def work(engine: EngineView) -> object:
        engine.must("docker pull -q busybox && docker save -o busybox.tar busybox")
        return engine.wall(f"{UNPACKED}{source}")

    return work


checks = {
    "engine/07-1": Exercise(
        check=rooted,
        solve=_after_unpacking(RUNS),
        wrong={
            "루트를 바꾸지 않음": _after_unpacking(RUNS.replace('os.chroot("/mnt/box")', "")),
            "환경 변수가 다름": _after_unpacking(RUNS.replace(", environment)", ', {"PATH": "/bin"})')),
            "빈 환경": _after_unpacking(RUNS.replace(", environment)", ", {})")),
            "작업실을 열지 않음": "",
        },
        room="own",
    ),
    "engine/07-2": Exercise(
        check=hidden,
        solve=_after_unpacking(HIDES),
        wrong={
            "쓰는 층에서 지움": _after_unpacking(f'{HIDES.replace(MARK, "")}os.remove("/mnt/merged/bin/vi")'),
            "표시가 보통 파일": _after_unpacking(HIDES.replace(MARK, 'open("/mnt/hide/bin/vi", "w").close()')),
            "맨 아래층에서 지움": _after_unpacking(f'os.remove("/mnt/box/bin/vi")\n{HIDES}'),
        },
        room="own",
    ),
}
