"""Draws servers side by side on the line between them: registries, containers, and which image lies where. Pure.

The same image has the same letter wherever it lies; the letter stands beside its digest, never colour alone.
"""

from __future__ import annotations

from html import escape
from string import ascii_uppercase

from labs.notebook.learning.picture import LINES, in_words, state_word, thing
from labs.notebook.learning.sites import Container, Image, Machine, Shelf

TITLE = "서버와 레지스트리"
READ_FROM = "GET /kernel-engine/servers, 서버마다 GET /images/json과 /containers/json, 레지스트리의 GET /v2/…"
_MACHINE = (
    '<rect x="2" y="3" width="16" height="6" rx="1.5"/><rect x="2" y="11" width="16" height="6" rx="1.5"/>'
    '<path d="M5 6h.01M5 14h.01M9 6h6M9 14h6"/>'
)
_REGISTRY = '<path d="M3 6c0-1.7 3-3 7-3s7 1.3 7 3v8c0 1.7-3 3-7 3s-7-1.3-7-3zM3 6c0 1.7 3 3 7 3s7-1.3 7-3"/>'
LOCKED = "로그인한 사람에게만 보여요"
EMPTY = "아직 비어 있어요"
ALONE = "다른 서버가 아직 없어요. %server create second 로 만들 수 있어요."


def letters(machines: tuple[Machine, ...]) -> dict[str, str]:
    """Image id → A, B, …: in the order of the registries' tags, then of the servers' images."""
    ids = [entry.image_id for machine in machines for shelf in machine.shelves for entry in shelf.entries]
    ids += [image.id for machine in machines for image in machine.images]
    return dict(zip(dict.fromkeys(ids), ascii_uppercase, strict=False))


# as text -------------------------------------------------------------------------------------------------------------
def as_text(machines: tuple[Machine, ...]) -> str:
    named = letters(machines)
    lines = [TITLE]
    for machine in machines:
        lines.append(f"  {_title(machine)}{f' · {machine.address}' if machine.address else ''}")
        for shelf in machine.shelves:
            lines.append(f"    레지스트리 {shelf.container.name} · {shelf.port}번 포트")
            lines += [
                f"      {_letter(named, entry.image_id)} {entry.repository}:{entry.tag}" for entry in shelf.entries
            ]
            lines += [f"      {_nothing(shelf)}"] if not shelf.entries else []
        for container in machine.containers:
            words = [f"컨테이너 {container.name}", state_word(container.state), *_ports(container)]
            lines.append("    " + " · ".join([*words, f"이미지 {_letter(named, container.image_id)}"]))
        lines += [f"    이미지 {_letter(named, image.id)} {_names(image)}" for image in machine.images]
        lines += [f"    {_others(machine)}"] if machine.others or not machine.images else []
    return "\n".join(lines + ([f"  {ALONE}"] if len(machines) == 1 else []))


def _title(machine: Machine) -> str:
    return f"{machine.name} (이 컴퓨터)" if machine.here else machine.name


def _nothing(shelf: Shelf) -> str:
    return LOCKED if shelf.locked else EMPTY


def _letter(named: dict[str, str], image_id: str) -> str:
    return named.get(image_id, "?")


def _ports(container: Container) -> list[str]:
    return [f"{outside}번 → {inside}번" for outside, inside in container.ports]


def _names(image: Image) -> str:
    return ", ".join(image.names) or "<이름 없음>"


def _others(machine: Machine) -> str:
    return f"그 밖의 이미지 {machine.others}개" if machine.others else "이미지가 하나도 없어요"


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(machines: tuple[Machine, ...]) -> str:
    named = letters(machines)
    drawn = "".join(_machine(machine, named) for machine in machines)
    alone = f'<p class="dl-empty">{escape(ALONE)}</p>' if len(machines) == 1 else ""
    legend = '<p class="dl-legend">글자가 같으면 같은 이미지예요.</p>' if named else ""
    return (
        f'<h4>{TITLE}</h4><div class="dl-machines">{drawn}</div>{alone}{legend}'
        f'<p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    )


def _machine(machine: Machine, named: dict[str, str]) -> str:
    address = f"<code>{machine.address}</code>" if machine.address else ""
    head = (
        f'<h5><svg {LINES} aria-hidden="true">{_MACHINE}</svg><b>{escape(machine.name)}</b>'
        f"{' 이 컴퓨터' if machine.here else ''}{address}</h5>"
    )
    things = [_shelf(shelf, named) for shelf in machine.shelves]
    things += [_container(container, named, _on(machine)) for container in machine.containers]
    things += [_image(image, named, _on(machine)) for image in machine.images]
    rest = f'<p class="dl-empty">{_others(machine)}</p>' if machine.others or not machine.images else ""
    return (
        f'<section class="dl-machine" aria-label="서버 {escape(machine.name)}">{head}{"".join(things)}{rest}</section>'
    )


def _shelf(shelf: Shelf, named: dict[str, str]) -> str:
    rows = "".join(
        f"<li>{_badge(named, entry.image_id)}<b>{escape(entry.repository)}:{escape(entry.tag)}</b>"
        f'<code title="{escape(entry.digest)}">{_short(entry.digest)}</code></li>'
        for entry in shelf.entries
    )
    held = f"<ul>{rows}</ul>" if rows else f'<p class="dl-empty">{_nothing(shelf)}</p>'
    return (
        f'<div class="dl-registry"><p><svg {LINES} aria-hidden="true">{_REGISTRY}</svg>'
        f"<b>{escape(shelf.container.name)}</b> 레지스트리 · {shelf.port}번 포트</p>{held}</div>"
    )


def _on(machine: Machine) -> str:
    """Before what a click asks for: on which engine it is."""
    return "" if machine.here else f"on:{machine.name}:"


def _container(container: Container, named: dict[str, str], on: str) -> str:
    kind = {"running": "running", "restarting": "running", "paused": "paused"}.get(container.state, "exited")
    ports = " · ".join(_ports(container))
    small = f"<small>{ports}</small>" if ports else ""
    words = f'<b>{escape(container.name)}</b> <span class="dl-state">{state_word(container.state)}</span>{small}'
    drawn = words + _badge(named, container.image_id)
    return thing(kind, kind, f"{on}container:{container.id}", f"컨테이너 {container.id}", drawn)


def _image(image: Image, named: dict[str, str], on: str) -> str:
    names = "<br>".join(escape(name) for name in image.names) or "&lt;이름 없음&gt;"
    words = f"<b>{names}</b><small>이미지 · {in_words(image.size)}</small>"
    return thing("image", "image", f"{on}image:{image.id}", f"이미지 {image.id}", words + _badge(named, image.id))


def _badge(named: dict[str, str], image_id: str) -> str:
    spoken = f'<span class="dl-hidden">이미지 </span>{_letter(named, image_id)}'
    return f'<span class="dl-badge" title="이미지 {escape(image_id)}">{spoken}</span>'


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
