"""The Korean lines of a `docker` that runs inside a container: `docker exec manager docker node ls`.

Its output passes through ours untouched; the lines follow it where a person reads, as under our own words.
"""

from __future__ import annotations

import re

from kernel_engine.cli import korean
from kernel_engine.cli.korean_swarm import TOLD

#: of the inner engine; the same words of ours mean another one
_UNREACHED = re.compile(r"Cannot connect to the Docker daemon at \S+\. Is the docker daemon running")
NOT_YET = (
    "이 컨테이너 안의 도커 엔진이 아직 준비되지 않았거나 멈췄어요. 잠시 뒤에 다시 해 보고, 계속 이러면 밖에서 "
    "docker logs로 이 컨테이너의 로그를 확인해 보세요."
)
_TOLD = tuple((re.compile(pattern), text) for pattern, text in TOLD)


def hint_inside(printed: str, *, failed: bool) -> None:
    """`printed`: the end of what it printed; `failed`: it ended with another code than 0."""
    out = korean.place()
    if out is None:
        return
    for text in lines(printed, failed=failed):
        print(text, file=out, flush=True)


def lines(printed: str, *, failed: bool) -> list[str]:
    """What is to be said about it, each once."""
    found = [text for pattern, text in _TOLD if pattern.search(printed)]
    if failed:
        found.append(NOT_YET if _UNREACHED.search(printed) else korean.line(printed))
    return [text for text in dict.fromkeys(found) if text]
