"""One voice at a time, whatever happens at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel_engine.build.output import Output


class Heard:
    def __init__(self) -> None:
        self.lines: list[str] = []

    async def __call__(self, line: Mapping[str, Any]) -> None:
        self.lines.append(str(line.get("stream") or line.get("id")))


async def test_a_later_stage_waits_for_its_turn() -> None:
    heard = Heard()
    output = Output(heard, stages=3, quiet=False, steps=False)
    first, second, third = output.voice(), output.voice(), output.voice()
    await second.stream("b1")
    await first.stream("a1")
    await third.stream("c1")
    await second.end()
    assert heard.lines == ["a1"]
    await first.stream("a2")
    await first.end()
    assert heard.lines == ["a1", "a2", "b1", "c1"]
    await third.stream("c2")
    assert heard.lines[-1] == "c2"


async def test_a_quiet_build_says_its_result_only_or_all_where_it_fails() -> None:
    heard = Heard()
    output = Output(heard, stages=1, quiet=True, steps=False)
    voice = output.voice()
    await voice.stream("said")
    await output.result("id")
    assert heard.lines == ["id"]
    await output.failed()
    assert heard.lines == ["id", "said"]


async def test_bytes_of_a_character_may_come_apart_and_stderr_is_red() -> None:
    heard = Heard()
    program = Output(heard, stages=1, quiet=False, steps=False).voice().program(1)
    data = "한글".encode()
    await program(1, data[:2])
    await program(1, data[2:])
    await program(2, b"\xff")
    await program(1, "한".encode()[:1])
    await program.end()
    assert heard.lines == ["한글", "\x1b[91m�\x1b[0m", "�"]


async def test_output_is_labelled_where_stages_could_mix() -> None:
    heard = Heard()
    output = Output(heard, stages=2, quiet=False, steps=True)
    output.voice()
    await output.voice().program(4)(1, b"now")
    assert heard.lines == ["now"]
