"""What became of a build step and why, in Korean. The engine's own words are those of its step events."""

from __future__ import annotations

STATES = {"running": "실행 중", "cached": "캐시", "done": "완료", "failed": "실패"}
#: by the reason of a step event; `{detail}` is what it names
_REASONS = {
    "same": "바뀐 것이 없어서 캐시를 썼어요",
    "no-cache": "--no-cache라서 새로 만들었어요",
    "parent": "앞 단계가 바뀌어서 새로 만들었어요",
    "instruction": "이대로 만든 적이 없어서 새로 만들었어요",
    "files": "복사할 파일이 바뀌어서 새로 만들었어요",
    "argument": "빌드 인자가 바뀌어서 새로 만들었어요",
}


def reason(name: str, detail: str) -> str:
    """Why a step hit or missed the cache; "" where the engine gives no reason that is known here."""
    told = _REASONS.get(name, "")
    return f"{told}: {detail}" if told and detail else told
