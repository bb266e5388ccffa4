"""Dockerfiles as files, and what is read in them: tests/testdata/dockerfile_syntax/<case>/{Dockerfile,result.json}.

A result holds what differs from each instruction's defaults, or the error with its place. Errors of the cases that
Docker 20.10 refuses too are its own texts; regenerate none of them from our output.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import Dockerfile, Instruction
from kernel_engine.formats.dockerfile.parse import parse

CASES = sorted((Path(__file__).parents[2] / "testdata" / "dockerfile_syntax").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path) -> None:
    expected = json.loads((case / "result.json").read_text())
    assert outcome((case / "Dockerfile").read_bytes()) == expected


def outcome(data: bytes) -> dict[str, Any]:
    try:
        return _file(parse(data))
    except DockerfileError as error:
        assert error.file == "Dockerfile"
        return {"error": error.message, "line": error.line, "instruction": error.instruction}


def _file(file: Dockerfile) -> dict[str, Any]:
    found: dict[str, Any] = {
        "arguments": [_plain(arg) for arg in file.arguments],
        "stages": [[_plain(start), *map(_plain, instructions)] for start, instructions in file.stages],
        "syntax": file.syntax,
        "check": file.check,
        "warnings": list(file.warnings),
        "escape": file.escape if file.escape != "\\" else "",
    }
    return {key: value for key, value in found.items() if value}


def _plain(value: Any) -> Any:
    """A value without its defaults; an instruction with its class, and its lines as one number or two."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if field.name == "location":
            found["lines"] = item.start if item.start == item.end else [item.start, item.end]
        elif item != field.default:
            found[field.name] = _plain(item)
    return {"is": type(value).__name__, **found} if isinstance(value, Instruction) else found
