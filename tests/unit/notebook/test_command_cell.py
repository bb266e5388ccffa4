"""Command cells: output through sys.stdout, exit codes, background processes, interrupts."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from labs.notebook import command_cell


def test_output_comes_in_order_and_only_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    """capfd would also see what is written past sys.stdout; both streams of the command are one."""
    assert command_cell.run("echo one; echo two >&2; printf '세엣'") == 0
    assert capfd.readouterr() == ("one\ntwo\n세엣", "")


def test_nothing_is_written_to_descriptor_one_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    command_cell.run("echo through python")
    assert capsys.readouterr().out == "through python\n"


@pytest.mark.parametrize(("source", "code"), [("true", 0), ("false", 1), ("exit 125", 125), ("false; true", 0)])
def test_the_exit_code_is_the_last_commands(source: str, code: int) -> None:
    assert command_cell.run(source) == code


def test_the_shell_sees_everything(capsys: pytest.CaptureFixture[str]) -> None:
    command_cell.run("echo $(printf 'a\\nb\\n' | head -1) '{{.State}}' \\\n  \"two\nlines\" && echo $((1 + 2))")
    assert capsys.readouterr().out == "a {{.State}} two\nlines\n3\n"


def test_a_character_cut_in_two_arrives_whole(capsys: pytest.CaptureFixture[str]) -> None:
    command_cell.run(r"printf '\xec'; sleep 0.1; printf '\x95\x88'")
    assert capsys.readouterr().out == "안"


def test_a_process_left_in_the_background_does_not_hold_the_cell(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    command_cell.run("sleep 30 & echo $!")
    assert time.monotonic() - began < 10
    os.kill(int(capsys.readouterr().out), signal.SIGKILL)


def test_there_is_no_input() -> None:
    assert command_cell.run("read line") == 1


def test_an_interrupt_interrupts_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        time.sleep(0.5)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    assert command_cell.run("trap 'echo stopped; exit 130' INT; echo started; while :; do sleep 0.1; done") == 130
    assert time.monotonic() - began < 10
    assert capsys.readouterr().out == "started\nstopped\n"
