"""Draws a container's life: its states, the commands that lead from one to another, and who is where now. Pure.

The same drawing twice, broad and narrow: the text keeps its size, and the style shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from labs.notebook.learning.facts import Container, Life
from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import sign, state

TITLE = "컨테이너의 한살이"
READ_FROM = "GET /containers/json, GET /events"
#: state → the word that learners read, in the order of a life
PLACES = {"created": "만들어짐", "running": "실행 중", "paused": "일시 정지", "exited": "종료", "removed": "파기"}
#: Docker's other states stand where a container in them is for a learner
_STANDS = {"restarting": "running", "dead": "exited", "removing": "removed"}
NOBODY = "없음"
ENDS = "스스로 끝남"
#: so many containers are drawn in one state
SHOWN = 5
#: pixels: a state's box, its head, a container in it, and the letters of a name that fit
BOX, HEAD, CHIP, LETTERS = 176, 36, 32, 16
#: pixels: the way between two boxes side by side, and between two that stand one above the other
ACROSS, DOWN = 136, 64
BROAD = 3 * BOX + 2 * ACROSS
NARROW = BOX + ACROSS


# as text -------------------------------------------------------------------------------------------------------------
def as_text(life: Life) -> str:
    """The facts in fixed lines."""
    return "\n".join([TITLE, *(f"  {line}" for line in _lines(life))])


def _lines(life: Life) -> list[str]:
    said = {place: ", ".join(map(_named, _who(life, place))) for place in PLACES if place != "removed"}
    lines = [f"{PLACES[place]}({place}): {names or NOBODY}" for place, names in said.items()]
    return [*lines, f"{PLACES['removed']}(removed): {f'{life.removed}개' if life.removed else NOBODY}"]


def _named(container: Container) -> str:
    if container.exit_code is not None:
        return f"{container.name} ({container.exit_code})"
    return container.name if container.state in PLACES else f"{container.name} ({state(container)})"


def place_of(container: Container) -> str:
    found = _STANDS.get(container.state, container.state)
    return found if found in PLACES else "exited"


def _who(life: Life, place: str) -> list[Container]:
    if place == "removed":
        return [*life.gone, *(each for each in life.containers if place_of(each) == place)]
    return [each for each in life.containers if place_of(each) == place]


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(life: Life, note: str = "") -> str:
    """The picture without its style. `note` stands beside the title: whether it is live."""
    aside = f' <small class="dl-empty">{escape(note)}</small>' if note else ""
    drawn = _broad(life) + _narrow(life)
    return f'<h4>{TITLE}{aside}</h4><div class="dl-life">{drawn}</div><p class="dl-from">읽은 곳: {READ_FROM}</p>'


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a state is drawn."""

    x: int
    y: int
    height: int

    @property
    def right(self) -> int:
        return self.x + BOX

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def middle(self) -> int:
        return self.x + BOX // 2


def _height(life: Life, place: str) -> int:
    """Of a state's box with those who are in it."""
    who = len(_who(life, place))
    rows = min(who, SHOWN) + (who > SHOWN or place == "removed")
    return HEAD + max(rows, 1) * CHIP + 4


