"""The labs of the course, found as folders: their front matter, source, checks. Reads files, runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from labs.directives import BadSource, CardGroup, Directive, Question, card, directives, question, questions
from labs.hub.userland import for_this_machine

#: another folder of labs can stand in: a teacher's own
COURSE = Path(os.environ.get("DOCKER_LABS_COURSE") or Path(__file__).parent / "course")
SOURCE = "lab.md"
#: labs beside the course's own, in a folder of that name: a container built by hand
ENGINE_TRACK = "engine"
#: what a learner reads of each track
TRACKS = {"": "도커 실습", ENGINE_TRACK: "엔진 실습: 컨테이너를 손으로 만들기"}
NOTEBOOK = "lab.ipynb"


class NoSuchLab(Exception):
    """The message is Korean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One lab folder. `number` is "00", or "engine/00"; `goals` complete "이 실습을 마치면 … 있어요".

    `other_userland`: it compares this machine with debian:trixie, or, on a Debian 13, with another.
    """

    number: str
    title: str
    minutes: int
    goals: tuple[str, ...]
    folder: Path
    other_userland: bool = False

    @property
    def track(self) -> str:
        """A key of TRACKS."""
        return self.number.rpartition("/")[0]

    @property
    def place(self) -> str:
        """The folder's path beneath the course, and so beneath a learner's workspace: "engine/00_process"."""
        return f"{self.track}/{self.folder.name}".lstrip("/")

    @property
    def course(self) -> Path:
        """The folder that holds all labs."""
        return self.folder.parents[self.place.count("/")]

    @property
    def source(self) -> Path:
        return self.folder / SOURCE

    @property
    def notebook(self) -> Path:
        return self.folder / NOTEBOOK

    @property
    def check_file(self) -> Path:
        return self.folder / "check.py"

    def for_this_machine(self, text: str) -> str:
        """A part of the lab (source or notebook) as a learner on this machine gets it."""
        return for_this_machine(text) if self.other_userland else text

    def directives(self, kind: str) -> Iterator[Directive]:
        text = self.for_this_machine(self.source.read_text(encoding="utf-8"))
        return (found for found in directives(text) if found.kind == kind)

    def prediction(self, name: str) -> Question:
        """Raises NoSuchLab when the source has no prediction of that id."""
        return question(self._one("predict", name).body)

    def quiz(self) -> tuple[Question, ...]:
        return questions(self._one("quiz", self.number).body)

    def card(self) -> tuple[CardGroup, ...]:
        return card(self._one("card", self.number).body)

    def _one(self, kind: str, argument: str) -> Directive:
        for found in self.directives(kind):
            if found.argument == argument:
                return found
        raise NoSuchLab(f"실습 {self.number}에는 {argument}번이 없어요.")


def front_matter(text: str) -> dict[str, Any]:
    """The YAML between the first two `---` lines; {} without one."""
    if not text.startswith("---\n"):
        return {}
    header, found, _ = text[4:].partition("\n---\n")
    return (yaml.safe_load(header) or {}) if found else {}


def read(folder: Path) -> Lab:
    """Raises BadSource when the front matter lacks what every lab has."""
    facts = front_matter((folder / SOURCE).read_text(encoding="utf-8")).get("docker_labs") or {}
    try:
        lab = Lab(
            number=str(facts["lab"]),
            title=str(facts["title"]),
            minutes=int(facts["minutes"]),
            goals=tuple(map(str, facts["goals"])),
            folder=folder,
            other_userland=bool(facts.get("other_userland", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadSource(f"{folder / SOURCE}: docker_labs needs lab, title, minutes and goals ({error})") from error
    if not folder.as_posix().endswith(f"/{lab.place}") or not lab.place.startswith(f"{lab.number}_"):
        raise BadSource(f"{folder / SOURCE}: lab {lab.number!r} does not fit the folder's name")
    return lab


@cache
def labs(course: Path = COURSE) -> tuple[Lab, ...]:
    """In the order of their numbers, one track after the other."""
    sources = (*course.glob(f"*/{SOURCE}"), *course.glob(f"{ENGINE_TRACK}/*/{SOURCE}"))
    return tuple(sorted(map(read, (path.parent for path in sources)), key=lambda lab: (lab.track, lab.number)))


def lab(name: str, course: Path = COURSE) -> Lab:
    """By number ("00"), folder name, or the id of one of its exercises or predictions ("00-3")."""
    for found in labs(course):
        if name in (found.number, found.place) or name.partition("-")[0] == found.number:
            return found
    known = ", ".join(found.number for found in labs(course))
    raise NoSuchLab(f"{name}번 실습은 없어요. 있는 실습: {known or '아직 없음'}")
