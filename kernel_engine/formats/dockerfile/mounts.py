"""`RUN --mount=type=…,key=value`: one comma-separated value → RunMount."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kernel_engine.formats.dockerfile.errors import DockerfileError, quote
from kernel_engine.formats.dockerfile.instructions import RunMount
from kernel_engine.formats.sizes import parse_size

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_OWNED = ("cache", "secret", "ssh")  #: the types that take mode, uid and gid
_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_SWITCHES = ("readonly", "readwrite", "required")
_FIELD = re.compile(r'"(?P<quoted>(?:[^"]|"")*)"|(?!")[^",]*')
#: Go's strconv.ParseBool
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def read(text: str, expand: Callable[[str], str] | None = None) -> RunMount:
    """DockerfileError with BuildKit's texts.

    Without `expand`, values that hold a variable are left at their default and what depends on them is not checked;
    `from` may never hold one, because the stages are connected before any variable is known.
    """
    mount = _Reading(expand)
    for key, value, written in _fields(text):
        mount.take(key, value, written)
    return mount.done()


def _fields(text: str) -> Iterator[tuple[str, str | None, str]]:
    """Each field's key in lower case, its value, and the field as written."""
    for item in _separated(text):
        key, equals, value = item.partition("=")
        yield key.lower(), value if equals else None, item


def _separated(text: str) -> Iterator[str]:
    """A line of comma-separated values: one that starts with `"` may hold commas, and `""` for a quote."""
    at = 0
    while at < len(text):
        found = _FIELD.match(text, at)
        end = found.end() if found else len(text)
        if not found or (end < len(text) and text[end] != ","):
            is_quoted = text[at] == '"'
            problem = 'extraneous or missing " in quoted-field' if is_quoted else 'bare " in non-quoted-field'
            raise DockerfileError(f"failed to parse csv mounts: parse error on line 1, column {end + 1}: {problem}")
        yield found[0] if found["quoted"] is None else found["quoted"].replace('""', '"')
        at = end + 1


@dataclass(slots=True)
class _Reading:
    expand: Callable[[str], str] | None
    words: dict[str, Any] = field(default_factory=dict)
    deferred: bool = False

    def take(self, key: str, value: str | None, written: str) -> None:
        name = _ALIASES.get(key, key)
        if value is None:
            if name not in _SWITCHES:
                raise DockerfileError(f"invalid field '{written}' must be a key=value pair")
            value = "true"
        elif self.expand:
            value = self.expand(value)
        elif "$" in value[:-1]:
            if name == "from":
                text = f"'{key}' doesn't support variable expansion, define alias stage instead"
                raise DockerfileError(text)
            self.deferred = True
            return
        setter = _SETTERS.get(name)
        if setter is None:
            raise DockerfileError(f"unexpected key '{key}' in '{written}'")
        setter(self, key, value)

    @property
    def type(self) -> str:
        return str(self.words.get("type", "bind"))

    def done(self) -> RunMount:
        words = self.words
        if self.deferred:
            return RunMount(**words)
        if self.type not in _OWNED:
            for name in ("mode", "uid", "gid"):
                if name in words:
                    raise DockerfileError(f'{name} not allowed for "{self.type}" type mounts')
        if self.type == "secret":
            self._check_secret()
        if "sharing" in words and self.type != "cache":
            raise DockerfileError(f"invalid cache sharing set for {self.type} mount")
        return RunMount(**words)

    def _check_secret(self) -> None:
        words = self.words
        if words.get("from_"):
            raise DockerfileError("secret mount should not have a from")
        if words.get("sharing"):
            raise DockerfileError("secret mount should not define sharing")
        if not (words.get("source") or words.get("target") or words.get("id")):
            raise DockerfileError("invalid secret mount. one of source, target required")
        if words.get("source") and words.get("id"):
            raise DockerfileError("both source and id can't be set")


def _set_type(mount: _Reading, key: str, value: str) -> None:
    if value.lower() not in TYPES:
        raise DockerfileError(f"unsupported mount type {quote(value)}")
    mount.words["type"] = value.lower()


def _set_sharing(mount: _Reading, key: str, value: str) -> None:
    if value.lower() not in _SHARING:
        raise DockerfileError(f"unsupported sharing value {quote(value)}")
    mount.words["sharing"] = value.lower()


def _set_text(name: str) -> Callable[[_Reading, str, str], None]:
    def take(mount: _Reading, key: str, value: str) -> None:
        mount.words[name] = value

    return take


def _set_number(name: str, base: int) -> Callable[[_Reading, str, str], None]:
    def take(mount: _Reading, key: str, value: str) -> None:
        if not (value.isascii() and value.isdecimal()):
            raise DockerfileError(f"invalid value {value} for {name}")
        try:
            number = int(value, base)
        except ValueError:
            raise DockerfileError(f"invalid value {value} for {name}") from None
        if number >= 2**32:
            raise DockerfileError(f"invalid value {value} for {name}")
        mount.words[name] = number

    return take


def _boolean(key: str, value: str) -> bool:
    if value not in _TRUE + _FALSE:
        raise DockerfileError(f"invalid value for {key}: {value}")
    return value in _TRUE


def _set_read_only(mount: _Reading, key: str, value: str) -> None:
    mount.words["read_only"] = _boolean(key, value)


def _set_read_write(mount: _Reading, key: str, value: str) -> None:
    mount.words["read_only"] = not _boolean(key, value)


def _set_required(mount: _Reading, key: str, value: str) -> None:
    if mount.type not in ("secret", "ssh"):
        raise DockerfileError(f"unexpected key '{key}' for mount type '{mount.type}'")
    mount.words["required"] = _boolean(key, value)


def _set_size(mount: _Reading, key: str, value: str) -> None:
    if mount.type != "tmpfs":
        raise DockerfileError(f"unexpected key '{key}' for mount type '{mount.type}'")
    try:
        mount.words["size"] = parse_size(value)
    except (ValueError, OverflowError):
        raise DockerfileError(f"invalid value for {key}: {value}") from None


_SETTERS: dict[str, Callable[[_Reading, str, str], None]] = {
    "type": _set_type,
    "from": _set_text("from_"),
    "source": _set_text("source"),
    "target": _set_text("target"),
    "id": _set_text("id"),
    "env": _set_text("env"),
    "sharing": _set_sharing,
    "mode": _set_number("mode", 8),
    "uid": _set_number("uid", 10),
    "gid": _set_number("gid", 10),
    "readonly": _set_read_only,
    "readwrite": _set_read_write,
    "required": _set_required,
    "size": _set_size,
}
