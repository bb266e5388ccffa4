"""`%walls`: which walls the room has by now: its namespaces beside the notebook's, and who lives in it (/proc)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from labs.notebook.kernel.xray_picture import NAMESPACES
from labs.notebook.learning import markup
from labs.wall.view import Process, Room

KIND = "walls"
TITLE = "작업실의 벽"
CLOSED = "열려 있는 작업실이 없어요. %%wall 셀을 실행하면 열려요."
#: those that the labs build, in their order
KINDS = ("user", "pid", "mnt", "uts", "ipc", "net", "cgroup")
NOTEBOOK, WORKER = "노트북", "작업 프로세스"
SAME, OTHER = "같아요", "달라요"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One kind of namespace: the notebook's, and each process's of the room."""

    kind: str
    outside: str
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`names` are the room's processes as columns: the worker first."""

    walls: tuple[Wall, ...]
    names: tuple[str, ...]


def look(room: Room, outside: Process) -> Seen:
    living = (room.worker, *room.children())
    return Seen(
        walls=tuple(
            Wall(kind=kind, outside=outside.namespace(kind), inside=tuple(each.namespace(kind) for each in living))
            for kind in KINDS
        ),
        names=tuple(_name(each, room) for each in living),
    )


def _name(found: Process, room: Room) -> str:
    if found.pid == room.worker.pid:
        return WORKER
    forked = found.command == room.worker.command
    return f"자식 {found.inside}번" if forked else f"{found.inside}번 {' '.join(found.command)[:32]}"


def show(room: Room | None, outside: Process) -> None:
    if room is None:
        markup.show(text=CLOSED, html=markup.section(KIND, f"<p>{escape(CLOSED)}</p>", label=TITLE))
        return
    seen = look(room, outside)
    markup.show(text=as_text(seen), html=markup.section(KIND, as_html(seen), label=TITLE))


def as_text(seen: Seen) -> str:
    """Nothing that differs from run to run."""
    own = [wall.kind for wall in seen.walls if wall.inside[0] != wall.outside]
    lines = [TITLE, f"  {WORKER} · 노트북과 다른 네임스페이스: {', '.join(own) or '없어요'}"]
    for at, name in enumerate(seen.names[1:], 1):
        other = [wall.kind for wall in seen.walls if wall.inside[at] not in ("", wall.inside[0])]
        lines.append(f"  {name} · 작업 프로세스와 다른 네임스페이스: {', '.join(other) or '없어요'}")
    return "\n".join(lines)


def as_html(seen: Seen) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in (NOTEBOOK, *seen.names))
    rows = "".join(_row(wall) for wall in seen.walls)
    return (
        f"<h4>{TITLE}</h4>"
        f'<div class="dl-scroll"><table><thead><tr><th scope="col">네임스페이스</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<p class="dl-from">괄호 안은 네임스페이스의 번호(inode)예요. 읽은 곳: /proc/PID/ns</p>'
    )


def _row(wall: Wall) -> str:
    worker, *others = wall.inside
    cells = _cell(worker, worker != wall.outside, f"노트북과 {SAME}", f"노트북과 {OTHER}")
    cells += "".join(_cell(each, each != worker, f"{WORKER}와 {SAME}", f"{WORKER}와 {OTHER}") for each in others)
    return f'<tr><th scope="row">{NAMESPACES[wall.kind]}</th><td>{_number(wall.outside)}</td>{cells}</tr>'


def _cell(inside: str, other: bool, same_word: str, other_word: str) -> str:
    if not inside:
        return '<td class="dl-same">관리자만 읽을 수 있어요</td>'
    return (
        f'<td class="{"dl-other" if other else "dl-same"}">{other_word if other else same_word} {_number(inside)}</td>'
    )


def _number(namespace: str) -> str:
    return f"<small>{escape(namespace.partition(':')[2])}</small>"
