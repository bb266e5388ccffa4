"""What an output of a terminal holds where none is alive: plain text and HTML, in Korean. Draws from facts alone."""

from __future__ import annotations

from html import escape

from labs.notebook.learning import markup

KIND = "terminal"
TITLE = "터미널"
CLOSED = "이 터미널은 닫혔어요. 셀을 다시 실행하면 새로 열려요."
ELSEWHERE = (
    "여기서는 살아 있는 터미널을 열 수 없어서 한 줄씩 물어볼게요. 진짜 터미널을 쓰려면 JupyterLab에서 "
    "파일 → 새로 만들기 → 터미널을 열고 같은 명령을 쳐 보세요."
)


def closed_html() -> str:
    """In a page without our extension, and in a saved notebook whose kernel has gone."""
    return _section("", f"<p>{CLOSED}</p>")


def ended_text(screen: str, code: int, *, left: bool = False) -> str:
    return "\n".join(filter(None, (screen, _end(code, left).replace("**", ""))))


def ended_html(screen: str, code: int, *, left: bool = False) -> str:
    return _section(screen, f"<p>{markup.inline(_end(code, left))}</p>")


def style() -> str:
    return markup.style(KIND)


def _section(screen: str, end: str) -> str:
    printed = f"<pre>{escape(screen)}</pre>" if screen else ""
    return markup.section(KIND, printed + end, label=TITLE)


def _end(code: int, left: bool) -> str:
    if left:
        return "터미널에서 나왔어요(detach). 컨테이너는 계속 돌고 있어요."
    return f"명령이 끝났어요. 종료 코드(exit code): **{code}**"
