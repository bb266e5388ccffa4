"""`post_start` and `pre_stop`: commands of a service in its running container, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernel_engine.cli.failures import Failed
from kernel_engine.client import Client
from kernel_engine.compose.model import Hook, Service


def run_hooks(client: Client, container: str, service: Service, hooks: Sequence[Hook]) -> None:
    """Failed, in compose's words, when one ends with another code than 0; its output is shown nowhere."""
    for hook in hooks:
        created = client.post(f"/containers/{container}/exec", body=_body(hook)).json()["Id"]
        stream = client.hijack(f"/exec/{created}/start", body={"Detach": False, "Tty": False})
        try:
            while stream.socket.recv(65536):
                pass
        finally:
            stream.close()
        code = client.get(f"/exec/{created}/json").json()["ExitCode"]
        if code:
            raise Failed(f"{service.name} hook exited with status {code}")


def _body(hook: Hook) -> dict[str, Any]:
    return {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": list(hook.command),
        "Env": [name if value is None else f"{name}={value}" for name, value in hook.environment.items()],
        "Privileged": hook.privileged,
        "User": hook.user,
        "WorkingDir": hook.working_dir,
    }
