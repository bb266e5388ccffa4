"""`%walls`: which walls the room has by now: its namespaces beside the notebook's, and who lives in it (/proc).

A room in a container has the container's walls around it: these stand between, as a column of their own.
"""

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
NOTEBOOK, CONTAINER, WORKER = "노트북", "컨테이너", "작업 프로세스"
SAME, OTHER = "같아요", "달라요"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One kind of namespace: of those who stand outside, the outermost first, and of each process of the room."""

    kind: str
    around: tuple[str, ...]
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`around` and `names` are the columns: who stands outside (the notebook, and the container that holds the room),
    and the room's processes, the worker first."""

    walls: tuple[Wall, ...]
    around: tuple[str, ...]
    names: tuple[str, ...]


def look(room: Room, notebook: Process) -> Seen:
    living = (room.worker, *room.children())
    around = (notebook, room.outside) if room.contained else (notebook,)
    return Seen(
        walls=tuple(
            Wall(
                kind=kind,
                around=tuple(each.namespace(kind) for each in around),
                inside=tuple(each.namespace(kind) for each in living),
            )
            for kind in KINDS
        ),
        around=(NOTEBOOK, CONTAINER)[: len(around)],
        names=tuple(_name(each, room) for each in living),
    )


def _name(found: Process, room: Room) -> str:
    if found.pid == room.worker.pid:
        return WORKER
    forked = found.command == room.worker.command
    return f"자식 {found.inside}번" if forked else f"{found.inside}번 {' '.join(found.command)[:32]}"


def show(room: Room | None, notebook: Process) -> None:
    if room is None:
        markup.show(text=CLOSED, html=markup.section(KIND, f"<p>{escape(CLOSED)}</p>", label=TITLE))
        return
    seen = look(room, notebook)
    markup.show(text=as_text(seen), html=markup.section(KIND, as_html(seen), label=TITLE))


def as_text(seen: Seen) -> str:
    """Nothing that differs from run to run."""
    named = (*seen.around, *seen.names)
    columns = list(zip(*((*wall.around, *wall.inside) for wall in seen.walls), strict=True))
    lines = [TITLE]
    for at in range(1, len(named)):
        beside = _beside(at, seen)
        other = [
            wall.kind
            for wall, one, another in zip(seen.walls, columns[at], columns[beside], strict=True)
            if one not in ("", another)
        ]
        lines.append(f"  {named[at]} · {_with(named[beside])} 다른 네임스페이스: {', '.join(other) or '없어요'}")
    return "\n".join(lines)


def _beside(at: int, seen: Seen) -> int:
    """The column that a column is compared with: what stands before it, the worker for the worker's children."""
    return min(at - 1, len(seen.around))


def _with(name: str) -> str:
    """노트북과, 컨테이너와."""
    return f"{name}{'과' if name == NOTEBOOK else '와'}"


def as_html(seen: Seen) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in (*seen.around, *seen.names))
    rows = "".join(_row(wall, seen) for wall in seen.walls)
    return (
        f"<h4>{TITLE}</h4>"
        f'<div class="dl-scroll"><table><thead><tr><th scope="col">네임스페이스</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<p class="dl-from">괄호 안은 네임스페이스의 번호(inode)예요. 읽은 곳: /proc/PID/ns</p>'
    )


def _row(wall: Wall, seen: Seen) -> str:
    named, found = (*seen.around, *seen.names), (*wall.around, *wall.inside)
    cells = "".join(
        _cell(found[at], found[_beside(at, seen)], _with(named[_beside(at, seen)])) for at in range(1, len(found))
    )
    return f'<tr><th scope="row">{NAMESPACES[wall.kind]}</th><td>{_number(found[0])}</td>{cells}</tr>'


def _cell(inside: str, beside: str, with_it: str) -> str:
    if not inside:
        return '<td class="dl-same">관리자만 읽을 수 있어요</td>'
    other = inside != beside
    return (
        f'<td class="{"dl-other" if other else "dl-same"}">{with_it} {OTHER if other else SAME} {_number(inside)}</td>'
    )


def _number(namespace: str) -> str:
    return f"<small>{escape(namespace.partition(':')[2])}</small>"
