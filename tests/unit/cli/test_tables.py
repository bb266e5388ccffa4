"""Lists as Docker prints them (lines measured with the docker CLI 28.2.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.images import HISTORY, IMAGES, history_row, image_names, image_rows
from kernel_engine.cli.listing import CONTAINERS, DEFAULT, filters_json, image_name, row
from kernel_engine.cli.table import columns, display_width

NOW = 1_800_000_000.0
ID = "e6c4a1b76ff5385829386dcc8fbafd414b21a0e82b91aa4c06703bc07fd76bc7"
IMAGE_ID = "sha256:b1a3dd6cc402869e5047314b25ceae3f2f195cf8e49f2a3e13b0c1aee30afdd6"


def container(**more: Any) -> dict[str, Any]:
    return {
        "Id": ID,
        "Names": ["/web"],
        "Image": "busybox",
        "ImageID": IMAGE_ID,
        "Command": "sleep 1000",
        "Created": int(NOW) - 1,
        "Ports": [],
        "Labels": {"a": "b", "c": "d"},
        "State": "running",
        "Status": "Up Less than a second",
        "NetworkSettings": {"Networks": {"bridge": {}}},
        "Mounts": [],
        **more,
    }


def test_columns_are_filled_up_but_the_last() -> None:
    assert (
        columns([["A", "B"], ["long enough", ""], ["x", "y"]]) == "A             B\nlong enough   \nx             y\n"
    )
    assert columns([]) == ""


def test_korean_takes_two_cells() -> None:
    assert display_width("한글ab") == 6
    assert columns([["한글 이름입니다", "x"], ["abcdefghijklmno", "y"]]) == "한글 이름입니다   x\nabcdefghijklmno   y\n"


def test_ps() -> None:
    rows = [row(container(), whole=False, now=NOW)]
    assert CONTAINERS.text("", DEFAULT, rows) == (
        "CONTAINER ID   IMAGE     COMMAND        CREATED        STATUS                  PORTS     NAMES\n"
        'e6c4a1b76ff5   busybox   "sleep 1000"   1 second ago   Up Less than a second             web\n'
    )


def test_ps_without_containers_is_its_heading() -> None:
    assert CONTAINERS.text("", DEFAULT, []) == (
        "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
    )


def test_long_commands_end_in_an_ellipsis() -> None:
    long = container(Command='sh -c "echo 1234567890"', Names=["/web", "/other/alias"])
    assert row(long, whole=False, now=NOW)["Command"] == '"sh -c \\"echo 1234567…"'
    whole = row(long, whole=True, now=NOW)
    assert (whole["Command"], whole["Names"], whole["ID"]) == ('"sh -c \\"echo 1234567890\\""', "web,other/alias", ID)
    assert row(long, whole=False, now=NOW)["Names"] == "web"


def test_sizes() -> None:
    assert row(container(SizeRw=0, SizeRootFs=1984162), whole=False, now=NOW)["Size"] == "0B (virtual 1.98MB)"


def test_image_whose_tag_was_moved_shows_its_id() -> None:
    assert image_name(container(Image=IMAGE_ID), whole=False) == "b1a3dd6cc402"
    assert image_name(container(Image="app:1@sha256:00"), whole=False) == "app:1"


def test_formats() -> None:
    rows = [row(container(), whole=False, now=NOW)]
    assert CONTAINERS.text("table {{.ID}}\\t{{.Names}}", DEFAULT, rows) == "CONTAINER ID   NAMES\ne6c4a1b76ff5   web\n"
    assert (
        CONTAINERS.text('table {{.Label "a"}}\t{{upper .Names}}', DEFAULT, rows) == "a         NAMES\nb         WEB\n"
    )
    assert CONTAINERS.text("{{.Names}}: {{.State}}", DEFAULT, rows) == "web: running\n"
    whole = json.loads(CONTAINERS.text("json", DEFAULT, rows))
    assert whole == json.loads(CONTAINERS.text("{{json .}}", DEFAULT, rows))
    assert whole["Labels"] == "a=b,c=d"
    assert "Label" not in whole


def test_a_field_that_is_not_there() -> None:
    with pytest.raises(Failed) as caught:
        IMAGES.text("{{.Foo}}", (), [])
    assert caught.value.message == (
        'template parsing error: template: :1:2: executing "" at <.Foo>: '
        "can't evaluate field Foo in type *formatter.imageContext"
    )
    with pytest.raises(Failed, match="template parsing error: template: :1: unclosed action"):
        IMAGES.text("{{.ID", (), [])


def image(**more: Any) -> dict[str, Any]:
    return {"Id": IMAGE_ID, "Created": int(NOW) - 56, "Size": 1984162, "RepoTags": ["busybox:latest"],
            "RepoDigests": [], "SharedSize": -1, "Containers": -1, **more}  # fmt: skip


def test_images() -> None:
    rows = list(image_rows(image(), whole=False, digests=False, now=NOW))
    assert IMAGES.text("", ("Repository", "Tag", "ID", "CreatedSince", "Size"), rows) == (
        "REPOSITORY   TAG       IMAGE ID       CREATED          SIZE\n"
        "busybox      latest    b1a3dd6cc402   56 seconds ago   1.98MB\n"
    )
    assert rows[0]["VirtualSize"] == "1.984MB"


@pytest.mark.parametrize(
    ("tags", "digests", "names"),
    [
        (["a:1", "a:2"], [], [("a", "1", "<none>"), ("a", "2", "<none>")]),
        (["localhost:5000/a:1"], [], [("localhost:5000/a", "1", "<none>")]),
        ([], [], [("<none>", "<none>", "<none>")]),
        (None, None, [("<none>", "<none>", "<none>")]),
        (["<none>:<none>"], ["<none>@<none>"], [("<none>", "<none>", "<none>")]),
        ([], ["a@sha256:1"], [("a", "<none>", "sha256:1")]),
        (["a:1"], ["a@sha256:1", "b@sha256:2"], [("a", "1", "sha256:1"), ("b", "<none>", "sha256:2")]),
    ],
)
def test_names_of_an_image(tags: Any, digests: Any, names: list[tuple[str, str, str]]) -> None:
    assert image_names({"RepoTags": tags, "RepoDigests": digests}, digests=True) == names


def test_history() -> None:
    item = {"Id": "<missing>", "Created": int(NOW) - 3600,
            "CreatedBy": '/bin/sh -c #(nop)\t CMD ["a very long command"]',
            "Size": 0, "Comment": ""}  # fmt: skip
    rows = [history_row(item, whole=False, human=True, now=NOW)]
    assert HISTORY.text("", ("ID", "CreatedSince", "CreatedBy", "Size", "Comment"), rows) == (
        "IMAGE       CREATED             CREATED BY                                      SIZE      COMMENT\n"
        '<missing>   About an hour ago   /bin/sh -c #(nop)  CMD ["a very long command…   0B        \n'
    )


def test_filters() -> None:
    assert filters_json([]) is None
    pairs = [("name", "a"), ("name", "b"), ("status", "exited")]
    assert json.loads(filters_json(pairs) or "") == {"name": {"a": True, "b": True}, "status": {"exited": True}}
