from __future__ import annotations
import sys
def report(message: str, about: str, words: list[str]) -> None:
    sys.stdout.flush()
    print(message, file=sys.stderr)
