"""What labs show: fixed text, HTML that is safe and readable, colours that can be told apart."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.catalogue import TRACKS, Lab
from labs.checks import NotYet, Passed
from labs.directives import question
from labs.notebook.learning import choices, markup, pages, picture, results
from labs.notebook.learning.facts import Container, Facts, Image, Layer

PALETTE = (markup.STATIC / "palette.css").read_text(encoding="utf-8")
VOID = {"br", "rect", "circle", "path", "line", "input"}


class Balanced(html.parser.HTMLParser):
    """Raises AssertionError where an element is not closed by its own end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return parser


def lab(number: str) -> Lab:
    return Lab(number=number, title="<제목>", minutes=20, goals=("`ps`를 볼 수",), folder=Path(f"{number}_name"))


def container(**changes: object) -> Container:
    facts: dict[str, object] = {
        "id": "c" * 64,
        "name": "web",
        "image_id": "sha256:" + "a" * 64,
        "image_name": "debian",
        "command": "bash",
        "state": "running",
        "exit_code": None,
        "changes": (0, 0, 0),
    }
    return Container(**{**facts, **changes})  # type: ignore[arg-type]


IMAGE = Image(
    id="sha256:" + "a" * 64,
    names=("debian:latest",),
    size=173_000_000,
    layers=(Layer(id="sha256:" + "b" * 64, images=2),),
)
QUESTION = question("`x`는 <b>무엇</b>?\n- [ ] 가\n  아니죠.\n- [x] 나\n\n그래서.")


# text ----------------------------------------------------------------------------------------------------------------
def test_the_picture_as_text_names_and_counts() -> None:
    facts = Facts(images=(IMAGE,), containers=(container(state="exited", exit_code=137, changes=(3, 0, 1)),))
    assert picture.as_text(facts).splitlines() == [
        "엔진의 모습",
        "  이미지 1개",
        "    debian:latest · 레이어 1개",
        "  컨테이너 1개",
        "    web · debian · 종료 (137) · bash · +3 −1",
    ]
    assert "이미지" not in picture.as_text(facts, ["containers"])


def test_a_prediction_as_text_does_not_tell() -> None:
    text = choices.as_text(choices.PREDICT, (QUESTION,))
    assert text.splitlines() == ["먼저 예상해 보세요", "`x`는 <b>무엇</b>?", "  가. 가", "  나. 나"]


def test_the_map_says_where_and_what_for() -> None:
    text = pages.map_text(lab("01"), (lab("00"), lab("01")))
    assert text.splitlines()[0] == "00 <제목> → [01 <제목>]"
    assert "`ps`를 볼 수 있어요" in text


def test_the_map_shows_one_track_and_the_way_to_the_other() -> None:
    course = (lab("00"), lab("engine/00"), lab("engine/01"))
    assert pages.map_text(course[0], course).splitlines()[:2] == ["[00 <제목>]", f"{TRACKS['engine']} (engine/00부터)"]
    assert pages.map_text(course[2], course).splitlines()[:2] == [
        "engine/00 <제목> → [engine/01 <제목>]",
        f"{TRACKS['']} (00부터)",
    ]
    html = pages.map_html(course[2], course)
    assert 'href="../00_name/lab.ipynb"' in html and 'href="../../00_name/lab.ipynb"' in html


# HTML ----------------------------------------------------------------------------------------------------------------
def test_every_page_is_well_formed_and_labelled() -> None:
    facts = Facts(
        images=(IMAGE,),
        containers=(container(), container(state="paused"), container(image_id="", state="created")),
    )
    outputs = [
        choices.as_html("predict", choices.PREDICT, (QUESTION,)),
        choices.as_html("quiz", choices.QUIZ, (QUESTION, QUESTION)),
        pages.map_html(lab("00"), (lab("00"), lab("01"))),
        results.as_html("00-1", Passed("`x` & <y>")),
        results.as_html("00-1", NotYet(expected="a", found="b\n<c>", read_from="d", hints=("1", "2", "3"))),
        markup.section("live", picture.as_html(facts), label=picture.TITLE),
    ]
    for output in outputs:
        seen = read(output).seen
        assert [attributes["aria-label"] for tag, attributes in seen if tag == "section"]
        assert not any(tag == "script" for tag, _ in seen)
        assert "http" not in re.sub(r"<style>.*?</style>", "", output)


def test_hints_open_one_after_another() -> None:
    html = results.as_html("00-1", NotYet(expected="", found="", read_from="", hints=("가나", "다라", "마바")))
    assert re.findall(r"<summary[^>]*>(.*?)</summary>", html) == ["힌트 1: 방향", "힌트 2: 방법", "힌트 3: 거의 답"]
    assert html.index("힌트 3") < html.index("</details></details></details>")


def test_a_state_is_never_colour_alone() -> None:
    for state, word in picture.STATES.items():
        html = picture.as_html(Facts(images=(), containers=(container(state=state),)))
        assert word in html


def test_the_topmost_sheet_lies_on_top_and_many_become_few() -> None:
    layers = tuple(Layer(id=f"sha256:{at:064d}", images=1) for at in range(20))
    html = picture.as_html(Facts(images=(Image(id="i", names=(), size=0, layers=layers),), containers=()))
    assert html.index("레이어 20") < html.index("레이어 19")
    assert "그 아래 레이어 12개" in html


@given(st.text())
def test_text_from_outside_stays_text(text: str) -> None:
    html = picture.as_html(Facts(images=(), containers=(container(name=text, command=text),)))
    tags = {tag for tag, _ in read(html).seen}
    assert tags <= {"h4", "div", "button", "svg", "rect", "circle", "path", "span", "b", "small", "br", "p"}
    assert "<script" not in markup.inline(f"<script>{text}")


def test_two_variables_of_the_shell_are_no_formula() -> None:
    assert markup.inline("$A와 $B, `$A $B`") == "<span>$</span>A와 <span>$</span>B, <code>$A $B</code>"


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (999, "999B"), (1_980_000, "1.98MB"), (173_000_000, "173MB")])
def test_sizes_are_dockers(size: int, text: str) -> None:
    assert picture.in_words(size) == text


# colours -------------------------------------------------------------------------------------------------------------
def luminance(colour: str) -> float:
    """WCAG 2.1's relative luminance of #rrggbb."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("theme", "paper"), [(0, "#ffffff"), (1, "#111111")])
def test_colours_keep_the_contrast_of_text(theme: int, paper: str) -> None:
    block = PALETTE.split("}")[theme]
    colours = dict(re.findall(r"--dl-([a-z-]+): (#[0-9a-f]{6})", block))
    assert len(colours) > 15
    for name, colour in colours.items():
        if not name.endswith("-fill"):
            assert contrast(colour, paper) >= 4.5, name
            assert contrast(colour, colours[f"{name}-fill"]) >= 4.5, name
