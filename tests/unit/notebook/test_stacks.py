"""The layer stack: what is read of histories, what images share, and that picture and text say the same."""

from __future__ import annotations

import html as entities
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.notebook.learning import markup, stack_picture, stacks
from labs.notebook.learning.stacks import Stack
from tests.unit.notebook.test_pages import contrast, read

PALETTE = (markup.STATIC / "palette.css").read_text(encoding="utf-8")


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def row(
    by: str, diff_id: str = "", size: int = 0, *, id: str = "<missing>", tags: list[str] | None = None, created: int = 0
) -> dict[str, Any]:
    return {"CreatedBy": by, "DiffId": diff_id, "Size": size, "Id": id, "Tags": tags, "Created": created}


#: oldest first, as the engine would tell them the other way round
BASE = [
    row("mmdebstrap bookworm", digest("a"), 117_000_000),
    row('/bin/sh -c #(nop)  CMD ["bash"]', id=digest("0"), tags=["debian:bookworm"]),
]
APT = row("/bin/sh -c apt-get install -y apache2", digest("b"), 58_500_000, id=digest("1"))
WEB = [*BASE, APT, row("/bin/sh -c #(nop) ENV A=b", id=digest("2"))]
ONE = [*WEB, row("/bin/sh -c #(nop) COPY file:c in /", digest("c"), 30, id=digest("3"), tags=["wiki:1"])]
TWO = [*WEB, row("/bin/sh -c #(nop) COPY file:d in /", digest("d"), 40, id=digest("4"), created=9, tags=["wiki:2"])]
IMAGES = {"debian:bookworm": BASE, "wiki:1": ONE, "wiki:2": TWO}
BUILDS = [
    {"image": digest("4"), "started": "2026-01-01T00:00:00Z", "steps": [
        {"instruction": "RUN", "text": "old", "image": digest("1"), "state": "done", "reason": "parent", "detail": ""},
    ]},
    {"image": digest("4"), "started": "2026-01-02T00:00:00Z", "steps": [
        {"instruction": "FROM", "text": "FROM debian", "image": digest("0"), "state": "done", "reason": "",
         "detail": ""},
        {"instruction": "RUN", "text": "RUN apt-get install -y apache2", "image": digest("1"), "state": "cached",
         "reason": "same", "detail": ""},
        {"instruction": "COPY", "text": "COPY index.php /", "image": digest("4"), "state": "done", "reason": "files",
         "detail": "index.php"},
    ]},
]  # fmt: skip


def stack(name: str) -> Stack:
    rows = IMAGES[name]
    image = rows[-1]["Id"]
    others = {
        other: (other, tuple(row["DiffId"] for row in found if row["DiffId"]))
        for other, found in IMAGES.items()
        if other != name
    }
    steps = stacks.with_sharing(stacks.steps_of(rows, image), others)
    size = sum(row["Size"] for row in rows)
    return Stack(name=name, id=image, size=size, steps=stacks.with_build(steps, image, BUILDS))


# facts ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("created_by", "instruction"),
    [
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("|2 A=1 B=c d /bin/sh -c make\t$A", "RUN make $A"),
        ("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c make"),
        ("/bin/sh -c #(nop) COPY file:" + "0" * 64 + " in /app ", "COPY file:000000000000 in /app"),
        ("sh -c date > /mark", "sh -c date > /mark"),
        ("", "(적혀 있지 않아요)"),
    ],
)
def test_a_history_row_reads_as_the_dockerfile_did(created_by: str, instruction: str) -> None:
    assert stacks.instruction_of(created_by) == instruction


def test_only_steps_with_a_diff_id_are_layers() -> None:
    found = stack("wiki:1")
    assert [step.is_layer for step in found.steps] == [True, False, True, False, True]
    assert [step.size for step in found.layers] == [117_000_000, 58_500_000, 30]
    assert found.steps[1].names == ("debian:bookworm",)
    assert found.steps[-1].names == ()  # the image itself


def test_a_layer_is_shared_only_with_all_that_lies_beneath_it() -> None:
    assert [step.shared for step in stack("wiki:1").layers] == [("debian:bookworm", "wiki:2"), ("wiki:2",), ()]
    [_, _, copied] = stacks.with_sharing(stack("wiki:1").layers, {"x": ("x", (digest("z"), digest("b"), digest("c")))})
    assert copied.shared == ()
    beneath = (digest("a"),)
    [base, *_] = stacks.with_sharing(
        stack("wiki:1").steps, {"x": ("", beneath), "y": ("", beneath), "z": ("z", beneath)}
    )
    assert base.shared == ("z", "이름 없는 이미지 2개")


def test_the_newest_build_says_what_became_of_a_step() -> None:
    by_text = {step.instruction: (step.state, step.reason, step.detail) for step in stack("wiki:2").layers}
    assert by_text == {
        "mmdebstrap bookworm": ("", "", ""),
        "RUN apt-get install -y apache2": ("cached", "same", ""),
        "COPY index.php /": ("done", "files", "index.php"),
    }
    assert {step.state for step in stack("wiki:1").steps} == {""}


