"""Draws networks as bridges with containers plugged into them. Pure.

The fixed text names no address and no port that the engine chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from labs.notebook.learning import markup
from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import sign

TITLE = "네트워크의 모습"
READ_FROM = "GET /networks, GET /containers/…/json"
NOTHING = "컨테이너가 꽂힌 네트워크도, 여러분이 만든 네트워크도 없어요."
HEALTH = {"healthy": "건강함", "unhealthy": "아픔", "starting": "살펴보는 중"}
#: the first port that the kernel gives out by itself: what is below was chosen by a person
_CHOSEN_BY_KERNEL = 32768


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of the host that leads in."""

    outside: int
    inside: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A container on a network. `names`: aliases, besides its own name; `others`: further networks that it is on."""

    id: str
    name: str
    address: str
    names: tuple[str, ...]
    ports: tuple[Port, ...]
    others: tuple[str, ...]
    health: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One network: a bridge on the host, and who is plugged into it."""

    id: str
    name: str
    bridge: str
    subnet: str
    gateway: str
    internal: bool
    members: tuple[Member, ...]

    @property
    def resolves(self) -> bool:
        """Names are answered on networks that somebody made, not on the default one."""
        return self.name != "bridge"


# as text -------------------------------------------------------------------------------------------------------------
def as_text(segments: Sequence[Segment]) -> str:
    """The facts in fixed lines; health is not one of them, it comes when it comes."""
    lines = [TITLE]
    for segment in segments:
        lines.append(f"  {segment.name} · {_kind(segment)} · 컨테이너 {len(segment.members)}개")
        for member in segment.members:
            parts = [member.name, *_called(segment, member), *(_way(port, still=True) for port in member.ports)]
            lines.append("    " + " · ".join(parts))
    return "\n".join(lines if segments else [*lines, f"  {NOTHING}"])


def _kind(segment: Segment) -> str:
    known = "이름으로 찾을 수 있음" if segment.resolves else "이름으로 찾을 수 없음"
    return f"{known} · 바깥과 막힘" if segment.internal else known


def _called(segment: Segment, member: Member) -> list[str]:
    return [f"이름: {', '.join(member.names)}"] if segment.resolves and member.names else []


def _way(port: Port, *, still: bool) -> str:
    outside = "빈 포트" if still and port.outside >= _CHOSEN_BY_KERNEL else f"{port.outside}번 포트"
    more = "" if port.protocol == "tcp" else f"/{port.protocol}"
    return f"호스트 {outside} → {port.inside}{more}"


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(segments: Sequence[Segment], note: str = "") -> str:
    """The picture without its style. `note` stands beside the title: whether it is live."""
    if markup.still():
        return f"<h4>{TITLE}</h4><pre>{escape(as_text(segments))}</pre>"
    aside = f' <small class="dl-empty">{escape(note)}</small>' if note else ""
    drawn = "".join(map(_segment, segments)) or f'<p class="dl-empty">{NOTHING}</p>'
    return f'<h4>{TITLE}{aside}</h4>{drawn}<p class="dl-from">읽은 곳: {READ_FROM}</p>'


def _segment(segment: Segment) -> str:
    members = "".join(_member(segment, member) for member in segment.members)
    empty = "" if members else '<p class="dl-empty">아무도 꽂혀 있지 않아요.</p>'
    facts = f"{escape(segment.subnet)} · 브리지 {escape(segment.bridge)} {escape(segment.gateway)}"
    return (
        f'<div class="dl-segment" role="group" aria-label="네트워크 {escape(segment.name)}">'
        f'<button type="button" class="dl-net" data-show="network:{segment.id}" {KEYS}>'
        f"<b>{escape(segment.name)}</b><small>{facts}</small><small>{_kind(segment)}</small></button>"
        f"<ul>{members}</ul>{empty}</div>"
    )


def _member(segment: Segment, member: Member) -> str:
    ways = "".join(f'<span class="dl-socket">{escape(_way(port, still=False))}</span>' for port in member.ports)
    called = "".join(f"<small>{escape(text)}</small>" for text in _called(segment, member))
    also = f"<small>다른 네트워크에도 있어요: {escape(', '.join(member.others))}</small>" if member.others else ""
    health = f'<b class="dl-health-{member.health}">{HEALTH[member.health]}</b>' if member.health in HEALTH else ""
    return (
        f'<li>{ways}<button type="button" class="dl-thing dl-running" data-show="container:{member.id}" {KEYS}>'
        f"{sign('running')}<span><b>{escape(member.name)}</b> {health}<small>{escape(member.address)}</small>"
        f"{called}{also}</span></button></li>"
    )
