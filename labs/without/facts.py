"""What the kernel said of both containers and of the machine: rows to be drawn. Pure.

`found` is the answer of POST /kernel-engine/without/{wall}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.without.table import WALLS

Found = Mapping[str, Any]
Seen = Mapping[str, Any]
#: names of a listing that are shown
NAMES = 10
_ID = re.compile(r"([0-9a-f]{12})[0-9a-f]{52}")
NOTHING, UNKNOWN = "없음", "·"
NAMESPACES = {
    "mnt": "파일 시스템(mount)",
    "pid": "프로세스 번호(pid)",
    "uts": "호스트 이름(uts)",
    "ipc": "프로세스 간 통신(ipc)",
    "net": "네트워크(net)",
    "cgroup": "cgroup 경로(cgroup)",
    "user": "사용자 번호(user)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing, as the machine, the container with all walls and the one without have it."""

    name: str
    source: str
    host: str
    walled: str
    without: str

    @property
    def differs(self) -> bool:
        return self.walled != self.without


@dataclass(frozen=True, slots=True)
class _Fact:
    name: str
    source: str
    of: Callable[[Seen], str]
    where: str = "Inside"  #: whose eyes: the container's process, or "Beside", the launcher's
    host: str = "Host"  #: what stands for the machine; "" = it has none


def rows(found: Found) -> tuple[Row, ...]:
    """Of the wall that was left out, first what leaked."""
    wall = found["Wall"]
    facts = [_row(found, fact) for fact in _FACTS[wall]]
    if wall in ("seccomp", "capabilities"):
        facts += [_row(found, _call(name)) for name in _seen(found, "All", "Inside").get("Calls", ())]
    if wall == "user":
        facts.append(
            Row(
                name="호스트가 보는 사용자 번호",
                source="/proc/PID/status (Uid)",
                host=UNKNOWN,
                walled=str(found["All"]["HostUser"]),
                without=str(found["Without"]["HostUser"]),
            )
        )
    space = WALLS[wall].space
    return (*facts, *((_space(found, space),) if space else ()))


def others(found: Found) -> tuple[Row, ...]:
    """The walls that both have."""
    own = WALLS[found["Wall"]].space
    spaces = [_space(found, kind) for kind in NAMESPACES if kind != own]
    rights = [
        _row(found, fact) for fact in (_SECCOMP, _RIGHTS) if not any(fact is mine for mine in _FACTS[found["Wall"]])
    ]
    return (*spaces, *rights)


def missing(found: Found) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The kernel call that is the wall, and what the other container has in its place (None: no such call)."""
    wall = WALLS[found["Wall"]]
    made = _step(found, "All", wall.call, wall.flag)
    instead = _step(found, "Without", wall.call, "") if made is not None and wall.space else None
    return made, instead


def _step(found: Found, run: str, call: str, flag: str) -> Mapping[str, Any] | None:
    fits = (step for step in found[run]["Steps"] if step["Name"] == call and flag in step["Arguments"] and step["Ok"])
    return next(fits, None)


# facts ---------------------------------------------------------------------------------------------------------------
def _listing(key: str) -> Callable[[Seen], str]:
    def of(seen: Seen) -> str:
        names = seen[key]
        more = f" … 그 밖에 {len(names) - NAMES}개" if len(names) > NAMES else ""
        return (" ".join(names[:NAMES]) + more) or NOTHING

    return of


def _limit(seen: Seen) -> str:
    text = seen["MemoryLimit"]
    return f"{int(text) // 1024**2}MiB" if text.isdigit() else "한도 없음"


def _call(name: str) -> _Fact:
    def of(seen: Seen) -> str:
        refused = seen["Calls"].get(name, "")
        return f"거절 ({refused})" if refused else "통했어요"

    return _Fact(name, "컨테이너의 프로세스가 직접 불러 봤어요", of, host="")


def _text(key: str) -> Callable[[Seen], str]:
    """Whole ids lose their end."""
    return lambda seen: _ID.sub(r"\1…", str(seen[key])) or NOTHING


_SECCOMP = _Fact(
    "시스템 콜 필터", "/proc/PID/status (Seccomp)", lambda seen: "켜짐 (2)" if seen["Seccomp"] else "꺼짐 (0)"
)
_RIGHTS = _Fact(
    "남은 권한(capability)", "/proc/PID/status (CapEff)", lambda seen: f"{int(seen['Capabilities'], 16).bit_count()}개"
)
_FACTS: dict[str, tuple[_Fact, ...]] = {
    "pid": (
        _Fact("보이는 프로세스", "/proc", lambda seen: f"{seen['ProcessCount']}개"),
        _Fact("자기 번호", "getpid(2)", _text("Pid"), host=""),
    ),
    "mount": (
        _Fact("바깥의 루트(/)", "/proc/LAUNCHER/root", _listing("Root"), where="Beside"),
        _Fact(
            "바깥에서 붙인 곳",
            "/proc/LAUNCHER/mountinfo",
            lambda seen: f"{seen['MountCount']}곳",
            where="Beside",
            host="",
        ),
    ),
    "uts": (_Fact("호스트 이름", "uname(2)", _text("HostName")),),
    "ipc": (_Fact("메시지 큐", "/dev/mqueue", _listing("Queues"), host="Beside"),),
    "net": (_Fact("네트워크 장치", "if_nameindex(3)", _listing("Interfaces")),),
    "cgroup": (
        _Fact("자기 cgroup의 경로", "/proc/PID/cgroup", _text("Cgroup"), host=""),
        _Fact("메모리 한도", "/sys/fs/cgroup", _limit, host=""),
    ),
    "user": (_Fact("사용자 번호의 표", "/proc/PID/uid_map", _text("UserMap")),),
    "seccomp": (_SECCOMP,),
    "capabilities": (_RIGHTS,),
    "pivot_root": (_Fact("루트(/)에 있는 것", "/", _listing("Root")),),
}


def _row(found: Found, fact: _Fact) -> Row:
    return Row(
        name=fact.name,
        source=fact.source,
        host=fact.of(_seen(found, "Without", fact.host)) if fact.host else UNKNOWN,
        walled=_told(fact, _seen(found, "All", fact.where)),
        without=_told(fact, _seen(found, "Without", fact.where)),
    )


def _space(found: Found, kind: str) -> Row:
    host = _seen(found, "Without", "Host")

    def told(run: str) -> str:
        number = _seen(found, run, "Inside").get("Namespaces", {}).get(kind)
        if number is None:
            return UNKNOWN
        if number == host["Namespaces"].get(kind):
            return "호스트와 같음"
        return "실험 상자와 같음" if number == _seen(found, run, "Beside")["Namespaces"].get(kind) else "따로"

    return Row(
        name=f"네임스페이스: {NAMESPACES[kind]}",
        source=f"/proc/PID/ns/{kind}",
        host=UNKNOWN,
        walled=told("All"),
        without=told("Without"),
    )


def _told(fact: _Fact, seen: Seen) -> str:
    return fact.of(seen) if seen else UNKNOWN


def _seen(found: Found, run: str, where: str) -> Seen:
    """{} where the container did not come so far."""
    return found[run][where] or {}
