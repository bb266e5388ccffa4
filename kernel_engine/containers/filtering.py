"""The system call filter of a container and of what is run in it later."""

from __future__ import annotations

import asyncio

from kernel_engine.containers.house import House
from kernel_engine.containers.options import HostOptions
from kernel_engine.containers.spec import parse_security_options
from kernel_engine.runtime import capabilities, seccomp


async def seccomp_program(house: House, host: HostOptions, *, privileged: bool = False) -> str:
    """The path of the compiled filter, "" where there is to be none. Compiled once, then read from its file."""
    security = parse_security_options(host.security_opt)
    if host.privileged or privileged or security.seccomp == "unconfined":
        return ""
    held = capabilities.resolve(host.cap_add, host.cap_drop, False)
    profile = seccomp.default_text() if security.seccomp == "default" else security.seccomp
    path = seccomp.place(profile, held, house.instance.run / "seccomp")
    if not path.exists():
        await asyncio.to_thread(seccomp.compile_profile, profile, held, path)
    return str(path)