# picture and text ----------------------------------------------------------------------------------------------------
def test_the_text_names_every_step_from_the_oldest() -> None:
    assert stack_picture.as_text([stack("wiki:2")]).splitlines() == [
        "레이어 스택",
        "  wiki:2 · 레이어 3장 · 176MB",
        "    레이어 1 · mmdebstrap bookworm · 117MB · 함께 쓰는 이미지: debian:bookworm, wiki:1",
        '      레이어 없음 · CMD ["bash"] · 여기까지가 debian:bookworm',
        "    레이어 2 · RUN apt-get install -y apache2 · 58.5MB · 함께 쓰는 이미지: wiki:1"
        " · 캐시를 썼어요 (앞 단계와 이 줄이 그대로예요)",
        "      레이어 없음 · ENV A=b",
        "    레이어 3 · COPY index.php / · 40B · 새로 만들었어요 (복사할 파일이 달라졌어요: index.php)",
        f"  {stack_picture.LEGEND}",
    ]


def test_the_picture_says_what_the_text_says() -> None:
    found = stack("wiki:2")
    shown = entities.unescape(re.sub(r"<[^>]*>", "\n", stack_picture.as_html([found])))
    for line in stack_picture.as_text([found]).splitlines():
        for fact in line.strip().split(" · "):
            if not re.fullmatch(r"레이어 없음|레이어 \d", fact):
                assert fact in shown, fact


def test_the_newest_sheet_lies_on_top_and_images_stand_on_what_they_share() -> None:
    one, two, base = stack("wiki:1"), stack("wiki:2"), stack("debian:bookworm")
    [pile] = stack_picture.piles([one, two, base])
    assert [step.instruction for step in pile.steps] == ["mmdebstrap bookworm", 'CMD ["bash"]']
    assert pile.images == 3
    wikis, alone = pile.above
    assert [step.is_layer for step in wikis.steps] == [True, False]
    assert [[step.size for step in above.steps] for above in wikis.above] == [[30], [40]]
    assert (alone.stack and alone.stack.name, alone.steps) == ("debian:bookworm", ())
    html = stack_picture.as_html([one, two, base])
    assert html.count("mmdebstrap bookworm</code>") == 1
    assert html.index("COPY file:c") < html.index("apache2") < html.index("mmdebstrap")
    # a joined sheet names all that hold it, and whose build met it how where that differs
    assert "함께 쓰는 이미지: debian:bookworm, wiki:1, wiki:2" in html
    assert "wiki:2: 캐시를 썼어요 (앞 단계와 이 줄이 그대로예요)" in html


def test_images_that_share_nothing_stand_apart() -> None:
    other = Stack(
        name="other",
        id=digest("9"),
        size=1,
        steps=stacks.steps_of([row("x", digest("e"), 1, id=digest("9"))], digest("9")),
    )
    assert len(stack_picture.piles([stack("wiki:1"), other])) == 2


def test_a_sheet_is_as_thick_as_its_layer_is_big_and_a_setting_has_no_sheet() -> None:
    html = stack_picture.as_html([stack("wiki:1")])
    heights = [int(height) for height in re.findall(r'class="dl-edge" width="100%" height="(\d+)"', html)]
    assert heights == [4, 28, 56]  # 30 B, half of the biggest, the biggest
    assert html.count('class="dl-setting"') == 2


def test_the_oldest_sheet_is_the_lightest() -> None:
    assert [stack_picture.age(at, 3) for at in (1, 2, 3)] == ["oldest", "middle", "newest"]
    assert stack_picture.age(1, 1) == "oldest"


def test_nothing_random_stands_in_the_page_but_digests() -> None:
    html = stack_picture.as_html([stack("wiki:1"), stack("wiki:2")])
    assert 'data-show="step:sha256:' in html
    assert "created" not in html.lower()
    read(html)


@given(st.text())
def test_text_from_outside_stays_text(text: str) -> None:
    steps = stacks.steps_of([row(text, digest("a"), 1, id=digest("1"), tags=[text])], digest("2"))
    html = stack_picture.as_html([Stack(name=text, id=digest("2"), size=1, steps=steps)])
    tags = {tag for tag, _ in read(html).seen}
    assert tags <= {"h4", "div", "button", "svg", "line", "path", "span", "b", "small", "code", "p"}


@pytest.mark.parametrize(("theme", "ink"), [(0, "#212121"), (1, "#ffffff")])
def test_every_age_keeps_the_contrast_of_its_text(theme: int, ink: str) -> None:
    colours = dict(re.findall(r"--dl-age-([a-z]+)-fill: (#[0-9a-f]{6})", PALETTE.split("}")[theme]))
    assert tuple(colours) == stack_picture.AGES
    for name, colour in colours.items():
        assert contrast(ink, colour) >= 4.5, name
    assert [contrast("#000000", colour) for colour in colours.values()] == sorted(
        (contrast("#000000", colour) for colour in colours.values()), reverse=True
    )
