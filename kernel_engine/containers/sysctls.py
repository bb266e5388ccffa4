"""Settings of the kernel that are a container's own: which may be asked for, and who writes them. Pure.

A setting is a container's own where the namespace that it belongs to is (runc's rules and texts): any other one would
be the machine's. Those of one interface wait for the interface and are written by `network`, the others by `runtime`.
"""

from __future__ import annotations

from collections.abc import Mapping

from kernel_engine.containers.options import HostOptions
from kernel_engine.errors import EngineError, InvalidRequest
from kernel_engine.runtime.defaults import DEFAULT_SYSCTLS, IPV6_OFF, PING_GROUPS
from kernel_engine.runtime.spec import Ids

ENDPOINT = "com.docker.network.endpoint.sysctls"
_OF_IPC = frozenset(
    f"kernel.{name}" for name in "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split()
)
_INTERFACE = ("IFNAME", "ifname")  #: the command line writes small letters


def settled(
    host: HostOptions, ids: Ids | None, own: frozenset[str], *, new: frozenset[str], ipv6: bool
) -> tuple[tuple[str, str], ...]:
    """What is written before the container has interfaces. Raises EngineError for what is not its own.

    own: the namespaces that are not the machine's; new: those that no other container has.
    Docker's defaults belong to a network namespace: one that is somebody else's keeps theirs.
    """
    for name in host.sysctls:
        _check(name, own)
    defaults = dict((*DEFAULT_SYSCTLS, *((IPV6_OFF,) if ipv6 else ()))) if "net" in new else {}
    if defaults and ids is not None:
        defaults[PING_GROUPS] = f"0 {ids.groups[0].count - 1}"  # a group that is not in the user namespace is refused
    others = {name: value for name, value in host.sysctls.items() if not interface_of(name)}
    return tuple({**defaults, **others}.items())


def interface_of(name: str) -> str:
    """ "eth0" of "net.ipv4.conf.eth0.rp_filter": a setting that waits for its interface; "" for all others."""
    words = name.split(".")
    special = len(words) > 4 and words[0] == "net" and words[2] in ("conf", "neigh")
    return words[3] if special and words[3] not in ("all", "default", "lo") else ""


def of_interface(sysctls: Mapping[str, str], driver_options: Mapping[str, str], interface: str) -> dict[str, str]:
    """What is written when the interface is there. `driver_options`: of the endpoint, which `check_endpoint` knows."""
    found = {name: value for name, value in sysctls.items() if interface_of(name) == interface}
    for pair in filter(None, driver_options.get(ENDPOINT, "").split(",")):
        name, _, value = pair.partition("=")
        words = name.split(".", 4)
        found[".".join((*words[:3], interface, *words[4:]))] = value
    return found


def check_endpoint(driver_options: Mapping[str, str]) -> None:
    """InvalidRequest with Docker's text for what is no setting of an interface."""
    for pair in filter(None, driver_options.get(ENDPOINT, "").split(",")):
        words = pair.partition("=")[0].split(".", 4)
        good = len(words) == 5 and words[0] == "net" and words[1] in ("ipv4", "ipv6", "mpls") and words[3] in _INTERFACE
        if not good or "/" in pair.partition("=")[0]:
            raise InvalidRequest(
                f"invalid endpoint settings:\nunrecognised network interface sysctl '{pair}'; represent "
                "'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
            )


def _check(name: str, own: frozenset[str]) -> None:
    dotted = name if "/" not in name.partition(".")[0] else name.replace("/", ".")
    if dotted in _OF_IPC or dotted.startswith("fs.mqueue."):
        refused = "" if "ipc" in own else f'"{name}" is not allowed in the hosts ipc namespace'
    elif dotted.startswith("net."):
        refused = "" if "net" in own else f'"{name}" not allowed in host network namespace'
    elif dotted == "kernel.hostname" and "uts" in own:
        refused = f'"{name}" is not allowed as it conflicts with the OCI "hostname" field'
    elif dotted == "kernel.domainname" and "uts" in own:
        refused = ""
    else:
        refused = f'"{name}" is not in a separate kernel namespace'
    if refused:
        text = f"failed to create shim task: OCI runtime create failed: runc create failed: sysctl {refused}: unknown"
        raise EngineError(text)
