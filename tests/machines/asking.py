"""What machines are asked: the project's copy for them, the lines of result that they print, and, for one that has this
Python's packages, all of it in one: made, booted once, asked.

What a machine is made of and how it boots is `machine`; the lines are `inside`'s or `inside_cgroup_v2.Reporter`'s.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.machines import machine
from tests.machines.machine import HERE, Processor

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = "/opt/tests"
#: of a module that asks a machine of this Python's packages and this host's processor
MARKS = (
    pytest.mark.full,
    needs_root,
    pytest.mark.skipif(bool(machine.missing()), reason=f"this machine lacks: {machine.missing()}"),
    pytest.mark.skipif(sys.version_info[:2] != machine.PYTHON, reason="needs the Python of Debian 12, 3.11"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    word: str  #: "ok" | "failed"
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    result: machine.Result
    answers: dict[str, Answer]

    def of(self, name: str) -> dict[str, Answer]:
        """Those whose names begin so; at least one."""
        mine = {each: one for each, one in self.answers.items() if each.startswith(name)}
        assert mine, f"it was never asked; the console's end:\n{self.result.console[-4000:]}"
        return mine


def asked(
    scratch: Path,
    packages: tuple[str, ...],
    module: str,
    *,
    project: str,
    timeout: int,
    before: str = "",
    bring: Callable[[Path], object] = lambda root: None,
    processor: Processor = HERE,
) -> Run:
    """module: of tests/machines, which asks there. project: the copy's place. before: lines of shell. bring: what else
    its root shall hold."""
    script = f"""
{before}
cd {project} || exit 1
export PATH={ENVIRONMENT}/bin:$PATH DOCKER_LABS_SLOWNESS=10
python -m {module}
"""
    root = scratch / "root"
    try:
        machine.make_root(root, *packages, processor=processor)
        machine.copy_environment(root, ENVIRONMENT, project, processor=processor)
        copy_project(root / project.lstrip("/"))
        bring(root)
        result = machine.boot(root, script, scratch, timeout=timeout, processor=processor)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    return Run(result, answers_in(result.output))


def judge(answers: dict[str, Answer]) -> None:
    """None of them failed."""
    failed = {name: one.reason.replace(" | ", "\n") for name, one in answers.items() if one.word != "ok"}
    assert failed == {}, "\n\n".join(f"{name}:\n{reason}" for name, reason in failed.items())


def copy_project(target: Path) -> None:
    """What a clone would hold, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if os.path.lexists(REPOSITORY / name):  # not one that is deleted, but not yet in git
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name, follow_symlinks=False)
    subprocess.run(["chown", "-R", "-h", "0:0", target], check=True)


def answers_in(output: str) -> dict[str, Answer]:
    """By name; of a check that was made twice, the worse."""
    found: dict[str, Answer] = {}
    for name, word, seconds, reason in re.findall(r"^check (\w+) (ok|failed) ([\d.]+) ?(.*)$", output, re.M):
        if name not in found or word == "failed":
            found[name] = Answer(word, float(seconds), reason)
    return found
