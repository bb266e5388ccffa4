"""Draws a container from both sides: on the left what the host sees, on the right what is seen inside. Pure.

`kernel` is the answer of GET /kernel-engine/containers/{id}/kernel, `files` those of …/files by directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import in_words

TITLE = "컨테이너 엑스레이"
HOST, INSIDE = "호스트에서 보면", "컨테이너 안에서 보면"
Files = Mapping[str, Sequence[Mapping[str, Any]]]

#: kind of namespace → what each side has of its own
NAMESPACES = {
    "mnt": "파일 시스템(mount)",
    "pid": "프로세스 번호(pid)",
    "uts": "호스트 이름(uts)",
    "ipc": "프로세스 간 통신(ipc)",
    "net": "네트워크(net)",
    "cgroup": "cgroup 경로(cgroup)",
    "user": "사용자 번호(user)",
    "time": "부팅 뒤의 시간(time)",
}
#: file of a control group → its name in words, and how its number is to be read
VALUES = {
    "memory.usage_in_bytes": ("메모리", "bytes"),
    "memory.current": ("메모리", "bytes"),
    "memory.max_usage_in_bytes": ("메모리를 가장 많이 쓴 때", "bytes"),
    "memory.peak": ("메모리를 가장 많이 쓴 때", "bytes"),
    "pids.current": ("프로세스 수", "count"),
    "cpuacct.usage": ("지금까지 쓴 CPU 시간", "nanoseconds"),
    "cpu.stat": ("지금까지 쓴 CPU 시간", "stat"),
    "cpu.cfs_quota_us": ("한 주기에 쓸 CPU 시간", "quota"),
    "cpu.shares": ("CPU를 나누는 비율", "plain"),
    "cpu.weight": ("CPU를 나누는 비율", "plain"),
    "freezer.state": ("멈춤(pause)", "plain"),
    "cgroup.freeze": ("멈춤(pause)", "plain"),
}
OWN, INIT = "쓰기 레이어(upper)", "엔진이 끼운 레이어(init)"
WHOLE_RANGE = 4294967295
UNLIMITED = 1 << 62
#: so many mounts, and rows of a directory, are shown before the rest is folded or counted
ROWS = 40


# as text -------------------------------------------------------------------------------------------------------------
def as_text(kernel: Mapping[str, Any], files: Files) -> str:
    """Fixed lines: nothing that differs from run to run or between the two versions of control groups."""
    lines = [f"{TITLE}: {kernel['Name']}", "  네임스페이스"]
    lines += [f"    {_named(space)}: {_same(space)}" for space in kernel["Namespaces"]]
    lines.append("  프로세스 (안에서 매긴 번호)")
    lines += [f"    {process['InnerPid']}  {process['Command']}" for process in kernel["Processes"]]
    lines.append(f"  사용자: {_mapping(kernel['UidMap'])}")
    lines.append(f"  레이어: {len(kernel['Layers'])}장을 겹친 overlay")
    lines += [f"    {path}  {_kind(item)}" for path, item in _changed(files)]
    limits = [value for value in kernel["Cgroup"] if _limit(value) and value["Path"].endswith(_LIMITED)]
    lines += [f"  한도: {VALUES[_file(value)][0]} {_limit(value)}" for value in limits]
    security = kernel["Security"]
    lines.append(f"  권한: {len(security['Kept'])}개 남김 · seccomp {_seccomp(security)}")
    lines += [f"  길: 호스트 포트 → {way['Interface']} {way['Port']}/{way['Protocol']}" for way in kernel["Ways"]]
    return "\n".join(lines)


_ID = re.compile(r"([0-9a-f]{12})[0-9a-f]{52}")
_LIMITED = ("memory.usage_in_bytes", "memory.current", "pids.current")


def as_still_html(text: str) -> str:
    """For a page that nobody looks on: the fixed text."""
    return f"<h4>{TITLE}</h4><pre>{escape(text)}</pre>"


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(kernel: Mapping[str, Any], files: Files, *, note: str = "") -> str:
    """The whole page without its style. `note` stands beside the title: whether it is live."""
    beside = f" <small>{escape(note)}</small>" if note else ""
    parts = (
        f"<h4>{TITLE}: {escape(kernel['Name'])}{beside}</h4>",
        f'<div class="dl-sides" aria-hidden="true"><b>{HOST}</b><b>{INSIDE}</b></div>',
        _processes(kernel),
        _namespaces(kernel),
        _users(kernel),
        _ways(kernel),
        _layers(kernel),
        _files(kernel, files),
        _mounts(kernel),
        _cgroup(kernel),
        _security(kernel),
    )
    return "".join(parts)


def _part(title: str, rows: Iterable[str], source: str, *, why: str = "") -> str:
    said = f'<p class="dl-why">{escape(why)}</p>' if why else ""
    return (
        f'<section class="dl-part"><h5>{escape(title)}</h5>{said}{"".join(rows)}'
        f'<p class="dl-from">읽은 곳: {escape(source)}</p></section>'
    )


def _row(left: str, right: str, kind: str = "") -> str:
    """Host on the left, inside on the right, always."""
    return f'<div class="dl-pair {kind}"><div>{left}</div><div>{right}</div></div>'


def _processes(kernel: Mapping[str, Any]) -> str:
    rows = [
        _row(
            f"<b>{process['Pid']}</b> <small>부모 {process['Parent']} · uid {process['User']}</small>",
            f"<b>{process['InnerPid']}</b> <code>{escape(process['Command'])}</code>",
        )
        for process in kernel["Processes"]
    ]
    why = "같은 프로세스예요. 번호만 두 개예요."
    return _part("프로세스", rows, f"/proc/{kernel['Pid']}/status (NSpid)", why=why)


def _namespaces(kernel: Mapping[str, Any]) -> str:
    rows = [
        _row(
            f"{escape(_named(space))} <code>{space['HostInode']}</code>",
            f"<code>{space['Inode']}</code> <b>{_same(space)}</b>",
            "dl-same" if space["Shared"] else "dl-apart",
        )
        for space in kernel["Namespaces"]
    ]
    why = "번호(inode)가 같으면 같은 방에 있고, 다르면 벽이 있어요."
    return _part("네임스페이스", rows, f"/proc/{kernel['Pid']}/ns/*, 엔진의 /proc/self/ns/*", why=why)


def _users(kernel: Mapping[str, Any]) -> str:
    rows = [
        _row(
            f"{name} <b>{_span(row['Outside'], row['Count'])}</b>",
            f"{name} <b>{_span(row['Inside'], row['Count'])}</b>",
        )
        for name, key in (("uid", "UidMap"), ("gid", "GidMap"))
        for row in kernel[key]
    ]
    return _part("사용자", rows, f"/proc/{kernel['Pid']}/uid_map, gid_map", why=_mapping(kernel["UidMap"]))


def _ways(kernel: Mapping[str, Any]) -> str:
    commands = {process["Pid"]: process["Command"] for process in kernel["Processes"]}
    rows = []
    for way in kernel["Ways"]:
        host = [
            f"<b>{escape(way['HostAddress'])}:{way['HostPort']}</b>",
            f"nftables <code>{escape(way['Table'])}</code>이 주소를 바꿔요",
            f"브리지 <code>{escape(way['Bridge'])}</code> {escape(way['Gateway'])}",
            f"랜선의 끝 <code>{escape(way['HostInterface'])}</code>",
        ]
        listener = commands.get(way["Listener"], "")
        waits = f"<code>{escape(listener)}</code>이(가) 기다려요" if listener else "기다리는 프로세스가 없어요"
        inside = [
            f"랜선의 끝 <code>{escape(way['Interface'])}</code> {escape(way['Address'])}",
            f"<b>:{way['Port']}</b> {waits}",
        ]
        rows.append(_row(_chain(host), _chain(inside)))
    if not rows:
        return ""
    source = f"nft list table ip {kernel['Ways'][0]['Table']}, /sys/class/net, /proc/{kernel['Pid']}/net/tcp, fd"
    return _part("패킷이 오는 길", rows, source)


def _chain(places: Sequence[str]) -> str:
    return '<ol class="dl-chain">' + "".join(f"<li>{place}</li>" for place in places) + "</ol>"


def _layers(kernel: Mapping[str, Any]) -> str:
    rows = []
    for at, path in enumerate(kernel["Layers"]):
        digest = kernel["DiffIds"][at - 2] if 1 < at < len(kernel["DiffIds"]) + 2 else ""
        known = f' <small title="{escape(digest)}">{escape(digest[:19])}</small>' if digest else ""
        name = layer_name(at, len(kernel["Layers"]))
        rows.append(_row(_path(path), f'<span class="dl-layer-{_age(at)}">{name}</span>{known}'))
    why = "위의 것이 아래의 것을 가려요. 컨테이너는 맨 위에만 써요."
    return _part("레이어", rows, f"/proc/{kernel['Pid']}/mountinfo (overlay), 엔진의 레이어 폴더", why=why)


def _files(kernel: Mapping[str, Any], files: Files) -> str:
    """The root and every directory that the container wrote into; a click lists any other one."""
    count = len(kernel["Layers"])
    rows = []
    for path, items in files.items():
        listed = [_file_row(kernel["Id"], path, item, count) for item in items if not _beneath(item, items)]
        more = f"<li>… 그 밖에 {len(listed) - ROWS}개</li>" if len(listed) > ROWS else ""
        rows.append(
            f'<details data-fold="files-{escape(path)}" {"open" if path == "/" else ""}>'
            f"<summary {KEYS}><code>{escape(path)}</code></summary><ul>{''.join(listed[:ROWS])}{more}</ul></details>"
        )
    return _part("파일마다 어느 레이어의 것일까요?", rows, "GET /kernel-engine/containers/…/files")


def _file_row(container: str, path: str, item: Mapping[str, Any], count: int) -> str:
    name = escape(item["Name"])
    inside = f"{path.rstrip('/')}/{item['Name']}"
    if item["Kind"] == "directory":
        show = escape(f"files:{container}:{inside}")
        name = f'<button type="button" class="dl-folder" data-show="{show}" {KEYS}>{name}/</button>'
    kind = "whiteout" if item["Kind"] == "whiteout" else _age(item["Layer"])
    size = f" <small>{in_words(item['Size'])}</small>" if item["Kind"] == "file" else ""
    where = "지워짐(whiteout)" if kind == "whiteout" else layer_name(item["Layer"], count)
    hidden = " <small>위에서 가렸어요</small>" if item["Hidden"] else ""
    return f'<li><span class="dl-name">{name}{size}</span><span class="dl-layer-{kind}">{where}</span>{hidden}</li>'


def _beneath(item: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> bool:
    """A directory is named once, by its topmost layer: what lies beneath continues it, and hides nothing."""
    return item["Kind"] == "directory" and any(
        other["Name"] == item["Name"] and other["Layer"] < item["Layer"] for other in items
    )


def _mounts(kernel: Mapping[str, Any]) -> str:
    rows = [
        _row(
            f"{escape(mount['Type'])} {_path(_from(mount))}",
            f"{_path(mount['Target'])} <small>{'읽기 전용' if _read_only(mount) else '읽고 쓰기'}</small>",
        )
        for mount in kernel["Mounts"]
    ]
    folded = f'<details data-fold="mounts"><summary {KEYS}>{len(rows)}곳</summary>{"".join(rows)}</details>'
    return _part("붙인 곳(mount)", [folded], f"/proc/{kernel['Pid']}/mountinfo")


def _cgroup(kernel: Mapping[str, Any]) -> str:
    rows = []
    for value in kernel["Cgroup"]:
        name, _ = VALUES.get(_file(value), (_file(value), "plain"))
        limit = _limit(value)
        meter = _meter(value) if limit else ""
        bound = f" / {escape(limit)}" if limit else ""
        rows.append(_row(_path(value["Path"]), f"{escape(name)} <b>{escape(_amount(value))}</b>{bound}{meter}"))
    return _part("자원(cgroup)", rows, "왼쪽의 파일과 그 한도 파일")


def _security(kernel: Mapping[str, Any]) -> str:
    security = kernel["Security"]
    kept = " ".join(f"<code>{escape(name)}</code>" for name in security["Kept"])
    gone = " ".join(f"<code>{escape(name)}</code>" for name in security["Dropped"])
    folded = f'<details data-fold="dropped"><summary {KEYS}>{len(security["Dropped"])}개</summary>{gone}</details>'
    rows = [
        _row(f"버린 권한(capability) {folded}", f"남은 권한 {len(security['Kept'])}개 {kept}"),
        _row("시스템 콜 필터", f"seccomp <b>{_seccomp(security)}</b>"),
    ]
    return _part("권한", rows, f"{security['Source']} (CapBnd, Seccomp)")


# words ---------------------------------------------------------------------------------------------------------------
def layer_name(at: int, count: int) -> str:
    """Of the layer number `at`, topmost 0, of `count`: the image's are numbered from the bottom, as everywhere."""
    return (OWN, INIT)[at] if at < 2 else f"이미지의 레이어 {count - at}"


