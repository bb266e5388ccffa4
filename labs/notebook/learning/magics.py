"""The magics of a lab's page, from `%map` to `%check`. Each says what went wrong in one sentence.

What a magic shows is imported when it is first asked for: most notebooks ask for two or three of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from IPython.core.magic import no_var_expand

from kernel_engine.cli import korean
from kernel_engine.client import APIError, Client, EngineUnreachable
from labs import catalogue
from labs.directives import BadSource
from labs.engine_view import CommandFailed
from labs.notebook import server
from labs.notebook.learning import practising, preview
from labs.servers import NameTaken

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NOBODY = "엔진이 돌고 있지 않아요. 터미널에서 ./lab up 을 실행해 주세요."
HOST = "--host"


def show_map(line: str) -> None:
    """%map 00: where this lab stands in the course."""
    from labs.notebook.learning import pages

    _said(lambda: pages.show_map(catalogue.lab(line.strip()), catalogue.labs()))


def predict(line: str) -> None:
    """%predict 00-1: a question before a surprising command."""
    from labs.notebook.learning import choices

    name = line.strip()
    _said(lambda: choices.show_prediction(catalogue.lab(name).prediction(name)))


def quiz(line: str) -> None:
    """%quiz 00: the three questions at the end of a lab."""
    from labs.notebook.learning import choices

    _said(lambda: choices.show_quiz(catalogue.lab(line.strip()).quiz()))


def card(line: str) -> None:
    """%card 00: the lab's commands on one page."""
    from labs.notebook.learning import pages

    _said(lambda: pages.show_card(catalogue.lab(line.strip())))


def show_live(line: str) -> None:
    """%live, %live containers images: the engine's things as they change."""
    from labs.notebook.learning import live, picture

    parts = tuple(line.split()) or picture.PARTS
    if unknown := set(parts) - set(picture.PARTS):
        print(f"%live는 {', '.join(sorted(unknown))}을(를) 몰라요. 쓸 수 있는 말: {' '.join(picture.PARTS)}")
        return
    _said(lambda: live.show_live(server.require_this_engine(), parts))


def show_lifecycle(line: str) -> None:
    """%lifecycle: where in their lives the containers are."""
    from labs.notebook.learning import lifecycle

    if _takes_nothing("%lifecycle", line):
        _said(lambda: lifecycle.show_lifecycle(server.require_this_engine()))


def show_dashboard(line: str) -> None:
    """%dashboard: what running containers use, as it changes."""
    from labs.notebook.learning import dashboard

    if _takes_nothing("%dashboard", line):
        _said(lambda: dashboard.show_dashboard(server.require_this_engine()))


def _takes_nothing(magic: str, line: str) -> bool:
    if line.strip():
        print(f"{magic}는 다른 말 없이 쓰세요.")
    return not line.strip()


def show_topology(line: str) -> None:
    """%topology: networks, who is on them, and the ports that lead in."""
    from labs.notebook.learning import topology

    if _takes_nothing("%topology", line):
        _said(lambda: topology.show_topology(server.require_this_engine()))


def show_swarm(line: str) -> None:
    """%swarm, %swarm manager: what a Swarm should be, and what it is, as its manager's container tells it."""
    from labs.notebook.learning import swarm

    words = line.split() or [swarm.MANAGER]
    if len(words) > 1:
        print(f"%swarm 다음에는 매니저 컨테이너의 이름만 써 주세요. 예: %swarm {swarm.MANAGER}")
        return
    _said(lambda: swarm.show_swarm(server.require_this_engine(), words[0]))


def ask(line: str) -> None:
    """%ask http://127.0.0.1:9000/ 12: who answers there, request by request."""
    from labs.notebook.learning import asking

    words = asking.words_of(line)
    if words is None:
        print(asking.USAGE)
        return
    _said(lambda: asking.show(server.require_this_engine(), *words))


def show_volumes(line: str) -> None:
    """%volumes: what holds data, and which containers have it."""
    from labs.notebook.learning import volumes

    _said(lambda: volumes.show_volumes(server.require_this_engine()))


def show_layers(line: str) -> None:
    """%layers web:1 web:2: the layers of one or more images, and what they share."""
    from labs.notebook.learning import layers

    names = tuple(dict.fromkeys(line.split()))
    if not names:
        print("%layers 다음에 이미지 이름을 써 주세요. 예: %layers debian:bookworm")
        return
    _said(lambda: layers.show_layers(server.require_this_engine(), names))


