"""What holds data, as text and as a picture."""

from __future__ import annotations

from typing import Any

from labs.notebook.learning import holding_picture
from labs.notebook.learning.holdings import ANONYMOUS, holdings
from tests.unit.notebook.test_pages import container, read

HEX = "5" * 64
VOLUMES = [{"Name": "keep", "Labels": None}, {"Name": HEX, "Labels": {ANONYMOUS: ""}}, {"Name": "alone", "Labels": {}}]


def facts(*mounts: dict[str, Any], tmpfs: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"Mounts": list(mounts), "HostConfig": {"Tmpfs": dict.fromkeys(tmpfs, "")}}


def volume(name: str, target: str, *, rw: bool = True) -> dict[str, Any]:
    return {"Type": "volume", "Name": name, "Source": f"/engine/{name}", "Destination": target, "RW": rw}


FOUND = (
    (container(name="writer"), facts(volume("keep", "/data"), volume(HEX, "/var/lib/x"))),
    (container(name="reader", state="exited", exit_code=0), facts(volume("keep", "/data", rw=False))),
    (
        container(name="web"),
        facts(
            {"Type": "bind", "Source": "/home/me/out", "Destination": "/out", "RW": True},
            {"Type": "tmpfs", "Source": "", "Destination": "/cache", "RW": True},
            tmpfs=("/secret",),
        ),
    ),
)


def test_the_facts_in_fixed_lines() -> None:
    assert holding_picture.as_text(holdings(VOLUMES, FOUND)).splitlines() == [
        "볼륨과 컨테이너",
        "  이름 있는 볼륨 · alone",
        "    쓰는 컨테이너가 없어요",
        "  이름 있는 볼륨 · keep",
        "    writer (실행 중) · /data · 읽기·쓰기",
        "    reader (종료 (0)) · /data · 읽기 전용",
        "  이름 없는 볼륨",
        "    writer (실행 중) · /var/lib/x · 읽기·쓰기",
        "  호스트의 폴더 (바인드 마운트) · …/out",
        "    web (실행 중) · /out · 읽기·쓰기",
        "  메모리 (tmpfs)",
        "    web (실행 중) · /cache · 읽기·쓰기",
        "  메모리 (tmpfs)",
        "    web (실행 중) · /secret · 읽기·쓰기",
    ]
    assert holding_picture.NOTHING in holding_picture.as_text(())


def test_nameless_volumes_stand_in_the_order_of_those_who_have_them() -> None:
    names = [digit * 64 for digit in "ab"]
    rows = [{"Name": name, "Labels": {ANONYMOUS: ""}} for name in names]
    for first, second in (names, names[::-1]):
        found = ((container(name="a"), facts(volume(first, "/x"))), (container(name="b"), facts(volume(second, "/x"))))
        assert [each.uses[0].container.name for each in holdings(rows, found)] == ["a", "b"]


def test_the_picture_holds_what_the_text_says() -> None:
    html = holding_picture.as_html(holdings(VOLUMES, FOUND), "지금")
    drawn = read(html)
    assert not drawn.open
    assert html.count('class="dl-use dl-ro"') == 1
    assert html.count('class="dl-use dl-rw"') == 5
    assert 'data-show="volume:keep"' in html
    assert f'data-show="volume:{HEX}"' in html
    assert "/home/me" not in html  # another machine's path is another text
    assert "dl-holds-tmpfs" in html


def test_a_name_is_no_markup() -> None:
    rows = [{"Name": "keep", "Labels": None}]
    found = ((container(name="web"), facts(volume("keep", "/<b>"))),)
    assert "/&lt;b&gt;" in holding_picture.as_html(holdings(rows, found))


def test_more_than_a_page_is_counted() -> None:
    rows = [{"Name": f"v{number:02}", "Labels": None} for number in range(30)]
    html = holding_picture.as_html(holdings(rows, ()))
    assert html.count("dl-holding ") == holding_picture.SHOWN
    assert "그 밖에 6개" in html
