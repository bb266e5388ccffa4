"""Control groups of one instance and its containers, v1 and v2: made, limited, entered, frozen and removed.

`tree` knows where they lie, `settings` what is to be written (pure), `making`, `entering`, `freezer` and `ending` write
it. What a group has used is `runtime.usage`; what an ordinary user was given of the tree is `runtime.delegation`.
"""

from kernel_engine.runtime.cgroups.ending import kill, oom_kills, processes, remove, remove_instance
from kernel_engine.runtime.cgroups.entering import enter, join, open_directory
from kernel_engine.runtime.cgroups.freezer import freeze, is_frozen, thaw
from kernel_engine.runtime.cgroups.making import create, limit_instance, prepare_instance, update
from kernel_engine.runtime.cgroups.settings import (
    NO_LIMITS,
    Limits,
    Setting,
    device_lines,
    plan_limits_v1,
    plan_limits_v2,
    plan_v1,
    plan_v2,
    weight,
)
from kernel_engine.runtime.cgroups.tree import (
    LIMITED,
    ROOT,
    controllers,
    directories,
    directories_of,
    doors,
    groups_v1,
    hierarchies,
    is_unified,
    mode,
    stand_below,
    unified_place,
)

__all__ = [
    "LIMITED",
    "NO_LIMITS",
    "ROOT",
    "Limits",
    "Setting",
    "controllers",
    "create",
    "device_lines",
    "directories",
    "directories_of",
    "doors",
    "enter",
    "freeze",
    "groups_v1",
    "hierarchies",
    "is_frozen",
    "is_unified",
    "join",
    "kill",
    "limit_instance",
    "mode",
    "oom_kills",
    "open_directory",
    "plan_limits_v1",
    "plan_limits_v2",
    "plan_v1",
    "plan_v2",
    "prepare_instance",
    "processes",
    "remove",
    "remove_instance",
    "stand_below",
    "thaw",
    "unified_place",
    "update",
    "weight",
]
