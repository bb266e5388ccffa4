"""`%%wall`: cells in a process of their own, in namespaces of their own, that survive what cells do to them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from labs import build
from labs.engine_view import CommandFailed, EngineView
from labs.notebook import wall_cell
from labs.wall import door, view, words
from tests.daemon import SLOWNESS, Daemon

PATIENCE = 60 * SLOWNESS
NOWHERE = "unix:///nowhere"
FLAGS = "from kernel_engine.syscalls import mounts, process\nfrom kernel_engine.syscalls.process import CloneFlag\n"
#: a child of the worker that stays
STAYS = "import subprocess\nsubprocess.Popen(['sleep', '1000'])\nNone"


def makes_rooms() -> bool:
    """Does this kernel let the tests' user make a user namespace? A machine where it does not has containers."""
    probe = ["unshare", "-Urmpf", "--mount-proc", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not makes_rooms(), reason="needs user namespaces for this user")

Cell = Callable[[str], str]


@pytest.fixture
def there(tmp_path: Path) -> Iterator[EngineView]:
    yield EngineView(NOWHERE, workspace=tmp_path)
    door.reset()


@pytest.fixture
def cell(there: EngineView) -> Cell:
    """Runs a cell; its text, whatever became of it."""

    def run(source: str) -> str:
        printed: list[str] = []
        door.run(textwrap.dedent(source), printed.append, host=there.host, folder=there.workspace)
        return "".join(printed)

    return run


def room(there: EngineView) -> view.Room:
    found = there.room()
    assert found is not None
    return found


def gone(*pids: int) -> bool:
    """Are they, within a while? A pid namespace takes its last process with it at once; it is reaped soon after."""
    until = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


# what a cell prints -------------------------------------------------------------------------------------------------
def test_a_cell_prints_what_it_prints_and_its_last_expression(cell: Cell, tmp_path: Path) -> None:
    assert cell(
        "import os, sys\nx = 4\nprint('안녕')\nsys.stderr.write('oops\\n')\nos.system('echo child')\nx + 1"
    ) == ("안녕\noops\nchild\n5\n")
    assert cell("x") == "4\n"
    assert cell("x;None") == ""
    assert cell("os.getuid(), os.getpid(), os.getcwd()") == f"(0, 2, '{tmp_path}')\n"
    assert cell("print('가' * 100_000, end='')") == "가" * 100_000


def test_an_error_is_the_learners_lines_and_a_korean_one(cell: Cell) -> None:
    cell(f"{FLAGS}\ndef build():\n    mounts.pivot_root('/proc', '/mnt')\n")
    assert cell("1\nbuild()").splitlines() == [
        "2번째 줄: build()",
        "앞 셀의 5번째 줄: mounts.pivot_root('/proc', '/mnt')",
        "OSError: [Errno 22] Invalid argument: '/proc'",
        f"커널의 대답은 EINVAL (pivot_root(2)): {words.REASONS['pivot_root', 'EINVAL']}",
    ]
    assert cell("x = = 1") == "1번째 줄: x = = 1\nSyntaxError: invalid syntax\n"
    assert cell("open('/sys/kernel/x', 'w')").splitlines()[-1].startswith("커널의 대답은 E")
    assert cell("raise ValueError('x')") == "1번째 줄: raise ValueError('x')\nValueError: x\n"
    assert cell("raise SystemExit") == ""


def test_the_source_of_the_engine_is_at_hand_also_without_a_root(cell: Cell) -> None:
    cell(f"{FLAGS}\ndef mine():\n    return 1\n")
    cell("import os\nos.mkdir('/mnt/new')\nmounts.mount('t', '/mnt/new', 'tmpfs')\nos.mkdir('/mnt/new/old')")
    assert cell("mounts.pivot_root('/mnt/new', '/mnt/new/old')\nos.chdir('/')\nos.listdir('/')") == "['old']\n"
    shown = cell("show_source(process.sethostname)").splitlines()
    assert shown[:2] == ["# kernel_engine/syscalls/process.py", "def sethostname(name: str) -> None:"]
    assert "class CloneFlag(IntFlag):" in cell("show_source(CloneFlag)")
    assert cell("show_source(mine)").endswith("def mine():\n    return 1\n")
    assert "TypeError" in cell("show_source(3)")
    assert "pivot_root보다 먼저" in cell("import wave")
    assert os.path.isdir("/usr")


