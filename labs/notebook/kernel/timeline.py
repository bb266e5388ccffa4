"""`%explain`: runs the command, then shows the kernel calls of its container's start as a timeline."""

from __future__ import annotations

import os
import shlex
import tempfile

from kernel_engine.cli.explain import explain
from kernel_engine.client import APIError, Client
from labs.notebook import command_cell
from labs.notebook.kernel import timeline_picture
from labs.notebook.learning import markup
from labs.notebook.learning.card import card

KIND = "timeline"
USAGE = "%explain 다음에 docker run …을 써 주세요. 예: %explain docker run --rm busybox true"


def words_of(line: str) -> tuple[list[str], list[str]] | None:
    """The words of a `docker run`, parted behind `run`; None for any other command."""
    words = shlex.split(line)
    words = words[1:] if words[:1] == ["docker"] else words
    at = 2 if words[:1] == ["container"] else 1
    if words[at - 1 : at] != ["run"]:
        return None
    return ["docker", *words[:at]], words[at:]


def run(client: Client, front: list[str], rest: list[str]) -> int:
    """The command's exit code. The timeline is shown also of a start that failed."""
    with tempfile.TemporaryDirectory(prefix="docker-labs-") as folder:
        place = os.path.join(folder, "id")
        code = command_cell.run(shlex.join([*front, "--cidfile", place, *rest]))
        try:
            with open(place, encoding="ascii") as file:
                container = file.read().strip()
        except FileNotFoundError:
            return code  # nothing was made, and the command has said why
    show(client, container)
    return code


def show(client: Client, container: str) -> None:
    """The timeline of a container's last start. Raises APIError where no trace is kept."""
    try:
        steps = client.get(f"/kernel-engine/containers/{container}/trace").json()["Steps"]
    except APIError as error:
        raise APIError(error.status, f"{error.message} (이 컨테이너의 커널 기록이 남아 있지 않아요)") from error
    drawn = timeline_picture.as_html(steps)
    shown = None if markup.still() else card(client, KIND, drawn)
    html = markup.section(KIND, drawn, label=timeline_picture.TITLE, boxed=False)
    markup.show(text=explain(steps), html=html, widget=shown)
