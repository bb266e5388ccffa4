"""Runs a `%%dockerfile` cell: writes the file, asks the engine to build it, and keeps the picture in step."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs.notebook import server
from labs.notebook.building import drawing, recipe, request
from labs.notebook.building.drawing import Shown
from labs.notebook.building.progress import Build, Progress, expected
from labs.notebook.building.recipe import BadRecipe, Recipe
from labs.notebook.learning import markup
from labs.notebook.learning.card import Card, card

KIND = "build"
#: one drawing for a burst of lines
_BURST_SECONDS = 0.15
STOPPED = "빌드를 멈췄어요."
INTERRUPTED = 130


def run(line: str, body: str) -> int:
    """The exit code that `docker build` would have had. Raises BadRecipe, WrongServer, EngineUnreachable."""
    understood = recipe.understand(line, body)
    server.require_this_engine()
    client = server.chosen()
    wrote = recipe.write(understood, Path(os.environ.get("DOCKER_LABS_WORKSPACE", Path.cwd())))
    data = understood.text.encode()
    progress = Progress(expected(data))
    shown = Shown(
        title=f"{', '.join(understood.options['tag']) or '이름 없는 이미지'} 만들기",
        file=str(understood.file),
        wrote=wrote.value,
        source=tuple(understood.text.splitlines()),
        build=progress.build,
    )
    page = None if markup.still() else Page(client, shown)
    try:
        _follow(client, understood, progress, page)
    finally:
        if page is not None:
            page.stop()
    shown = replace(shown, build=progress.build, size=_size(client, progress.build))
    html = markup.section(KIND, drawing.as_html(shown, outputs=not markup.still()), label=shown.title, boxed=False)
    if page is None:
        markup.show(text=drawing.as_text(shown), html=html)
    else:
        page.finish(shown, html)
    return progress.build.code


def _follow(client: Client, understood: Recipe, progress: Progress, page: Page | None) -> None:
    """Until the engine has said all. However it ends, the build knows."""
    try:
        with closing(request.build(client, understood)) as answer:
            for said in answer:
                progress.feed(said)
                if page is not None:
                    page.draw(progress.build)
    except (APIError, EngineUnreachable) as error:
        progress.refuse(error.message)
    except BadRecipe as error:
        progress.refuse(str(error))
    except KeyboardInterrupt:  # leaving the answer stops the build
        progress.refuse(STOPPED, INTERRUPTED)
    progress.end()


def _size(client: Client, build: Build) -> int:
    return int(client.get(f"/images/{build.image}/json").json()["Size"]) if build.image else 0


class Page:
    """The picture on a live page. Drawn by a thread, so that lines that come in a burst cost one drawing."""

    def __init__(self, client: Client, shown: Shown) -> None:
        self._shown = shown
        self._card: Card = card(client, KIND, drawing.as_html(shown))
        self._output = markup.Growing(self._card)
        self._began: dict[int, float] = {}
        self._changed = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._keep_drawing, name="build-card", daemon=True)
        self._thread.start()

    def draw(self, build: Build) -> None:
        for step in build.steps:
            if step.state == "running":
                self._began.setdefault(step.step, time.monotonic())
        self._shown = replace(self._shown, build=build)
        self._changed.set()

    def stop(self) -> None:
        self._over = True
        self._changed.set()
        self._thread.join()

    def finish(self, shown: Shown, html: str) -> None:
        """The last picture, after `stop`."""
        self._card.markup = drawing.as_html(shown)
        self._output.finish(text=drawing.as_text(shown), html=html)

    def _keep_drawing(self) -> None:
        while not self._over:
            self._changed.wait()
            self._changed.clear()
            self._card.markup = drawing.as_html(self._aged(self._shown))
            time.sleep(_BURST_SECONDS)

    def _aged(self, shown: Shown) -> Shown:
        """Steps that run are as old as they are now: their events told only when they began."""
        now = time.monotonic()
        steps = tuple(
            replace(step, seconds=now - self._began.get(step.step, now)) if step.state == "running" else step
            for step in shown.build.steps
        )
        return replace(shown, build=replace(shown.build, steps=steps))
