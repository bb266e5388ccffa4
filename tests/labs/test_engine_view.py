"""What checks read of a running engine beyond the API's facts: pages, and how a container stops."""

from __future__ import annotations

import pytest

from labs import engine_view
from labs.engine_view import EngineView
from tests.daemon import Daemon

SERVES = "echo hello > /index.html; httpd -p 80 -h /;"
OBEYS = f"trap 'exit 0' TERM; {SERVES} while :; do sleep 0.1; done"
IGNORES = f"{SERVES} trap '' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def view(clean: Daemon, monkeypatch: pytest.MonkeyPatch) -> EngineView:
    monkeypatch.setattr(engine_view, "ANSWER_SECONDS", 2)
    monkeypatch.setattr(engine_view, "SETTLE_SECONDS", 1)
    return EngineView(clean.host)


def served(engine: Daemon, script: str) -> str:
    """An image whose default command is the script."""
    engine.docker("create", "--name", "made", "busybox")
    engine.docker("commit", "-c", f'CMD ["sh", "-c", "{script}"]', "made", "trial")
    engine.docker("rm", "made")
    return "trial"


def test_a_page(view: EngineView, clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "web", "busybox", "sh", "-c", f"{SERVES} sleep 100")
    page = view.page("web", path="/index.html")
    assert page is not None
    assert (page.status, page.text) == (200, "hello\n")
    missing = view.page("web", path="/nothing")
    assert missing is not None
    assert missing.status == 404


def test_nothing_answers(view: EngineView, clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "deaf", "busybox", "sleep", "100")
    assert view.page("deaf") is None
    assert view.page("nosuch") is None
    assert view.published_page(1) is None


@pytest.mark.parametrize(("script", "code"), [(OBEYS, 0), (IGNORES, 137)])
def test_a_stop_trial_tells_how_it_ended_and_leaves_nothing(
    view: EngineView, clean: Daemon, script: str, code: int
) -> None:
    trial = view.stop_trial(served(clean, script))
    assert trial.page is not None
    assert trial.page.text == "hello\n"
    assert trial.stayed
    assert trial.code == code
    assert (trial.seconds < 1.5) == (code == 0)
    assert view.containers() == []


def test_a_server_that_ends_by_itself_has_not_stayed(view: EngineView, clean: Daemon) -> None:
    trial = view.stop_trial(served(clean, f"{SERVES} sleep 0.5"))
    assert trial.page is not None
    assert not trial.stayed


def test_a_stop_trial_of_what_is_not_there(view: EngineView) -> None:
    trial = view.stop_trial("NoSuchName")
    assert trial.page is None
    assert trial.code == 125


def test_a_file_of_a_container_whether_it_runs_or_not(view: EngineView, clean: Daemon) -> None:
    clean.docker("run", "--name", "wrote", "busybox", "sh", "-c", "echo 안녕 > /note; ln -s /note /link")
    assert view.file("wrote", "/note") == "안녕\n"
    for place in ("/nosuch", "/link", "/etc"):
        assert view.file("wrote", place) is None
    assert view.file("nosuch", "/note") is None
