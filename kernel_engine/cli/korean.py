"""Docker's error texts in one Korean sentence or two: what it means, and what to do next.

Printed under the English text where a person reads: on standard error when that is a terminal, and in a notebook cell,
whose pipe DOCKER_LABS_CELL names by its inode; never into another pipe, where it could become a command's argument.
DOCKER_LABS_LANG=off removes it. A text that is not in the table gets nothing: a wrong guess costs more than none.
"""

from __future__ import annotations

import os
import re
import sys

from kernel_engine.cli.cell import cell
from kernel_engine.cli.korean_table import TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from kernel_engine.cli.substitutes import Substitute

#: the words of a pull that could not reach Docker Hub
UNREACHED = re.compile(
    r'Get "?https://(registry-1|auth|index)\.docker\.io|registry-1\.docker\.io.*(no such host|timeout|refused)'
    r"|lookup (registry-1|auth|index)\.docker\.io"
)
#: a line of a Dockerfile that follows the text: what could not be had
IN_DOCKERFILE = re.compile(
    r"^(FROM (--\S+ )*|(COPY|ADD) (--\S+ )*?--from=|RUN (--\S+ )*?--mount=(\S+,)?from=)(?P<image>[^\s,]+).*$",
    re.MULTILINE | re.IGNORECASE,
)
#: commands whose words hold an image's name
WITH_IMAGE = ("run", "create", "pull")


def report(message: str, about: str, words: Sequence[str]) -> None:
    """Prints the failure on standard error, and its Korean line where one is read. `words`: the command line."""
    sys.stdout.flush()
    print(message, file=sys.stderr, flush=True)
    hint(about, words)


def hint(about: str, words: Sequence[str]) -> None:
    """Only the Korean line, where there is one and somebody reads it."""
    out = place()
    if out is None:
        return
    text = line(about, words)
    if text:
        print(text, file=out, flush=True)


def place() -> TextIO | None:
    """Where a Korean line belongs: the stream that is the cell's own pipe, standard error on a terminal, or nowhere."""
    if os.environ.get("DOCKER_LABS_LANG", "").lower() == "off":
        return None
    if os.environ.get("DOCKER_LABS_CELL"):
        return cell()
    return sys.stderr if sys.stderr.isatty() else None


def line(message: str, words: Sequence[str] = ()) -> str:
    """The Korean line for Docker's text; "" when it is unknown. `words`: what was typed after `docker`."""
    if UNREACHED.search(message):
        found = IN_DOCKERFILE.search(message)
        return unreached_in_dockerfile(found[0], found["image"]) if found else unreached(words)
    for pattern, text in TABLE:
        found = pattern.search(message)
        if found:
            return text.format(**{name: value or "" for name, value in found.groupdict().items()})
    return ""


def unreached(words: Sequence[str]) -> str:
    """Docker Hub does not answer: the exact command to type instead, where the offline hub has a stand-in."""
    image = image_of(words)
    if not image:
        return "인터넷에 연결되지 않아 Docker Hub에 닿지 못했어요. 인터넷 연결을 확인한 뒤 다시 실행해 보세요."
    missing, known = _stand_in(image)
    if known is None:
        return missing
    command = known.instead(words, image)
    if not known.install:
        return f"{missing} 대신 이렇게 입력해 보세요: {command}\n{known.why}"
    return (
        f"{missing} 대신 이렇게 들어가서: {command}\n"
        f"그 안에서 이렇게 설치해 보세요: apt-get update && apt-get install -y {known.install}\n{known.why}"
    )


def unreached_in_dockerfile(line: str, image: str) -> str:
    """The same for a build: the line to write instead."""
    missing, known = _stand_in(image)
    if known is None:
        return missing
    text = f"{missing} Dockerfile의 그 줄을 이렇게 바꿔 보세요: {line.replace(image, known.use, 1)}"
    if known.install:
        text += f"\n그 아래에서 설치하면 돼요: RUN apt-get update && apt-get install -y {known.install}"
    return f"{text}\n{known.why}"


def _stand_in(image: str) -> tuple[str, Substitute | None]:
    """What is missing, and what stands in for it; None where that is all there is to say."""
    from kernel_engine.cli.substitutes import find, is_held

    if is_held(image):
        return (
            f"오프라인 허브가 답하지 않아서 {image} 이미지를 받지 못했어요. "
            "실습 폴더에서 ./lab up을 다시 실행한 뒤 받아 보세요."
        ), None
    known = find(image)
    missing = f"인터넷에 연결되지 않아 {image} 이미지를 받지 못했어요."
    if known is None:
        return (
            f"{missing} 오프라인 허브에 이 이름의 이미지가 없어요. "
            "이름의 철자를 확인하거나, 인터넷에 연결한 뒤 다시 실행해 보세요."
        ), None
    if not known.use:
        return f"{missing} 오프라인 허브에 대신할 이미지도 없어요. {known.why}", None
    return missing, known


def image_of(words: Sequence[str]) -> str:
    """The image that a command line names; "" when it names none."""
    from kernel_engine.cli.commands import GLOBAL_OPTIONS, find
    from kernel_engine.cli.grammar import Misused, options_of, parse

    try:
        rest = parse(options_of(GLOBAL_OPTIONS), words, interspersed=False).arguments
        path, command, arguments = find(rest) if rest else ("", None, [])
        if command is None or path.rpartition(" ")[2] not in WITH_IMAGE:
            return ""
        parsed = parse(options_of(command.options), arguments, interspersed=command.interspersed)
    except Misused:
        return ""
    return parsed.arguments[0] if parsed.arguments else ""