def test_the_kernel_calls_are_told_as_docker_s_are(there: EngineView) -> None:
    source = f"{FLAGS}process.unshare(CloneFlag.CLONE_NEWUTS)\nprocess.sethostname('walls')"
    ran = door.run(source, print, host=there.host, folder=there.workspace)
    assert [(step["Name"], step["Arguments"], step["Ok"]) for step in ran.steps] == [
        ("unshare", "CLONE_NEWUTS", True),
        ("sethostname", "walls", True),
    ]
    told = wall_cell.as_text(ran.steps)
    assert told.startswith("커널에 부탁한 일 2번\n  [네임스페이스] ")
    assert "sethostname(walls)" in told
    assert wall_cell.as_text([]) == wall_cell.NOTHING_ASKED


# processes ----------------------------------------------------------------------------------------------------------
def test_a_child_that_a_cell_forks_ends_with_the_cell(there: EngineView, cell: Cell) -> None:
    forks = """
    import os
    if os.fork() == 0:
        print('child')
    else:
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    assert cell(forks) == "child\n0\n"
    assert cell("if os.fork() == 0:\n    1 / 0\nelse:\n    print(os.waitstatus_to_exitcode(os.wait()[1]))").endswith(
        "\n1\n"
    )
    assert cell("if os.fork() == 0:\n    raise SystemExit(7)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))") == "7\n"
    assert room(there).children() == ()


def test_its_kernel_state_is_seen_from_outside(there: EngineView, cell: Cell) -> None:
    assert there.room() is None
    cell(FLAGS)
    worker = room(there).worker
    here = view.this_process()
    assert worker.namespace("user") != here.namespace("user") != ""
    assert worker.namespace("uts") == here.namespace("uts")
    cell("""
    import os, signal
    pid, _ = process.clone3(CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWUTS)
    if pid == 0:
        process.sethostname('walls')
        mounts.mount('some', '/mnt', 'tmpfs')
        os.write(1, b'ready')
        signal.pause()
    """)
    cell("os.read(0, 1)")
    [child] = room(there).children()
    until = time.monotonic() + PATIENCE
    while child.run(("uts",), "uname", "-n") != "walls\n" and time.monotonic() < until:
        time.sleep(0.02)
    assert child.run(("uts",), "uname", "-n") == "walls\n"
    assert (child.inside, child.depth) == (1, room(there).worker.depth + 1)
    assert child.status("Uid").split()[0] == str(os.geteuid())
    desk = worker.mount("/mnt")
    assert desk is not None and (desk.kind, desk.source) == ("tmpfs", "some")


def test_an_end_of_the_worker_is_told_and_the_next_cell_has_a_new_room(there: EngineView, cell: Cell) -> None:
    for source, why in (
        ("import os\nos.kill(os.getpid(), 9)", "작업 프로세스가 SIGKILL 신호로 끝났어요. "),
        ("import os\nos._exit(3)", "작업 프로세스가 끝났어요 (종료 코드 3). "),
        ("import os\nos.execv('/bin/echo', ['echo', 'bye'])", "bye\n작업 프로세스가 execve로 다른 프로그램이 되었고, "),
    ):
        cell(f"x = 1\n{STAYS}")
        pids = [each.pid for each in room(there).processes()]
        told = cell(source)
        assert told.startswith(why) and told.endswith(door.LOST + "\n")
        assert gone(*pids)
        assert "NameError" in cell("x")


def test_a_program_that_the_worker_became_is_waited_for(cell: Cell) -> None:
    told = cell("import os\nos.execv('/bin/sh', ['sh', '-c', 'sleep 1; echo later; exit 3'])")
    assert told.startswith("later\n작업 프로세스가 execve로") and "(종료 코드 3)" in told


def test_a_reset_takes_everything_away(there: EngineView, cell: Cell) -> None:
    cell(f"x = 1\n{STAYS}\nsubprocess.Popen(['setsid', 'sleep', '1000'])\nNone")
    pids = [room(there).first.pid, *(each.pid for each in room(there).processes())]
    assert len(pids) == 4
    door.reset()
    assert gone(*pids)
    assert there.room() is None
    assert "NameError" in cell("x")


def test_a_failing_solution_is_one(there: EngineView) -> None:
    assert there.wall("print(1)") == "1\n"
    with pytest.raises(CommandFailed, match="ZeroDivisionError"):
        there.wall("1 / 0")


OPENS = f"""
import sys, time
from pathlib import Path
from labs.wall import door, view, words
here = Path(sys.argv[1])
door.run({STAYS!r}, print, host="", folder=here)
found = view.find(here)
print(found.first.pid, *(each.pid for each in found.processes()), flush=True)
time.sleep(1000)
"""


def opened_by_another(folder: Path, *become: str) -> tuple[subprocess.Popen[str], list[int]]:
    program = [*become, sys.executable, "-P", "-c", OPENS, str(folder)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd="/")
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


def test_the_room_ends_with_whoever_opened_it(tmp_path: Path) -> None:
    process, pids = opened_by_another(tmp_path)
    assert len(pids) == 3
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert gone(*pids)


def test_an_ordinary_user_has_the_same_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the tests' user is an ordinary one")
    who = pwd.getpwnam("nobody")
    become = ("setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", "--")
    probe = [*become, sys.executable, "-P", "-c", "import labs.wall.room"]
    if subprocess.run(probe, capture_output=True, cwd="/", check=False).returncode:
        pytest.skip("an ordinary user cannot read the sources")
    process, pids = opened_by_another(tmp_path, *become)
    try:
        assert len(pids) == 3
        status = Path(f"/proc/{pids[1]}/status").read_text()
        assert f"\nUid:\t{who.pw_uid}\t" in status
        assert Path(f"/proc/{pids[1]}/uid_map").read_text().split() == ["0", str(who.pw_uid), "1"]
    finally:
        process.kill()
        process.communicate()
    assert gone(*pids)


# in a notebook ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("workspace")
    with build.kernel_environment(NOWHERE, place):
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
def page(kernel: Any) -> Callable[..., str]:
    """Runs a cell of a notebook: what it printed or showed as text. `interrupt_at`: Ctrl+C when that was printed."""

    def run(source: str, *interrupt_at: str) -> str:
        told: list[str] = []
        waiting = list(interrupt_at)

        def show(message: dict[str, Any]) -> None:
            content = message["content"]
            assert message["msg_type"] != "error", content
            if message["msg_type"] == "stream":
                assert content["name"] == "stdout"
                told.append(content["text"])
            elif message["msg_type"] == "display_data":
                told.append(content["data"]["text/plain"])
            if waiting and waiting[0] in "".join(told):
                waiting.pop(0)
                kernel.parent.interrupt_kernel()

        kernel.execute_interactive(source, allow_stdin=False, output_hook=show, timeout=PATIENCE)
        return "".join(told)

    return run


def test_cells_of_a_notebook(page: Callable[..., str]) -> None:
    assert page("%wall reset") == f"{wall_cell.RENEWED}\n"
    assert page("%walls") == wall_cell.walls.CLOSED
    assert page("%%wall\nx = 3\nx") == "3\n"
    assert page("print(_exit_code)") == "0\n"
    assert page("%%wall\n1 / 0").endswith("ZeroDivisionError: division by zero\n")
    assert page("print(_exit_code)") == "1\n"
    assert page("%walls") == "작업실의 벽\n  작업 프로세스 · 노트북과 다른 네임스페이스: user, pid, mnt"
    told = page(f"%%wall --explain\n{FLAGS}process.unshare(CloneFlag.CLONE_NEWUTS)")
    assert "커널에 부탁한 일 1번" in told and "unshare(CLONE_NEWUTS)" in told
    assert page("%walls").endswith("user, pid, mnt, uts")
    assert page("%%wall nonsense\nx") == page("%wall nonsense") == f"{wall_cell.USAGE}\n"
    page("%wall reset")
    assert "NameError" in page("%%wall\nx")


def test_an_interrupted_cell_stops_and_its_variables_stay(page: Callable[..., str]) -> None:
    told = page("%%wall\nimport time\nx = 5\nprint('go')\ntime.sleep(1000)", "go\n")
    assert told == "go\n멈췄어요.\n"
    assert page("%%wall\nx") == "5\n"
    assert page("%%wall\nimport os\nprint('go')\nos.system('sleep 1000; true')\nprint('on')", "go\n").startswith("go\n")
    assert page("%%wall\nx") == "5\n"


def test_an_interrupt_that_was_lost_is_sent_again(page: Callable[..., str]) -> None:
    """As in the moment between system(3)'s ignoring and its child."""
    deaf = "signal.signal(2, lambda *_: signal.signal(2, signal.default_int_handler))"
    told = page(f"%%wall\nimport signal, time\ny = 6\n{deaf}\nprint('go')\ntime.sleep(1000)", "go\n")
    assert told == "go\n멈췄어요.\n"
    assert page("%%wall\ny") == "6\n"


