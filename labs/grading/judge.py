"""The lab's checks over a submission's engine: `main(LAB, REPORT, GIVEN)`.

Runs in a container, when the learner's kernel has ended or stands still. As root it loads the checks, then becomes the
learner's user, who cannot read them: whatever a check follows in the learner's files leads nowhere. GIVEN is JSON: the
answers, the learner's values, the engine's address, and which exercises. A line of JSON for each goes to REPORT as soon
as it is known.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from labs import catalogue, checks
from labs.checks import EngineView, Exercise, Passed


def main(name: str, report: str, given: str) -> None:
    told = json.loads(given)
    exercises = checks.exercises(catalogue.lab(name))
    with Path(report).open("w", encoding="utf-8") as file:
        os.setgroups([])
        os.setgid(told["user"])
        os.setuid(told["user"])
        for each in told["exercises"]:
            exercise = exercises[each]
            began = time.monotonic()
            result = _checked(each, exercise, told)
            result |= {"exercise": each, "seconds": round(time.monotonic() - began, 3)}
            file.write(json.dumps(result, ensure_ascii=False) + "\n")
            file.flush()


def _checked(name: str, exercise: Exercise, told: dict[str, Any]) -> dict[str, Any]:
    """What the check said. One that broke says so: that is for the teacher, and stops no other."""
    view = EngineView(
        told["host"],
        answer=told["answers"].get(name, ""),
        workspace=Path(told["workspace"]),
        values=told["values"].get(name),
    )
    try:
        result = checks.check(exercise, view)
    except Exception as error:
        return {"state": "broken", "why": f"{type(error).__name__}: {error}"[:500]}
    if isinstance(result, Passed):
        return {"state": "passed", "text": result.text}
    return {
        "state": "not yet",
        "expected": result.expected[:500],
        "found": result.found[:500],
        "read_from": result.read_from[:200],
    }
