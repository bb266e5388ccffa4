"""The directives of a lab's source: where they stand and what they say. Pure; knows neither notebooks nor HTML.

`labs.build` turns them into cells, the magics read the same text when a learner runs those cells. The syntax is
described in `labs/course/README.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KINDS = (
    *("predict", "quiz", "card", "exercise"),
    *("live", "lifecycle", "dashboard", "volumes", "topology", "swarm", "layers", "walls"),
)
_FENCE = re.compile(
    rf"^(?P<fence>`{{3,}})\{{(?P<kind>{'|'.join(KINDS)})\}}[ \t]*(?P<argument>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_OPTION = re.compile(r":(?P<name>[a-z]+):[ \t]*(?P<value>[^\n]*)(\n|$)")
#: what differs from learner to learner; Go's templates have two braces
_VARIED = re.compile(r"\{=(?P<name>[a-z_]+)\}")
_CHOICE = re.compile(r"^- \[(?P<mark>[ xX])\] (?P<text>.+)$")


class BadSource(Exception):
    """A directive that cannot be understood: which one, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """`start` and `end` are character positions of the whole fence in the source."""

    kind: str
    argument: str
    body: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer to choose; `reply` is what its chooser reads ("" for none)."""

    text: str
    right: bool
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with two or more choices, exactly one of them right, and what explains it ("" for none)."""

    text: str
    choices: tuple[Choice, ...]
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardGroup:
    """One group of a command card: (command, meaning) each."""

    title: str
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseText:
    """What an exercise says: id ("01-3"), title, text, the placeholder of an answer ("" for none).

    For grading: its `points`, and whether cells of its part that fail when the notebook is replayed cost them
    (`replay`).
    """

    id: str
    title: str
    text: str
    answer: str
    points: float = 1.0
    replay: bool = False


def directives(source: str) -> Iterator[Directive]:
    """All of them, in the order of the source."""
    for found in _FENCE.finditer(source):
        yield Directive(
            kind=found["kind"],
            argument=found["argument"].strip(),
            body=found["body"].strip("\n"),
            start=found.start(),
            end=found.end(),
        )


def question(text: str) -> Question:
    """Raises BadSource without choices, with fewer than two, or when not exactly one is right."""
    lines = text.strip("\n").splitlines()
    first = next((at for at, line in enumerate(lines) if _CHOICE.match(line)), len(lines))
    asked = "\n".join(lines[:first]).strip()
    choices, rest = _choices(lines[first:])
    if not asked or len(choices) < 2 or sum(choice.right for choice in choices) != 1:
        raise BadSource(f"a question needs a text, two choices or more, and exactly one right: {text.strip()[:60]!r}")
    return Question(text=asked, choices=tuple(choices), explanation="\n".join(rest).strip())


def _choices(lines: list[str]) -> tuple[list[Choice], list[str]]:
    """The choices with the indented lines beneath each, and the lines after the last."""
    choices: list[Choice] = []
    at = 0
    while at < len(lines):
        found = _CHOICE.match(lines[at])
        if found is None:
            if lines[at].strip():
                break
            at += 1
            continue
        at += 1
        reply: list[str] = []
        while at < len(lines) and lines[at].startswith("  "):
            reply.append(lines[at].strip())
            at += 1
        choices.append(Choice(text=found["text"].strip(), right=found["mark"] != " ", reply=" ".join(reply)))
    return choices, lines[at:]


def questions(body: str) -> tuple[Question, ...]:
    """The questions of a quiz, separated by lines of `---`."""
    return tuple(question(part) for part in re.split(r"^---[ \t]*$", body, flags=re.MULTILINE))


def card(body: str) -> tuple[CardGroup, ...]:
    """The groups of a command card. Raises BadSource for a line without ` :: `."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for line in filter(str.strip, body.splitlines()):
        if line.startswith("## "):
            groups.append((line[3:].strip(), []))
            continue
        command, separator, meaning = line.partition(" :: ")
        if not separator:
            raise BadSource(f"a card's line is `command :: meaning`: {line!r}")
        if not groups:
            groups.append(("", []))
        groups[-1][1].append((command.strip(), meaning.strip()))
    return tuple(CardGroup(title=title, commands=tuple(commands)) for title, commands in groups)


def exercise(directive: Directive, values: Mapping[str, str] | None = None) -> ExerciseText:
    """`values` are put where the text says `{=name}`; without them the text stays as written. Raises BadSource when the
    id or the text is missing, an option is none, or a name has no value."""
    name, _, title = directive.argument.partition(" ")
    options, body = _options(directive.body)
    if not re.fullmatch(r"(engine/)?\d\d-\d+", name) or not title.strip() or not body.strip():
        raise BadSource(f"an exercise needs an id (01-3), a title and a text: {directive.argument!r}")
    if unknown := set(options) - {"answer", "points", "replay"}:
        raise BadSource(f"exercise {name}: unknown option :{min(unknown)}:")
    points = options.get("points", "1")
    if not re.fullmatch(r"\d+(\.\d+)?", points):
        raise BadSource(f"exercise {name}: points are a number, not {points!r}")
    if options.get("replay", "required") != "required":
        raise BadSource(f"exercise {name}: the one value of :replay: is required")
    return ExerciseText(
        id=name,
        title=title.strip(),
        text=body.strip("\n") if values is None else filled(body.strip("\n"), values),
        answer=options.get("answer", ""),
        points=float(points),
        replay="replay" in options,
    )


def _options(body: str) -> tuple[dict[str, str], str]:
    """The lines `:name: value` at the beginning, and the rest."""
    options: dict[str, str] = {}
    while found := _OPTION.match(body):
        options[found["name"]] = found["value"].strip()
        body = body[found.end() :]
    return options, body


def filled(text: str, values: Mapping[str, str]) -> str:
    """Raises BadSource for a name without a value."""

    def value(found: re.Match[str]) -> str:
        if found["name"] not in values:
            raise BadSource(f"the exercise declares no {found['name']!r}: {found[0]}")
        return values[found["name"]]

    return _VARIED.sub(value, text)
