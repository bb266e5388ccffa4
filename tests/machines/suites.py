"""The releases that machines are made of: their archives, by whose keys, and what a bare system of each has."""

from __future__ import annotations

import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from labs.hub.bootstrap import KEYS
from labs.hub.recipes import DEBIAN_MIRROR

_BARE = ("systemd-sysv", "dbus", "udev", "iproute2", "initramfs-tools", "kmod", "ca-certificates", "git", "procps")
_NETWORK = ("systemd-networkd.service", "systemd-networkd-wait-online.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A distribution's release, as its archive names it."""

    name: str
    kernel: str  #: the package; `{}` is the architecture
    mirror: str = DEBIAN_MIRROR
    components: str = "main"
    packages: tuple[str, ...] = ()  #: beside those of every bare system
    enabled: tuple[str, ...] = _NETWORK  #: units
    keyring: tuple[str, str] | None = None  #: the Debian 13 package of its keys, and their file; None = Debian's own
    own_resolver: bool = False  #: /etc/resolv.conf is the machine's, not a copy of the host's

    def bare(self, architecture: str) -> tuple[str, ...]:
        """The packages of a bare system with a kernel."""
        return (*_BARE, self.kernel.format(architecture), *self.packages)


BOOKWORM = Suite(name="bookworm", kernel="linux-image-cloud-{}")
TRIXIE = Suite(name="trixie", kernel="linux-image-cloud-{}")
#: as its installer leaves a server: AppArmor's limit for user namespaces (a file of the package), an own resolver
NOBLE = Suite(
    name="noble",
    kernel="linux-image-virtual",
    mirror="http://archive.ubuntu.com/ubuntu",
    components="main universe",
    packages=("apt", "ubuntu-keyring", "apparmor", "systemd-resolved"),
    enabled=(*_NETWORK, "systemd-resolved.service"),
    keyring=("ubuntu-keyring", "usr/share/keyrings/ubuntu-archive-keyring.gpg"),
    own_resolver=True,
)
#: systemd-resolved is a part of systemd there
JAMMY = replace(NOBLE, name="jammy", packages=("apt", "ubuntu-keyring", "apparmor"))
SUITES = {suite.name: suite for suite in (BOOKWORM, TRIXIE, NOBLE, JAMMY)}


def unreachable(suite: Suite, architecture: str) -> str:
    """Why its archive is of no use from here, or ""."""
    try:
        place = f"{suite.mirror}/dists/{suite.name}/main/binary-{architecture}/Release"
        with urllib.request.urlopen(place, timeout=60):
            return ""
    except OSError as error:
        return f"{suite.mirror} has no {suite.name} of {architecture} for this machine: {error}"


@contextmanager
def sources(suite: Suite) -> Iterator[list[str]]:
    """apt's lines for mmdebstrap, good while the block runs; none where the host's own keys and mirror serve."""
    if suite.keyring is None:
        yield []
        return
    package, file = suite.keyring
    with tempfile.TemporaryDirectory(prefix="keyring-") as scratch:
        Path(scratch).chmod(0o755)  # apt reads keys as a user of its own
        _unpack_of_debian(package, Path(scratch))
        yield [
            f"deb [signed-by={Path(scratch, file)}] {suite.mirror} {name} {suite.components}" for name in _names(suite)
        ]


def write_sources(directory: Path, suite: Suite) -> None:
    """In the machine: that archive, by the keys that its own package brought. Debian's lines are right already."""
    if suite.keyring is None:
        return
    package, file = suite.keyring
    (directory / "etc/apt/sources.list").unlink()
    (directory / f"etc/apt/sources.list.d/{package.partition('-')[0]}.sources").write_text(
        f"Types: deb\nURIs: {suite.mirror}\nSuites: {' '.join(_names(suite))}\n"
        f"Components: {suite.components}\nSigned-By: /{file}\n"
    )


def _names(suite: Suite) -> tuple[str, ...]:
    return suite.name, f"{suite.name}-updates", f"{suite.name}-security"


def _unpack_of_debian(package: str, directory: Path) -> None:
    """A package of Debian 13, signed by Debian, to `directory`: the host may be of a release that lacks it."""
    (directory / "lists/partial").mkdir(parents=True)
    (directory / "sources.list").write_text(f"deb [signed-by={KEYS}] {DEBIAN_MIRROR} trixie main\n")
    options = (
        f"Dir::Etc::sourcelist={directory / 'sources.list'}", "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State::lists={directory / 'lists'}", "APT::Sandbox::User=root", "Acquire::Retries=5",
    )  # fmt: skip
    apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", package], check=True, cwd=directory)
    [archive] = directory.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, directory], check=True)
