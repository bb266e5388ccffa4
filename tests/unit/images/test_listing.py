"""docker images' filters, history rows, and configurations from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel_engine.errors import CorruptData, InvalidRequest
from kernel_engine.images import child, listing
from kernel_engine.images.digest import chain_ids, of
from kernel_engine.images.image import Image, epoch, read_config


def made(number: int, *tags: str, labels: dict[str, str] | None = None, **more: Any) -> Image:
    config = {"created": f"2024-01-0{number}T00:00:00Z", "config": {"Labels": labels}, **more}
    return Image(
        id=of(bytes([number])),
        raw=b"",
        config=config,
        tags=tags,
        digests=(),
        size=0,
        diff_ids=(of(b"1"), of(b"2")),
        chain_id=None,
        parent="",
    )


A, B, C = made(1, "a:1", "b:1", labels={"x": "1", "y": ""}), made(2, "user/b:2"), made(3)
PARENT = C.id


def chosen(*, all: bool = False, parents: tuple[str, ...] = (), **filters: str) -> list[Image]:
    words = {key: (value,) for key, value in filters.items()}
    get = {"a": A, "b": B}.__getitem__
    return list(listing.choose((A, B, C), all=all, filters=words, get=get, is_step=lambda i: i in parents))


def test_newest_first_and_filters() -> None:
    assert chosen() == [C, B, A]
    assert chosen(dangling="true") == [C]
    assert chosen(dangling="0") == [B, A]
    assert chosen(before="b") == [A]
    assert chosen(since="a") == [C, B]
    assert chosen(label="x") == [A] == chosen(label="y=")
    assert chosen(label="x=2") == []
    assert chosen(until="2024-01-01T12:00:00Z") == [A]


def test_intermediate_images_are_shown_on_request() -> None:
    assert chosen(parents=(PARENT,)) == [B, A]
    assert chosen(parents=(PARENT,), all=True) == [C, B, A]
    assert chosen(parents=(PARENT,), dangling="true") == []


def test_a_reference_filter_leaves_the_names_that_fit() -> None:
    (only,) = chosen(reference="a")
    assert only.tags == ("a:1",)
    assert [item.tags for item in chosen(reference="*/*")] == [("user/b:2",)]
    assert chosen(reference="nothing") == []


@pytest.mark.parametrize(("key", "value"), [("dangling", "maybe"), ("until", "yesterday"), ("reference", "[")])
def test_bad_filters(key: str, value: str) -> None:
    with pytest.raises(InvalidRequest):
        listing.choose((A,), all=False, filters={key: (value,)}, get=lambda text: A, is_step=bool)


def test_moments() -> None:
    assert epoch("0001-01-01T00:00:00Z") < 0
    assert epoch("nonsense") == 0


def test_history() -> None:
    rows = [
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD"},
        {"created_by": "CMD", "empty_layer": True},
        {"created_by": "RUN", "comment": "c"},
    ]
    image = made(1, "a:1", history=rows)
    sizes: dict[str, int] = dict(zip(chain_ids(image.diff_ids), (10, 20), strict=True))
    found = listing.history(image, layer_size=sizes.__getitem__, get=lambda image_id: None)
    assert [(row.id, row.created_by, row.size, row.comment) for row in found] == [
        (image.id, "RUN", 20, "c"),
        ("<missing>", "CMD", 0, ""),
        ("<missing>", "ADD", 10, ""),
    ]
    assert found[0].tags == ("a:1",)
    assert [row.diff_id for row in found] == [image.diff_ids[1], "", image.diff_ids[0]]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"rootfs": 3}',
        b'{"rootfs": {"diff_ids": ["x"]}}',
        b'{"rootfs": {"diff_ids": "sha256"}}',
        b'{"rootfs": {}, "config": {"Env": "A=b"}}',
        b'{"rootfs": {}, "config": {"Cmd": [1]}}',
        b'{"rootfs": {}, "config": {"Labels": {"a": 1}}}',
        b'{"rootfs": {}, "config": {"User": 0}}',
        b'{"rootfs": {}, "history": {"a": 1}}',
    ],
)
def test_configurations_that_are_none(raw: bytes) -> None:
    with pytest.raises(CorruptData):
        read_config(raw)


def test_a_childs_configuration() -> None:
    parent = made(1, architecture="arm", os="linux", variant="v7", history=[{"created_by": "base"}])
    raw = child.configuration(
        parent, diff_id=of(b"3"), config={"Cmd": ["한"]}, created_by="sh", created=child.now(), comment="c"
    )
    document = json.loads(raw)
    assert list(document) == sorted(document)
    assert (document["architecture"], document["variant"], document["config"]) == ("arm", "v7", {"Cmd": ["한"]})
    assert document["rootfs"]["diff_ids"] == [*parent.diff_ids, of(b"3")]
    assert document["history"][0] == {"created_by": "base"}
    assert document["history"][1]["comment"] == "c" and "author" not in document["history"][1]
    read_config(raw)
