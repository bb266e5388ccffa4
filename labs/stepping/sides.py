"""What host and container look like where a start stands: one row for each thing that is compared. Pure.

`view` is the answer of GET /kernel-engine/containers/{id}/steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING_YET = "아직 없어요"
KINDS = {
    "pid": "프로세스 번호(pid)",
    "mnt": "마운트(mnt)",
    "uts": "호스트 이름(uts)",
    "ipc": "프로세스 간 통신(ipc)",
    "net": "네트워크(net)",
    "cgroup": "cgroup 경로(cgroup)",
    "user": "사용자(user)",
}
SHARED, APART = "같이 써요", "따로예요"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing on both sides. `fixed`: the inside in words that are the same on every run and machine."""

    name: str
    host: str
    inside: str
    fixed: str
    apart: bool  #: the container has its own
    source: str  #: where it was read


def rows(view: Mapping[str, Any]) -> tuple[Row, ...]:
    kernel, inside = view["Kernel"], view["Inside"]
    if kernel is None:
        return (_row("프로세스", f"엔진 {view['Host']['Pid']}", NOTHING_YET, source="/proc"),)
    if inside is None:
        inside = {"Hostname": "", "Group": "", "User": 0, "Gid": 0}
    return (
        _process(view, kernel),
        *(_namespace(space) for space in kernel["Namespaces"] if space["Kind"] in KINDS),
        _hostname(view, inside),
        _mounts(view, kernel),
        _group(view, inside, kernel),
        _users(kernel, inside),
        *_rights(kernel),
    )


def changed(now: Sequence[Row], before: Sequence[Row]) -> frozenset[str]:
    """Names of rows that the calls since the last stop have changed."""
    known = {row.name: row.fixed for row in before}
    return frozenset(row.name for row in now if known.get(row.name, row.fixed) != row.fixed)


def _row(name: str, host: str, inside: str, *, source: str, fixed: str = "", apart: bool = False) -> Row:
    return Row(name=name, host=host, inside=inside, fixed=fixed or inside, apart=apart, source=source)


def _process(view: Mapping[str, Any], kernel: Mapping[str, Any]) -> Row:
    first = next((item for item in kernel["Processes"] if item["Pid"] == view["Pid"]), None)
    number = first["InnerPid"] if first else 1
    apart = number != view["Pid"]
    inside = f"pid {number}"
    return _row("프로세스", f"pid {view['Pid']}", inside, source=f"/proc/{view['Pid']}/status", apart=apart)


def _namespace(space: Mapping[str, Any]) -> Row:
    said = SHARED if space["Shared"] else APART
    return _row(
        KINDS[space["Kind"]],
        str(space["HostInode"]),
        f"{space['Inode']} {said}",
        source=space["Source"],
        fixed=said,
        apart=not space["Shared"],
    )


def _hostname(view: Mapping[str, Any], inside: Mapping[str, Any]) -> Row:
    host, name = view["Host"]["Hostname"], inside["Hostname"]
    same = name in ("", host)
    fixed = "호스트와 같아요" if same else "자기 이름이 있어요"
    return _row("호스트 이름", host, name or host, source="uname(2)", fixed=fixed, apart=not same)


def _mounts(view: Mapping[str, Any], kernel: Mapping[str, Any]) -> Row:
    found = kernel["Mounts"]
    overlay = any(mount["Target"] == "/" and mount["Type"] == "overlay" for mount in found)
    copied = not next((space["Shared"] for space in kernel["Namespaces"] if space["Kind"] == "mnt"), True)
    root = "이미지" if overlay else "호스트"
    fixed = f"루트(/)는 {root}의 것"
    if copied and not overlay:
        fixed += ", 붙인 것은 따로"
    source = f"/proc/{view['Pid']}/mountinfo"
    return _row(
        "붙인 곳(mount)", f"{view['Host']['Mounts']}곳", f"{len(found)}곳, {fixed}", source=source, fixed=fixed,
        apart=overlay,
    )  # fmt: skip


def _group(view: Mapping[str, Any], inside: Mapping[str, Any], kernel: Mapping[str, Any]) -> Row:
    """Its own group is named by its id."""
    path = inside["Group"]
    apart = path.endswith(kernel["Id"])
    limits = {value["Path"].rpartition("/")[2]: value["Limit"] for value in kernel["Cgroup"]}
    memory = limits.get("memory.usage_in_bytes") or limits.get("memory.current") or ""
    bound = f", 메모리 한도 {int(memory) >> 20}MB" if memory.isdigit() and int(memory) < 1 << 62 else ""
    fixed = f"자기 묶음{bound}" if apart else f"엔진의 묶음{', 자기 것은 만들었어요' if limits else ''}"
    shown = f"{path.replace(kernel['Id'], kernel['Id'][:12])}{bound}"
    source = f"/proc/{view['Pid']}/cgroup"
    return _row("cgroup", view["Host"]["Group"], shown, source=source, fixed=fixed, apart=apart)


def _users(kernel: Mapping[str, Any], inside: Mapping[str, Any]) -> Row:
    maps = ", ".join(f"{item['Inside']}→{item['Outside']}" for item in kernel["UidMap"])
    apart = any(item["Inside"] != item["Outside"] for item in kernel["UidMap"])
    said = f"uid {inside['User']} (uid_map {maps})"
    return _row("사용자", "uid 0", said, source=f"/proc/{kernel['Pid']}/uid_map", apart=apart or inside["User"] != 0)


def _rights(kernel: Mapping[str, Any]) -> tuple[Row, Row]:
    security = kernel["Security"]
    kept, lost = set(security["Effective"]) & set(security["Kept"]), len(security["Dropped"])
    of_host = len(security["Kept"]) + lost
    words = "모두 있어요" if len(kept) == of_host else "줄였어요"
    filters = f"필터 {security['Filters']}개" if security["Seccomp"] == 2 else "아직 없어요"
    return (
        _row(
            "권한(capability)", f"{of_host}개", f"{len(kept)}개", source=f"{security['Source']} (CapEff, CapBnd)",
            fixed=words, apart=len(kept) < of_host,
        ),
        _row(
            "시스템 콜 필터", "없어요", filters, source=f"{security['Source']} (Seccomp)",
            apart=security["Seccomp"] == 2,
        ),
    )  # fmt: skip
