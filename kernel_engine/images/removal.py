"""docker rmi: what may go, and what else goes with it. Pure: decides over a view of the catalogue.

The rules are moby's (`daemon/images/image_delete.go`), including its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kernel_engine.errors import Conflict
from kernel_engine.formats import reference as references
from kernel_engine.formats.reference import Reference
from kernel_engine.images.digest import hex_of, short
from kernel_engine.images.image import Image, Use

#: the containers that stand on an image
InUse = Callable[[str], Sequence[Use]]


class View(Protocol):
    """What the rules ask of the catalogue."""

    def get(self, text: str) -> Image: ...
    def by_id(self, image_id: str) -> Image | None: ...
    def names(self, image_id: str) -> tuple[Reference, ...]: ...
    def children(self, image_id: str) -> frozenset[str]: ...


@dataclass(slots=True)
class Removal:
    """What is to be done, in the order in which Docker tells it."""

    untag: list[Reference] = field(default_factory=list)
    #: (image, names that go with it)
    delete: list[tuple[Image, tuple[Reference, ...]]] = field(default_factory=list)


def plan(view: View, text: str, *, force: bool, prune: bool, in_use: InUse) -> Removal:
    """Conflict where Docker refuses, NotFound where there is no such image."""
    return _Planner(view, force, prune, in_use).plan(text)


class _Planner:
    def __init__(self, view: View, force: bool, prune: bool, in_use: InUse) -> None:
        self._view = view
        self._force = force
        self._prune = prune
        self._in_use = in_use
        self._removal = Removal()

    def plan(self, text: str) -> Removal:
        image = self._view.get(text)
        if _is_id(image.id, text):
            by_name = False
            self._by_id(image)
        else:
            by_name = True
            if self._by_name(image, text):
                return self._removal
        self._delete(image, force=self._force, quiet=by_name)
        return self._removal

    def _by_name(self, image: Image, text: str) -> bool:
        """Takes the name away. True where others are left, so that the image stays."""
        names = self._names(image)
        if not self._force and _is_single(names):
            uses = self._in_use(image.id)
            if uses:
                raise Conflict(
                    f'conflict: unable to remove repository reference "{text}" (must force) - '
                    f"container {uses[0].container[:12]} is using its referenced image {short(image.id)}"
                )
        parsed = references.parse(text)
        name = parsed.with_digest(parsed.digest) if parsed.digest else parsed.tagged()
        self._removal.untag.append(name)
        names = self._names(image)
        same = [item for item in names if item.name == name.name]
        if not name.digest and not any(item.tag for item in same):
            self._removal.untag.extend(same)  # only digests are left of this repository
        return bool(self._names(image))

    def _by_id(self, image: Image) -> None:
        names = self._names(image)
        if _is_single(names):
            self._check(image, force=self._force, references_count=False)
            self._removal.untag.extend(names)

    def _delete(self, image: Image, *, force: bool, quiet: bool) -> None:
        try:
            self._check(image, force=force, references_count=True)
        except _Refused as refused:
            dangling = not self._names(image) and not self._children(image)
            if quiet and (not dangling or refused.used):
                return
            raise Conflict(refused.message) from None
        self._removal.delete.append((image, self._names(image)))
        parent = self._view.by_id(image.parent) if image.parent else None
        if self._prune and parent is not None:
            self._delete(parent, force=False, quiet=True)

    def _check(self, image: Image, *, force: bool, references_count: bool) -> None:
        """First the conflicts that cannot be forced, then those that can. `_Refused`, a Conflict."""
        uses = self._in_use(image.id)
        if self._children(image):
            raise _Refused(image, "image has dependent child images", hard=True)
        running = next((use for use in uses if use.running), None)
        if running is not None:
            reason = f"image is being used by running container {running.container[:12]}"
            raise _Refused(image, reason, hard=True, used=True)
        if force:
            return
        if references_count and self._names(image):
            raise _Refused(image, "image is referenced in multiple repositories")
        if uses:
            reason = f"image is being used by stopped container {uses[0].container[:12]}"
            raise _Refused(image, reason, used=True)

    def _names(self, image: Image) -> tuple[Reference, ...]:
        """Those that are left after what is planned so far."""
        return tuple(name for name in self._view.names(image.id) if name not in self._removal.untag)

    def _children(self, image: Image) -> frozenset[str]:
        return self._view.children(image.id) - {gone.id for gone, _ in self._removal.delete}


class _Refused(Conflict):
    def __init__(self, image: Image, reason: str, *, hard: bool = False, used: bool = False) -> None:
        how = "cannot be forced" if hard else "must be forced"
        super().__init__(f"conflict: unable to delete {short(image.id)} ({how}) - {reason}")
        self.used = used


def _is_id(image_id: str, text: str) -> bool:
    return image_id.startswith(text) or hex_of(image_id).startswith(text)


def _is_single(names: Sequence[Reference]) -> bool:
    """One repository, and at most one tag (moby's isSingleReference)."""
    if len(names) <= 1:
        return len(names) == 1
    tags = [name for name in names if name.tag]
    if len(tags) > 1:
        return False
    repositories = {name.name for name in names if name.digest}
    first = tags[0] if tags else names[0]
    return repositories == {first.name}