def server_command(line: str) -> None:
    """%server, %server create second, %server rm second: other servers, and variables for them."""
    from labs.notebook.learning import servers as sites

    _said(lambda: sites.manage(server.require_this_engine(), line))


def show_servers(line: str) -> None:
    """%servers: what lies where, and what the registries hold."""
    from labs.notebook.learning import servers as sites

    if line.strip():
        print("%servers는 다른 말 없이 쓰세요. 서버를 만들려면 %server create 이름이에요.")
        return
    _said(lambda: sites.show_servers(server.require_this_engine()))


def open_page(line: str) -> None:
    """%open web, %open 9999: the page of a published port."""
    _said(lambda: preview.show_open(server.require_this_engine(), line))


def check(line: str) -> None:
    """%check 01-3 [answer]: has the exercise been done? `--host ADDRESS` asks another server."""
    _said(lambda: _check(line))


def _check(line: str) -> None:
    host, rest = _host(line)
    name, _, answer = rest.strip().partition(" ")
    if not name:
        print(_which("check"))
        return
    address = host or server.require_this_engine().host
    Client(address).get("/_ping").close()
    practising.show_check(name, address, practising.answered(answer.strip(), address))


def hint(line: str) -> None:
    """%hint 01-3: one hint more than before, for what is missing now."""
    name, _, answer = line.strip().partition(" ")
    if not name:
        print(_which("hint"))
        return
    _said(lambda: practising.show_hint(name, server.require_this_engine().host, answer.strip()))


def solve(line: str) -> None:
    """%solve 01-3: the solution, after an honest try."""
    name = line.strip()
    if not name:
        print(_which("solve"))
        return
    _said(lambda: practising.solve(name, server.require_this_engine().host))


def show_progress(line: str) -> None:
    """%progress: the whole course, and how far each exercise is."""
    if _takes_nothing("%progress", line):
        _said(practising.show_progress)


def _which(verb: str) -> str:
    return f"%{verb} 다음에 과제 번호를 써 주세요. 예: %{verb} 01-3"


def _host(line: str) -> tuple[str, str]:
    """The address after --host ("" without), and the rest of the line."""
    words = shlex.split(line) if HOST in line else []
    if HOST not in words[:-1]:
        return "", line
    at = words.index(HOST)
    return words[at + 1], shlex.join(words[:at] + words[at + 2 :])


def _said(work: Callable[[], None]) -> None:
    """Runs it; what a learner can meet becomes a sentence, a fault of the course stays a traceback."""
    try:
        work()
    except (catalogue.NoSuchLab, server.WrongServer, BadSource, CommandFailed, NameTaken) as error:
        print(error)
    except KeyboardInterrupt:
        print("멈췄어요.")
    except EngineUnreachable as error:
        print(f"{error.message}\n{NOBODY}")
    except APIError as error:
        print("\n".join(filter(None, (error.message, korean.line(error.message)))))


MAGICS: dict[str, Callable[[str], None]] = {
    "map": show_map,
    "predict": predict,
    "quiz": quiz,
    "card": card,
    "live": show_live,
    "lifecycle": show_lifecycle,
    "dashboard": show_dashboard,
    "open": open_page,
    "volumes": show_volumes,
    "topology": show_topology,
    "swarm": show_swarm,
    "ask": ask,
    "layers": show_layers,
    "server": server_command,
    "servers": show_servers,
    "check": check,
    "hint": hint,
    "solve": solve,
    "progress": show_progress,
}


def register(shell: InteractiveShell) -> None:
    add = cast("Any", shell).register_magic_function  # IPython's own annotations of it are wrong
    for name, magic in {**MAGICS, "check": _expanding(shell)}.items():
        add(magic, magic_kind="line", magic_name=name)


def _expanding(shell: InteractiveShell) -> Callable[[str], None]:
    """`%check` puts variables in as every magic does, but leaves a command `$(…)` as it is: IPython would halve the
    braces of its `--format '{{…}}'`."""

    @no_var_expand
    def check_line(line: str) -> None:
        check(line if practising.COMMAND in line else cast("Any", shell).var_expand(line))

    check_line.__doc__ = check.__doc__
    return check_line
