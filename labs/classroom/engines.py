"""Each learner's engine: restricted, limited, in the learner's network, behind a socket that is the learner's alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from kernel_engine.client import Client, EngineUnreachable
from labs.classroom.accounts import workspace
from labs.classroom.learners import RUN, STATE, Learner

_PROGRAM = (sys.executable, "-I", "-m", "kernel_engine.daemon")
_PATIENCE = 60.0
#: seconds before an engine that has ended is started again
_PAUSE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one learner: of all containers together, and of JupyterLab by itself."""

    memory: str = "2g"
    cpus: float = 2.0
    processes: int = 512
    containers: int = 50


def socket_of(learner: Learner) -> str:
    return f"unix://{learner.run}/engine.sock"


def command(learner: Learner, folder: str, mirrors: Sequence[str], dns: Sequence[str], limits: Limits) -> list[str]:
    """The whole command line, through nsenter(1) into the learner's network."""
    words = [
        "nsenter", f"--net=/run/netns/{learner.namespace}", *_PROGRAM, "serve", "--root", str(learner.root),
        "--run", str(learner.run), "--group", learner.name, "--restrict", "--own-network", "--restrict-binds", folder,
        "--limit-memory", limits.memory, "--limit-cpus", str(limits.cpus), "--limit-pids", str(limits.processes),
        "--limit-containers", str(limits.containers),
    ]  # fmt: skip
    for mirror in mirrors:
        words += ["--registry-mirror", mirror]
    for address in dns:
        words += ["--dns", address]
    return words


class Engines:
    """Those that were asked for; each is started again when it ends, until `stop`."""

    def __init__(self, mirrors: Sequence[str], dns: Sequence[str], limits: Limits) -> None:
        self._mirrors, self._dns, self._limits = mirrors, dns, limits
        self._kept: dict[str, asyncio.Task[None]] = {}

    async def need(self, learner: Learner) -> None:
        """Returns when it answers. TimeoutError when it does not."""
        if learner.name not in self._kept:
            self._kept[learner.name] = asyncio.create_task(self._keep(learner))
        async with asyncio.timeout(_PATIENCE):
            while not await asyncio.to_thread(answers, learner):
                await asyncio.sleep(0.1)

    async def _keep(self, learner: Learner) -> None:
        folder = str(workspace(learner))
        words = command(learner, folder, self._mirrors, self._dns, self._limits)
        for place in (STATE / "engines", RUN):
            place.mkdir(mode=0o711, parents=True, exist_ok=True)
        log = STATE / "engines" / f"{learner.name}.log"
        while True:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=output, stderr=output)
            try:
                await process.wait()
            except asyncio.CancelledError:
                await _end(process)
                raise
            await asyncio.sleep(_PAUSE)

    async def stop(self) -> None:
        for task in self._kept.values():
            task.cancel()
        await asyncio.gather(*self._kept.values(), return_exceptions=True)
        self._kept.clear()


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()


def answers(learner: Learner) -> bool:
    try:
        Client(socket_of(learner)).get("/_ping").close()
    except EngineUnreachable:
        return False
    return True


def clean_up(learner: Learner) -> None:
    """Ends the containers of an engine that is no more; images and records stay for the next lesson."""
    if learner.root.exists():
        words = ("cleanup", "--root", str(learner.root), "--run", str(learner.run))
        subprocess.run((*_PROGRAM, *words), check=True, capture_output=True)