def test_a_cell_that_does_not_mind_ends_with_its_room(page: Callable[..., str]) -> None:
    stubborn = "%%wall\nimport signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('go')\ntime.sleep(1000)"
    assert page(stubborn, "go") == f"go\n이 셀을 멈추지 못해서 작업실을 닫았어요. {door.LOST}\n"
    assert page("%%wall\n1") == "1\n"


# in a container -----------------------------------------------------------------------------------------------------
def test_the_same_room_in_a_container_has_cgroups_too(daemon: Daemon, tmp_path: Path) -> None:
    there = EngineView(daemon.host, workspace=tmp_path)
    make = """
    import os
    from kernel_engine.syscalls import cgroupfs
    memory = '/sys/fs/cgroup/memory' if os.path.exists('/sys/fs/cgroup/memory') else '/sys/fs/cgroup'
    cgroupfs.mkdir(f'{memory}/lab')
    cgroupfs.write(f'{memory}/lab/cgroup.procs', str(os.getpid()))
    os.path.exists(f'{memory}/lab/cgroup.procs'), os.getuid(), os.getpid(), os.getcwd()
    """
    try:
        door.reset(contained=True)
        assert there.wall(textwrap.dedent(make)) == f"(True, 0, 2, '{tmp_path}')\n"
        assert any(path.endswith("/lab") for path in room(there).worker.cgroups().values())
        [row] = daemon.api.get("/containers/json").json()
        pids = [each.pid for each in room(there).processes()]
    finally:
        door.reset()
    assert gone(*pids)
    until = time.monotonic() + PATIENCE
    while daemon.api.get("/containers/json", query={"all": "1"}).json() and time.monotonic() < until:
        time.sleep(0.05)
    assert daemon.api.get("/containers/json", query={"all": "1"}).json() == []
    assert not [path for path in Path("/sys/fs/cgroup").rglob(f"*{row['Id']}*")]


def test_no_room_is_one_sentence(there: EngineView, cell: Cell) -> None:
    door.reset(contained=True)
    with pytest.raises(door.NoRoom, match="작업실을 열지 못했어요"):
        cell("1")
    assert shutil.which("nsenter")
