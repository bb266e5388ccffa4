"""Which walls there are, and what a container may ask for that is to be seen without one. Pure."""

from __future__ import annotations

from typing import get_args

from kernel_engine.containers.options import ContainerOptions
from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime import capabilities
from kernel_engine.runtime.ground import Wall

WALLS: tuple[Wall, ...] = get_args(Wall)
_PROBED: dict[Wall, tuple[str, ...]] = {
    "seccomp": ("unshare(CLONE_NEWUSER)", "keyctl(KEYCTL_GET_KEYRING_ID)"),
    "capabilities": ("netlink RTM_NEWLINK(bridge)", "unshare(CLONE_NEWUSER)"),
}
_NETWORKS = {"default", "bridge", "none"}


def check(wall: str, options: ContainerOptions) -> Wall:
    """InvalidRequest, one sentence, for what cannot be shown."""
    if wall not in WALLS:
        raise InvalidRequest(f'unknown wall "{wall}": one of {", ".join(WALLS)}')
    if not options.image:
        raise InvalidRequest("no image specified")
    refused = next((name for name, given in _beyond(options) if given), "")
    if wall == "user" and set(capabilities.normalize(options.host.cap_add, "CapAdd")) - set(capabilities.DEFAULT):
        refused = "more rights (--cap-add), when its root is this machine's"
    if refused:
        raise InvalidRequest(f"a container that is to be seen without a wall cannot have {refused}")
    return wall


def tried(wall: Wall) -> tuple[str, ...]:
    """Kernel calls that show what the wall does, to be tried by the container's own process."""
    return _PROBED.get(wall, ())


def _beyond(options: ContainerOptions) -> tuple[tuple[str, bool], ...]:
    """What reaches out of the container, or takes walls away by itself."""
    host = options.host
    raw = host.raw
    shared = (host.pid_mode, host.uts_mode, host.cgroupns_mode.replace("private", ""))
    ipc = host.ipc_mode not in ("", "private", "shareable", "none")
    return (
        ("a terminal (-t)", options.tty),
        ("an input (-i)", options.open_stdin),
        ("--privileged", host.privileged),
        ("volumes (-v, --mount)", bool(host.binds or host.mounts or host.volumes_from or options.volumes)),
        ("devices (--device)", bool(raw.get("Devices"))),
        ("published ports (-p)", bool(host.port_bindings) or host.publish_all),
        ("another network (--network)", not {host.network_mode, *options.networks} <= _NETWORKS),
        ("links (--link)", bool(host.links)),
        ("another's or the host's namespaces (--pid, --ipc, --uts, --cgroupns)", any(shared) or ipc),
        ("walls of its own choice (--security-opt)", any("unconfined" in word for word in host.security_opt)),
    )
