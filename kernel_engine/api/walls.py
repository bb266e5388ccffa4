"""/kernel-engine/without/{wall}: a container with one wall left out, beside the same one with all of them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from kernel_engine.api.call import Call, answer
from kernel_engine.api.wire.create import read_create
from kernel_engine.api.wire.trace import step_json
from kernel_engine.containers.restriction import refused
from kernel_engine.walls.look import Seen
from kernel_engine.walls.run import Run
from kernel_engine.walls.walls import LONGEST


async def without(call: Call) -> web.StreamResponse:
    """The body is that of POST /containers/create. Answers when both have ended, `seconds` (10) after their
    start at the latest; a client that leaves ends both."""
    if call.engine.restriction is not None:
        raise refused("leaving a wall out")
    options = read_create(await call.json())
    seconds = call.number("seconds")
    found = await call.engine.walls.compare(call.id, options, seconds=LONGEST if seconds is None else seconds)
    return answer(
        {
            "Wall": found.wall,
            "Image": found.image,
            "Command": list(found.command),
            "All": _run_json(found.all),
            "Without": _run_json(found.without),
            "Left": list(found.left),
        }
    )


def _run_json(run: Run) -> dict[str, Any]:
    """`Inside`: what its process saw before the program began; `Beside`: its launcher outside; `Host`: the machine."""
    return {
        "Output": run.output,
        "OutputCut": run.cut,
        "ExitCode": run.exit_code,
        "TimedOut": run.timed_out,
        "Error": run.error,
        "HostUser": run.host_user,
        "Inside": _seen_json(run.inside),
        "Beside": _seen_json(run.beside),
        "Host": _seen_json(run.host),
        "Steps": [step_json(step) for step in run.trace],
    }


def _seen_json(seen: Seen | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "Pid": seen.pid,
        "User": seen.user,
        "HostName": seen.host_name,
        "Processes": list(seen.processes),
        "ProcessCount": seen.process_count,
        "Interfaces": list(seen.interfaces),
        "Queues": list(seen.queues),
        "Root": list(seen.root),
        "MountCount": seen.mount_count,
        "Cgroup": seen.cgroup,
        "MemoryLimit": seen.memory_limit,
        "Capabilities": f"{seen.capabilities:016x}",
        "Seccomp": seen.seccomp,
        "UserMap": seen.user_map,
        "Namespaces": seen.namespaces,
        "Calls": seen.calls,
    }
