"""The answer of a build, in order: each stage has a voice of its own, and one voice is heard at a time.

Lines of a stage that is built beside an earlier one wait until that one has ended. Step events do not wait.
"""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import Mapping
from typing import Any

from kernel_engine.build.events import Step
from kernel_engine.build.options import Emit

#: Docker's classic builder shows stderr in red
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"

#: characters that a stage may say before it is heard; then it is held up
_WAITING = 8 << 20
#: characters of a quiet build that are kept for the case that it fails: the last ones
_KEPT = 8 << 20


class Output:
    """Everything that a build says. `quiet`: nothing, unless it fails; then all of it."""

    def __init__(self, emit: Emit, *, stages: int, quiet: bool, steps: bool) -> None:
        self._emit = emit
        self._quiet = quiet
        self._held: deque[Mapping[str, Any]] = deque()
        self._held_size = 0
        self._steps = steps
        self.labelled = steps and stages > 1
        self._voices: list[Voice] = []
        #: a voice that is let out says what has waited before it says anything new
        self.speaking = asyncio.Lock()

    def voice(self) -> Voice:
        """One for each stage, asked for in the order in which they are to be heard."""
        voice = Voice(self)
        self._voices.append(voice)
        return voice

    async def say(self, line: Mapping[str, Any]) -> None:
        """Outside of any stage, at once."""
        if not self._quiet:
            await self._emit(line)
            return
        self._held.append(line)
        self._held_size += _size(line)
        while self._held_size > _KEPT:
            self._held_size -= _size(self._held.popleft())

    async def event(self, step: Step) -> None:
        if self._steps:
            await self._emit(step.event())

    async def result(self, text: str) -> None:
        """What also a quiet build says."""
        await self._emit({"stream": text})

    async def failed(self) -> None:
        """Lets everything out that was held back."""
        async with self.speaking:
            for voice in self._voices:
                await voice.let_out()
            while self._held:
                await self._emit(self._held.popleft())

    def turn_of(self, voice: Voice) -> bool:
        return next((other for other in self._voices if not other.ended), None) is voice

    async def ended(self) -> None:
        """The next voices are heard."""
        async with self.speaking:
            for other in self._voices:
                await other.let_out()
                if not other.ended:
                    other.heard.set()
                    return

    async def labelled_output(self, text: str, step: int) -> None:
        await self._emit({"stream": text, "id": "kernel-engine.output", "aux": {"step": step}})


class Voice:
    """One stage's lines."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._waiting: list[Mapping[str, Any]] = []
        self._waiting_size = 0
        self.ended = False
        self.heard = asyncio.Event()

    async def say(self, line: Mapping[str, Any]) -> None:
        if self._output.turn_of(self):
            async with self._output.speaking:
                await self.let_out()
                await self._output.say(line)
        else:
            self._waiting.append(line)
            self._waiting_size += _size(line)
            if self._waiting_size >= _WAITING:
                await self.heard.wait()

    async def stream(self, text: str) -> None:
        await self.say({"stream": text})

    async def event(self, step: Step) -> None:
        await self._output.event(step)

    async def let_out(self) -> None:
        """For who holds `speaking`."""
        waiting, self._waiting, self._waiting_size = self._waiting, [], 0
        for line in waiting:
            await self._output.say(line)

    async def end(self) -> None:
        self.ended = True
        await self._output.ended()

    def program(self, step: int) -> Program:
        """What a RUN prints."""
        return Program(self, self._output, step)


def _size(line: Mapping[str, Any]) -> int:
    return 100 + len(line.get("stream", ""))


class Program:
    """Bytes of a program's streams to text, in pieces as they come; a character may be cut between two."""

    def __init__(self, voice: Voice, output: Output, step: int) -> None:
        self._voice = voice
        self._output = output
        self._step = step
        self._decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(3)]

    async def __call__(self, stream: int, data: bytes) -> None:
        await self._print(stream, self._decoders[stream].decode(data))

    async def end(self) -> None:
        for stream in (1, 2):
            await self._print(stream, self._decoders[stream].decode(b"", final=True))

    async def _print(self, stream: int, text: str) -> None:
        if not text:
            return
        if self._output.labelled:
            await self._output.labelled_output(text, self._step)
        else:
            await self._voice.stream(f"{_RED}{text}{_PLAIN}" if stream == 2 else text)
