"""Labs that cannot be graded, and what a teacher is told of them at once: a restricted engine cannot run them."""

from __future__ import annotations

from labs import catalogue
from labs.catalogue import Lab


def why_not(lab: Lab) -> str:
    """Why the lab can be neither assigned nor graded, in Korean; "" for one that can."""
    if lab.track:
        return f"실습 {lab.number}은(는) 커널을 직접 다루는 실습이라서 채점할 수 없어요."
    facts = catalogue.front_matter(lab.source.read_text(encoding="utf-8")).get("docker_labs") or {}
    if facts.get("privileged"):
        return (
            f"실습 {lab.number}은(는) 권한 있는 컨테이너(--privileged)가 필요해서, 제한된 엔진에서 하는 채점으로는 "
            "볼 수 없어요."
        )
    return ""
