"""Checks of lab engine/08: a container of the learner's own, behind all walls; one with limits and little power."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, no_program, no_room
from labs.wall.view import Process

CGROUPS = Path("/sys/fs/cgroup")
PROCESSES, MEMORY = "10", "16777216"
#: Docker's fourteen capabilities, by their bits in linux/capability.h
FOURTEEN = 0xA80425FB


# engine/08-1 --------------------------------------------------------------------------------------------------------
OWN = (
    "3장의 run에서 한도와 케이블, 권한은 빼도 돼요. 벽, 루트, 이름, execve면 충분해요.",
    "clone3에 다섯 깃발을 모두 주고, 자식이 lay, sethostname, enter, execve 순서로 부르세요.",
    "pid, _ = process.clone3(WALLS)\nif pid == 0:\n    root = lay('mine')\n"
    "    process.sethostname('mine')\n    enter(root)\n"
    '    process.execve("/bin/sleep", ["sleep", "1000"], {})',
)
KINDS = {"uts": "이름", "pid": "번호", "mnt": "마운트", "ipc": "IPC", "net": "네트워크"}


def own(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(OWN)
    found = next(iter(room.running("sleep", "1000")), None)
    if found is None:
        return no_program("sleep 1000", OWN)
    shared = [word for kind, word in KINDS.items() if found.namespace(kind) == room.worker.namespace(kind)]
    if shared:
        return NotYet(
            expected="다섯 벽 모두",
            found=f"아직 함께 쓰는 것: {', '.join(shared)}",
            read_from="/proc/PID/ns",
            hints=OWN,
        )
    if found.inside != 1:
        return NotYet(
            expected="안에서 1번",
            found=f"안에서 {found.inside}번이에요.",
            read_from="/proc/PID/status의 NSpid",
            hints=OWN,
        )
    name = found.run(("uts",), "uname", "-n").strip()
    if name != "mine":
        return NotYet(expected="이름: mine", found="다른 이름이에요.", read_from="uname -n", hints=OWN)
    if found.stat("/bin/busybox") is None or len(_roots(found)) != 1:
        return NotYet(
            expected="이미지의 루트뿐",
            found="루트가 이미지가 아니거나, 호스트의 파일이 아직 보여요.",
            read_from="/proc/PID/root, /proc/PID/mountinfo",
            hints=OWN,
        )
    return Passed("이름이 `mine`인 컨테이너에서 1번이 `sleep 1000`을 실행하고 있어요. 손으로 만든 컨테이너예요.")


def _roots(found: Process) -> list[str]:
    """File systems of whole trees that it sees: its root, and a host's root that was left in it."""
    return [
        each.place for each in found.mounts() if each.place == "/" or found.stat(f"{each.place}/etc/passwd") is not None
    ]


# engine/08-2 --------------------------------------------------------------------------------------------------------
WEAK = (
    "3장의 run에 sleep 2000을 주고, limit의 두 숫자를 바꾸세요.",
    "limit(name, pid, pids=10, memory=16 << 20)은 부모가, give_up()은 자식이 execve 바로 앞에서 불러요.",
    'limit(name, pid, pids=10, memory=16 << 20)\n…\nrun(["sleep", "2000"], "weak", "172.30.0.9/16")',
)


