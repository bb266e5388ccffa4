"""What a build says: Docker's classic lines as they come, why a step was done again, and where it failed."""

from __future__ import annotations

import os
import sys

from kernel_engine.cli.cell import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from kernel_engine.cli.progress import Display
    from kernel_engine.client.context import Context

#: the classic builder shows a program's standard error in red
RED, PLAIN = "\x1b[91m", "\x1b[0m"
DIM = "\x1b[2m"
RUNNING = " ---> Running in"
RULE = "--------------------"
STEP, PROGRAM = "kernel-engine.step", "kernel-engine.output"
DEFAULT_NAME = "Dockerfile"

#: why a step was found, or was not, for who looks at a terminal or a notebook
CAUSES = {
    "same": "앞 단계와 이 줄이 그대로예요",
    "no-cache": "--no-cache를 줬어요",
    "parent": "앞 단계가 새로 만들어졌어요",
    "instruction": "이 줄로 만들어 둔 것이 없었어요",
    "files": "복사할 파일이 달라졌어요",
    "argument": "빌드 인자가 달라졌어요",
    "source": "--cache-from의 이미지에는 없는 단계예요",
}
AGAIN = "다시 했어요"
WHAT = {"same": "캐시를 썼어요", "instruction": "새로 했어요"}
#: the engine's words for what became of a file
CHANGES = {"changed ": "바뀐 ", "added ": "새로 생긴 ", "removed ": "없어진 "}


class Output:
    """`image`: the new image's id. `error`, `code`: how it failed. `line`, `end_line`: where, 0 where nobody said."""

    def __init__(self, *, quiet: bool, coloured: bool, tells: bool) -> None:
        self.image = ""
        self.error = ""
        self.code = 1
        self.line = self.end_line = 0
        self.instruction = ""  #: one that names an image which could not be had
        self._quiet = quiet
        self._coloured = coloured
        self._tells = tells and os.environ.get("DOCKER_LABS_LANG", "").lower() != "off"
        self._held: list[str] = []
        self._current = 0  #: the step whose lines are being shown
        self._reasons: dict[int, Mapping[str, Any]] = {}
        self._waiting: dict[int, list[str]] = {}  #: what programs of other steps have printed already
        self._open = 0  #: the step whose program's output is shown as it comes
        self._display: Display | None = None

    def show(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """All of them, until the last."""
        for message in messages:
            if message.get("error") or message.get("errorDetail"):
                self._fail(message)
            elif message.get("id") == STEP:
                tell(message)
                self._step(message["aux"])
            elif message.get("id") == PROGRAM:
                self._program(message["aux"]["step"], message["stream"])
            elif isinstance(message.get("aux"), dict) and message["aux"].get("ID"):
                self.image = str(message["aux"]["ID"])
            elif "stream" in message:
                self._stream(message["stream"])
            else:
                self._progress(message)
        self._tell()

    def held(self) -> str:
        """What a quiet build has said."""
        return "".join(self._held)

    def _fail(self, message: Mapping[str, Any]) -> None:
        detail = message.get("errorDetail") or {}
        self.error = str(detail.get("message") or message.get("error"))
        self.code = int(detail.get("code") or 1)
        self.line = int(detail.get("line") or self.line)
        self.end_line = int(detail.get("end_line") or self.end_line)
        instruction = str(detail.get("instruction") or "")
        if instruction.upper().startswith("FROM ") or "from=" in instruction:
            self.instruction = instruction

    def _stream(self, text: str) -> None:
        if text.startswith(("Step ", "Successfully ")):
            self._tell()
            number = text[5:].partition("/")[0]
            self._current = int(number) if number.isdigit() else 0
            self._open = 0
        self._write(text)
        if text.startswith(RUNNING):
            self._open = self._current
            for waited in self._waiting.pop(self._current, ()):
                self._write(waited)

    def _program(self, step: int, text: str) -> None:
        """A stage that is built beside the one that is shown waits for its turn."""
        if step == self._open:
            self._write(text)
        else:
            self._waiting.setdefault(step, []).append(text)

    def _step(self, step: Mapping[str, Any]) -> None:
        if step.get("state") == "failed":
            self.line, self.end_line = int(step.get("line") or 0), int(step.get("end_line") or 0)
        elif step.get("reason") in CAUSES and step.get("instruction") != "FROM":
            self._reasons[step["step"]] = step
            if step["step"] == self._current:
                self._tell()

    def _tell(self) -> None:
        """Why, beneath the lines of the step that is shown."""
        step = self._reasons.pop(self._current, None)
        if step is None or not self._tells:
            return
        line = f"      {WHAT.get(step['reason'], AGAIN)}: {CAUSES[step['reason']]}"
        line += f" ({in_korean(step['detail'])})" if step.get("detail") else ""
        self._write(f"{DIM}{line}{PLAIN}\n" if self._coloured else f"{line}\n")

    def _write(self, text: str) -> None:
        if self._quiet:
            self._held.append(text)
            return
        if not self._coloured:
            text = text.replace(RED, "").replace(PLAIN, "")
        sys.stdout.write(text)
        sys.stdout.flush()

    def _progress(self, message: Mapping[str, Any]) -> None:
        """A base image that is being pulled."""
        if self._quiet:
            return
        if self._display is None:
            from kernel_engine.cli.progress import Display

            self._display = Display(sys.stdout, terminal=sys.stdout.isatty())
        self._display.show(message)


def in_korean(text: str) -> str:
    """`changed a.py, added b.py and 2 more` in Korean; a build argument's name as it is."""
    head, _, tail = text.rpartition(" and ")
    rest = [f"그 밖에 {tail.removesuffix(' more')}개"] if head and tail.endswith(" more") else []
    parts = (head if rest else text).split(", ")
    for word, korean in CHANGES.items():
        parts = [korean + part.removeprefix(word) if part.startswith(word) else part for part in parts]
    return ", ".join(parts + rest)


def place_of(context: Context, output: Output, message: str) -> str:
    """The lines of the Dockerfile that the failure is about, as BuildKit shows them; "" where nobody knows them."""
    line = output.line or _line_in(message)
    if not line:
        return ""
    name = os.path.basename(context.place) or DEFAULT_NAME
    source = context.source()
    if source is None:
        return f"\n{name}:{line}"
    return f"\n{name}:{line}{excerpt(source, line, output.end_line or _end_of(source, line))}"


def _end_of(source: bytes, line: int) -> int:
    """The last line of the instruction that begins in this one."""
    from kernel_engine.formats.dockerfile.errors import DockerfileError
    from kernel_engine.formats.dockerfile.lexer import lex

    try:
        statements = lex(source, DEFAULT_NAME).statements
    except DockerfileError:
        return line
    return next((item.location.end for item in statements if item.location.start == line), line)


def _line_in(message: str) -> int:
    """`dockerfile parse error on line 3: …`"""
    head, found, rest = message.partition("parse error")
    if not found or "ockerfile" not in head + found:
        return 0
    number = rest.partition("line ")[2].partition(":")[0]
    return int(number) if number.isdigit() else 0


def excerpt(source: bytes, line: int, end_line: int) -> str:
    """Lines from `line` to `end_line` (counted from 1) with some around them."""
    lines = source.decode("utf-8", "replace").splitlines()
    if line > len(lines):
        return ""
    around = 2 if line == end_line else 1
    first, last = max(1, line - around), min(len(lines), end_line + around)
    shown = [
        f" {number:3d} | {'>>>' if line <= number <= end_line else '   '} {lines[number - 1]}"
        for number in range(first, last + 1)
    ]
    return "\n".join(["", RULE, *shown, RULE])