def _age(at: int) -> str:
    return ("own", "init")[at] if at < 2 else "image"


def _named(space: Mapping[str, Any]) -> str:
    kind: str = space["Kind"]
    return NAMESPACES.get(kind, kind)


def _same(space: Mapping[str, Any]) -> str:
    return "호스트와 같음" if space["Shared"] else "따로"


def _span(first: int, count: int) -> str:
    return "0부터 모두" if count == WHOLE_RANGE else f"{first}부터 {count}개"


def _mapping(rows: Sequence[Mapping[str, Any]]) -> str:
    if all(row["Inside"] == row["Outside"] for row in rows):
        return "안의 root(0)는 호스트의 root(0)와 같은 사용자예요. 그래서 권한을 줄여 둬요."
    outside = next((row["Outside"] - row["Inside"] for row in rows if row["Inside"] == 0), 0)
    return f"안의 root(0)는 호스트에서는 {outside}번 사용자예요."


def _changed(files: Files) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for path, items in files.items():
        for item in items:
            if item["Layer"] == 0 and item["Kind"] != "directory":
                yield f"{path.rstrip('/')}/{item['Name']}", item


def _kind(item: Mapping[str, Any]) -> str:
    return "지워짐(whiteout)" if item["Kind"] == "whiteout" else OWN


