"""What a sandbox is asked for, and what it answers: frozen values that travel as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kernel_engine.runtime.ground import Wall
from kernel_engine.syscalls.trace import Step
from kernel_engine.walls.look import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One container, once. `spec` as the launcher takes it, its root file system's lower directories by their names
    below `layers`, what is bound into it as `files`, whatever lies there on the machine."""

    spec: dict[str, Any]
    layers: str
    files: dict[str, str]  #: path inside → text
    seccomp: str  #: path of the compiled filter, "" = none
    cgroup: str  #: the instance's
    name: str  #: of the sandbox: its group beneath that
    parent: int  #: pid of who asks: without it there is no sandbox
    without: Wall | None = None
    mapped: bool = True  #: root in the sandbox is nobody on this machine
    calls: tuple[str, ...] = ()
    seconds: float  #: of the container's life


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How it went. `error`: why the container did not start; without a `host` the sandbox itself did not."""

    output: str = ""  #: of stdout and stderr, in the order in which they came
    cut: bool = False  #: there was more
    exit_code: int = 0
    timed_out: bool = False
    error: str = ""
    host_user: int = 0  #: its first process's effective uid, as the machine numbers it
    inside: Seen | None = None
    beside: Seen | None = None  #: the launcher's own, outside the container, while it ran
    host: Seen | None = None  #: the machine's
    steps: tuple[tuple[Any, ...], ...] = field(default=())

    @property
    def trace(self) -> tuple[Step, ...]:
        return tuple(Step(*step) for step in self.steps)
