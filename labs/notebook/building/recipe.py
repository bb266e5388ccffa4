"""A `%%dockerfile` cell understood: what is built from where, and the file that the cell's text goes to.

A file that differs from what a cell wrote there last is somebody's own work: it is never written over unasked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.grammar import Misused, Parsed, options_of, parse
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats import reference

OVERWRITE = "overwrite"
DOCKERFILE = "Dockerfile"
#: the folder of a cell that names neither an image nor a folder
NAMELESS = "dockerfile"
#: path → SHA-256 of what a cell wrote there last
NOTES = ".docker-labs/dockerfiles.json"
#: what has no meaning where the cell itself shows how the build goes, and what this engine does not do
_LEFT_OUT = {"help", "iidfile", "output", "progress", "quiet", "squash", "ssh"}
USAGE = "%%dockerfile [-t 이름] [--build-arg 이름=값] [docker build의 다른 옵션] [폴더]"


class BadRecipe(Exception):
    """The cell cannot be built as it is written. The message is Korean."""


class Written(Enum):
    """What became of the file."""

    NEW = "새로 썼어요"
    CHANGED = "고쳐 썼어요"
    SAME = "이미 이 내용이에요"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`options` are those of `docker build`; `folder` and `file` relative to the notebook's folder, as said."""

    options: Parsed
    folder: Path
    file: Path
    text: str
    overwrite: bool


def understand(line: str, body: str) -> Recipe:
    """Raises BadRecipe."""
    try:
        words = shlex.split(line)
        parsed = parse(options_of(f"{COMMANDS['build'].options}\n{OVERWRITE} bool"), words)
    except (Misused, ValueError) as error:
        raise BadRecipe(f"{error}\n쓰는 법: {USAGE}") from None
    if unknown := sorted(parsed.given & _LEFT_OUT):
        raise BadRecipe(f"--{unknown[0]}: %%dockerfile에서는 쓸 수 없는 옵션이에요.\n쓰는 법: {USAGE}")
    if not body.strip():
        raise BadRecipe(f"%%dockerfile 아래에 Dockerfile의 내용을 써 주세요.\n쓰는 법: {USAGE}")
    if len(parsed.arguments) > 1:
        raise BadRecipe(f"폴더는 하나만 쓸 수 있어요: {' '.join(parsed.arguments)}\n쓰는 법: {USAGE}")
    folder = parsed.arguments[0] if parsed.arguments else _folder(parsed["tag"])
    if folder == "-" or "://" in folder or parsed["file"] == "-":
        raise BadRecipe(f"%%dockerfile은 폴더에 Dockerfile을 쓰고 만들어요. 폴더 이름을 써 주세요: {folder}")
    file = Path(parsed["file"]) if parsed["file"] else Path(folder, DOCKERFILE)
    return Recipe(
        options=parsed, folder=Path(folder), file=file, text=body.rstrip("\n") + "\n", overwrite=parsed[OVERWRITE]
    )


def _folder(tags: list[str]) -> str:
    """`lab/web:1` → `web`: a folder of its own, so that nothing but what is meant goes into the build context."""
    if not tags:
        return NAMELESS
    try:
        return reference.parse(tags[0]).path.rpartition("/")[2]
    except InvalidRequest:
        return NAMELESS  # the engine says what is wrong with the name


def write(recipe: Recipe, workspace: Path) -> Written:
    """Puts the cell's text in its file. Raises BadRecipe for a file that no cell wrote, or that cannot be written."""
    try:
        return _write(recipe, workspace)
    except OSError as error:
        raise BadRecipe(f"{recipe.file}에 쓸 수 없어요: {error.strerror}") from None


def _write(recipe: Recipe, workspace: Path) -> Written:
    notes = _notes(workspace)
    data = recipe.text.encode()
    found = recipe.file.read_bytes() if recipe.file.exists() else None
    if found == data:
        _note(workspace, notes, recipe.file, data)
        return Written.SAME
    if found is not None and notes.get(_key(recipe.file)) != _digest(found) and not recipe.overwrite:
        raise BadRecipe(
            f"{recipe.file}은(는) 이 셀이 쓴 내용이 아니어서 덮어쓰지 않았어요. 직접 쓴 파일을 그대로 만들려면 "
            f"docker build {recipe.folder}, 이 셀의 내용으로 바꾸려면 %%dockerfile 뒤에 --{OVERWRITE}를 붙여 주세요."
        )
    recipe.file.parent.mkdir(parents=True, exist_ok=True)
    recipe.file.write_bytes(data)
    _note(workspace, notes, recipe.file, data)
    return Written.NEW if found is None else Written.CHANGED


def _notes(workspace: Path) -> dict[str, str]:
    try:
        found = json.loads((workspace / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(workspace: Path, notes: dict[str, str], file: Path, data: bytes) -> None:
    path = workspace / NOTES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**notes, _key(file): _digest(data)}, indent=2) + "\n", encoding="utf-8")


def _key(file: Path) -> str:
    return os.path.abspath(file)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