def _broad(life: Life) -> str:
    """Side by side: made, running, ended; beneath them paused and removed."""
    first, high = 96, max(128, *(_height(life, place) for place in ("created", "running", "exited")))
    second, low = first + high + DOWN, max(_height(life, place) for place in ("paused", "removed"))
    at = [column * (BOX + ACROSS) for column in range(3)]
    image, created, running, exited = (_Box(at[0], 8, 40), *(_Box(x, first, high) for x in at))
    paused, removed = _Box(at[1], second, low), _Box(at[2], second, low)
    beneath, bend = removed.bottom + 32, running.right + ACROSS // 2
    arrows = [
        _upright(image.middle, image.bottom, created.y),
        _level(image.right, 28, running.middle, running.y),
        _level(created.right, first + 40, running.x),
        _level(running.right, first + 32, exited.x),
        _level(exited.x, first + 80, running.right),
        _upright(running.middle - 24, running.bottom, paused.y),
        _upright(running.middle + 24, paused.y, running.bottom),
        _level(running.right, running.bottom - 16, bend, second + 24, removed.x),
        _upright(exited.middle, exited.bottom, removed.y),
        _upright(created.middle, created.bottom, beneath, removed.middle, removed.bottom),
    ]
    words = [
        _word(image.middle + 8, 76, "docker create"),
        _word(image.right + 8, 20, "docker run = create + start"),
        _word(created.right + ACROSS // 2, first + 32, "docker start", "middle"),
        _word(running.right + ACROSS // 2, first + 24, "docker stop, kill", "middle"),
        _note(running.right + ACROSS // 2, first + 48, ENDS, "middle"),
        _word(running.right + ACROSS // 2, first + 72, "docker start", "middle"),
        _word(running.middle - 32, running.bottom + 36, "docker pause", "end"),
        _word(running.middle + 32, running.bottom + 36, "docker unpause"),
        _word(bend + 8, running.bottom + 36, "docker rm -f"),
        _word(exited.middle + 8, exited.bottom + 36, "docker rm"),
        _word(created.middle + 8, beneath - 8, "docker rm"),
    ]
    boxes = {"created": created, "running": running, "exited": exited, "paused": paused, "removed": removed}
    return _svg("broad", BROAD, beneath + 8, life, [*arrows, *words, _image(image), *_boxes(life, boxes)])


def _narrow(life: Life) -> str:
    """One beneath the other, ways back along the right side."""
    image, boxes, y = _Box(0, 8, 40), {}, 48
    for place, way in {"created": 48, "running": 48, "paused": DOWN, "exited": 40, "removed": DOWN}.items():
        boxes[place] = _Box(0, y + way, max(_height(life, place), 104 if place == "running" else 0))
        y = boxes[place].bottom
    created, running, paused, exited, removed = boxes.values()
    near, far, word = BOX + 24, NARROW - 8, BOX + 32
    arrows = [
        _upright(image.middle, image.bottom, created.y),
        _level(image.right, 28, near, running.y + 24, running.right),
        _upright(created.middle, created.bottom, running.y),
        _upright(16, running.bottom, paused.y),
        _upright(BOX - 16, paused.y, running.bottom),
        _level(running.right, running.bottom - 16, near, exited.y + 24, exited.right),
        _level(exited.right, exited.y + 48, far, running.bottom - 48, running.right),
        _upright(exited.middle, exited.bottom, removed.y),
    ]
    words = [
        _word(image.middle + 8, created.y - 18, "docker create"),
        _word(word, created.y + 24, "docker run"),
        _word(created.middle + 8, running.y - 18, "docker start"),
        _word(24, running.bottom + 24, "docker pause"),
        _word(BOX - 24, running.bottom + 48, "docker unpause", "end"),
        _word(word, running.bottom + 16, "docker stop"),
        _word(word, running.bottom + 36, "docker kill"),
        _note(word, running.bottom + 56, ENDS),
        _word(far - 8, exited.y + 40, "docker start", "end"),
        _word(exited.middle + 8, exited.bottom + 28, "docker rm"),
        _note(exited.middle + 8, exited.bottom + 48, "실행 중이면"),
        _word(exited.middle + 76, exited.bottom + 48, "docker rm -f"),
    ]
    return _svg("narrow", NARROW, y + 8, life, [*arrows, *words, _image(image), *_boxes(life, boxes)])


def _svg(kind: str, width: int, height: int, life: Life, inner: Iterable[str]) -> str:
    said = escape(f"{TITLE}. {'. '.join(_lines(life))}")
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg class="dl-{kind}" {size} role="group" aria-label="{said}">{"".join(inner)}</svg>'


def _boxes(life: Life, boxes: dict[str, _Box]) -> list[str]:
    return [_box(box, place, _who(life, place), life.removed) for place, box in boxes.items()]


def _box(box: _Box, place: str, who: Sequence[Container], removed: int) -> str:
    """A state: its name, and the newest of those who are in it."""
    shown = who[-SHOWN:][::-1]
    left = removed - len(shown) if place == "removed" else len(who) - len(shown)
    chips = [_chip(each, place, box.x + 8, box.y + HEAD + at * CHIP) for at, each in enumerate(shown)]
    below = box.y + HEAD + len(shown) * CHIP + 18
    if left > 0:
        chips.append(_note(box.x + 12, below, f"그 밖에 {left}개" if shown else f"{left}개"))
    elif not shown:
        chips.append(_note(box.x + 12, below, NOBODY))
    return (
        f'<g class="dl-place dl-{place}"><rect x="{box.x + 1}" y="{box.y + 1}" width="{BOX - 2}" '
        f'height="{box.height - 2}" rx="8"/>{_head(box, place, PLACES[place], place)}{"".join(chips)}</g>'
    )


def _head(box: _Box, drawn: str, word: str, english: str) -> str:
    return (
        f'<g transform="translate({box.x + 10} {box.y + 10})">{sign(drawn)}</g>'
        f'<text class="dl-name" x="{box.x + 38}" y="{box.y + 25}">{word}</text>'
        f'<text class="dl-english" x="{box.right - 12}" y="{box.y + 25}" text-anchor="end">{english}</text>'
    )


def _image(box: _Box) -> str:
    outline = f'<rect x="{box.x + 1}" y="{box.y + 1}" width="{BOX - 2}" height="{box.height - 2}" rx="2"/>'
    return f'<g class="dl-place dl-origin">{outline}{_head(box, "image", "이미지", "image")}</g>'


def _chip(container: Container, place: str, x: int, y: int) -> str:
    code = "" if container.exit_code is None or place == "removed" else f"({container.exit_code})"
    name = shortened(container.name, LETTERS - len(code))
    words = f'<text class="dl-command" x="8" y="18">{escape(name)}</text>'
    words += f'<text class="dl-command" x="{BOX - 24}" y="18" text-anchor="end">{code}</text>' if code else ""
    title = f"<title>{escape(container.name)} · {PLACES[place]} · {container.id[:12]}</title>"
    outline = f'<rect width="{BOX - 16}" height="{CHIP - 6}" rx="6"/>'
    known = f'data-who="{container.id}" data-place="{place}"'
    if place != "removed":
        known += f' data-show="container:{container.id}" role="button" tabindex="0" {KEYS}'
    return f'<g transform="translate({x} {y})"><g class="dl-chip" {known}>{title}{outline}{words}</g></g>'


def shortened(name: str, letters: int) -> str:
    """In the middle, where it is longer than that."""
    if len(name) <= letters:
        return name
    front = letters // 2
    return f"{name[:front]}…{name[len(name) - (letters - front - 1) :]}"


def _level(x: int, y: int, *turns: int) -> str:
    """An arrow that leaves sideways: to this x, then to this y, and so on."""
    return _arrow(x, y, turns, sideways=True)


def _upright(x: int, y: int, *turns: int) -> str:
    """An arrow that leaves up or down: to this y, then to this x, and so on."""
    return _arrow(x, y, turns, sideways=False)


def _arrow(x: int, y: int, turns: Sequence[int], *, sideways: bool) -> str:
    points = [(x, y)]
    for at, to in enumerate(turns):
        x, y = (to, y) if sideways == (at % 2 == 0) else (x, to)
        points.append((x, y))
    (before_x, before_y) = points[-2]
    along, down = (x > before_x) - (x < before_x), (y > before_y) - (y < before_y)
    line = _points([*points[:-1], (x - 6 * along, y - 6 * down)])
    wings = [(x - 8 * along + 4 * side * down, y - 8 * down + 4 * side * along) for side in (1, -1)]
    return f'<polyline class="dl-way" points="{line}"/><polygon class="dl-tip" points="{_points([(x, y), *wings])}"/>'


def _points(points: Iterable[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _word(x: int, y: int, text: str, anchor: str = "start") -> str:
    """A command."""
    return f'<text class="dl-command" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _note(x: int, y: int, text: str, anchor: str = "start") -> str:
    return f'<text class="dl-english" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
