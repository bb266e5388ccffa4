"""The course map and the command card: fixed pictures of what the lab's source says."""

from __future__ import annotations

from html import escape
from posixpath import relpath

from labs.catalogue import TRACKS, Lab
from labs.directives import CardGroup
from labs.notebook.learning import markup

MAP = "강의 지도"
CARD = "명령 카드"


def show_map(here: Lab, labs: tuple[Lab, ...]) -> None:
    markup.show(text=map_text(here, labs), html=map_html(here, labs))


def map_text(here: Lab, labs: tuple[Lab, ...]) -> str:
    row = " → ".join(
        f"[{lab.number} {lab.title}]" if lab == here else f"{lab.number} {lab.title}" for lab in _along(here, labs)
    )
    beside = [f"{TRACKS[lab.track]} ({lab.number}부터)" for lab in _beside(here, labs)]
    goals = [f"  · {markup.plain(goal)} 있어요" for goal in here.goals]
    return "\n".join([row, *beside, f"{here.minutes}분쯤 걸려요. 이 실습을 마치면", *goals])


def _along(here: Lab, labs: tuple[Lab, ...]) -> list[Lab]:
    """The lab's own track."""
    return [lab for lab in labs if lab.track == here.track]


def _beside(here: Lab, labs: tuple[Lab, ...]) -> list[Lab]:
    """The first lab of each other track."""
    first: dict[str, Lab] = {}
    for lab in labs:
        if lab.track != here.track:
            first.setdefault(lab.track, lab)
    return list(first.values())


def map_html(here: Lab, labs: tuple[Lab, ...]) -> str:
    places = "".join(_place(lab, here) for lab in _along(here, labs))
    places += "".join(
        f'<li class="dl-beside"><a href="{_link(lab, here)}">{TRACKS[lab.track]}</a></li>'
        for lab in _beside(here, labs)
    )
    goals = "".join(f"<li>{markup.inline(goal)} 있어요.</li>" for goal in here.goals)
    return markup.section(
        "map",
        f"<nav><ol>{places}</ol></nav>"
        f'<p>{here.minutes}분쯤 걸려요. 이 실습을 마치면</p><ul class="dl-goals">{goals}</ul>',
        label=MAP,
        boxed=False,
    )


def _place(lab: Lab, here: Lab) -> str:
    name = f"{lab.number} {escape(lab.title)}"
    if lab == here:
        return f'<li aria-current="page">{name}</li>'
    return f'<li><a href="{_link(lab, here)}">{name}</a></li>'


def _link(lab: Lab, here: Lab) -> str:
    return f"{relpath(lab.place, here.place)}/lab.ipynb"


def show_card(lab: Lab) -> None:
    groups = lab.card()
    markup.show(text=card_text(lab, groups), html=card_html(lab, groups))


def card_text(lab: Lab, groups: tuple[CardGroup, ...]) -> str:
    lines = [f"{CARD} · {lab.number} {lab.title}"]
    for group in groups:
        lines += [group.title] if group.title else []
        for command, meaning in group.commands:
            lines += [f"  {command}", f"      {markup.plain(meaning)}"]
    return "\n".join(lines)


def card_html(lab: Lab, groups: tuple[CardGroup, ...]) -> str:
    body = "".join(
        f"<div>{f'<h5>{escape(group.title)}</h5>' if group.title else ''}<ul>"
        + "".join(
            f"<li><code>{escape(command)}</code> {markup.inline(meaning)}</li>" for command, meaning in group.commands
        )
        + "</ul></div>"
        for group in groups
    )
    title = f"{CARD} · {lab.number} {escape(lab.title)}"
    return markup.section("card", f'<h4>{title}</h4><div class="dl-groups">{body}</div>', label=CARD)
