"""Terminals beneath cells: which commands get one, how the wish travels, what is kept, and the server's desk."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jupyter_server_terminals.terminalmanager import TerminalManager

from labs.notebook.terminals import picture, server, ticket, words
from labs.notebook.terminals.screen import ScrollBack, still
from labs.notebook.terminals.server import Desk
from labs.notebook.terminals.ticket import Wish

UNKNOWN = "0" * 32


@pytest.mark.parametrize(
    "source",
    [
        "docker run -it busybox sh",
        "# 먼저\ndocker run -ti --rm \\\n  busybox sh\n",
        "docker container exec -it web sh -c 'cd /tmp; ls > /list && sh'",
        "docker --host $SECOND_HOST exec -it web bash",
        "docker attach web",
        "docker start -ai web",
        "docker compose exec web sh",
        "docker compose -f other.yaml run --rm web sh",
        "docker-compose exec web sh",
    ],
)
def test_what_holds_a_terminal(source: str) -> None:
    found = words.of_cell(source)
    assert found is not None
    assert words.opens(found)


@pytest.mark.parametrize(
    "source",
    [
        "docker run busybox true",
        "docker run -i busybox cat",
        "docker run -dit busybox sh",
        "docker run -it",
        "docker run -it --help",
        "docker run -it --nosuch busybox sh",
        "docker start web",
        "docker start -a web",
        "docker ps",
        "docker",
        "docker compose",
        "docker compose exec -T web sh",
        "docker compose exec -d web sh",
        "docker compose run web sh | cat",
        "docker run -it busybox sh > file",
        "docker run -it busybox sh; docker ps",
        "docker run -it busybox sh &",
        "docker run -it busybox sh\ndocker ps",
        "docker run -it busybox 'sh",
        "x = docker",
    ],
)
def test_what_holds_none(source: str) -> None:
    found = words.of_cell(source)
    assert found is None or not words.opens(found)


@pytest.mark.parametrize(
    "line", [["bash"], ["/bin/sh", "-c", "docker run -it a"], ["docker", "run", "a"], [], ["docker"]]
)
def test_the_server_opens_nothing_else(line: list[str]) -> None:
    assert not words.opens(line)


def test_words_are_what_bash_makes_of_them(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "HERE": str(tmp_path), "TWO": "a b"}
    source = '# 글\ndocker run -it -v "$HERE:/x" \\\n  -e "T=$TWO" busybox sh -c \'echo $HERE; ls\''
    expected = ("docker", "run", "-it", "-v", f"{tmp_path}:/x", "-e", "T=a b", "busybox", "sh", "-c", "echo $HERE; ls")
    assert words.expanded(source, environment) == expected


# the ticket ----------------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path / "runtime" / "docker-labs"


def wish(*line: str, folder: str = "/", kernel: int = 0) -> Wish:
    return Wish(words=line, folder=folder, environment=dict(os.environ), kernel=kernel or os.getpid())


def test_a_wish_is_taken_once(runtime: Path) -> None:
    wanted = wish("docker", "attach", "web")
    name = ticket.write(wanted)
    assert (runtime / f"{name}.wanted").stat().st_mode & 0o077 == 0
    assert not ticket.is_taken(name)
    assert ticket.take(name) == wanted
    assert ticket.is_taken(name)
    assert [file.read_text() for file in runtime.iterdir()] == [""]  # what the environment held is not left lying
    assert ticket.take(name) is None
    assert not ticket.withdraw(name)
    assert ticket.ended(name) is None
    ticket.end(name, 3)
    assert ticket.ended(name) == 3
    ticket.forget(name)
    assert not list(runtime.iterdir())


def test_a_withdrawn_wish_is_nobodys() -> None:
    name = ticket.write(wish("docker", "attach", "web"))
    assert ticket.withdraw(name)
    assert ticket.take(name) is None


def test_a_file_that_others_could_have_written_is_no_wish(runtime: Path) -> None:
    name = ticket.write(wish("docker", "attach", "web"))
    place = runtime / f"{name}.wanted"
    place.chmod(0o666)
    assert ticket.take(name) is None
    place.chmod(0o600)
    place.rename(runtime / "elsewhere")
    place.symlink_to("elsewhere")
    assert ticket.take(name) is None


def test_nonsense_is_no_wish(runtime: Path) -> None:
    name = ticket.write(wish("docker", "attach", "web"))
    for text in ("", "[]", "{}", '{"words": 3}'):
        (runtime / f"{name}.wanted").write_text(text)
        assert ticket.take(name) is None


# the screen ----------------------------------------------------------------------------------------------------------
def test_many_small_pieces_are_kept_whole() -> None:
    kept = ScrollBack()
    for number in range(5000):
        kept.append(f"{number}\n")
    assert "".join(kept).splitlines() == [str(number) for number in range(5000)]


def test_only_so_much_is_kept() -> None:
    kept = ScrollBack()
    for _ in range(3000):
        kept.append("x" * 1000)
    assert len("".join(kept)) <= 1 << 20


def test_a_question_is_answered_by_the_first_page_only() -> None:
    """A page that comes back would answer anew, and the answer would be typed into the shell."""
    kept = ScrollBack()
    kept.append("/ # \x1b[6n")
    assert "".join(kept.copy()) == "/ # \x1b[6n"
    kept.append("\x1b[31mred\x1b[0m \x1b[c\x1b]11;?\x07")
    assert "".join(kept.copy()) == "/ # \x1b[31mred\x1b[0m "


@pytest.mark.parametrize(
    ("printed", "screen"),
    [
        ("\r\n/ # ls\r\nbin  dev\r\n/ # exit\r\n", "/ # ls\nbin  dev\n/ # exit"),
        ("before\r\n\x1b[?1049h vi \x1b[2J draws \x1b[?1049lafter\r\n", "before\nafter"),
        ("first\r\n\x1b[H\x1b[Jsecond\r\n\x1b[H\x1b[2Jthird\r\n", "third"),
        ("\x1b[32m안녕\x1b[0m\r\n", "안녕"),
        ("", ""),
    ],
)
def test_a_still_screen(printed: str, screen: str) -> None:
    assert still(printed) == screen


def test_a_long_output_leaves_its_last_lines() -> None:
    lines = still("".join(f"\x1b[1m{number}\x1b[0m\r\n" for number in range(100_000))).splitlines()
    assert lines == [str(number) for number in range(100_000 - 200, 100_000)]


def test_a_still_screen_is_text_and_never_markup() -> None:
    assert "<b>fat" not in picture.ended_html("<b>fat</b>", 0)
    assert "종료 코드(exit code): 3" in picture.ended_text("/ # exit 3", 3)
    assert "계속 돌고 있어요" in picture.ended_text("/ # ", 0, left=True)


# the desk ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the place of our `docker`."""

    def put(script: str) -> None:
        place = tmp_path / "docker"
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755)
        monkeypatch.setattr(server, "_program", lambda name: str(place))

    return put


