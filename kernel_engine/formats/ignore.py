"""`.dockerignore`: which paths of a build's context are left out. Pure; for who packs a context and who builds it.

The rules are those of Docker's client (moby/patternmatcher) and of its walk through a directory: the last pattern that
fits decides, `!` takes back, a directory's verdict holds for what is beneath, and a directory that is left out is not
entered unless an exception names something in it. `re` is loaded for a pattern with wildcards only.
"""

from __future__ import annotations

import posixpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FILE = ".dockerignore"


class BadPattern(ValueError):
    """A pattern that cannot be read; the text is Docker's."""


def read(data: bytes) -> tuple[str, ...]:
    """The patterns of a .dockerignore file, in order: without comments and blank lines, without a leading slash."""
    patterns = []
    text = data.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    for line in text.split("\n"):
        if line.startswith("#") or not (pattern := line.strip()):
            continue
        exception = "!" if pattern.startswith("!") else ""
        if pattern := pattern.removeprefix("!").strip():
            pattern = _clean(pattern)
            pattern = pattern[1:] if len(pattern) > 1 and pattern.startswith("/") else pattern
        patterns.append(exception + pattern)
    return tuple(patterns)


def with_build_files(patterns: Iterable[str], dockerfile: str) -> tuple[str, ...]:
    """The patterns of what is sent: the engine needs these two files even where they are left out of the image."""
    patterns = tuple(patterns)
    rules = Rules(patterns)
    return patterns + tuple(f"!{name}" for name in (FILE, dockerfile) if name and rules.excludes(name))


class _Pattern:
    __slots__ = ("exception", "fits", "text")

    def __init__(self, text: str) -> None:
        self.exception = text.startswith("!")
        self.text = text.removeprefix("!")
        self.fits: Callable[[str], object] = matcher(self.text)


class _Verdict:
    """`matches`: which patterns fit the path or something above it. `closed`: nothing beneath can come back."""

    __slots__ = ("closed", "excluded", "matches")

    def __init__(self, excluded: bool, matches: list[bool], closed: bool) -> None:
        self.excluded = excluded
        self.matches = matches
        self.closed = closed


class Rules:
    """The compiled patterns. Paths are relative to the context, with slashes and without `./`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """BadPattern for one that cannot be read."""
        self._patterns: list[_Pattern] = []
        for pattern in patterns:
            if stripped := pattern.strip():
                cleaned = _clean(stripped)
                if cleaned == "!":
                    raise BadPattern('illegal exclusion pattern: "!"')
                self._patterns.append(_Pattern(cleaned))
        self._exceptions = [f"{item.text}/" for item in self._patterns if item.exception]
        self._directories = {"": _Verdict(False, [False] * len(self._patterns), False)}

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def excludes(self, path: str) -> bool:
        """Whether the path is left out."""
        return bool(self._patterns) and self._judge(path, self._above(path)).excluded

    def closes(self, directory: str) -> bool:
        """Whether the directory is left out with all that is in it, so that it need not be entered."""
        return bool(self._patterns) and self._above(f"{directory}/").closed

    def _above(self, path: str) -> _Verdict:
        """The verdict over the directory that holds the path; from the top, because each one leans on the one above."""
        parent = path.rpartition("/")[0]
        found = self._directories.get(parent)
        if found is not None:
            return found
        verdict = self._directories[""]
        end = parent.find("/")
        while end != -1:
            verdict = self._remembered(parent[:end], verdict)
            end = parent.find("/", end + 1)
        return self._remembered(parent, verdict)

    def _remembered(self, directory: str, above: _Verdict) -> _Verdict:
        found = self._directories.get(directory)
        if found is None:
            found = self._directories[directory] = self._judge(directory, above)
        return found

    def _judge(self, path: str, above: _Verdict) -> _Verdict:
        if above.closed:
            return above
        excluded, matches = False, []
        for pattern, inherited in zip(self._patterns, above.matches, strict=True):
            # an exception is asked only for what is left out so far, the others only for what is not
            match = inherited or (pattern.exception == excluded and bool(pattern.fits(path)))
            matches.append(match)
            if match:
                excluded = not pattern.exception
        return _Verdict(excluded, matches, excluded and not self._excepted(path))

    def _excepted(self, directory: str) -> bool:
        """Docker compares letters here: `!**/x` does not open a directory that is left out."""
        return any(item.startswith(f"{directory}/") for item in self._exceptions)


def _clean(path: str) -> str:
    """Go's filepath.Clean."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def matcher(pattern: str) -> Callable[[str], object]:
    """What tells whether a path fits; one `**` at the beginning or the end needs no regular expression. BadPattern."""
    if not is_pattern(pattern):
        return pattern.__eq__
    if pattern.startswith("**") and not is_pattern(ending := pattern[2:]):
        return lambda path: path.endswith(ending) or f"/{path}" == ending
    if pattern.endswith("**") and not is_pattern(beginning := pattern[:-2]):
        return lambda path: path.startswith(beginning)
    import re

    return re.compile(_expression(pattern)).fullmatch


def is_pattern(text: str) -> bool:
    """Whether it holds anything but letters that stand for themselves."""
    return any(letter in text for letter in "*?[\\")


def _expression(pattern: str) -> str:
    """The regular expression of a pattern with wildcards."""
    import re

    parts: list[str] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("**/", at) else 2
            parts.append("(.*/)?" if at < len(pattern) else ".*")
        elif letter in "*?":
            parts.append("[^/]*" if letter == "*" else "[^/]")
            at += 1
        elif letter == "[":
            part, at = _class(pattern, at + 1)
            parts.append(part)
        else:
            at += letter == "\\"
            if at == len(pattern):
                raise BadPattern("syntax error in pattern")
            parts.append(re.escape(pattern[at]))
            at += 1
    return "".join(parts)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """`[a-z0]` or `[^a-z]` from behind its bracket; and the place behind its end."""
    import re

    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not ranges or not pattern.startswith("]", at):
        low, at = _letter(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _letter(pattern, at + 1)
        if low <= high:  # one that is turned around holds nothing
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(ranges)}]", at + 1


def _letter(pattern: str, at: int) -> tuple[str, int]:
    """One end of a range; something must follow it, the bracket at least."""
    if pattern.startswith(("-", "]"), at):
        raise BadPattern("syntax error in pattern")
    at += pattern.startswith("\\", at)
    if at + 1 >= len(pattern):
        raise BadPattern("syntax error in pattern")
    return pattern[at], at + 1
