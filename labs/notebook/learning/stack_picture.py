"""Draws images as the sheets that they are made of, the oldest at the bottom; what images share is one sheet. Pure.

A sheet is as thick as its layer is big. A step that changed no file is a line between sheets, never a sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from labs.notebook.building import words
from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import in_words, thing
from labs.notebook.learning.stacks import Stack, Step

TITLE = "레이어 스택"
READ_FROM = "GET /kernel-engine/images/…/layers (docker history의 줄과 그 레이어), GET /kernel-engine/builds"
#: the thickest sheet has this many pages, each PAGE pixels thick; every other sheet in proportion, one at least
PAGES, PAGE = 14, 4
#: so many of the images that share a layer are named
NAMED = 4
AGES = ("oldest", "older", "middle", "newer", "newest")
LAYER, NO_LAYER = "레이어", "레이어 없음"
NOTHING = "보여 줄 이미지가 없어요."
LEGEND = "두께는 레이어의 크기예요. 점선은 파일을 바꾸지 않은 단계라서 레이어가 없어요."


# as text -------------------------------------------------------------------------------------------------------------
def as_text(stacks: Sequence[Stack]) -> str:
    """The facts in fixed lines, the oldest step first. Sizes are the only thing that may differ from run to run."""
    lines = [TITLE]
    for stack in stacks:
        lines.append(f"  {stack.name} · 레이어 {len(stack.layers)}장 · {in_words(stack.size)}")
        number = 0
        for step in stack.steps:
            number += step.is_layer
            mark = f"{LAYER} {number}" if step.is_layer else f"  {NO_LAYER}"
            size = [in_words(step.size)] if step.is_layer else []
            lines.append(" · ".join([f"    {mark}", step.instruction, *size, *(text for _, text in notes(step))]))
    lines.append(f"  {LEGEND}" if stacks else f"  {NOTHING}")
    return "\n".join(lines)


def notes(step: Step) -> list[tuple[str, str]]:
    """What is to be said of a step besides its instruction and size: (kind, text)."""
    said = []
    if step.names:
        said.append(("base", f"여기까지가 {', '.join(step.names)}"))
    if step.shared:
        more = f" 외 {len(step.shared) - NAMED}개" if len(step.shared) > NAMED else ""
        said.append(("shared", f"함께 쓰는 이미지: {', '.join(step.shared[:NAMED])}{more}"))
    if step.is_layer and (made := words.made(step.state, step.reason, step.detail)):
        said.append((step.state, made))
    said += [("told", text) for text in step.told]
    return said


# as HTML -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Sheets that one or more images have in common, and what stands on them: smaller piles side by side."""

    steps: tuple[Step, ...]
    above: tuple[Pile, ...]
    #: the image that ends here, for a pile that nothing shares
    stack: Stack | None

    @property
    def images(self) -> int:
        """How many stand on it: it is as wide as they are."""
        return sum(pile.images for pile in self.above) or 1


def piles(stacks: Sequence[Stack]) -> tuple[Pile, ...]:
    """Images that begin with the same steps stand on one pile; in the order in which they were asked for."""
    groups: dict[object, list[Stack]] = {}
    for at, stack in enumerate(stacks):
        groups.setdefault(_key(stack.steps[0]) if stack.steps else at, []).append(stack)
    return tuple(map(_pile, groups.values()))


def _pile(stacks: list[Stack]) -> Pile:
    if len(stacks) == 1:
        return Pile(steps=stacks[0].steps, above=(), stack=stacks[0])
    common = 0
    while all(len(stack.steps) > common for stack in stacks) and (
        len({_key(stack.steps[common]) for stack in stacks}) == 1
    ):
        common += 1
    rest = [replace(stack, steps=stack.steps[common:]) for stack in stacks]
    steps = tuple(_joined({stack.name: stack.steps[at] for stack in stacks}) for at in range(common))
    return Pile(steps=steps, above=piles(rest), stack=None)


def _joined(same: dict[str, Step]) -> Step:
    """One step of several images, by their names."""
    steps = list(same.values())
    one = replace(
        steps[0],
        names=tuple(sorted({name for step in steps for name in step.names})),
        shared=tuple(sorted({name for step in steps for name in step.shared})),
    )
    made = {name: words.made(step.state, step.reason, step.detail) for name, step in same.items()}
    if len(set(made.values())) == 1:
        return one
    told = tuple(f"{name}: {text}" for name, text in made.items() if text and one.is_layer)
    return replace(one, state="", reason="", detail="", told=told)


