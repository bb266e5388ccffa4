"""The key sequence that leaves a terminal without ending what runs in it (Docker's default: ctrl-p, ctrl-q)."""

from __future__ import annotations

from kernel_engine.errors import InvalidRequest

DEFAULT = b"\x10\x11"


def parse(words: str) -> bytes:
    """ "ctrl-a,x" → b"\\x01x"; "" = the default."""
    if not words:
        return DEFAULT
    return bytes(_key(word) for word in words.split(","))


def _key(word: str) -> int:
    if len(word) == 1 and word.isascii():
        return ord(word)
    letter = word.removeprefix("ctrl-")
    if letter != word and len(letter) == 1:
        if "a" <= letter <= "z":
            return ord(letter) - ord("a") + 1
        if letter in "@[\\]^_":
            return ord(letter) & 0x1F
    raise InvalidRequest(f"Unknown character: '{word}'")


class Matcher:
    """Looks for the sequence in a stream that comes in pieces; holds back what may be its beginning."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What goes on to the process, and whether the sequence was found (the rest is dropped then)."""
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._held]:
                self._held += 1
                if self._held == len(self._keys):
                    self._held = 0
                    return bytes(passed), True
                continue
            passed += self._keys[: self._held]
            self._held = 0
            if byte == self._keys[0]:
                self._held = 1
            else:
                passed.append(byte)
        return bytes(passed), False