def weak(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(WEAK)
    found = next(iter(room.running("sleep", "2000")), None)
    if found is None:
        return no_program("sleep 2000", WEAK)
    for controller, names, wanted in (
        ("pids", ("pids.max",), PROCESSES),
        ("memory", ("memory.limit_in_bytes", "memory.max"), MEMORY),
    ):
        limit = _limit(found, controller, names)
        if limit != wanted:
            return NotYet(
                expected=f"{controller}의 한도: {wanted}",
                found=f"{limit if limit.isdecimal() and len(limit) < 15 else '한도가 없어요.'}",
                read_from=f"/proc/PID/cgroup, {names[-1]}",
                hints=WEAK,
            )
    if any(int(found.status(field) or "0", 16) != FOURTEEN for field in ("CapBnd", "CapEff")):
        return NotYet(
            expected="도커의 열네 조각",
            found="조각이 더 있거나 모자라요.",
            read_from="/proc/PID/status의 CapBnd, CapEff",
            hints=WEAK,
        )
    if found.status("Seccomp") != "2":
        return NotYet(
            expected="거르개(Seccomp: 2)",
            found=f"Seccomp: {found.status('Seccomp')}",
            read_from="/proc/PID/status의 Seccomp",
            hints=WEAK,
        )
    return Passed("`sleep 2000`은 프로세스 10개, 메모리 16MiB 안에서 열네 조각과 거르개만 지니고 있어요.")


def _limit(found: Process, controller: str, names: Iterable[str]) -> str:
    groups = found.cgroups()
    for root in (CGROUPS / controller, CGROUPS):
        path = groups.get(controller, groups.get("", ""))
        for name in names:
            file = root / path.lstrip("/") / name
            if file.is_file():
                return file.read_text(encoding="ascii").strip()
    return ""


# solutions ----------------------------------------------------------------------------------------------------------
TOOLS = """import gzip, io, json, os, tarfile, time
from pathlib import Path
from kernel_engine.runtime import seccomp
from kernel_engine.runtime.capabilities import DEFAULT, NAMES, mask
from kernel_engine.syscalls import cgroupfs, mounts, process
from kernel_engine.syscalls.mounts import MountFlag, UmountFlag
from kernel_engine.syscalls.process import CloneFlag, Prctl

with tarfile.open("busybox.tar") as archive:
    def blob(name):
        return archive.extractfile("blobs/" + name.replace(":", "/")).read()
    manifest = json.loads(blob(json.loads(archive.extractfile("index.json").read())["manifests"][0]["digest"]))
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer["digest"])))) as opened:
            opened.extraction_filter = lambda member, place: member
            for member in opened:
                member.uid = member.gid = 0
                member.uname = member.gname = ""
            opened.extractall("/mnt/image")

def lay(name):
    for folder in ("upper", "work", "root"):
        os.makedirs(f"/mnt/{name}/{folder}")
    root = f"/mnt/{name}/root"
    data = f"lowerdir=/mnt/image,upperdir=/mnt/{name}/upper,workdir=/mnt/{name}/work,userxattr"
    mounts.mount("overlay", root, "overlay", data=data)
    mounts.mount("proc", f"{root}/proc", "proc")
    return root

def enter(root):
    os.chdir(root)
    mounts.pivot_root(".", ".")
    mounts.umount2(".", UmountFlag.MNT_DETACH)
    mounts.chdir("/")

def ended(pid):
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

def become(pid):
    while not ended(pid) and "sleep" not in open(f"/proc/{pid}/cmdline").read():
        time.sleep(0.01)

"""
MINE = """
WALLS = (
    CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWNS | CloneFlag.CLONE_NEWUTS | CloneFlag.CLONE_NEWIPC
    | CloneFlag.CLONE_NEWNET
)
pid, _ = process.clone3(WALLS)
if pid == 0:
    root = lay("mine")
    process.sethostname("mine")
    enter(root)
    process.execve("/bin/sleep", ["sleep", "1000"], {})
become(pid)
"""
LIMITED = """
seccomp.compile_profile(seccomp.default_text(), DEFAULT, Path("/mnt/profile"))
profile = Path("/mnt/profile").read_bytes()
v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
limits = {"pids": ("pids.max", "pids.max", "10"), "memory": ("memory.limit_in_bytes", "memory.max", "16777216")}
ready, go = os.pipe()
pid, _ = process.clone3(CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWNS)
if pid == 0:
    os.read(ready, 1)
    enter(lay("weak"))
    keep = mask(DEFAULT)
    for bit in range(len(NAMES)):
        if not keep >> bit & 1:
            process.prctl(Prctl.PR_CAPBSET_DROP, bit)
    process.seccomp(profile)
    process.capset(keep, keep, 0)
    process.execve("/bin/sleep", ["sleep", "2000"], {})
for controller, (first, second, value) in limits.items():
    group = "/sys/fs/cgroup/weak" if v2 else f"/sys/fs/cgroup/{controller}/weak"
    os.makedirs(group, exist_ok=True)
    cgroupfs.write(f"{group}/{second if v2 else first}", value)
    cgroupfs.write(f"{group}/cgroup.procs", str(pid))
os.write(go, b".")
become(pid)
"""


def _made(source: str) -> Work:
    def work(engine: EngineView) -> object:
        engine.must("docker pull -q busybox && docker save -o busybox.tar busybox")
        return engine.wall(f"{TOOLS}{source}")

    return work


checks = {
    "engine/08-1": Exercise(
        check=own,
        solve=_made(MINE),
        wrong={
            "벽이 하나 모자람": _made(MINE.replace("    | CloneFlag.CLONE_NEWNET\n", "")),
            "이름을 짓지 않음": _made(MINE.replace('    process.sethostname("mine")\n', "")),
            "루트를 바꾸지 않음": _made(MINE.replace("    enter(root)\n", "")),
            "옛 루트를 떼지 않음": _made(
                MINE.replace(
                    "enter(root)", 'os.mkdir(f"{root}/old"); mounts.pivot_root(root, f"{root}/old"); os.chdir("/")'
                )
            ),
        },
        room="own",
    ),
    "engine/08-2": Exercise(
        check=weak,
        solve=_made(LIMITED),
        wrong={
            "한도가 다름": _made(LIMITED.replace('"16777216"', '"33554432"')),
            "거르개 없이": _made(LIMITED.replace("    process.seccomp(profile)\n", "")),
            "한계를 낮추지 않음": _made(LIMITED.replace("process.prctl(Prctl.PR_CAPBSET_DROP, bit)", "pass")),
        },
        room="container",
    ),
}
