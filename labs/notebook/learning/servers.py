"""`%server` and `%servers`: other servers are made and removed, and drawn with what lies on them."""

from __future__ import annotations

import os

from kernel_engine.client import Client
from labs import servers
from labs.notebook.learning import markup, site_picture, sites

KIND = "servers"
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
        print(servers.as_text(found))
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
    html = markup.section(KIND, site_picture.as_html(machines), label=site_picture.TITLE)
    markup.show(text=site_picture.as_text(machines), html=html)
