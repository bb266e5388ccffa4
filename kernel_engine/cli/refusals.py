"""What `docker run` refuses before it asks the engine, in its own words. Pure."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.cli.grammar import Parsed

#: kernel settings that belong to a namespace; beside them net.* and fs.mqueue.*
SYSCTLS = frozenset(
    f"kernel.{name}" for name in "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split()
)
MODES = (
    ("pid", "PID", ("host",)),
    ("uts", "UTS", ("host",)),
    ("userns", "USER", ("host",)),
    ("cgroupns", "CGROUP", ("host", "private")),
)


def check_host_options(words: Parsed) -> None:
    """Failed or Misused for the first option that does not fit."""
    check_extra_hosts(words["add-host"])
    for item in words["dns"]:
        if not is_address(item):
            raise Misused(f'invalid argument "{item}" for "--dns" flag: IP address is not correctly formatted: {item}')
    for item in words["sysctl"]:
        name, equals, _ = item.partition("=")
        if not equals or not (name in SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
            raise Misused(f'invalid argument "{item}" for "--sysctl" flag: sysctl \'{item}\' is not allowed')
    for option, kind, modes in MODES:
        value = words[option]
        if value and value not in modes and not (option == "pid" and value.startswith("container:")):
            raise Failed(f"--{option}: invalid {kind} mode", 125)


def check_extra_hosts(given: list[str]) -> None:
    for item in given:
        name, _, address = item.partition("=" if "=" in item else ":")
        if not name or not address:
            raise Misused(f'invalid argument "{item}" for "--add-host" flag: bad format for add-host: "{item}"')


def is_address(text: str) -> bool:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text.strip())
        except OSError:
            continue
        return True
    return False
