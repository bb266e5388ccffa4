"""Runs mmdebstrap and turns what it prints into a layer. Which mirror and which keys it uses is decided here."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

from labs.hub.layers import Layer, pack_bootstrap
from labs.hub.recipes import DEBIAN_MIRROR, DEBIAN_SECURITY, Recipe

#: Debian's signing keys of 12 and 13, from its package debian-archive-keyring: that of Ubuntu 22.04 is too old
KEYS = Path(__file__).with_name("debian-archive-keys.asc")
#: mmdebstrap's own lines (without `I: `) and what the learner reads, in the order in which they come
STAGES = (
    ("running apt-get update", "패키지 목록을 받고 있어요"),
    ("downloading packages with apt", "패키지를 내려받고 있어요"),
    ("extracting archives", "패키지를 풀고 있어요"),
    ("installing essential packages", "꼭 필요한 패키지를 설치하고 있어요"),
    ("installing remaining packages", "나머지 패키지를 설치하고 있어요"),
    ("cleaning package lists", "임시 파일을 지우고 있어요"),
    ("creating tarball", "이미지 레이어로 묶고 있어요"),
)
#: the tail of mmdebstrap's output that a failure shows
TAIL_LINES = 12


class BootstrapFailed(Exception):
    """mmdebstrap ended with an error; the message holds the end of what it printed."""


def stage(line: str) -> int | None:
    """Which of STAGES (0-based) a line of mmdebstrap announces."""
    for number, (text, _) in enumerate(STAGES):
        if line.startswith(f"I: {text}"):
            return number
    return None


def machine_mirror(sources: Iterable[str]) -> str:
    """The Debian mirror that a machine's apt sources (texts of its files, either format) name; else the general one."""
    for text in sources:
        for word in re.findall(r"^\s*(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(\S+)", text, re.MULTILINE):
            if re.fullmatch(r"https?://\S+/debian/?", word):
                return str(word).rstrip("/")
    return DEBIAN_MIRROR


def read_sources(etc_apt: Path = Path("/etc/apt")) -> list[str]:
    """The texts of a machine's apt source files."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    return [
        file.read_text(errors="replace") for file in files if file.suffix in (".list", ".sources") and file.is_file()
    ]


def proxy_options(dump: str) -> list[str]:
    """The machine's own apt proxy, from `apt-config dump`, as options for mmdebstrap's apt."""
    wanted = re.compile(r'^(Acquire::https?::Proxy(?:::\S+)?) "(.*)";$', re.MULTILINE | re.IGNORECASE)
    return [f'--aptopt={name} "{value}"' for name, value in wanted.findall(dump) if value]


def command(recipe: Recipe, *, mirror: str, options: Sequence[str] = ()) -> list[str]:
    """The mmdebstrap command whose standard output is the root as tar."""
    lines = [
        f"deb [signed-by={KEYS}] {mirror} {recipe.suite} main",
        f"deb [signed-by={KEYS}] {mirror} {recipe.suite}-updates main",
        f"deb [signed-by={KEYS}] {DEBIAN_SECURITY} {recipe.suite}-security main",
    ]
    return [
        "mmdebstrap", "--variant=minbase", "--format=tar", f"--include={','.join(recipe.packages)}",
        '--aptopt=Acquire::Retries "5"', '--aptopt=Acquire::Languages "none"', *options,
        recipe.suite, "-", *lines,
    ]  # fmt: skip


def release_time(suite: str, mirror: str) -> int:
    """When the archive's suite was last released (seconds): the creation time of an image made of it, so that two
    machines that build it from the same packages get the same bytes."""
    with urllib.request.urlopen(f"{mirror}/dists/{suite}/InRelease", timeout=60) as reply:
        for line in reply.read().decode(errors="replace").splitlines():
            if line.startswith("Date: "):
                return int(parsedate_to_datetime(line.removeprefix("Date: ")).timestamp())
    raise BootstrapFailed(f"{mirror}/dists/{suite}/InRelease has no Date line")


def bootstrap(argv: Sequence[str], recipe: Recipe, path: Path, *, epoch: int, progress: Callable[[int], None]) -> Layer:
    """Run `argv` (see `command`) and write its layer to `path`. Raises BootstrapFailed.

    `progress` is called with an index into STAGES, from another thread.
    """
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(epoch),
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    process = subprocess.Popen(
        list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None and process.stderr is not None
    lines: list[str] = []

    def listen() -> None:
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode(errors="replace").rstrip()
            lines.append(line)
            if (number := stage(line)) is not None:
                progress(number)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    failure: tarfile.TarError | None = None
    try:
        layer = pack_bootstrap(process.stdout, path, epoch=epoch, files=recipe.files)
    except tarfile.TarError as error:  # it printed no tar: its own words say why
        failure = error
    except BaseException:
        process.terminate()
        raise
    finally:
        process.stdout.close()
        code = process.wait()
        listener.join()
        process.stderr.close()
    if code != 0 or failure:
        path.unlink(missing_ok=True)
        raise BootstrapFailed("\n".join(lines[-TAIL_LINES:]) or f"mmdebstrap: {failure}")
    return layer
