"""`%walls`: who is compared with whom, in a room of the kernel's alone and in one that a container holds."""

from __future__ import annotations

from labs.notebook.kernel.walls import CONTAINER, NOTEBOOK, WORKER, Seen, Wall, as_html, as_text

ALONE = Seen(
    walls=(
        Wall(kind="user", around=("user:[1]",), inside=("user:[2]", "user:[2]")),
        Wall(kind="uts", around=("uts:[1]",), inside=("uts:[1]", "uts:[3]")),
    ),
    around=(NOTEBOOK,),
    names=(WORKER, "자식 3번"),
)
CONTAINED = Seen(
    walls=(
        Wall(kind="user", around=("user:[1]", "user:[1]"), inside=("user:[2]", "user:[2]")),
        Wall(kind="uts", around=("uts:[1]", "uts:[4]"), inside=("uts:[4]", "")),
    ),
    around=(NOTEBOOK, CONTAINER),
    names=(WORKER, "자식 3번"),
)


def test_a_room_of_the_kernels_alone() -> None:
    assert as_text(ALONE).splitlines()[1:] == [
        "  작업 프로세스 · 노트북과 다른 네임스페이스: user",
        "  자식 3번 · 작업 프로세스와 다른 네임스페이스: uts",
    ]
    assert as_html(ALONE).count("노트북과 같아요") == as_html(ALONE).count("작업 프로세스와 달라요") == 1


def test_a_containers_walls_stand_between() -> None:
    assert as_text(CONTAINED).splitlines()[1:] == [
        "  컨테이너 · 노트북과 다른 네임스페이스: uts",
        "  작업 프로세스 · 컨테이너와 다른 네임스페이스: user",
        "  자식 3번 · 작업 프로세스와 다른 네임스페이스: 없어요",
    ]
    html = as_html(CONTAINED)
    assert html.count('<th scope="col">') == 5
    assert html.count("컨테이너와 같아요") == 1
    assert html.count("관리자만 읽을 수 있어요") == 1
