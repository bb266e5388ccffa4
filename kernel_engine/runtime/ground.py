"""On what a launcher makes its containers. The engine's own knows only PLAIN: every wall, as the spec has them.

A launcher is told once, by whoever starts it, and by nothing that ever comes over its connection. The sandbox of
`walls/` starts one that leaves a wall out, in a user namespace of its own; there is no option, variable or message
for it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kernel_engine.runtime import capabilities, plan
from kernel_engine.runtime.spec import DeviceRule, Resources, Spec

Wall = Literal["pid", "mount", "uts", "ipc", "net", "cgroup", "user", "seccomp", "capabilities", "pivot_root"]
_NAMESPACES = ("pid", "mount", "uts", "ipc", "net", "cgroup")
_PING = "net.ipv4.ping_group_range"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    without: Wall | None = None  #: what its containers lack; "user" changes nothing here: the sandbox itself is one
    in_user_namespace: bool = False  #: the launcher is root only there: devices are nodes of the machine, bound
    #: in_user_namespace: the namespaces of the launcher's own that it is not root of
    foreign: frozenset[str] = frozenset({"pid", "net"})
    groups: int = 65_536  #: in_user_namespace: how many there are, from 0 on
    look: Callable[[], None] | None = None  #: done by each first process when all its walls stand, before execve(2)
    kept: tuple[int, ...] = ()  #: descriptors that `look` needs

    @property
    def pivots(self) -> bool:
        return self.without != "pivot_root"

    def spec(self, spec: Spec) -> Spec:
        """What is carried out of what was asked for."""
        found = _without(spec, self.without)
        return _mapped(found, self.groups) if self.in_user_namespace else found

    def device_rules(self, spec: Spec) -> Sequence[DeviceRule]:
        """() = none of its own: the kernel lets nobody but the machine's root write them."""
        return () if self.in_user_namespace else plan.device_rules(spec)


PLAIN = Ground()


def _without(spec: Spec, wall: Wall | None) -> Spec:
    if wall in _NAMESPACES:
        spec = replace(spec, namespaces=tuple(name for name in spec.namespaces if name != wall))
    if wall == "net":
        return replace(spec, sysctls=tuple(item for item in spec.sysctls if not item[0].startswith("net.")))
    if wall == "cgroup":
        return replace(spec, resources=Resources())
    if wall == "seccomp":
        return replace(spec, process=replace(spec.process, seccomp=""))
    if wall == "capabilities":
        return replace(spec, process=replace(spec.process, capabilities=(capabilities.ALL,)))
    return spec


def _mapped(spec: Spec, groups: int) -> Spec:
    """The kernel takes no groups in this setting that the namespace has not."""
    those = f"0 {groups - 1}"
    sysctls = tuple((name, those if name == _PING else value) for name, value in spec.sysctls)
    return replace(spec, sysctls=sysctls)
