"""`$NAME` and `${NAME:-…}` in a compose file's words, and what a word becomes where a number or a truth is meant. Pure.

    $NAME  ${NAME}             its value, "" with a warning when it is not set
    ${NAME:-word} ${NAME-word} word when NAME is unset or empty, unset
    ${NAME:?text} ${NAME?text} refused with the text when NAME is unset or empty, unset
    ${NAME:+word} ${NAME+word} word when NAME is set and not empty, set
    $$                         one $

A word may hold more of the same. A `$` before anything else is a plain `$`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.compose.places import ITEM, Path, Patterns, dotted
from kernel_engine.compose.refusals import Refused

NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
OPERATORS = (":-", ":?", ":+", "-", "?", "+")
DEEPEST = 50
_TRUE, _FALSE = ("true", "y", "yes", "on"), ("false", "n", "no", "off")

Warn = Callable[[str], None]


class Invalid(ValueError):
    """The text has a `${` that means nothing."""


class Missing(ValueError):
    """A variable that the file requires has no value."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One variable in a text: `${NAME:-word}` is NAME, ":-", "word"; `$NAME` has neither operator nor word."""

    name: str
    operator: str = ""
    word: str = ""


def pieces(text: str) -> Iterator[str | Reference]:
    """The text's own letters and its variables, in order. Invalid."""
    at = 0
    while (start := text.find("$", at)) >= 0:
        yield text[at:start]
        following = text[start + 1 : start + 2]
        if following == "$":
            yield "$"
            at = start + 2
        elif following == "{":
            end = _closing(text, start + 1)
            yield _braced(text[start + 2 : end])
            at = end + 1
        elif found := NAME.match(text, start + 1):
            yield Reference(found[0])
            at = found.end()
        else:
            yield "$"
            at = start + 1
    yield text[at:]


def _closing(text: str, opening: int) -> int:
    """Where the brace that opens at `opening` is closed."""
    depth = 0
    for at in range(opening, len(text)):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
    raise Invalid(text)


def _braced(content: str) -> Reference:
    found = NAME.match(content)
    rest = content[found.end() :] if found else content
    if found and not rest:
        return Reference(found[0])
    operator = next((operator for operator in OPERATORS if rest.startswith(operator)), None)
    if found is None or operator is None:
        raise Invalid(content)
    return Reference(found[0], operator, rest[len(operator) :])


def substitute(text: str, variables: Mapping[str, str], warn: Warn, depth: int = 0) -> str:
    """The text with its variables replaced. Invalid or Missing."""
    if "$" not in text:
        return text
    if depth > DEEPEST:
        raise Invalid(text)
    return "".join(piece if isinstance(piece, str) else _meant(piece, variables, warn, depth) for piece in pieces(text))


def _meant(reference: Reference, variables: Mapping[str, str], warn: Warn, depth: int) -> str:
    name, operator, word = reference.name, reference.operator, reference.word
    if not operator:
        return _value(name, variables, warn)
    value = variables.get(name)
    present = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "+":
        return substitute(word, variables, warn, depth + 1) if present else value or ""
    if present:
        return value or ""
    word = substitute(word, variables, warn, depth + 1)
    if operator[-1] == "?":
        raise Missing(f"required variable {name} is missing a value{': ' if word else ''}{word}")
    return word


def references(value: Any) -> Iterator[Reference]:
    """All variables in `value`'s words, also those in the words of others. What is invalid has none."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, str):
        try:
            found = [piece for piece in pieces(value) if isinstance(piece, Reference)]
        except Invalid:
            return
        for reference in found:
            yield reference
            if reference.operator and reference.operator[-1] != "?":
                yield from references(reference.word)


def _value(name: str, variables: Mapping[str, str], warn: Warn) -> str:
    if name not in variables:
        warn(f'The "{name}" variable is not set. Defaulting to a blank string.')
    return variables.get(name, "")


def interpolate(value: Any, variables: Mapping[str, str], warn: Warn, path: Path = ()) -> Any:
    """The same for all words in `value`, cast where the specification wants a number or a truth. Refused."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables, warn, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables, warn, (*path, at)) for at, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        text = substitute(value, variables, warn)
    except Invalid:
        raise Refused(
            f"invalid interpolation format for {dotted(path, ITEM)}.\n"
            f"You may need to escape any $ with another $.\n{value}",
            path,
        ) from None
    except Missing as missing:
        raise Refused(f"error while interpolating {dotted(path, ITEM)}: {missing}", path) from None
    cast = CASTS.get(path)
    if cast is None:
        return text
    try:
        return cast(text, warn)
    except ValueError as error:
        raise Refused(
            f"error while interpolating {dotted(path, ITEM)}: failed to cast to expected type: {error}", path
        ) from None


def whole(text: str, _: Warn) -> int:
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise ValueError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def number(text: str, _: Warn) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def truth(text: str, warn: Warn) -> bool:
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(f"invalid boolean: {text}")
    value = word in _TRUE
    if word not in {"true", "false"}:
        warn(f'"{text}" for boolean is not supported by YAML 1.2, please use `{str(value).lower()}`')
    return value


_OF_A_SERVICE: dict[Callable[[str, Warn], Any], str] = {
    whole: """cpu_count cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares oom_score_adj pids_limit scale
        deploy.replicas deploy.update_config.parallelism deploy.rollback_config.parallelism
        deploy.restart_policy.max_attempts deploy.placement.max_replicas_per_node healthcheck.retries
        ports.[].target ulimits.* ulimits.*.hard ulimits.*.soft""",
    number: """cpu_percent cpus deploy.update_config.max_failure_ratio deploy.rollback_config.max_failure_ratio""",
    truth: """init attach depends_on.*.required depends_on.*.restart healthcheck.disable oom_kill_disable privileged
        read_only stdin_open tty volumes.[].read_only volumes.[].volume.nocopy volumes.[].bind.create_host_path
        env_file.[].required build.no_cache build.pull build.privileged""",
}
_OF_RESOURCES = "networks.*.external networks.*.internal networks.*.attachable networks.*.enable_ipv4" + (
    " networks.*.enable_ipv6 volumes.*.external secrets.*.external configs.*.external"
)
#: where a word is to become something else; the schema sees the result
CASTS: Patterns[Callable[[str, Warn], Any]] = Patterns(
    {f"services.*.{name}": cast for cast, names in _OF_A_SERVICE.items() for name in names.split()}
    | dict.fromkeys(_OF_RESOURCES.split(), truth)
)
