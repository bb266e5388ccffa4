"""Words of a command line to options and arguments, as Docker's own parser (pflag) reads them. Pure.

A command's options are lines of `name[,shorthand] kind [default]` (commands.py). Kinds: bool string int list map
filter bytes cpus duration (nanoseconds). What a kind accepts, and the words of a refusal, are Docker's.
"""

from __future__ import annotations

from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kernel_engine.client import Client

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
REPEATED = frozenset(("list", "map", "filter"))


class Misused(Exception):
    """The words do not fit the command's options; Docker's sentence, without the usage lines."""


class Option:
    """One option of a command."""

    __slots__ = ("default", "kind", "name", "shorthand")

    def __init__(self, line: str) -> None:
        names, self.kind, *default = line.split(None, 2)
        self.name, _, self.shorthand = names.partition(",")
        self.default = default[0] if default else ""

    def empty(self) -> Any:
        """The value when the option is not given."""
        if self.kind == "bool":
            return self.default == "true"
        if self.kind in REPEATED:
            return []
        return read_value(self, self.default) if self.default else (None if self.kind != "string" else "")

    @property
    def spelled(self) -> str:
        """As Docker names it in an error: "-m, --memory"."""
        return f"-{self.shorthand}, --{self.name}" if self.shorthand else f"--{self.name}"


class Parsed:
    """Values by option name (`parsed["name"]`), which of them were given, and the arguments."""

    __slots__ = ("arguments", "given", "values")

    def __init__(self, values: dict[str, Any], given: set[str], arguments: list[str]) -> None:
        self.values = values
        self.given = given
        self.arguments = arguments

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def wants_help(self) -> bool:
        return "help" in self.given


class Call:
    """What a command's function gets: the engine, the options and arguments, how the command was called, and in which
    context."""

    __slots__ = ("client", "context", "path", "words")

    def __init__(self, client: Client, words: Parsed, path: str, context: str = "") -> None:
        self.client = client
        self.words = words
        self.path = path
        self.context = context

    @property
    def arguments(self) -> list[str]:
        return self.words.arguments


def options_of(lines: str) -> list[Option]:
    return [Option(line) for line in lines.splitlines() if line.strip()]


def parse(options: Sequence[Option], words: Sequence[str], *, interspersed: bool = True) -> Parsed:
    """Raises Misused. Without `interspersed` options end at the first argument: the rest belongs to the container."""
    by_name = {option.name: option for option in options}
    by_letter = {option.shorthand: option for option in options if option.shorthand}
    by_name.setdefault("help", Option("help bool"))
    if "h" not in by_letter:
        by_letter["h"] = by_name["help"]
    parsed = Parsed({option.name: option.empty() for option in options}, set(), [])
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            parsed.arguments += rest
            break
        if word.startswith("--"):
            _long(by_name, word, rest, parsed)
        elif word.startswith("-") and word != "-":
            _short(by_letter, word, rest, parsed)
        else:
            parsed.arguments.append(word)
            if not interspersed:
                parsed.arguments += rest
                break
    return parsed


def _long(by_name: dict[str, Option], word: str, rest: list[str], parsed: Parsed) -> None:
    name, equals, value = word[2:].partition("=")
    option = by_name.get(name)
    if not name or name.startswith("-"):
        raise Misused(f"bad flag syntax: {word}")
    if option is None:
        raise Misused(f"unknown flag: --{name}")
    if not equals:
        if option.kind == "bool":
            value = "true"
        elif rest:
            value = rest.pop(0)
        else:
            raise Misused(f"flag needs an argument: --{name}")
    _set(option, value, parsed)


def _short(by_letter: dict[str, Option], word: str, rest: list[str], parsed: Parsed) -> None:
    letters = word[1:]
    while letters:
        option = by_letter.get(letters[0])
        if option is None:
            raise Misused(f"unknown shorthand flag: {letters[0]!r} in -{letters}")
        value = letters[1:]
        if value.startswith("="):
            _set(option, value[1:], parsed)
            return
        if option.kind == "bool":
            _set(option, "true", parsed)
            letters = value
            continue
        if not value:
            if not rest:
                raise Misused(f"flag needs an argument: {letters[0]!r} in -{letters}")
            value = rest.pop(0)
        _set(option, value, parsed)
        return


def _set(option: Option, text: str, parsed: Parsed) -> None:
    try:
        value = read_value(option, text)
    except ValueError as error:
        raise Misused(f'invalid argument "{text}" for "{option.spelled}" flag: {error}') from error
    if option.kind in REPEATED:
        if option.name not in parsed.given:
            parsed.values[option.name] = []
        parsed.values[option.name].append(value)
    else:
        parsed.values[option.name] = value
    parsed.given.add(option.name)


def read_value(option: Option, text: str) -> Any:
    """The value of one word; ValueError with Docker's words."""
    kind = option.kind
    if kind == "bool":
        if text not in TRUE and text not in FALSE:
            raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
        return text in TRUE
    if kind == "int":
        return whole_number(text)
    if kind == "filter":
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError("bad format of filter (expected name=value)")
        return name.strip().lower(), value.strip()
    if kind in ("bytes", "swap"):
        from kernel_engine.formats.sizes import parse_size

        return -1 if kind == "swap" and text == "-1" else parse_size(text)
    if kind == "duration":
        from kernel_engine.formats.times import parse_duration

        return round(parse_duration(text) * 1e9)
    if kind == "cpus":
        return nano_cpus(text)
    return text


def whole_number(text: str) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def nano_cpus(text: str) -> int:
    """`1.5` or `3/2` processors as billionths."""
    from fractions import Fraction

    try:
        nano = Fraction(text) * 10**9
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"failed to parse {text} as a rational number") from None
    if nano.denominator != 1:
        raise ValueError("value is too precise")
    return nano.numerator


def wrong_count(path: str, usage: str, minimum: int, maximum: int | None, given: int) -> Failed | None:
    """Docker's refusal of too few or too many arguments; None when the count is right."""
    if given >= minimum and (maximum is None or given <= maximum):
        return None
    plural = "" if minimum == 1 else "s"
    see = "Run"
    if maximum == 0:
        what = "accepts no arguments"
    elif maximum == minimum:
        what = f"requires {minimum} argument{plural}"
    elif maximum is None:
        what, see = f"requires at least {minimum} argument{plural}", "See"
    elif minimum == 0:
        what = f"requires at most {maximum} argument{'' if maximum == 1 else 's'}"
    else:
        what = f"requires at least {minimum} and at most {maximum} arguments"
    first = f"docker: 'docker {path}' {what}"
    return Failed(
        f"{first}\n\nUsage:  docker {path} {usage}\n\n{see} 'docker {path} --help' for more information", about=first
    )
