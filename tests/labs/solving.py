"""What a learner does with exercises by hand: `python tests/labs/solving.py HOST FOLDER EXERCISE…`.

Begins each beside the lab's materials in FOLDER, which is emptied, and does nothing, the solution, and the wrong
solutions; an argument `EXERCISE=TITLE` does the solution and that wrong one only. Prints a JSON list for each:
exercise, what was done, the check's answer as learners read it, and whether the room was in a container (null where
there was none).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from labs import catalogue, checks
from labs.checks import EngineView, Exercise, Work
from labs.engine_view import CommandFailed
from labs.workspace import WITHHELD

NOTHING, SOLUTION = "nothing", "the solution"


def works(exercise: Exercise, title: str) -> dict[str, Work]:
    """By what they are called; `title` chooses among the wrong ones."""
    if title:
        return {SOLUTION: exercise.solve, title: exercise.wrong[title]}
    return {NOTHING: "", SOLUTION: exercise.solve, **exercise.wrong}


def solve(name: str, title: str, view: EngineView) -> None:
    exercise = checks.exercise(name)
    for called, work in works(exercise, title).items():
        exercise.begin(view)
        try:
            checks.work(work, view)
            answer = checks.as_text(name, exercise.check(view))
        except (CommandFailed, OSError) as error:
            answer = f"{type(error).__name__}: {error}"
        room = view.room()
        print(json.dumps([name, called, answer, room.contained if room else None]), flush=True)
    exercise.end(view)


def main() -> None:
    host, folder = sys.argv[1], Path(sys.argv[2])
    os.environ.update(HOME=str(folder), DOCKER_CONFIG=str(folder / ".docker"), DOCKER_LABS_WORKSPACE=str(folder))
    os.chdir(folder)
    for wanted in sys.argv[3:]:
        name, _, title = wanted.partition("=")
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        materials = shutil.ignore_patterns(*WITHHELD, catalogue.NOTEBOOK)
        shutil.copytree(catalogue.lab(name).folder, folder, ignore=materials, dirs_exist_ok=True)
        solve(name, title, EngineView(host, workspace=folder))


if __name__ == "__main__":
    main()
