"""Why a published port shows no page: from facts, in sentences that are the same on every run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labs.notebook.learning import port_picture, ports
from labs.notebook.learning.ports import Answer, Place, Port, View

CHOSEN = Port(inside=80, address="0.0.0.0", outside=9999, fixed=True)
FREE = Port(inside=80, address="0.0.0.0", outside=32768, fixed=False)


def place(*listening: tuple[int, str], state: str = "running", exit_code: int = 0, port: Port = CHOSEN) -> Place:
    return Place(
        id="c" * 64,
        name="quirky_hopper",
        state=state,
        exit_code=exit_code,
        attached=False,
        ports=(port,),
        listening=listening,
    )


@pytest.mark.parametrize(
    ("there", "answer", "words"),
    [
        (place((80, "0.0.0.0")), "page", ""),
        (place((80, "0.0.0.0")), "empty", "보여 줄 글이 없어요(빈 페이지)"),
        (place((80, "::")), "silent", "웹 페이지(HTTP)는 아니에요"),
        (place(), "refused", "아직 아무도 80번 포트를 기다리지(listen) 않아요"),
        (place((80, "127.0.0.1")), "refused", "`127.0.0.1`에서만 기다려요"),
        (place((80, "127.0.0.1"), (80, "::1")), "refused", "`127.0.0.1`에서만 기다려요"),
        (place((8080, "0.0.0.0")), "refused", "8080번 포트를 기다리고 있어요. 포트 번호를 고쳐서 다시 실행해 보세요: "
                                             "`-p 9999:8080`"),
        (place((443, "::"), (8080, "::")), "refused", "443번, 8080번 포트를"),
        (place((8080, "127.0.0.1")), "refused", "아직 아무도 80번 포트를"),
        (place(state="exited", exit_code=3), "refused", "종료 코드(exit code)는 **3**이에요"),
        (place((80, "::"), state="paused"), "silent", "docker unpause"),
    ],
)  # fmt: skip
def test_reasons(there: Place, answer: Answer, words: str) -> None:
    reason = ports.judge(there, CHOSEN, answer)
    assert words in reason
    assert bool(words) == bool(reason)
    assert "quirky" not in reason


def test_a_port_that_the_engine_chose_is_not_advised() -> None:
    assert "`-p 호스트포트:8080`" in ports.judge(place((8080, "::"), port=FREE), FREE, "refused")


def view(port: Port, reason: str = "") -> View:
    return View(place=place(port=port), port=port, path="/", reason=reason)


def test_fixed_text() -> None:
    text = port_picture.as_text((view(CHOSEN), view(FREE), view(FREE, "아직 `x`예요.")))
    assert text.splitlines() == [
        "호스트의 포트가 이어진 곳",
        "  9999번 포트 → 컨테이너의 80번 포트: 페이지가 열렸어요. http://127.0.0.1:9999/",
        "  빈 포트 → 컨테이너의 80번 포트: 페이지가 열렸어요.",
        "  빈 포트 → 컨테이너의 80번 포트: 아직 x예요.",
    ]


def test_still_html_names_nothing_that_changes() -> None:
    for port in (CHOSEN, FREE):
        drawn = port_picture.as_html(view(port), still=True)
        assert "quirky" not in drawn and "32768" not in drawn
        assert "quirky_hopper 80번 포트" in port_picture.as_html(view(port), still=False)
    assert 'href="http://127.0.0.1:32768/"' in port_picture.as_html(view(FREE), still=False)


def test_in_a_virtual_machine() -> None:
    """Only what is forwarded is reached from the computer around it, perhaps under another number."""
    drawn = port_picture.as_html(view(CHOSEN), still=False, forwarded={"9999": 10001, "8080": 8080})
    assert 'href="http://127.0.0.1:10001/"' in drawn
    drawn = port_picture.as_html(view(FREE), still=False, forwarded={"9999": 10001, "8080": 8080})
    assert "<a " not in drawn
    local = replace(CHOSEN, address="127.0.0.1")
    assert "<a " not in port_picture.as_html(view(local), still=False, forwarded={"9999": 9999})
    assert "밖에서도 열리는 포트: 9999, 8080" in drawn
