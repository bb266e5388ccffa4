"""`%server` and `%servers`: other servers are made and removed, and drawn with what lies on them."""

from __future__ import annotations

import os
from html import escape

from kernel_engine.client import Client
from labs import servers
from labs.notebook.learning import markup, site_picture, sites
from labs.notebook.learning.card import card

KIND = "servers"
LISTED = "서버의 목록"
USAGE = "%server create 이름, %server rm 이름, 또는 그냥 %server 로 써 주세요. 예: %server create second"


def manage(client: Client, line: str) -> None:
    """Raises APIError, EngineUnreachable, NameTaken."""
    words = line.split()
    if words and (len(words) != 2 or words[0] not in ("create", "rm")):
        print(USAGE)
        return
    if words[:1] == ["rm"]:
        servers.remove(client, words[1])
        print(f"서버 {words[1]}을(를) 지웠어요.")
    else:
        found = servers.create(client, words[1]) if words else servers.read(client)
        markup.show(text=servers.as_text(found), html=markup.section(KIND, _table(found), label=LISTED, boxed=False))
    name_them(client)


def name_them(client: Client) -> None:
    """For the cells that follow: `$SECOND` and `$SECOND_HOST`. Those of servers that are gone vanish."""
    for name in os.environ.pop("DOCKER_LABS_NAMED", "").split():
        os.environ.pop(name, None)
    named = servers.variables(client)
    os.environ.update(named)
    if named:
        os.environ["DOCKER_LABS_NAMED"] = " ".join(named)


def show_servers(client: Client) -> None:
    """Raises EngineUnreachable."""
    machines = sites.read(client)
    body = site_picture.as_html(machines)
    html = markup.section(KIND, body, label=site_picture.TITLE, boxed=False)
    shown = None if markup.still() else card(client, KIND, body)
    markup.show(text=site_picture.as_text(machines), html=html, widget=shown)


def _table(found: servers.Servers) -> str:
    if not found.others:
        return f"<p>{escape(servers.NONE)}</p>"
    head = "".join(f"<th>{escape(word)}</th>" for word in servers.HEADINGS)
    body = "".join(
        f"<tr><td><b>{escape(name)}</b></td>{''.join(f'<td><code>{escape(word)}</code></td>' for word in words)}</tr>"
        for name, *words in servers.rows(found)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
