"""Asks apt which files an installation from nothing needs, and has apt's own downloader bring them.

Does not know what the packages are for: a bundle has two sets, the machine's and the containers'.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

Say = Callable[[str], None]

HELPER = "/usr/lib/apt/apt-helper"
#: files a call of the helper: progress is told in between
_BATCH = 12
_PRINTED = re.compile(r"^'(?P<uri>[^']+)' (?P<name>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)


class AptFailed(Exception):
    """apt could not do it; the message holds its own last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file to bring. `target` is where it goes; size in bytes, 0 and "" where only the archive knows."""

    uri: str
    target: Path
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One .deb as apt names it."""

    uri: str
    name: str
    size: int
    sha256: str


def printed(text: str) -> tuple[Package, ...]:
    """What `apt-get --print-uris` with SHA256 names."""
    return tuple(
        Package(uri=found["uri"], name=found["name"], size=int(found["size"]), sha256=found["sha256"])
        for found in _PRINTED.finditer(text)
    )


def needed(names: Sequence[str], options: Sequence[str] = (), *, recommended: bool) -> tuple[Package, ...]:
    """All packages of an installation of `names` where nothing is installed yet. Raises AptFailed.

    options: which lists and sources, as `apt-get -o`.
    """
    with TemporaryDirectory() as empty:  # apt does not name what this machine has downloaded lately
        (Path(empty) / "partial").mkdir()
        words = [
            "apt-get", "--quiet", "--yes", "--print-uris", "-o", "Dir::State::status=/dev/null",
            "-o", f"Dir::Cache::archives={empty}", "-o", "Acquire::ForceHash=SHA256",
            "-o", f"APT::Install-Recommends={str(recommended).lower()}", *options, "install", *names,
        ]  # fmt: skip
        found = printed(run(words))
    absent = set(names) - {package.name.partition("_")[0] for package in found}
    if absent:
        raise AptFailed(f"{', '.join(sorted(absent))}: apt named no file")
    return found


def run(words: Sequence[str]) -> str:
    """Its standard output. Raises AptFailed."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AptFailed("\n".join((done.stderr or done.stdout).strip().splitlines()[-6:]))
    return done.stdout


def bring(files: Iterable[File], say: Say) -> None:
    """Every file at its target and whole. What is there already is not brought again. Raises AptFailed.

    say: how many of how many, in files, megabytes and seconds.
    """
    wanted = list(files)
    began, total = time.monotonic(), sum(file.size for file in wanted)
    missing = [file for file in wanted if not is_whole(file)]
    there = total - sum(file.size for file in missing)

    def tell(number: int, size: int) -> None:
        took = time.monotonic() - began
        say(f"{number}/{len(wanted)}개 · {size / 1e6:.1f}/{total / 1e6:.1f} MB · {took:.0f}초")

    tell(len(wanted) - len(missing), there)
    for at in range(0, len(missing), _BATCH):
        batch = missing[at : at + _BATCH]
        words = [HELPER, "-o", "Acquire::Retries=5", "-o", "APT::Sandbox::User=root", "download-file"]
        for file in batch:
            # a part of it is gone on with; what is as long as it should be is another file
            if file.target.exists() and file.target.stat().st_size >= file.size:
                file.target.unlink()
            file.target.parent.mkdir(parents=True, exist_ok=True)
            words += [file.uri, str(file.target), *([f"SHA256:{file.sha256}"] if file.sha256 else [""])]
        run(words)
        there += sum(file.size for file in batch)
        tell(len(wanted) - len(missing) + at + len(batch), there)
    if broken := [file.target.name for file in missing if file.sha256 and not is_whole(file)]:
        raise AptFailed(f"{', '.join(broken)}: not as the archive's list says")


def is_whole(file: File) -> bool:
    """There, and with the content that the archive's list names. A file without a known content never is."""
    if not file.sha256 or not file.target.is_file() or (file.size and file.target.stat().st_size != file.size):
        return False
    with file.target.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
