"""The corpus of compose files: `read.cases` (what a file means) and `refused.cases` (what is wrong with it).

    ### name of the case
    the compose.yaml
    === other.file
    its text
    === -f other.file --profile x     (a line that begins with a dash: the words of the command line)
    === expected
    what is printed; for a refusal its text, without the lines of the file under it

`/DIR` stands for the directory that the files lie in. What is expected was held against docker compose's own reader
(compose-go 2.13) when it was written; where it differs on purpose, a comment in the case says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.compose.model import Wanted

HERE = Path(__file__).parent
ENVIRONMENT = {"HOME": "/home/me", "FOO": "from around"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    files: dict[str, str]
    words: list[str]
    expected: str

    def lay(self, directory: Path) -> Wanted:
        """Writes the files; what the command line asks for."""
        for name, text in self.files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        return wanted(directory, self.words)


def cases(name: str) -> list[Case]:
    text = (HERE / name).read_text()
    return [_case(part) for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]]


def _case(text: str) -> Case:
    head, *rest = re.split(r"^=== ", text, flags=re.MULTILINE)
    name, _, first = head.partition("\n")
    files, words, expected = {"compose.yaml": first}, list[str](), ""
    for part in rest:
        title, _, body = part.partition("\n")
        if title.startswith("-"):
            words = title.split()
        elif title == "expected":
            expected = body
        else:
            files[title] = body
    return Case(name=name.strip(), files=files, words=words, expected=expected)


def wanted(directory: Path, words: list[str]) -> Wanted:
    options: dict[str, list[str]] = {"-f": [], "-p": [], "--profile": [], "--env-file": [], "--project-directory": []}
    services, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word in options:
            options[word].append(rest.pop(0))
        else:
            services.append(word)
    return Wanted(
        files=tuple(options["-f"]),
        project_name="".join(options["-p"]),
        profiles=tuple(options["--profile"]),
        env_files=tuple(options["--env-file"]),
        directory="".join(options["--project-directory"]),
        services=tuple(services),
        environment=ENVIRONMENT,
        working_directory=str(directory),
    )
