"""Makes the small Debian archive for containers: Debian's own signed lists, and the packages that the labs install.

Nothing is signed anew: apt in a container trusts the lists as it trusts Debian's. They name all packages; those that
are not here end in a 404 that says so.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from labs.hub.bootstrap import KEYS, machine_mirror, read_sources
from labs.hub.recipes import DEBIAN_SECURITY
from labs.offline.mirror import web
from labs.offline.packages import File, Say, bring, needed, run

#: what the labs install, suite by suite; a test holds it against their text. The rest is what learners reach for.
WANTED = {
    "bookworm": (
        "git", "apache2", "libapache2-mod-php", "dokuwiki", "golang-go", "curl", "procps", "iproute2", "iputils-ping",
        "vim-tiny", "nano", "less", "tree", "wget", "stress-ng", "netcat-openbsd", "dnsutils", "python3",
    ),
    "trixie": (
        "git", "curl", "procps", "iproute2", "iputils-ping", "vim-tiny", "nano", "less", "tree", "wget",
        "netcat-openbsd", "python3",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One suite of an archive: `folder` beneath the mirror is its path on deb.debian.org."""

    name: str
    folder: str
    origin: str


def suites(release: str, mirror: str) -> tuple[Suite, ...]:
    return (
        Suite(name=release, folder="debian", origin=mirror),
        Suite(name=f"{release}-updates", folder="debian", origin=mirror),
        Suite(name=f"{release}-security", folder="debian-security", origin=DEBIAN_SECURITY),
    )


def listed(in_release: str, path: str) -> tuple[str, int]:
    """SHA256 and size of a file that an InRelease names. KeyError."""
    _, _, sums = in_release.partition("\nSHA256:\n")
    found = re.search(rf"^ ([0-9a-f]{{64}})\s+(\d+) {re.escape(path)}$", sums, re.MULTILINE)
    if found is None:
        raise KeyError(path)
    return found[1], int(found[2])


def make(folder: Path, work: Path, architecture: str, say: Say) -> None:
    """The mirror in `folder`, brought up to date. `work` is thrown away. Raises AptFailed."""
    mirror = machine_mirror(read_sources())
    for release, names in WANTED.items():
        say(f"데비안 {release}의 목록을 받아요")
        found = suites(release, mirror)
        for suite in found:
            _bring_lists(suite, folder, architecture, say)
        with _served(folder) as address:
            options = _private_apt(work / release, found, address, architecture)
            run(["apt-get", "--quiet", *options, "update"])
            packages = needed(names, options, recommended=True)
        say(f"데비안 {release}의 패키지 {len(packages)}개를 받아요")
        bring((_at_home(package.uri, package.size, package.sha256, folder, found) for package in packages), say)
    shutil.rmtree(work, ignore_errors=True)


def _bring_lists(suite: Suite, folder: Path, architecture: str, say: Say) -> None:
    """InRelease, and the list of packages under the name that apt asks for first (by its hash)."""
    place = folder / suite.folder / "dists" / suite.name
    release = place / "InRelease"
    release.unlink(missing_ok=True)
    bring([File(uri=f"{suite.origin}/dists/{suite.name}/InRelease", target=release)], lambda text: None)
    path = f"main/binary-{architecture}/Packages.xz"
    sha256, size = listed(release.read_text(), path)
    target = place / f"main/binary-{architecture}/by-hash/SHA256/{sha256}"
    for old in target.parent.glob("*"):
        if old != target:
            old.unlink()
    bring([File(uri=f"{suite.origin}/dists/{suite.name}/{path}", target=target, size=size, sha256=sha256)], say)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with web(folder, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _private_apt(place: Path, found: tuple[Suite, ...], address: str, architecture: str) -> list[str]:
    """Options for an apt that knows the mirror alone, as a container will: it checks Debian's signatures."""
    shutil.rmtree(place, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (place / name).mkdir(parents=True)
    lines = [f"deb [signed-by={KEYS}] {address}/{suite.folder} {suite.name} main\n" for suite in found]
    (place / "etc/sources.list").write_text("".join(lines))
    settings = {
        "Dir::State": place, "Dir::State::lists": place / "lists", "Dir::Cache": place / "cache",
        "Dir::Etc": place / "etc",
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Sandbox::User": "root",
        "Acquire::Languages": "none", "Acquire::http::Proxy": "DIRECT", "Dir::State::status": "/dev/null",
    }  # fmt: skip
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _at_home(uri: str, size: int, sha256: str, folder: Path, found: tuple[Suite, ...]) -> File:
    """The file that the mirror was asked for, where Debian has it and where the mirror will."""
    path = urlsplit(uri).path
    archive, _, rest = path.lstrip("/").partition("/")
    origin = next(suite.origin for suite in found if suite.folder == archive)
    return File(uri=f"{origin}/{rest}", target=folder / archive / unquote(rest), size=size, sha256=sha256)
