"""`%ask URL 12`: asks one address many times and shows which container answered each time.

A page tells who it is by the host name in it: a container's own name, its host name or the beginning of its id.
"""

from __future__ import annotations

import http.client
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from kernel_engine.client import Client
from labs.notebook.learning import markup

KIND = "ask"
TITLE = "누가 대답했을까요?"
USAGE = "%ask 다음에 주소와 횟수를 써 주세요. 예: %ask http://127.0.0.1:9000/ 12"
MOST = 500
_PATIENCE = 5.0
FAILED = "대답 없음"
UNKNOWN = "알 수 없음"
#: who answered → one of the palette's colours, in the order of their names
COLOURS = ("container", "network", "layer", "image", "volume", "security")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Who answered, in order: a container's name, FAILED or UNKNOWN."""

    url: str
    who: tuple[str, ...]
    seconds: float

    @property
    def counts(self) -> list[tuple[str, int]]:
        """By name; failures last."""
        return sorted(Counter(self.who).items(), key=lambda item: (item[0] in (FAILED, UNKNOWN), _natural(item[0])))


def _natural(name: str) -> tuple[str, int]:
    front, _, number = name.rpartition("-")
    return (front, int(number)) if number.isdigit() else (name, 0)


def words_of(line: str) -> tuple[str, int] | None:
    """Address and count of the line; None where it is not understood."""
    words = line.split()
    if not 1 <= len(words) <= 2 or not words[0].startswith("http://"):
        return None
    count = words[1] if len(words) == 2 else "12"
    return (words[0], int(count)) if count.isdigit() and 0 < int(count) <= MOST else None


def names(client: Client) -> dict[str, str]:
    """What a page may call a container → the container's name."""
    found: dict[str, str] = {}
    for row in client.get("/containers/json").json():
        facts = client.get(f"/containers/{row['Id']}/json").json()
        name = facts["Name"].lstrip("/")
        found |= {word: name for word in (name, facts["Config"]["Hostname"], facts["Id"][:12]) if word}
    return found


def ask(url: str, count: int, known: Mapping[str, str]) -> Answers:
    """One request after another, each on a connection of its own."""
    began = time.monotonic()
    who = tuple(_once(url, known) for _ in range(count))
    return Answers(url=url, who=who, seconds=time.monotonic() - began)


def _once(url: str, known: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=_PATIENCE)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        text = answer.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return FAILED
    finally:
        connection.close()
    if answer.status >= 500:
        return FAILED
    return who_said(text, known)


def who_said(text: str, known: Mapping[str, str]) -> str:
    """The container that a page names."""
    for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        if name := known.get(word.rstrip(".")):
            return name
    return UNKNOWN


def show(client: Client, url: str, count: int) -> None:
    """At the end of the cell."""
    answers = ask(url, count, names(client))
    drawn = as_html(answers)
    markup.show(text=as_text(answers), html=markup.section(KIND, drawn, label=TITLE))


# pure ----------------------------------------------------------------------------------------------------------------
def as_text(answers: Answers) -> str:
    """The counts; the order of the answers differs from run to run."""
    lines = [f"{TITLE} {answers.url} {len(answers.who)}번"]
    return "\n".join([*lines, *(f"  {name}: {count}번" for name, count in answers.counts)])


def as_html(answers: Answers) -> str:
    """A square for each request in its order, and a bar for each who answered."""
    order = [name for name, _ in answers.counts]
    kinds = {
        name: "failed" if name in (FAILED, UNKNOWN) else COLOURS[at % len(COLOURS)] for at, name in enumerate(order)
    }
    numbers = {name: "×" if kinds[name] == "failed" else str(at + 1) for at, name in enumerate(order)}
    squares = (
        ""
        if markup.still()
        else "".join(
            f'<i class="dl-by-{kinds[name]}" title="{at}번째: {escape(name)}">{numbers[name]}</i>'
            for at, name in enumerate(answers.who, 1)
        )
    )
    most = max((count for _, count in answers.counts), default=1)
    bars = "".join(
        f'<li><i class="dl-by-{kinds[name]}">{numbers[name]}</i><span>{escape(name)}</span>'
        '<svg viewBox="0 0 240 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{240 * count // most}" height="12" rx="2" '
        f'class="dl-by-{kinds[name]}"/></svg><b>{count}번</b></li>'
        for name, count in answers.counts
    )
    row = f'<p class="dl-asked" aria-hidden="true">{squares}</p>' if squares else ""
    return (
        f"<h4>{TITLE} <small>{escape(answers.url)}에 {len(answers.who)}번</small></h4>{row}<ul>{bars}</ul>"
        f'<p class="dl-from">읽은 곳: 대답에 적힌 호스트 이름, GET /containers/json</p>'
    )