async def until(done: Callable[[], bool]) -> None:
    for _ in range(500):
        if done():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


def manager() -> TerminalManager:
    return TerminalManager(shell_command=["/bin/false"])


async def test_a_command_runs_with_the_kernels_environment_and_its_code_is_told(
    program: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program('echo "[$MINE] [$SERVERS] $TERM [$COLUMNS] $PWD $*"; exit 7')
    monkeypatch.setenv("SERVERS", "own")
    environment = {"PATH": os.environ["PATH"], "MINE": "of the kernel", "COLUMNS": "80"}
    line = ("docker", "run", "-it", "busybox", "sh", "-c", "a b; c")
    name = ticket.write(Wish(words=line, folder=str(tmp_path), environment=environment, kernel=os.getpid()))
    desk = Desk(manager())
    held = desk.give(name)
    assert held is not None
    assert held.facts()["fresh"]
    assert desk.give(name) is held
    await until(lambda: held.code is not None)
    facts = held.facts()
    assert facts["name"] is None
    assert facts["code"] == ticket.ended(name) == 7
    assert facts["text"].startswith(f"[of the kernel] [] xterm-256color [] {tmp_path} run -it busybox sh -c a b; c")
    desk.hang_up(name)
    assert desk.give(name) is None


async def test_hanging_up_is_a_sighup(program: Callable[[str], None], tmp_path: Path) -> None:
    program(f"trap 'echo hup > {tmp_path}/told; exit 0' HUP; echo ready; while :; do sleep 0.05; done")
    terminals = manager()
    desk = Desk(terminals)
    name = ticket.write(wish("docker", "attach", "web"))
    held = desk.give(name)
    assert held is not None
    await until(lambda: "ready" in "".join(held.terminal.read_buffer if held.terminal else ""))
    held.terminal.ptyproc.delayafterterminate = 1.0  # before it is pressed harder: this machine may be busy
    desk.hang_up(name)
    await until(lambda: not terminals.terminals)
    assert (tmp_path / "told").read_text() == "hup\n"


async def test_a_terminal_ends_with_its_kernel(program: Callable[[str], None], runtime: Path) -> None:
    program("exec sleep 1000")
    terminals = manager()
    desk = Desk(terminals)
    kernel = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    name = ticket.write(wish("docker", "attach", "web", kernel=kernel.pid))
    held = desk.give(name)
    assert held is not None
    kernel.send_signal(signal.SIGKILL)
    await until(lambda: not terminals.terminals)
    kernel.wait()
    assert desk.give(name) is None
    assert not list(runtime.iterdir())


async def test_what_is_no_terminal_command_is_not_run(program: Callable[[str], None], tmp_path: Path) -> None:
    program(f"touch {tmp_path}/ran")
    desk = Desk(manager())
    for line in (("docker", "run", "-d", "busybox"), ("bash",)):
        assert desk.give(ticket.write(wish(*line))) is None
    assert desk.give(ticket.write(wish("docker", "attach", "web", folder="/nowhere"))) is None
    assert desk.give(UNKNOWN) is None
    assert not (tmp_path / "ran").exists()
