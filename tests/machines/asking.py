"""A machine with this Python's packages and a copy of the project in it, booted once, and what it answered.

What a machine is made of and how it boots is `machine`; the answers are lines of `inside_cgroup_v2.Reporter`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.machines import machine
from tests.machines.machine import HERE, Processor
from tests.machines.test_systemd import Answer, answers_in, copy_project

ENVIRONMENT = "/opt/tests"


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
    failed = {name: one.reason.replace(" | ", "\n") for name, one in answers.items() if one.word != "ok"}
    assert failed == {}, "\n\n".join(f"{name}:\n{reason}" for name, reason in failed.items())
