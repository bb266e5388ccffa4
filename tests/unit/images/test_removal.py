"""rmi's rules, one by one. They were compared with dockerd 20.10.24 by long random runs as well."""

from __future__ import annotations

import pytest

from kernel_engine.errors import Conflict, NotFound
from kernel_engine.formats.reference import Reference, parse
from kernel_engine.images.image import Image, Use
from kernel_engine.images.removal import plan

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DIGEST = "sha256:" + "d" * 64


class View:
    """A catalogue of two images: `two` may be the child of `one`."""

    def __init__(self, *names: str, child: bool = False) -> None:
        self._names = tuple(parse(name) for name in names)
        self._child = child
        self.images = {ONE: _image(ONE), TWO: _image(TWO, ONE if child else "")}

    def get(self, text: str) -> Image:
        for image in self.images.values():
            if image.id.startswith(text) or image.id[7:].startswith(text):
                return image
        if parse(text).tagged() in self._names or parse(text) in self._names:
            return self.images[ONE]
        raise NotFound(f"No such image: {text}")

    def by_id(self, image_id: str) -> Image | None:
        return self.images.get(image_id)

    def names(self, image_id: str) -> tuple[Reference, ...]:
        return self._names if image_id == ONE else ()

    def children(self, image_id: str) -> frozenset[str]:
        return frozenset({TWO} if self._child and image_id == ONE else ())


def _image(image_id: str, parent: str = "") -> Image:
    return Image(
        id=image_id, raw=b"{}", config={}, tags=(), digests=(), size=0, diff_ids=(), chain_id=None, parent=parent
    )


def done(view: View, text: str, *, force: bool = False, prune: bool = True, uses: tuple[Use, ...] = ()) -> list[str]:
    found = plan(view, text, force=force, prune=prune, in_use=lambda image_id: uses if image_id == ONE else ())
    lines = [f"untag {name.familiar}" for name in found.untag]
    for image, names in found.delete:
        lines.extend(f"untag {name.familiar}" for name in names)
        lines.append(f"delete {image.id[7:8]}")
    return lines


EXITED = (Use(container="e" * 64, running=False),)
RUNNING = (Use(container="f" * 64, running=True),)


def test_by_the_only_name() -> None:
    assert done(View("a:latest"), "a") == ["untag a:latest", "delete 1"]
    assert done(View("a:latest", f"a@{DIGEST}"), "a") == ["untag a:latest", f"untag a@{DIGEST}", "delete 1"]


def test_one_of_several_names_is_only_untagged() -> None:
    assert done(View("a:1", "a:2"), "a:1", uses=RUNNING) == ["untag a:1"]
    assert done(View("a:1", "b:1", f"a@{DIGEST}"), "a:1") == ["untag a:1", f"untag a@{DIGEST}"]
    assert done(View("a:1", f"a@{DIGEST}"), f"a@{DIGEST}", force=True) == [f"untag a@{DIGEST}"]


@pytest.mark.parametrize("uses", [EXITED, RUNNING])
def test_the_only_name_of_a_used_image(uses: tuple[Use, ...]) -> None:
    message = (
        'conflict: unable to remove repository reference "a:latest" (must force) - '
        f"container {uses[0].container[:12]} is using its referenced image 111111111111"
    )
    with pytest.raises(Conflict) as caught:
        done(View("a:latest"), "a:latest", uses=uses)
    assert caught.value.message == message


def test_forced() -> None:
    assert done(View("a:latest"), "a", force=True, uses=EXITED) == ["untag a:latest", "delete 1"]
    assert done(View("a:latest"), "a", force=True, uses=RUNNING) == ["untag a:latest"]  # stays, without a name
    assert done(View("a:1", "b:1"), ONE, force=True) == ["untag a:1", "untag b:1", "delete 1"]


@pytest.mark.parametrize(
    ("view", "force", "uses", "reason"),
    [
        (View("a:1", "b:1"), False, (), "(must be forced) - image is referenced in multiple repositories"),
        (View("a:1"), False, EXITED, "(must be forced) - image is being used by stopped container eeeeeeeeeeee"),
        (View("a:1"), True, RUNNING, "(cannot be forced) - image is being used by running container ffffffffffff"),
        (View("a:1", child=True), True, (), "(cannot be forced) - image has dependent child images"),
        (View(child=True), False, (), "(cannot be forced) - image has dependent child images"),
    ],
)
def test_by_id_refused(view: View, force: bool, uses: tuple[Use, ...], reason: str) -> None:
    with pytest.raises(Conflict) as caught:
        done(view, "1" * 12, force=force, uses=uses)
    assert caught.value.message == f"conflict: unable to delete 111111111111 {reason}"


def test_by_id() -> None:
    assert done(View("a:1", f"a@{DIGEST}"), ONE) == ["untag a:1", f"untag a@{DIGEST}", "delete 1"]


def test_a_parent_by_name_is_only_untagged() -> None:
    assert done(View("a:latest", child=True), "a") == ["untag a:latest"]


def test_the_last_child_takes_its_nameless_parent_along() -> None:
    assert done(View(child=True), TWO) == ["delete 2", "delete 1"]
    assert done(View(child=True), TWO, prune=False) == ["delete 2"]
    assert done(View("a:1", child=True), TWO) == ["delete 2"]
    assert done(View(child=True), TWO, uses=EXITED) == ["delete 2"]
