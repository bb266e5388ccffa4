"""The extension in a real kernel on a real engine: what a learner's cells print."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from labs import build, progress
from labs.workspace import prepare
from tests.daemon import Daemon

PATIENCE = 60


@dataclass
class Ran:
    """What a cell did. `text` is its standard output, `stderr` must stay empty."""

    text: str = ""
    stderr: str = ""
    error: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)


Cell = Callable[..., Ran]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learner's folder, with the course in it."""
    place = tmp_path_factory.mktemp("workspace")
    prepare(place)
    return place


@pytest.fixture(scope="module")
def kernel(daemon: Daemon, workspace: Path) -> Iterator[BlockingKernelClient]:
    with build.kernel_environment(daemon.host, workspace):
        manager = KernelManager(kernel_name="python3", transport="ipc")
        manager.start_kernel()
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=PATIENCE)
            yield client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


@pytest.fixture
def cell(kernel: BlockingKernelClient, clean: Daemon) -> Cell:
    """Runs a cell. `answers`: what is typed at its input requests, None: the front end has no input."""

    def run(source: str, answers: list[str] | None = None, interrupt_after: str = "") -> Ran:
        ran = Ran()
        waiting = list(answers or ())
        interrupts = [interrupt_after] if interrupt_after else []

        def show(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                if content["name"] == "stdout":
                    ran.text += content["text"]
                else:
                    ran.stderr += content["text"]
                if interrupts and interrupts[0] in ran.text:
                    interrupts.clear()
                    kernel.parent.interrupt_kernel()
            elif message["msg_type"] == "error":
                ran.error = content["ename"]
            elif message["msg_type"] in ("display_data", "execute_result"):
                ran.data.append(content["data"])

        def type_in(message: dict[str, Any]) -> None:
            kernel.input(waiting.pop(0))

        kernel.execute_interactive(
            source, allow_stdin=answers is not None, stdin_hook=type_in, output_hook=show, timeout=PATIENCE
        )
        assert not waiting, "the cell asked less often than expected"
        assert ran.stderr == ""
        return ran

    return run


def test_a_command_cell(cell: Cell) -> None:
    ran = cell("# 설명\n\ndocker run --name one busybox sh -c 'echo hi; echo oops >&2; exit 3'\ndocker ps -aq | wc -l")
    assert ran.text == "hi\noops\n1\n"
    assert cell("print(_exit_code)").text == "0\n"


def test_a_failing_command_is_dockers_text_and_a_korean_line_and_no_traceback(cell: Cell) -> None:
    ran = cell("docker rm nosuch")
    assert ran.text.splitlines()[0] == "Error response from daemon: No such container: nosuch"
    assert re.search("[가-힣]", ran.text.splitlines()[1])
    assert ran.error == ""
    assert cell("print(_exit_code)").text == "1\n"


def test_python_and_commands_in_one_cell(cell: Cell) -> None:
    ran = cell(
        "name = 'mixed'\nfor at in range(2):\n    print(at)\n%docker run --rm busybox echo {name}\nprint(_exit_code)"
    )
    assert ran.text == "0\n1\nmixed\n0\n"


def test_templates_and_variables_reach_the_command(cell: Cell) -> None:
    cell("docker run --name tt busybox true")
    assert cell("docker inspect -f '{{.State.ExitCode}} {{json .Name}}' tt").text == '0 "/tt"\n'
    assert cell("docker run --rm -e A=5 busybox sh -c 'echo $A'").text == "5\n"


def test_importing_docker_and_naming_a_variable_work(cell: Cell) -> None:
    assert cell("docker = 3\ndocker").data[0]["text/plain"] == "3"
    assert cell("docker ps -q").text == ""
    assert cell("del docker\nimport docker\ndocker.__name__").data[0]["text/plain"] == "'docker'"
    cell("del docker")


def test_a_typed_session(cell: Cell) -> None:
    ran = cell("%%docker run -it --name typed busybox sh\necho $((40 + 2))\nsleep 0.3; echo later\nexit 7\n")
    lines = [line.strip() for line in ran.text.splitlines()]
    tail = lines[lines.index("/ # echo $((40 + 2))") :]
    assert tail == ["/ # echo $((40 + 2))", "42", "/ # sleep 0.3; echo later", "later", "/ # exit 7"]
    assert cell("print(_exit_code)").text == "7\n"


def test_a_session_that_goes_on_is_left_running(cell: Cell, clean: Daemon) -> None:
    ran = cell("%%docker run -it --name goes-on busybox sh\nx=kept")
    assert "goes-on" in ran.text.splitlines()[-1]
    assert clean.inspect("goes-on")["State"]["Running"]
    ran = cell("%%docker attach goes-on\necho $x\nexit")
    assert "kept" in ran.text.splitlines()
    assert not clean.inspect("goes-on")["State"]["Running"]
    ran = cell("%%docker start -ai goes-on\necho again\nexit")
    assert "again" in ran.text.splitlines()


def test_a_session_by_exec(cell: Cell) -> None:
    cell("docker run -dit --name there busybox sh")
    ran = cell("%%docker exec -it there sh\necho inside\nexit")
    assert "inside" in ran.text.splitlines()


def test_a_program_that_asks_gets_the_next_line(cell: Cell) -> None:
    ran = cell("%%docker run -it --rm busybox sh\nread -p 'name? ' n\n홍길동\necho \"[$n]\"\nexit")
    assert "[홍길동]" in ran.text
    assert "name? 홍길동" in ran.text


def test_without_a_body_it_asks_line_by_line(cell: Cell) -> None:
    ran = cell("docker run -it --rm busybox sh", answers=["echo asked", "exit"])
    assert "asked" in ran.text.splitlines()
    assert ran.error == ""


def test_where_nobody_can_be_asked_it_ends_in_a_sentence_and_leaves_nothing(cell: Cell, clean: Daemon) -> None:
    ran = cell("docker run -it --rm busybox sh")
    assert "%%docker" in ran.text.splitlines()[-1]
    assert ran.error == ""
    assert clean.out("ps", "-aq") == ""


def test_a_terminal_command_that_asks_nothing_just_runs(cell: Cell) -> None:
    assert cell("docker run -it --rm busybox echo hi").text == "hi\n"


def test_an_interrupt_stops_a_command(cell: Cell, clean: Daemon) -> None:
    began = time.monotonic()
    ran = cell("docker run --rm --name spin busybox sh -c 'echo on; exec sleep 100'", interrupt_after="on")
    assert time.monotonic() - began < 30
    assert ran.error == ""


def test_an_interrupt_stops_a_session(cell: Cell) -> None:
    ran = cell("%%docker run -it --name held busybox sh\necho on$((1)); sleep 100", interrupt_after="on1")
    assert ran.error == ""
    assert "held" in ran.text.splitlines()[-1]


def test_reset_removes_what_was_made(cell: Cell, clean: Daemon) -> None:
    cell("docker run -d --name made busybox sleep 100\ndocker commit made made:1")
    assert "이미지 1개" in cell("%reset").text
    assert clean.out("ps", "-aq") == ""
    assert clean.out("images", "--format", "{{.Repository}}") == "busybox"


def test_explain_names_the_kernels_work(cell: Cell) -> None:
    shown = cell("%explain docker run --rm busybox echo said")
    assert "said" in shown.text
    [data] = shown.data
    for word in ("이미지", "파일 시스템", "네임스페이스", "실행"):
        assert word in data["text/plain"]
        assert word in data["text/html"]


def test_explain_shows_how_far_a_start_came_that_failed(cell: Cell) -> None:
    shown = cell("%explain docker run --rm busybox /bin/nosuch")
    assert 'exec: "/bin/nosuch"' in shown.text
    [data] = shown.data
    assert "멈췄어요" in data["text/plain"]


def test_a_start_step_by_step_as_text(cell: Cell, clean: Daemon) -> None:
    """Where nobody can press a button it goes on by itself, and says the same each time."""
    first, second = (cell("%step docker run --rm --hostname inner busybox hostname").text for _ in range(2))
    assert first == second
    assert first.endswith("끝까지 왔어요. 컨테이너가 실행됐어요.\ninner\n")
    for words in ("] 네임스페이스", "다음: 루트(/)를 컨테이너의 것으로 바꿔요", "* 호스트 이름", "* 시스템 콜 필터"):
        assert words in first
    assert cell("%step --all --calls docker run --rm busybox true").text.count("    다음: ") > 90
    assert "종료 코드 127" in cell("%step docker run --rm busybox /bin/nosuch").text
    assert "%step 다음에" in cell("%step docker ps").text
    assert clean.out("ps", "-aq") == ""


def test_an_xray_as_text(cell: Cell) -> None:
    cell("docker run -d --name seen busybox sh -c 'echo x > /new; sleep 1000'")
    [data] = cell("%xray seen").data
    assert "프로세스 번호(pid): 따로" in data["text/plain"]
    assert "/new  쓰기 레이어(upper)" in data["text/plain"]
    assert "No such container: nobody" in cell("%xray nobody").text
    assert "%xray 다음에" in cell("%xray").text


def test_the_live_card_as_text(cell: Cell) -> None:
    cell("docker run --name shown busybox sh -c 'echo x > /new'")
    [data] = cell("%live").data
    assert "shown · busybox · 종료 (0)" in data["text/plain"]
    assert set(data) == {"text/plain", "text/html"}


def test_the_life_of_containers_as_text(cell: Cell) -> None:
    cell("%lifecycle")  # what was removed is counted from here
    cell("docker create --name made busybox true\ndocker run --name done busybox sh -c 'exit 3'")
    cell("docker run -d --name held busybox sleep 100\ndocker pause held")
    cell("docker create --name gone busybox\ndocker rm gone")
    [data] = cell("%lifecycle").data
    lines = data["text/plain"].splitlines()[1:]
    assert lines == [
        "  만들어짐(created): made",
        "  실행 중(running): 없음",
        "  일시 정지(paused): held",
        "  종료(exited): done (3)",
        "  파기(removed): 1개",
    ]
    assert set(data) == {"text/plain", "text/html"}
    assert cell("%lifecycle").data[0]["text/plain"].splitlines()[1:] == [*lines[:-1], "  파기(removed): 없음"]


def test_what_containers_use_as_text(cell: Cell) -> None:
    cell("docker run -d --name app -m 64m busybox sleep 100\ndocker run --name done busybox true")
    [data] = cell("%dashboard").data
    assert data["text/plain"].splitlines() == ["컨테이너 계기판", "  app · 실행 중 · 메모리 제한 64MiB"]
    assert set(data) == {"text/plain", "text/html"}
    assert cell("%dashboard").data == [data]


def test_where_nobody_looks_on_no_thread_is_left(cell: Cell) -> None:
    cell("%lifecycle\n%dashboard\n%live")
    names = cell("import threading\nprint([each.name for each in threading.enumerate()])").text
    assert "-card" not in names and "engine-events" not in names


def test_the_layers_of_images_as_text(cell: Cell, clean: Daemon) -> None:
    cell("docker run --name made busybox sh -c 'echo x > /new'\ndocker commit made made:1")
    [data] = cell("%layers busybox made:1").data
    assert set(data) == {"text/plain", "text/html"}
    text = data["text/plain"]
    assert re.search(
        r"^  made:1 · 레이어 2장 · .*\n    레이어 1 · .* · 함께 쓰는 이미지: busybox:latest$", text, re.MULTILINE
    )
    assert "    레이어 2 · sh -c echo x > /new · 2B\n" in text
    raw = cell(
        "from labs.notebook import server\nfrom labs.notebook.learning import card\nengine = server.client()\n"
        "image = engine.get('/images/made:1/json').json()['Id']\nsteps = engine.get('/images/made:1/history').json()\n"
        "print(card.raw_form(engine, f'step:{image}:{len(steps) - 1}'))"
    )
    assert "A /new" in raw.text
    clean.docker("rmi", "made:1")


DOCKERFILE = "FROM busybox\nCOPY hello.txt /\nRUN cat /hello.txt && sleep 0.1 && echo made > /mark\nCMD cat /mark\n"


@pytest.fixture
def folder(cell: Cell, clean: Daemon, tmp_path: Path) -> Iterator[Path]:
    """The notebook's folder, with a file to copy in `web`; images that cells made are removed."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web/hello.txt").write_text("hello\n")
    cell(f"import os\nos.chdir({str(tmp_path)!r})")
    yield tmp_path
    cell("%reset")


def test_a_dockerfile_cell_is_written_and_built(cell: Cell, folder: Path, clean: Daemon) -> None:
    ran = cell(f"%%dockerfile -t web:1\n{DOCKERFILE}")
    assert (ran.text, ran.error) == ("", "")
    [data] = ran.data
    assert set(data) == {"text/plain", "text/html"}
    assert data["text/plain"].splitlines() == [
        "web:1 만들기 · web/Dockerfile: 새로 썼어요.",
        "    1. FROM busybox · 캐시 · 이미 있는 이미지예요",
        "    2. COPY hello.txt / · 완료 · 이 줄로 만들어 둔 것이 없었어요",
        "    3. RUN cat /hello.txt && sleep 0.1 && echo made > /mark · 완료 · 앞 단계가 새로 만들어졌어요",
        "    4. CMD cat /mark · 완료 · 앞 단계가 새로 만들어졌어요",
        "  이미지를 만들었어요: web:1",
    ]
    assert (folder / "web/Dockerfile").read_text() == DOCKERFILE
    assert clean.out("run", "--rm", "web:1") == "made"
    assert cell("print(_exit_code)").text == "0\n"


def test_a_dockerfile_cell_says_what_the_cache_did(cell: Cell, folder: Path) -> None:
    cell(f"%%dockerfile -t web:1\n{DOCKERFILE}")
    again = cell(f"%%dockerfile -t web:1\n{DOCKERFILE}").data[0]["text/plain"]
    assert "web/Dockerfile: 이미 이 내용이에요." in again
    assert again.count("캐시") == 4
    (folder / "web/hello.txt").write_text("other\n")
    changed = cell(f"%%dockerfile -t web:2\n{DOCKERFILE}").data[0]["text/plain"]
    assert "2. COPY hello.txt / · 완료 · 복사할 파일이 달라졌어요: 바뀐 hello.txt" in changed
    layers = cell("%layers web:1 web:2").data[0]["text/plain"]
    assert "COPY hello.txt / · 6B · 새로 만들었어요 (복사할 파일이 달라졌어요: 바뀐 hello.txt)" in layers
    assert "함께 쓰는 이미지: busybox:latest, web:2" in layers


def test_a_failing_step_shows_its_place_and_what_it_printed(cell: Cell, folder: Path) -> None:
    ran = cell("%%dockerfile -t web:1\nFROM busybox\nRUN echo about to fail; exit 3\nCMD sh\n")
    lines = [line.strip() for line in ran.data[0]["text/plain"].splitlines()]
    assert "about to fail" in lines
    assert "실패: web/Dockerfile의 2번째 줄 (이 셀의 3번째 줄)" in lines
    assert "The command '/bin/sh -c echo about to fail; exit 3' returned a non-zero code: 3" in lines
    assert "-. CMD sh · 안 함" in lines
    assert cell("print(_exit_code)").text == "3\n"
    assert ran.error == ""


def test_a_dockerfile_that_cannot_be_read_shows_its_place(cell: Cell, folder: Path) -> None:
    text = cell("%%dockerfile -t web:1\nFROM busybox\n\nRUNN true\n").data[0]["text/plain"]
    assert "실패: web/Dockerfile의 3번째 줄 (이 셀의 4번째 줄)" in text
    assert "unknown instruction: RUNN" in text
    assert cell("print(_exit_code)").text == "1\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-t BAD:1", "must be lowercase"),
        ("-t web --secret id=x,src=nowhere", "nowhere"),
        ("-t web --add-host x", 'bad format for add-host: "x"'),
        ("-t web --target nosuch", "nosuch"),
    ],
)
def test_what_cannot_be_sent_or_is_refused_is_no_traceback(cell: Cell, folder: Path, line: str, told: str) -> None:
    ran = cell(f"%%dockerfile {line} web\n{DOCKERFILE}")
    assert ran.error == ""
    assert told in ran.data[0]["text/plain"]
    assert "1. FROM" not in ran.data[0]["text/plain"]
    assert cell("print(_exit_code)").text == "1\n"


def test_a_dockerfile_of_somebodys_own_is_left_alone(cell: Cell, folder: Path) -> None:
    (folder / "web/Dockerfile").write_text("FROM mine\n")
    ran = cell(f"%%dockerfile -t web:1\n{DOCKERFILE}")
    assert "--overwrite" in ran.text
    assert (folder / "web/Dockerfile").read_text() == "FROM mine\n"
    assert cell("print(_exit_code)").text == "125\n"


def test_an_interrupt_stops_a_build(cell: Cell, folder: Path) -> None:
    kernel = int(cell("print(os.getpid())").text)

    def interrupt() -> None:
        while not (folder / "web/Dockerfile").exists():
            time.sleep(0.05)
        time.sleep(1)
        os.kill(kernel, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    ran = cell("%%dockerfile -t web:1\nFROM busybox\nRUN sleep 100\n")
    assert time.monotonic() - began < 30
    assert "멈췄어요" in ran.data[0]["text/plain"]
    assert cell("print(_exit_code)").text == "130\n"
    assert cell("docker ps -aq; docker images -q web").text == ""


@pytest.mark.parametrize(
    "line",
    [
        "%layers",
        "%layers nosuch",
        "%check 99-1",
        "%predict 99-1",
        "%quiz 99",
        "%card 99",
        "%map 99",
        "%check",
        "%live x",
        "%lifecycle x",
        "%dashboard x",
    ],
)
def test_a_wrong_magic_line_is_one_sentence(cell: Cell, line: str) -> None:
    ran = cell(line)
    assert ran.error == ""
    assert re.search("[가-힣]", ran.text)


@pytest.mark.parametrize(
    "line", ["%%docker ps\nx", "%%docker run busybox\nx", "%%docker run -it 'busybox\nx", "%%docker\nx"]
)
def test_a_body_needs_a_terminal(cell: Cell, line: str) -> None:
    ran = cell(line)
    assert ran.error == ""
    assert ran.text.count("\n") == 1


@pytest.mark.parametrize(
    "source", ["%%dockerfile\n ", "%%dockerfile --nonsense\nFROM busybox", "%%dockerfile a b\nFROM x"]
)
def test_a_wrong_dockerfile_cell_says_how_it_is_written(cell: Cell, source: str) -> None:
    ran = cell(source)
    assert ran.error == ""
    assert "쓰는 법: %%dockerfile" in ran.text


@pytest.fixture
def nothing_kept(cell: Cell, workspace: Path) -> Iterator[None]:
    (workspace / progress.FOLDER / progress.FILE).unlink(missing_ok=True)
    cell(f"%cd -q {workspace}")
    yield
    cell("%reset 00")


def row(shown: Ran, name: str) -> str:
    """What `%progress` says of an exercise."""
    lines = shown.data[0]["text/plain"].splitlines()
    return next(line.rpartition(" · ")[2] for line in lines if f" {name} " in line)


@pytest.mark.usefixtures("nothing_kept")
def test_hints_come_one_by_one_and_begin_anew_after_a_reset(cell: Cell, clean: Daemon) -> None:
    texts = [cell("%hint 00-2").data[0]["text/plain"] for _ in range(4)]
    assert texts[0].startswith("힌트 1/3 · 방향\n")
    assert "힌트 2/3 · 방법\n" in texts[1] and "힌트 3/3" not in texts[1]
    assert "힌트 3/3 · 거의 답\n" in texts[2] and "%solve 00-2" in texts[2]
    assert texts[3] == texts[2]
    assert row(cell("%progress"), "00-2") == "해 봤어요"
    cell("%reset 00-2")
    assert cell("%hint 00-2").data[0]["text/plain"] == texts[0]


@pytest.mark.usefixtures("nothing_kept")
def test_a_solution_is_shown_after_a_try_and_is_not_the_learner_s(cell: Cell, clean: Daemon, workspace: Path) -> None:
    refused = cell("%solve 00-2")
    assert "먼저 직접 해 보세요" in refused.text
    assert clean.out("ps", "-aq") == ""
    assert "아직이에요" in cell("%check 00-2").data[0]["text/plain"]
    shown = cell("%solve 00-2")
    assert shown.error == ""
    assert "$ docker run" in shown.text
    assert "00-2 통과" in shown.data[0]["text/plain"]
    assert clean.inspect("stay")["State"]["Running"]
    assert (workspace / "00_what_is_docker" / "solution-00-2").is_dir()
    cell("%check 00-2")
    assert row(cell("%progress"), "00-2") == "해 봤어요 (풀이를 봤어요)"
    cell("%reset 00-2")
    assert clean.out("ps", "-aq") == ""
    cell("docker run -dit --name stay busybox sh\ndocker run --name leave busybox sh")
    assert "00-2 통과" in cell("%check 00-2").data[0]["text/plain"]
    assert row(cell("%progress"), "00-2") == "통과"
    assert "필요 없어요" in cell("%hint 00-2").text


@pytest.mark.usefixtures("nothing_kept")
def test_a_reset_takes_an_exercise_or_a_lab_and_nothing_else(cell: Cell, clean: Daemon) -> None:
    cell("docker run -d --name mine busybox sleep 100\ndocker run --name stay busybox")
    cell("docker create --name worker busybox")
    assert "00-2" in cell("%reset 00-2").text
    assert set(clean.out("ps", "-a", "--format", "{{.Names}}").split()) == {"mine", "worker"}
    assert "실습 00" in cell("%reset 00").text
    assert clean.out("ps", "-a", "--format", "{{.Names}}") == "mine"


@pytest.mark.usefixtures("nothing_kept")
def test_progress_outlives_the_kernel_and_a_damaged_file(
    cell: Cell, kernel: BlockingKernelClient, workspace: Path
) -> None:
    cell("docker run -dit --name stay busybox sh\ndocker run --name leave busybox sh")
    cell("%check 00-2")
    kernel.parent.restart_kernel(now=True)
    kernel.wait_for_ready(timeout=PATIENCE)
    cell(f"%cd -q {workspace}")
    shown = cell("%progress")
    assert row(shown, "00-2") == "통과"
    assert 'href="00_what_is_docker/lab.ipynb"' in shown.data[0]["text/html"]
    (workspace / progress.FOLDER / progress.FILE).write_text("{half")
    shown = cell("%progress")
    assert "망가져" in shown.text and shown.error == ""
    assert row(shown, "00-2") == "아직"


@pytest.mark.parametrize(
    "line",
    ["%hint", "%solve", "%hint 99-1", "%solve 99-1", "%solve 00-9", "%reset 99", "%reset 00-9", "%progress 00"],
)
def test_an_exercise_that_is_not_there_is_a_sentence(cell: Cell, clean: Daemon, line: str) -> None:
    cell("docker create --name stay busybox")
    ran = cell(line)
    assert (ran.error, ran.data) == ("", [])
    assert re.search("[가-힣]", ran.text)
    assert clean.out("ps", "-aq") != ""


def test_nothing_waits_for_the_kernel(kernel: BlockingKernelClient) -> None:
    with pytest.raises(Empty):
        kernel.get_iopub_msg(timeout=0.2)


def test_the_page_of_a_published_port_is_fixed_text_where_nobody_looks_on(cell: Cell) -> None:
    port = free_port()
    serve = f"docker run -d --name web -p {port}:80 -p 81 busybox httpd -f"
    (shown,) = cell(serve).data
    assert shown["text/plain"].splitlines()[1:] == [
        f"  {port}번 포트 → 컨테이너의 80번 포트: 페이지가 열렸어요. http://127.0.0.1:{port}/",
        "  빈 포트 → 컨테이너의 81번 포트: 컨테이너 안에서 81번 포트는 아무도 기다리지 않고, 80번 포트를 기다리고 "
        "있어요. 포트 번호를 고쳐서 다시 실행해 보세요: -p 호스트포트:80",
    ]
    assert set(shown) == {"text/plain", "text/html"}
    assert "<iframe" not in shown["text/html"]
    assert cell("docker ps -q && docker start web").data == [], "it ran already"
    assert cell("docker restart -t 0 web").data == [shown]
    (opened,) = cell(f"%open {port}/x").data
    assert opened["text/plain"].endswith(f"http://127.0.0.1:{port}/x")
    (several,) = cell("docker ps -q\nfor n in 1 2; do docker run -d -p 80 busybox httpd -f; done").data
    assert several["text/plain"].count("페이지가 열렸어요") == 2
    serving = cell("%%docker run -it --name shell -p 80 busybox sh\nhttpd -p 80").data
    assert serving[0]["text/plain"].splitlines()[1:] == ["  빈 포트 → 컨테이너의 80번 포트: 페이지가 열렸어요."]
    assert cell("%%docker run -it --rm -p 80 busybox sh\nexit").data == []
    assert cell("docker run -d busybox httpd -f; docker run --rm -p 80 busybox true").data == []
    assert cell("_exit_code == 0").data[0]["text/plain"] == "True"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


# other servers -------------------------------------------------------------------------------------------------------
@pytest.fixture
def second(cell: Cell) -> Iterator[Cell]:
    """A cell, with another server beside the engine's own machine."""
    assert "$SECOND_HOST" in cell("%server create second").data[0]["text/plain"]
    cell("docker --host $SECOND_HOST pull -q busybox")
    yield cell
    cell("%server rm second")
    cell("docker context use default\ndocker context rm -f second")


def test_a_context_is_where_cells_speak_to(second: Cell, clean: Daemon, tmp_path: Path) -> None:
    """Also a session in a terminal and a Dockerfile's cell: they look at the engine that they speak to."""
    second(f"import os\nos.chdir({str(tmp_path)!r})")
    second("docker context create second --docker host=$SECOND_HOST")
    assert "Warning" not in second("docker context use second").text
    assert second("docker info --format '{{.Name}}'").text == "second\n"
    assert "Linux" in second("%%docker run -it --name there busybox sh\nuname").text
    assert "이미지를 만들었어요" in second("%%dockerfile -t made made\nFROM busybox\nCMD ls").data[0]["text/plain"]
    assert second("docker images -q made").text
    # asked by its socket: the commands of this test have chosen the other one
    assert clean.api.get("/containers/json", query={"all": "1"}).json() == []
    assert [image["RepoTags"] for image in clean.api.get("/images/json").json()] == [["busybox:latest"]]


def test_reset_takes_servers_and_their_contexts_away(second: Cell, clean: Daemon) -> None:
    second("docker context create second --docker host=$SECOND_HOST\ndocker context use second")
    second("docker context create mine --docker host=unix:///nowhere")
    assert "서버 second" in second("%reset").text
    assert second("docker context show").text == "default\n"
    assert second("docker context ls -q").text.split() == ["default", "mine"]
    assert second("docker context rm mine").text == "mine\n"
    assert clean.api.get("/kernel-engine/servers").json()["Servers"] == []
    assert "없어요" in second("%server").data[0]["text/plain"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%server create", "%server create 이름"),
        ("%server make x", "%server create 이름"),
        ("%server create first", "이 컴퓨터를 부르는 이름"),
        ("%server create Up/", "소문자로 시작"),
        ("%server rm nobody", "nobody 서버가 없어요"),
        ("%servers x", "다른 말 없이"),
        ("%open nobody:80", "nobody라는 서버가 없어요"),
    ],
)
def test_what_a_learner_may_mistype_about_servers(cell: Cell, line: str, said: str) -> None:
    assert said in cell(line).text
