"""The walls in the learner's words: what each is, what leaks without it, and why Docker has it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """`call` and `flag`: which kernel call of a start it is, and what of its arguments. `leak` is said when something
    was seen, `where` tells whose it was."""

    title: str
    space: str = ""  #: its kind under /proc/PID/ns; "" = it is no namespace
    call: str
    flag: str = ""
    leak: str
    why: str
    where: str
    example: str


_REAL = "샌 것은 진짜 호스트의 것이에요."

WALLS: dict[str, Wall] = {
    "pid": Wall(
        title="프로세스 번호",
        space="pid",
        call="clone3",
        flag="CLONE_NEWPID",
        leak="호스트의 프로세스가 모두 보여요. 벽이 있으면 자기 프로세스만 보이고, 번호도 1부터 새로 매겨요.",
        why="다른 프로세스가 보이면 그 명령줄에 적힌 비밀을 읽을 수 있고, 권한이 있으면 신호를 보내 끝낼 수도 있어요.",
        where=f"{_REAL} 호스트의 사용자는 상자에 없는 번호라서 안에서는 nobody(65534)로 보여요.",
        example="%without pid docker run --rm busybox ps",
    ),
    "mount": Wall(
        title="붙인 곳의 표(mount table)",
        space="mnt",
        call="unshare",
        flag="CLONE_NEWNS",
        leak="명령이 보는 것은 같아요. 망가진 쪽은 바깥이에요: 컨테이너가 붙인 파일 시스템이 바깥에도 붙었고, "
        "이어진 pivot_root가 바깥의 루트(/)까지 컨테이너의 것으로 바꿨어요.",
        why="컨테이너는 시작하면서 파일 시스템을 수십 번 붙여요. 표가 따로 있어야 호스트의 표가 그대로 남아요.",
        where="바뀐 것은 호스트가 아니라 실험 상자의 표예요. 진짜 호스트였다면 모든 프로그램이 루트를 잃었을 거예요.",
        example="%without mount docker run --rm busybox ls /",
    ),
    "uts": Wall(
        title="호스트 이름",
        space="uts",
        call="unshare",
        flag="CLONE_NEWUTS",
        leak="안에서도 호스트의 이름이 그대로 보여요. 벽이 있으면 컨테이너 ID가 이름이에요.",
        why="컨테이너마다 이름이 있어야 로그에서 구별할 수 있고, 안에서 이름을 바꿔도 호스트의 이름은 그대로예요.",
        where=_REAL,
        example="%without uts docker run --rm busybox hostname",
    ),
    "ipc": Wall(
        title="프로세스 간 통신",
        space="ipc",
        call="unshare",
        flag="CLONE_NEWIPC",
        leak="바깥 프로세스가 만든 메시지 큐가 안에서 보여요. 벽이 있으면 큐도 공유 메모리도 비어 있어요.",
        why="다른 프로그램의 큐와 공유 메모리에 손댈 수 있으면, 데이터베이스처럼 그것을 쓰는 프로그램이 망가져요.",
        where="샌 것은 호스트가 아니라 실험 상자의 것이에요. 볼 것이 있도록 상자가 큐 하나를 미리 놓아뒀어요.",
        example="%without ipc docker run --rm busybox ls /dev/mqueue",
    ),
    "net": Wall(
        title="네트워크",
        space="net",
        call="unshare",
        flag="CLONE_NEWNET",
        leak="호스트의 네트워크 장치와 주소가 모두 보여요. 벽이 있으면 자기 장치만 보여요.",
        why="장치를 나눠 쓰면 포트도 나눠 써요. 80번은 컨테이너 하나만 쓸 수 있고, 호스트의 127.0.0.1에만 열어 둔 "
        "서비스에도 닿아요.",
        where=f"{_REAL} 벽이 있는 쪽은 lo뿐이에요. 실험 상자의 컨테이너는 브리지에 꽂지 않아요.",
        example="%without net docker run --rm busybox ip addr",
    ),
    "cgroup": Wall(
        title="자원의 묶음과 한도(cgroup)",
        space="cgroup",
        call="unshare",
        flag="CLONE_NEWCGROUP",
        leak="호스트에서의 cgroup 경로가 그대로 보여요. 벽이 있으면 자기 묶음이 맨 위(/)예요. --memory 같은 "
        "한도도 함께 사라져요.",
        why="경로에는 호스트가 무엇을 어떻게 나눠 돌리는지 적혀 있어요. 한도가 없으면 컨테이너 하나가 메모리와 CPU를 "
        "다 써서 나머지를 멈춰요.",
        where=f"{_REAL} 컴퓨터를 지키려고 실험 상자 전체에는 한도가 있어요.",
        example="%without cgroup docker run --rm --memory 32m busybox cat /proc/self/cgroup",
    ),
    "user": Wall(
        title="사용자 번호",
        space="user",
        call="clone3",
        flag="CLONE_NEWUSER",
        leak="안의 root(0)가 호스트에서도 root(0)예요. 벽이 있으면 호스트에 없는 사용자 번호예요.",
        why="다른 벽에 구멍이 나도, 빠져나온 프로세스가 호스트에서 아무 권한이 없게 해요. 도커는 이 벽을 기본으로는 "
        "세우지 않아요(dockerd --userns-remap).",
        where="왼쪽은 사용자 네임스페이스 안에서, 오른쪽은 그것 없이 돌았어요. 나머지 벽은 둘 다 있어요.",
        example="%without user docker run --rm busybox cat /proc/self/uid_map",
    ),
    "seccomp": Wall(
        title="시스템 콜 필터(seccomp)",
        call="seccomp",
        leak="필터가 없어서, 막혀 있던 시스템 콜이 통했어요.",
        why="커널의 시스템 콜은 삼백 개가 넘고 컨테이너가 쓰는 것은 일부예요. 나머지를 막으면 커널의 버그를 "
        "건드릴 길이 줄어요.",
        where="시스템 콜은 진짜 커널이 받았어요. 실험 상자의 사용자라서 호스트에서는 아무 일도 일어나지 않아요.",
        example="%without seccomp docker run --rm busybox unshare -U id",
    ),
    "capabilities": Wall(
        title="root의 권한(capability)",
        call="prctl",
        flag="PR_CAPBSET_DROP",
        leak="root의 권한이 모두 남아서, 거절되던 일이 통했어요. seccomp는 그대로라 mount 같은 호출은 여전히 막혀요.",
        why="컨테이너의 root는 권한 열네 개면 돼요. 네트워크 장치 바꾸기, 커널 모듈 넣기, 시계 바꾸기는 컴퓨터 전체에 "
        "미쳐요.",
        where="권한은 진짜지만 실험 상자 안에서만 통해요. 그래서 호스트의 것은 바뀌지 않아요.",
        example="%without capabilities docker run --rm busybox ip link set lo down",
    ),
    "pivot_root": Wall(
        title="루트(/)",
        call="pivot_root",
        leak="루트(/)가 호스트의 것 그대로예요. 명령도 이미지가 아니라 호스트의 파일에서 찾았어요.",
        why="이미지를 아무리 잘 만들어도 루트를 바꾸지 않으면 안에서는 호스트의 파일이 보여요. 이 호출 한 번이 "
        "이미지를 컨테이너의 루트로 만들어요.",
        where="진짜 호스트의 파일이고, 읽기만 할 수 있어요. 실험 상자의 사용자에게 열린 것만 보이지만, 진짜 root라면 "
        "/etc/shadow도 읽혀요.",
        example="%without pivot_root docker run --rm busybox ls /",
    ),
}
NAMES = ", ".join(WALLS)
#: what every page says of the place
SANDBOX = (
    "두 컨테이너는 몇 초만 사는 실험 상자에서, 여러분의 엔진이 아니라 상자의 launcher가 시작했어요. 상자의 root는 "
    "호스트에 없는 사용자라서 호스트의 아무것도 바꿀 수 없고, 호스트의 파일은 모두 읽기 전용이에요."
)
#: the wall that a sandbox is itself: the other one goes without it
SANDBOX_OF_USER = (
    "두 컨테이너는 몇 초만 사는 실험 상자에서, 여러분의 엔진이 아니라 상자의 launcher가 시작했어요. 호스트의 파일은 "
    "모두 읽기 전용이에요."
)
CLEAN = "상자는 사라졌고, 이 컴퓨터에 남은 것은 없어요."
