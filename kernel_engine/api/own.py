"""/kernel-engine/…: what this engine tells beyond Docker's API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from kernel_engine import __version__
from kernel_engine.api.call import Call, answer
from kernel_engine.api.operations import Operation
from kernel_engine.api.wire import image as wire
from kernel_engine.api.wire.trace import step_json
from kernel_engine.api.wire.xray import origin_json, xray_json
from kernel_engine.errors import InvalidRequest

_LONGEST_WAIT = 600.0


async def info(call: Call) -> web.StreamResponse:
    """Clients ask this to be sure that the server is this engine."""
    instance = call.engine.instance
    return answer(
        {
            "Instance": instance.id,
            "Version": __version__,
            "Root": str(instance.root),
            "Run": str(instance.run),
            "Restricted": call.engine.restriction is not None,
        }
    )


async def layers(call: Call) -> web.StreamResponse:
    """The rows of `docker history`, newest first, each with the layer that it made."""
    return answer([wire.layer_row_json(row) for row in call.engine.images.history(call.name)])


async def layer_files(call: Call) -> web.StreamResponse:
    """What a layer adds, changes and deletes, in the form of GET /containers/{id}/changes."""
    found = await call.engine.images.layer_changes(call.name, call.id)
    return answer([{"Path": item.path, "Kind": item.kind} for item in found])


async def trace(call: Call) -> web.StreamResponse:
    """Times in nanoseconds; `Started` is CLOCK_MONOTONIC. `of`: start (as given, too) or end."""
    part = call.text("of", "start")
    if part not in ("start", "end"):
        raise InvalidRequest("of: start or end")
    steps = call.engine.containers.trace(call.id, end=part == "end")
    return answer({"Id": call.id, "Steps": [step_json(step) for step in steps]})


async def operations(call: Call) -> web.StreamResponse:
    """The last requests that asked anything of the kernel, the newest first."""
    return answer([_operation_json(operation) for operation in reversed(call.operations.all())])


async def operation_trace(call: Call) -> web.StreamResponse:
    operation = call.operations.get(call.id)
    return answer({**_operation_json(operation), "Steps": [step_json(step) for step in operation.steps]})


def _operation_json(operation: Operation) -> dict[str, Any]:
    return {
        "Id": operation.id,
        "Method": operation.method,
        "Path": operation.path,
        "Started": operation.started,
        "Seconds": operation.seconds,
        "Calls": len(operation.steps),
    }


async def kernel(call: Call) -> web.StreamResponse:
    """A running container from both sides: what /proc and /sys say of it at this moment."""
    return answer(xray_json(await call.engine.containers.xray(call.id)))


async def files(call: Call) -> web.StreamResponse:
    """Which layer each name in a directory of a container comes from."""
    found = await call.engine.containers.origins(call.id, call.text("path", "/"))
    return answer([origin_json(item) for item in found])


async def listening(call: Call) -> web.StreamResponse:
    """On which ports a container waits for others, and whether it runs at all."""
    item = call.engine.containers.get(call.id)
    return answer(
        {
            "Id": item.id,
            "State": item.state.status,
            "ExitCode": item.state.exit_code,
            "Listening": [
                {"Port": found.port, "Protocol": found.protocol, "Address": found.address}
                for found in call.engine.containers.listeners(item.id)
            ],
        }
    )


async def terminal(call: Call) -> web.StreamResponse:
    """Answers when the program in the terminal's foreground waits for input, has ended, or the time is up."""
    timeout = call.moment("timeout")
    if timeout is None:
        timeout = 10.0
    if not 0 <= timeout <= _LONGEST_WAIT:
        raise InvalidRequest(f"timeout: 0 to {_LONGEST_WAIT:.0f} seconds")
    found = await call.engine.containers.terminal_waiting(
        call.id, timeout=timeout, mark=call.text("mark") or None, exec_id=call.text("exec")
    )
    return answer({"Waiting": found.waiting, "Running": found.running, "Mark": found.mark})
