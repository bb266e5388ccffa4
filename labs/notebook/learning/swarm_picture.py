"""Draws a Swarm: of each service the tasks that it should have and those that run, on which node each is, what is over.
Pure.

The fixed text says nothing of where tasks are: the scheduler may choose otherwise the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labs.notebook.learning import markup
from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import LINES, sign
from labs.swarm_view import OVER, Node, Service, Swarm, Task

TITLE = "스웜의 모습"
READ_FROM = "매니저의 GET /nodes, GET /services, GET /tasks"
NO_SERVICES = "서비스가 아직 없어요."
ROLES = {"manager": "매니저", "worker": "워커"}
NODE_STATES = {"ready": "준비됨", "down": "연락 없음", "unknown": "알 수 없음", "disconnected": "끊김"}
AVAILABILITIES = {"active": "태스크를 받음", "pause": "새 태스크는 안 받음", "drain": "태스크를 비움"}
#: https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/
STATES = {
    "new": "만들어짐",
    "pending": "자리를 찾는 중",
    "assigned": "노드가 정해짐",
    "accepted": "노드가 받음",
    "preparing": "이미지를 받는 중",
    "ready": "준비됨",
    "starting": "시작하는 중",
    "running": "실행 중",
    "complete": "마침",
    "shutdown": "내려감",
    "failed": "실패",
    "rejected": "거절됨",
    "remove": "지워짐",
    "orphaned": "연락 끊김",
}
UPDATES = {
    "updating": "업데이트하는 중",
    "paused": "업데이트 멈춤",
    "completed": "업데이트 끝남",
    "rollback_started": "되돌리는 중",
    "rollback_paused": "되돌리기 멈춤",
    "rollback_completed": "되돌림",
}
#: so many tasks that are over are listed
HISTORY = 8
_NODE = '<rect x="2" y="4" width="16" height="12" rx="1.5"/><path d="M5 13h.01M8 13h7"/>'


# as text -------------------------------------------------------------------------------------------------------------
def as_text(swarm: Swarm) -> str:
    """Nodes and services in fixed lines."""
    lines = [TITLE, f"  노드 {len(swarm.nodes)}개"]
    lines += [f"    {node.name} · {' · '.join(_of_node(node))}" for node in swarm.nodes]
    lines.append(f"  서비스 {len(swarm.services)}개")
    for service in swarm.services:
        words = [service.name, image_name(service.image), f"바라는 모습 {service.wanted}개"]
        words += [f"지금 {len(service.running)}개", *_update(service)]
        lines.append("    " + " · ".join(words))
    return "\n".join(lines)


def _of_node(node: Node) -> list[str]:
    role = ROLES.get(node.role, node.role) + ("(리더)" if node.leader else "")
    said = [role, NODE_STATES.get(node.state, node.state)]
    return said if node.availability == "active" else [*said, AVAILABILITIES.get(node.availability, node.availability)]


def _update(service: Service) -> list[str]:
    return [UPDATES.get(service.update, service.update)] if service.update else []


def image_name(image: str) -> str:
    """Without the registry, which is the same for all."""
    front, slash, rest = image.partition("/")
    return rest if slash and (":" in front or "." in front) else image


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(swarm: Swarm, manager: str, note: str = "") -> str:
    """The picture without its style. `manager`: the container to ask when a thing is clicked; `note` stands beside the
    title: whether it is live."""
    if markup.still():
        return f"<h4>{TITLE}</h4><pre>{escape(as_text(swarm))}</pre>"
    aside = f' <small class="dl-empty">{escape(note)}</small>' if note else ""
    services = "".join(_service(service, manager) for service in swarm.services)
    wanted = f'<ul class="dl-services">{services}</ul>' if services else f'<p class="dl-empty">{NO_SERVICES}</p>'
    nodes = "".join(_node(node, swarm.tasks, manager) for node in swarm.nodes)
    return (
        f'<h4>{TITLE}{aside}</h4>{wanted}{_nowhere(swarm.tasks, manager)}<div class="dl-nodes">{nodes}</div>'
        f'{_history(swarm)}<p class="dl-from">읽은 곳: {READ_FROM}</p>'
    )


def _service(service: Service, manager: str) -> str:
    """What it should be beside what it is, one square a task."""
    running, wanted = len(service.running), service.wanted
    squares = "■" * min(running, wanted) + "□" * max(wanted - running, 0) + "＋" * max(running - wanted, 0)
    kind = "dl-met" if running == wanted else "dl-unmet"
    update = "".join(f'<span class="dl-state">{text}</span>' for text in _update(service))
    return (
        f'<li class="{kind}"><button type="button" data-show="swarm:{escape(manager)}:services/{service.id}" {KEYS}>'
        f"<b>{escape(service.name)}</b><small>{escape(image_name(service.image))}</small>{update}</button>"
        f'<span class="dl-counts">바라는 모습 <b>{wanted}</b> · 지금 <b>{running}</b></span>'
        f'<span class="dl-squares" aria-hidden="true">{squares}</span></li>'
    )


def _node(node: Node, tasks: Sequence[Task], manager: str) -> str:
    mine = [task for task in tasks if task.node_id == node.id and (task.is_wanted or task.state == "running")]
    drawn = "".join(_task(task, manager) for task in mine) or '<p class="dl-empty">태스크가 없어요.</p>'
    kind = " dl-lost" if node.state != "ready" else ""
    return (
        f'<section class="dl-node{kind}" aria-label="노드 {escape(node.name)}">'
        f'<button type="button" class="dl-host" data-show="swarm:{escape(manager)}:nodes/{node.id}" {KEYS}>'
        f'<svg {LINES} aria-hidden="true">{_NODE}</svg><b>{escape(node.name)}</b>'
        f"<small>{' · '.join(map(escape, _of_node(node)))}</small></button>{drawn}</section>"
    )


def _task(task: Task, manager: str) -> str:
    if task.on_lost_node:
        kind, state = "exited", "연락 없음"
    else:
        kind = {"running": "running"}.get(task.state, "created")
        state = STATES.get(task.state, task.state)
        if not task.is_wanted:
            kind, state = "exited", "내리는 중"
    error = f"<small>{escape(task.error)}</small>" if task.error else ""
    return (
        f'<button type="button" class="dl-thing dl-{kind}" data-show="swarm:{escape(manager)}:tasks/{task.id}" {KEYS}>'
        f'{sign(kind)}<span><b>{escape(task.title)}</b> <span class="dl-state">{state}</span>'
        f"<small>{escape(image_name(task.image))}</small>{error}</span></button>"
    )


def _nowhere(tasks: Sequence[Task], manager: str) -> str:
    """Tasks for which there is no node."""
    waiting = [task for task in tasks if task.is_wanted and not task.node]
    if not waiting:
        return ""
    drawn = "".join(_task(task, manager) for task in waiting)
    return (
        '<section class="dl-waiting" aria-label="자리를 찾지 못한 태스크"><h5>자리를 찾는 중</h5>'
        f'<div class="dl-row">{drawn}</div></section>'
    )


def _history(swarm: Swarm) -> str:
    past = (task for service in swarm.services for task in service.history)
    ended = (task for task in past if task.state in OVER or task.on_lost_node)  # the others are drawn on their nodes
    over = sorted(ended, key=lambda task: task.changed)
    if not over:
        return ""
    rows = "".join(
        f"<li><b>{escape(task.title)}</b> {escape(task.node)} · {escape(image_name(task.image))} · "
        f"{'연락 없음' if task.on_lost_node else STATES.get(task.state, task.state)}"
        f"{f' <code>{escape(task.error)}</code>' if task.error else ''}</li>"
        for task in over[::-1][:HISTORY]
    )
    more = f'<li class="dl-empty">그 밖에 {len(over) - HISTORY}개</li>' if len(over) > HISTORY else ""
    return f'<section class="dl-history"><h5>지난 태스크</h5><ul>{rows}{more}</ul></section>'
