"""Which images the hub holds and what goes into each. Pure: `bootstrap` and `busybox` carry it out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

#: goes into every recipe's key: raise it when the way of building changes, so that the hubs in use are built anew
REVISION = 1

DEBIAN_MIRROR = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the recipe puts into the image. `mode` as chmod(1)."""

    text: str = ""
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One image. `suite` is a Debian suite for mmdebstrap, or "" for the busybox image. `files` are relative to /."""

    repository: str
    tags: tuple[str, ...]
    suite: str = ""
    packages: tuple[str, ...] = ()
    command: tuple[str, ...] = ("bash",)
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Names the recipe's content: a hub whose image carries another key builds it again."""
        stated = json.dumps({"revision": REVISION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(stated.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        return f"{self.repository.removeprefix('library/')}:{self.tags[0]}"


def debian_sources(suite: str) -> str:
    """The text of debian.sources in the image: the archive's general name, whatever mirror built it."""
    return "".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {DEBIAN_KEYRING}\n\n"
        for uri, suites in (
            (DEBIAN_MIRROR, f"{suite} {suite}-updates"),
            (DEBIAN_SECURITY, f"{suite}-security"),
        )
    )


def debian_files(suite: str) -> dict[str, File]:
    """What Debian's official images add to a plain bootstrap: no service starts, and apt keeps no archives."""
    clean = "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"
    return {
        "etc/apt/sources.list.d/debian.sources": File(text=debian_sources(suite)),
        "etc/apt/apt.conf.d/docker-clean": File(
            text=f'DPkg::Post-Invoke {{ "{clean}"; }};\nAPT::Update::Post-Invoke {{ "{clean}"; }};\n'
            'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
        ),
        "etc/apt/apt.conf.d/docker-gzip-indexes": File(text='Acquire::GzipIndexes "true";\n'),
        "etc/apt/apt.conf.d/docker-no-languages": File(text='Acquire::Languages "none";\n'),
        "etc/apt/apt.conf.d/docker-autoremove-suggests": File(text='Apt::AutoRemove::SuggestsImportant "false";\n'),
        "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": File(text="force-unsafe-io\n"),
        "usr/sbin/policy-rc.d": File(text="#!/bin/sh\nexit 101\n", mode=0o755),
        "etc/hostname": File(),
        "etc/resolv.conf": File(),
    }


def lasting(recipe: Recipe) -> Recipe:
    """The same for a bundle. Debian's lists of updates say that they hold for a week; a bundle is used for longer, and
    apt would refuse them. It still checks Debian's signature."""
    if not recipe.suite:
        return recipe
    late = File(text='// from a bundle: its lists are as old as it is\nAcquire::Check-Valid-Until "false";\n')
    return replace(recipe, files={**recipe.files, "etc/apt/apt.conf.d/docker-labs-bundle": late})


def debian(suite: str, *tags: str) -> Recipe:
    return Recipe(
        repository="library/debian",
        tags=(suite, *tags),
        suite=suite,
        packages=("ca-certificates",),
        files=debian_files(suite),
    )


#: `latest` is trixie, as on Docker Hub
RECIPES: tuple[Recipe, ...] = (
    Recipe(repository="library/busybox", tags=("latest",), command=("sh",)),
    debian("bookworm"),
    debian("trixie", "latest"),
)
