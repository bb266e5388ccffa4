"""The key sequence that leaves a terminal without ending what runs in it (Docker's default: ctrl-p, ctrl-q)."""

from __future__ import annotations

from kernel_engine.errors import InvalidRequest

DEFAULT = b"\x10\x11"


def parse(words: str) -> bytes:
    """ "ctrl-a,x" → b"\\x01x"; "" = the default. InvalidRequest, in Docker's words."""
    if not words:
        return DEFAULT
    keys = [_key(word) for word in words.split(",")]
    if None in keys:
        raise InvalidRequest(f"Invalid detach keys ({words}) provided")
    return bytes(key for key in keys if key is not None)


def _key(word: str) -> int | None:
    if len(word) == 1 and word.isascii():
        return ord(word)
    if word == "DEL":
        return 127
    letter = word.removeprefix("ctrl-")
    if letter != word and len(letter) == 1:
        if "a" <= letter <= "z":
            return ord(letter) - ord("a") + 1
        if letter in "@[\\]^_":
            return ord(letter) & 0x1F
    return None


class Matcher:
    """Looks for the sequence in a stream that comes in pieces; holds back what may be its beginning."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What goes on to the process, and whether the sequence was found (the rest is dropped then)."""
        if not self._held and self._keys[0] not in data:
            return data, False
        passed = bytearray()
        for byte in data:
            self._held += bytes((byte,))
            if self._held == self._keys:
                self._held = b""
                return bytes(passed), True
            while not self._keys.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
        return bytes(passed), False
