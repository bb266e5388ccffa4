"""How ./lab runs its steps: each in a shell of the test's own that reads the same parts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
PRELUDE = f"""
set -u
here={PACKAGING.parent}
for part in steps places packages product learner services bundle tests; do . {PACKAGING}/$part.sh; done
LOG=$1 ETC=$1 RUN=$1
"""


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["dash", "-c", PRELUDE + script, "lab", folder],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    process = start(script, folder)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_step_is_one_line_with_its_time_and_its_output_is_in_a_log(tmp_path: Path) -> None:
    said = shell('steps 2; step one "첫 단계" echo hidden; step two "둘째 단계" true; echo done', tmp_path)
    assert said.returncode == 0
    lines = said.stdout.splitlines()
    assert lines[0] == "[1/2] 첫 단계 …"
    assert lines[1].startswith("[1/2] 첫 단계 — 완료 (")
    assert lines[-1] == "done"
    assert "hidden" not in said.stdout
    assert (tmp_path / "setup-one.log").read_text() == "hidden\n"


def test_a_long_step_says_how_long_it_has_run_by_the_clock(tmp_path: Path) -> None:
    """On a machine where a second's sleep takes seven."""
    clock = 'now() { echo $(($(cat "$LOG/now") + 7)); }; date() { now | tee "$LOG/then"; mv "$LOG/then" "$LOG/now"; }'
    slow = "sleep() { command sleep 0.02; }; waiting() { until [ $(cat now) -ge 42 ]; do command sleep 0.02; done; }"
    said = shell(f'cd "$LOG"; echo 0 >now; {clock}; {slow}; steps 1; step one "느린 단계" waiting', tmp_path)
    told = [line.split()[0] for line in said.stdout.splitlines() if "지났어요" in line]
    assert told[:2] == ["14초", "28초"]


def test_a_failed_step_names_itself_its_last_lines_and_what_to_do(tmp_path: Path) -> None:
    said = shell(
        "broken() { seq 100; echo 'it broke'; false; echo 'went on'; }; steps 1; step hub 허브 broken; echo on",
        tmp_path,
    )
    assert said.returncode == 1
    assert "[1/1] 허브 — 실패" in said.stderr
    assert "    it broke\n" in said.stderr
    assert "    80\n" not in said.stderr
    assert "이렇게 해 보세요: 인터넷 연결을 확인하고" in said.stderr
    assert "on\n" not in said.stdout
    assert "went on" not in (tmp_path / "setup-hub.log").read_text()


def test_a_full_disk_is_called_that_in_any_step(tmp_path: Path) -> None:
    said = shell("full() { echo 'cp: No space left on device'; return 1; }; steps 1; step hub 허브 full", tmp_path)
    assert "디스크에 자리가 없어요" in said.stderr


def test_every_step_has_its_own_advice(tmp_path: Path) -> None:
    said = shell(
        "step_log=/dev/null; for s in packages product hub hub-service engine jupyter; do advice $s; done", tmp_path
    )
    assert len(set(said.stdout.splitlines())) == 6


def test_an_interrupted_step_says_so_and_leaves_nothing_running(tmp_path: Path) -> None:
    process = start("steps 1; step one 단계 sleep 1000", tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "[1/1] 단계 …\n"
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "중단했어요" in out
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a process of the step is still there")


def test_it_waits_for_another_dpkg(tmp_path: Path) -> None:
    script = """
    step_log=$1/log; : >$step_log
    busy() { [ -e $1/free ] || { touch $1/free; echo 'dpkg: error: dpkg frontend lock was locked'; false; }; }
    patiently busy $1 >>$step_log && echo got it
    """
    said = shell(script, tmp_path)
    assert said.stdout == "got it\n"
    assert "다른 apt가 끝나기를" in (tmp_path / "log").read_text()


def test_the_content_key_tells_any_change(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    keys = []
    for change in (
        lambda: (folder / "a b").write_text("1"),
        lambda: (folder / "a b").write_text("2"),
        lambda: (folder / "a b").rename(folder / "c"),
        lambda: (folder / "d").write_text(""),
    ):
        change()
        keys.append(shell(f"content_key {folder}", tmp_path).stdout)
    assert len(set(keys)) == 4
    assert shell(f"content_key {folder}", tmp_path).stdout == keys[-1]


def test_a_copy_of_the_sources_is_roots_and_holds_no_leftovers(tmp_path: Path) -> None:
    said = shell("copy_sources $1/copy && find $1/copy -name __pycache__ -o -perm /022", tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout == ""
    assert (tmp_path / "copy/kernel_engine/cli/substitutes.json").exists()


def test_the_next_free_port_is_taken_when_none_was_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        script = f"jupyter_runs() {{ false; }}; listen=127.0.0.1 port={taken} port_given=%s; choose_port && echo $port"
        assert int(shell(script % "no", tmp_path).stdout) > taken
        refused = shell(script % "yes", tmp_path)
        assert refused.returncode == 1
        assert f"{taken} 포트를 다른 프로그램이 쓰고 있어요" in refused.stdout


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::", "[::1]"),
        ("fd00::2", "[fd00::2]"),
        ("10.0.2.15", "10.0.2.15"),
    ],
)
def test_the_printed_address_can_be_opened(tmp_path: Path, listen: str, address: str) -> None:
    (tmp_path / "token").write_text("abc")
    (tmp_path / "jupyter.env").write_text(
        f"DOCKER_LABS_WORKSPACE={tmp_path}\nDOCKER_LABS_LISTEN={listen}\nDOCKER_LABS_PORT=8890\nJUPYTER_TOKEN_FILE={tmp_path}/token\n"
    )
    assert shell("jupyter_address", tmp_path).stdout == f"http://{address}:8890/lab?token=abc\n"


@pytest.mark.parametrize(("caller", "learner"), [("kim", "kim"), ("root", "learner"), ("", "learner")])
def test_the_learner_is_who_called(tmp_path: Path, caller: str, learner: str) -> None:
    assert (
        shell(f"DOCKER_LABS_USER= SUDO_USER={caller}; find_learner; echo $learner", tmp_path).stdout == f"{learner}\n"
    )
