"""Draws images, layers and containers: each image is a stack of sheets, its containers stand on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from labs.notebook.learning.facts import Container, Facts, Image, Layer
from labs.notebook.learning.markup import KEYS

TITLE = "엔진의 모습"
READ_FROM = "GET /images/json, GET /containers/json, GET /containers/…/changes"
PARTS = ("containers", "images", "layers")
STATES = {
    "running": "실행 중",
    "paused": "일시 정지",
    "exited": "종료",
    "created": "만들어짐",
    "restarting": "다시 시작하는 중",
    "removing": "지우는 중",
    "dead": "고장",
}
#: more sheets than this are drawn as one that says how many
SHEETS = 8
LINES = 'width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.5"'
_SIGNS = {
    "image": '<path d="M3 7l7-4 7 4-7 4zM3 10.5l7 4 7-4M3 14l7 4 7-4"/>',
    "layer": '<path d="M2 10l8-4 8 4-8 4z"/>',
    "running": '<rect x="2" y="4" width="16" height="12" rx="3"/><circle cx="10" cy="10" r="3" fill="currentColor"/>',
    "paused": '<rect x="2" y="4" width="16" height="12" rx="3"/><path d="M8 8v4M12 8v4"/>',
    "exited": '<rect x="2" y="4" width="16" height="12" rx="3" stroke-dasharray="3 2"/>',
    "created": '<rect x="2" y="4" width="16" height="12" rx="3"/><circle cx="10" cy="10" r="3"/>',
    "removed": '<rect x="2" y="4" width="16" height="12" rx="3" stroke-dasharray="3 2"/><path d="M7 7l6 6M13 7l-6 6"/>',
}


# as text -------------------------------------------------------------------------------------------------------------
def as_text(facts: Facts, parts: Iterable[str] = PARTS) -> str:
    """The facts in fixed lines. Names and counts only: no id, no time, no size."""
    shown = set(parts)
    lines = [TITLE]
    if shown & {"images", "layers"}:
        lines.append(f"  이미지 {len(facts.images)}개")
        for image in facts.images:
            sheets = f" · 레이어 {len(image.layers)}개" if "layers" in shown else ""
            lines.append(f"    {image_name(image)}{sheets}")
    if "containers" in shown:
        lines.append(f"  컨테이너 {len(facts.containers)}개")
        for container in facts.containers:
            words = [container.name, container.image_name, state(container), container.command]
            lines.append("    " + " · ".join(filter(None, [*words, changes(container)])))
    return "\n".join(lines)


def state(container: Container) -> str:
    word = state_word(container.state)
    return word if container.exit_code is None else f"{word} ({container.exit_code})"


def state_word(word: str) -> str:
    """Docker's word in Korean."""
    return STATES.get(word, word)


def changes(container: Container) -> str:
    """As in `+3 ~2 −1`, without what is none; "" when nothing changed or nobody counted."""
    counts = zip("+~−", container.changes or (0, 0, 0), strict=True)
    return " ".join(f"{sign}{count}" for sign, count in counts if count)


def image_name(image: Image) -> str:
    return ", ".join(image.names) or "<이름 없음>"


def in_words(size: int) -> str:
    """Docker's own form: decimal units, three digits."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g}{units[0]}"


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(facts: Facts, parts: Iterable[str] = PARTS, *, note: str = "") -> str:
    """The picture without its style. `note` stands beside the title: whether it is live."""
    shown = tuple(parts)
    stacks = "".join(_stack(image, facts, shown) for image in facts.images)
    if "containers" in shown:
        known = {image.id for image in facts.images}
        lost = [container for container in facts.containers if container.image_id not in known]
        stacks += f'<div class="dl-stack">{"".join(map(_container, lost))}</div>' if lost else ""
    body = stacks or '<p class="dl-empty">아직 아무것도 없어요.</p>'
    aside = f' <small class="dl-empty">{escape(note)}</small>' if note else ""
    return (
        f'<h4>{TITLE}{aside}</h4><div class="dl-shelf">{body}</div><p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    )


def _stack(image: Image, facts: Facts, shown: tuple[str, ...]) -> str:
    mine = [container for container in facts.containers if container.image_id == image.id]
    things = [_container(container) for container in mine] if "containers" in shown else []
    if "images" in shown or things:
        things.append(_image(image))
    if "layers" in shown:
        things += _sheets(image.layers)
    return f'<div class="dl-stack">{"".join(things)}</div>' if things else ""


def _container(container: Container) -> str:
    kind = {"running": "running", "restarting": "running", "paused": "paused"}.get(container.state, "exited")
    counts = changes(container)
    small = f"{escape(container.command)}<br>쓰기 레이어 {counts}" if counts else escape(container.command)
    words = f'<b>{escape(container.name)}</b> <span class="dl-state">{state(container)}</span><small>{small}</small>'
    return thing(kind, kind, f"container:{container.id}", f"컨테이너 {container.id}", words)


def _image(image: Image) -> str:
    words = f"<b>{escape(image_name(image))}</b><small>이미지 · {in_words(image.size)}</small>"
    return thing("image", "image", f"image:{image.id}", f"이미지 {image.id}", words)


def _sheets(layers: tuple[Layer, ...]) -> list[str]:
    """The topmost sheet first, as they lie."""
    top = [(at, layer) for at, layer in enumerate(layers, 1)][::-1]
    drawn = [_sheet(at, layer) for at, layer in top[:SHEETS]]
    if len(top) > SHEETS:
        drawn.append(f'<p class="dl-empty">그 아래 레이어 {len(top) - SHEETS}개</p>')
    return drawn


def _sheet(number: int, layer: Layer) -> str:
    shared = f" · 이미지 {layer.images}개가 함께 써요" if layer.images > 1 else ""
    title = escape(f"레이어 {layer.id}")
    return f'<div class="dl-thing dl-layer" title="{title}">{sign("layer")}<span>레이어 {number}{shared}</span></div>'


def thing(kind: str, drawn: str, show: str, title: str, words: str) -> str:
    """A box with its sign (`drawn`); a click asks for `show`."""
    return (
        f'<button type="button" class="dl-thing dl-{kind}" data-show="{escape(show)}" title="{escape(title)}" {KEYS}>'
        f"{sign(drawn)}<span>{words}</span></button>"
    )


def sign(kind: str) -> str:
    return f'<svg {LINES} aria-hidden="true">{_SIGNS[kind]}</svg>'
