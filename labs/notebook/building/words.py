"""What became of a build step and why, in Korean. The engine's own words are those of its step events."""

from __future__ import annotations

from kernel_engine.cli.build_output import CAUSES, in_korean

STATES = {
    "waiting": "대기",
    "running": "실행 중",
    "cached": "캐시",
    "done": "완료",
    "failed": "실패",
    "stopped": "멈춤",
    "skipped": "건너뜀",
    "left": "안 함",
}
#: of a layer in an image that was built here
_MADE = {"cached": "캐시를 썼어요", "done": "새로 만들었어요"}
BASE = {"cached": "이미 있는 이미지예요", "done": "이미지를 받았어요"}
NOT_NEEDED = "이 이미지에 필요 없는 단계예요"


def reason(name: str, detail: str) -> str:
    """Why a step hit or missed the cache; "" where the engine gives no reason that is known here."""
    told = CAUSES.get(name, "")
    return f"{told}: {in_korean(detail)}" if told and detail else told


def made(state: str, name: str, detail: str) -> str:
    """The same of a layer of a finished image: `캐시를 썼어요 (앞 단계와 …)`; "" for one not built here."""
    if state not in _MADE:
        return ""
    why = reason(name, detail)
    return f"{_MADE[state]} ({why})" if why else _MADE[state]
