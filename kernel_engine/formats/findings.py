"""What a doctor found (the engine's, or the course's), and how it is shown: in Korean, or to programs as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Grade = Literal["ok", "warning", "missing"]
MARKS = {"ok": "✔", "warning": "!", "missing": "✘"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """missing = nothing will work; warning = something will not.

    name: the check that found it, one word that stays ("cgroups").
    """

    grade: Grade
    text: str
    advice: str = ""
    name: str = ""


def lacking(findings: Sequence[Finding]) -> int:
    """How many essential things are missing."""
    return sum(item.grade == "missing" for item in findings)


def as_text(findings: Sequence[Finding], well: str) -> str:
    """`well`: the last line where nothing essential is missing."""
    lines = []
    for item in findings:
        lines.append(f"{MARKS[item.grade]} {item.text}")
        if item.advice:
            lines.append(f"    → {item.advice}")
    missing = lacking(findings)
    end = f"꼭 필요한 것이 {missing}개 빠져 있어요." if missing else well
    return "\n".join([*lines, "", end])


def as_json(findings: Sequence[Finding]) -> str:
    """{"missing": 0, "findings": [{"name", "grade", "text", "advice"}, …]}"""
    document = {"missing": lacking(findings), "findings": [asdict(item) for item in findings]}
    return json.dumps(document, ensure_ascii=False, indent=2)
