"""What the doctor found, one thing at a time, and how it is shown: to people in Korean, to programs as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Grade = Literal["ok", "warning", "missing"]
MARKS = {"ok": "✔", "warning": "!", "missing": "✘"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """missing = containers cannot run; warning = something of the course will not work.

    name: the check that found it, one word that stays ("cgroups").
    """

    grade: Grade
    text: str
    advice: str = ""
    name: str = ""


def lacking(findings: Sequence[Finding]) -> int:
    """How many essential things are missing."""
    return sum(item.grade == "missing" for item in findings)


def as_text(findings: Sequence[Finding]) -> str:
    lines = []
    for item in findings:
        lines.append(f"{MARKS[item.grade]} {item.text}")
        if item.advice:
            lines.append(f"    → {item.advice}")
    missing = lacking(findings)
    end = f"꼭 필요한 것이 {missing}개 빠져 있어요." if missing else "컨테이너를 실행할 수 있는 컴퓨터예요."
    return "\n".join([*lines, "", end])


def as_json(findings: Sequence[Finding]) -> str:
    """{"missing": 0, "findings": [{"name", "grade", "text", "advice"}, …]}"""
    document = {"missing": lacking(findings), "findings": [asdict(item) for item in findings]}
    return json.dumps(document, ensure_ascii=False, indent=2)