def _file(value: Mapping[str, Any]) -> str:
    return str(value["Path"]).rpartition("/")[2]


def _amount(value: Mapping[str, Any]) -> str:
    kind = VALUES.get(_file(value), ("", "plain"))[1]
    text = str(value["Value"])
    if kind == "bytes":
        return in_words(int(text))
    if kind == "nanoseconds":
        return f"{int(text) / 1e9:.2f}초"
    if kind == "stat":
        spent = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
        return f"{int(spent.get('usage_usec', 0)) / 1e6:.2f}초"
    if kind == "quota":
        return "한도 없음" if text == "-1" else f"{text}µs"
    return text.partition("\n")[0]


def _limit(value: Mapping[str, Any]) -> str:
    """In words; "" where there is none."""
    text = str(value["Limit"])
    kind = VALUES.get(_file(value), ("", "plain"))[1]
    if not text or text.startswith("max") or (text.isdigit() and int(text) >= UNLIMITED):
        return ""
    if kind == "bytes":
        return in_words(int(text))
    if kind == "quota":
        return "" if str(value["Value"]) == "-1" else f"주기 {text}µs"
    if kind == "stat":
        quota, _, period = text.partition(" ")
        return f"한도 {int(quota) / int(period):.2f}개 CPU"
    return text


def _meter(value: Mapping[str, Any]) -> str:
    used, limit = str(value["Value"]), str(value["Limit"])
    if not used.isdigit() or not limit.isdigit() or not int(limit):
        return ""
    share = min(int(used) / int(limit), 1.0)
    width = 160
    filled = f'<rect width="{share * width:.0f}" height="8" rx="2" class="dl-used"/>'
    return (
        f'<svg class="dl-meter" width="{width}" height="8" role="img" aria-label="한도의 {share:.0%}">'
        f'<rect width="{width}" height="8" rx="2" class="dl-bound"/>{filled}</svg>'
    )


def _path(path: str) -> str:
    """A path of the host; whole ids in it lose their end, and the whole path is in its title."""
    short = _ID.sub(r"\1…", path)
    return f'<code title="{escape(path)}">{escape(short)}</code>'


def _from(mount: Mapping[str, Any]) -> str:
    """A directory of the host is named by its path there."""
    return str(mount["Root"] if mount["Root"] != "/" else mount["Source"])


def _read_only(mount: Mapping[str, Any]) -> bool:
    return "ro" in str(mount["Options"]).split(",")


def _seccomp(security: Mapping[str, Any]) -> str:
    return f"필터 {security['Filters']}개" if security["Seccomp"] == 2 else "꺼짐"
