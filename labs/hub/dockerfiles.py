"""Which images our own builder makes for the hub when somebody asks for them first: a folder with a Dockerfile each.

Pure but for reading the folders. `RECIPES` (bootstrapped, always there) is what they stand on; `workshop` builds them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labs.hub.recipes import RECIPES, REVISION, Recipe

IMAGES = Path(__file__).with_name("images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One image. `folder` holds its Dockerfile and what that copies; `base` is what its FROM names."""

    repository: str
    tags: tuple[str, ...]
    folder: Path
    base: Recipe

    @property
    def key(self) -> str:
        """As `Recipe.key`: another one when the folder or the base is another."""
        files = {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }
        stated = json.dumps({"revision": REVISION, "base": self.base.key, "files": files}, sort_keys=True)
        return hashlib.sha256(stated.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        return f"{self.repository.removeprefix('library/')}:{self.tags[0]}"


def _recipe(name: str, recipes: Iterable[Recipe] = RECIPES) -> Recipe:
    return next(recipe for recipe in recipes if recipe.title == name)


def _built(repository: str, *tags: str, folder: str = "", base: str = "debian:bookworm") -> Built:
    """`redis` is Docker Hub's own namespace, `labs/jq` the course's."""
    return Built(
        repository=repository if "/" in repository else f"library/{repository}",
        tags=tags,
        folder=IMAGES / (folder or repository.replace("/", "-")),
        base=_recipe(base),
    )


#: In Docker Hub's own namespace only what is the same program: MariaDB is never called mysql. What stands in for
#: another program is in the namespace `labs`.
BUILT: tuple[Built, ...] = (
    _built("mariadb", "latest", "10", "10.11"),
    _built("redis", "latest", "7", "7.0"),
    _built("haproxy", "latest", "2", "2.6"),
    _built("registry", "latest", "2", "2.8"),
    _built("nginx", "latest", "1", "1.22"),
    _built("httpd", "latest", "2", "2.4"),
    _built("php", "latest", "8", "8.2", "cli", "8-cli", "8.2-cli"),
    _built("php", "apache", "8-apache", "8.2-apache", folder="php-apache"),
    _built("python", "latest", "3", "3.11", "slim", "3-slim", "3.11-slim"),
    _built("gcc", "latest", "12"),
    _built("docker", "dind", "20-dind", "20.10-dind"),
    _built("labs/cron", "latest"),
    _built("labs/jq", "latest"),
    _built("labs/ssh-agent", "latest"),
)


def find(repository: str, tag: str, images: Iterable[Built] = BUILT) -> Built | None:
    """Which of them `repository:tag` is (`library/redis`, `7`)."""
    return next((image for image in images if image.repository == repository and tag in image.tags), None)


def named(name: str, images: Iterable[Built] = BUILT) -> Built | None:
    """As a learner writes it: `redis`, `php:apache`, `labs/jq`."""
    repository, _, tag = name.partition(":")
    return find(repository if "/" in repository else f"library/{repository}", tag or "latest", images)
