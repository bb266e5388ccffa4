"""exec: create and start bodies in, the inspect object out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.api.wire.fields import Fields
from kernel_engine.containers.options import ExecOptions
from kernel_engine.containers.record import Exec


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    detach: bool
    tty: bool
    console_size: tuple[int, int]


def read_exec(body: Mapping[str, Any]) -> ExecOptions:
    fields = Fields(body)
    return ExecOptions(
        command=fields.words("Cmd"),
        environment=fields.words("Env"),
        working_dir=fields.text("WorkingDir"),
        user=fields.text("User"),
        tty=fields.flag("Tty"),
        privileged=fields.flag("Privileged"),
        attach_stdin=fields.flag("AttachStdin"),
        attach_stdout=fields.flag("AttachStdout"),
        attach_stderr=fields.flag("AttachStderr"),
        detach_keys=fields.text("DetachKeys"),
        console_size=fields.pair("ConsoleSize"),
    )


def read_start(body: Mapping[str, Any]) -> StartRequest:
    fields = Fields(body)
    return StartRequest(detach=fields.flag("Detach"), tty=fields.flag("Tty"), console_size=fields.pair("ConsoleSize"))


def exec_json(item: Exec) -> dict[str, Any]:
    options = item.options
    command = options.command or ("",)
    return {
        "ID": item.id,
        "Running": item.running,
        "ExitCode": item.exit_code,
        "ProcessConfig": {
            "tty": options.tty,
            "entrypoint": command[0],
            "arguments": list(command[1:]),
            "privileged": options.privileged,
            "user": options.user,
        },
        "OpenStdin": options.attach_stdin,
        "OpenStderr": options.attach_stderr,
        "OpenStdout": options.attach_stdout,
        "CanRemove": item.can_remove,
        "ContainerID": item.container_id,
        "DetachKeys": options.detach_keys,
        "Pid": item.pid,
    }
