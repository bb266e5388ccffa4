"""Kernel calls as the API tells of them. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.syscalls.trace import Step


def step_json(step: Step) -> dict[str, Any]:
    """One kernel call. Times in nanoseconds; `Started` is CLOCK_MONOTONIC."""
    return {
        "Process": step.process,
        "Name": step.name,
        "Arguments": step.arguments,
        "Result": step.result,
        "Ok": step.ok,
        "Started": step.started,
        "Duration": step.duration,
        "Pid": step.pid,
        "Source": step.source,
    }
