"""A start that stands still, as /kernel-engine/containers/{id}/steps tells of it. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.api.wire.trace import step_json
from kernel_engine.api.wire.xray import xray_json
from kernel_engine.containers.stepping import Stop
from kernel_engine.containers.stepwise import View
from kernel_engine.syscalls.trace import Call


def stop_json(stop: Stop) -> dict[str, Any]:
    return {
        "Number": stop.number,
        "Next": [_call_json(call) for call in stop.calls],
        "Done": [step_json(step) for step in stop.done],
        "Pid": stop.pid,
    }


def view_json(view: View) -> dict[str, Any]:
    """`Kernel` as GET …/kernel; it and `Inside` are null while there is no process."""
    inside = view.stop.inside
    return {
        **stop_json(view.stop),
        "Host": {
            "Pid": view.host.pid,
            "Hostname": view.host.hostname,
            "Mounts": view.host.mounts,
            "Group": view.host.group,
        },
        "Inside": None
        if inside is None
        else {
            "Pid": inside.pid,
            "Hostname": inside.hostname,
            "User": inside.user,
            "Gid": inside.group,
            "Group": view.group,
        },
        "Kernel": None if view.seen is None else xray_json(view.seen),
    }


def _call_json(call: Call) -> dict[str, Any]:
    return {"Process": call.process, "Name": call.name, "Arguments": call.arguments, "Source": call.source}