def _key(step: Step) -> tuple[str, str, int]:
    return step.diff_id, step.created_by, step.created


def as_html(stacks: Sequence[Stack]) -> str:
    """The picture without its style."""
    if not stacks:
        return f'<h4>{TITLE}</h4><p class="dl-empty">{NOTHING}</p>'
    drawn = _Drawing(stacks)
    body = "".join(map(drawn.pile, piles(stacks)))
    return (
        f'<h4>{TITLE}</h4><div class="dl-piles">{body}</div>'
        f'<p class="dl-legend">{escape(LEGEND)}</p><p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    )


class _Drawing:
    """Knows what is compared: the biggest layer, and each layer's number and age."""

    def __init__(self, stacks: Sequence[Stack]) -> None:
        self._biggest = max((step.size for stack in stacks for step in stack.steps), default=0)
        deepest = max(len(stack.layers) for stack in stacks)
        self._places = {
            _key(step): (at, age(at, deepest)) for stack in stacks for at, step in enumerate(stack.layers, 1)
        }
        self._whole = {(stack.name, stack.id): stack for stack in stacks}

    def pile(self, pile: Pile) -> str:
        """The newest on top."""
        top = "".join(map(self.pile, pile.above))
        above = f'<div class="dl-piles">{top}</div>' if top else ""
        if pile.stack is not None:
            above = self._image(self._whole[pile.stack.name, pile.stack.id])
        steps = "".join(map(self._step, reversed(pile.steps)))
        return f'<div class="dl-pile" style="--dl-images:{pile.images}">{above}{steps}</div>'

    def _image(self, stack: Stack) -> str:
        facts = f"레이어 {len(stack.layers)}장 · {in_words(stack.size)}"
        said = f"<b>{escape(stack.name)}</b><small>{facts}</small>"
        return thing("image", "image", f"image:{stack.id}", f"이미지 {stack.id}", said)

    def _step(self, step: Step) -> str:
        return self._sheet(step) if step.is_layer else _setting(step)

    def _sheet(self, step: Step) -> str:
        number, age = self._places[_key(step)]
        said = f'<span class="dl-line"><b>{number}</b><code>{escape(step.instruction)}</code></span>'
        size = f'<span class="dl-size">{in_words(step.size)}</span>'
        face = f'<span class="dl-face">{said}{size}{_said(step)}</span>{edge(self.pages(step.size))}'
        return _button(f"dl-sheet dl-age-{age}", _show(step), f"{step.instruction}\n{LAYER} {step.diff_id}", face)

    def pages(self, size: int) -> int:
        return max(1, round(PAGES * size / self._biggest)) if self._biggest else 1


def edge(pages: int) -> str:
    """A sheet's edge seen from the side: as many pages as it is thick."""
    height = pages * PAGE
    lines = "".join(f'<line x1="0" x2="100%" y1="{at}" y2="{at}"/>' for at in range(PAGE, height, PAGE))
    return f'<svg class="dl-edge" width="100%" height="{height}" aria-hidden="true">{lines}</svg>'


def age(at: int, layers: int) -> str:
    """The oldest layer is the lightest, the newest the darkest, whatever their number."""
    return AGES[0] if layers == 1 else AGES[round((at - 1) * (len(AGES) - 1) / (layers - 1))]


def _setting(step: Step) -> str:
    face = f'<span class="dl-face"><code>{escape(step.instruction)}</code>{_said(step)}</span>'
    return _button("dl-setting", _show(step), f"{step.instruction}\n파일을 바꾸지 않은 단계라서 레이어가 없어요", face)


def _said(step: Step) -> str:
    return "".join(f'<small class="dl-{kind}">{escape(text)}</small>' for kind, text in notes(step))


def _show(step: Step) -> str:
    """What a click asks for."""
    return f"step:{step.image}:{step.at}"


def _button(kind: str, show: str, title: str, inner: str) -> str:
    named = f'class="{kind}" data-show="{escape(show)}" title="{escape(title)}"'
    return f'<button type="button" {named} {KEYS}>{inner}</button>'
