"""docker top: the host's own `ps`, narrowed to the container's processes."""

from __future__ import annotations

import asyncio
import re
import shlex

from kernel_engine.containers.first_turn import executed
from kernel_engine.containers.house import House
from kernel_engine.errors import EngineError, InvalidRequest
from kernel_engine.runtime.members import members

Table = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


async def top(house: House, container_id: str, pid: int, ps_args: str) -> Table:
    """pid: of its first process."""
    check_ps(ps_args)
    pids = members(house.instance.cgroup, container_id, pid)
    await executed(pids, house.launcher.pid)
    words = shlex.split(ps_args or "-ef")
    # without a selection ps(1) lists the caller's own processes: where users are remapped, none of a container's. Some
    # options it does not take beside -q: then without it, as moby does
    code, output, complaint = await _ps(*words, f"-q{','.join(map(str, pids))}")
    if code != 0:
        code, output, complaint = await _ps(*words)
    if code != 0:
        raise EngineError(f"Error running ps: {complaint.strip()}")
    return parse_ps(output, frozenset(pids))


async def _ps(*words: str) -> tuple[int | None, str, str]:
    """Its exit code, output and complaint."""
    process = await asyncio.create_subprocess_exec(
        "ps", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaint = await process.communicate()
    return process.returncode, output.decode(errors="replace"), complaint.decode(errors="replace")


def check_ps(ps_args: str) -> None:
    """A column that is only called PID would show other processes than the container's (moby, validatePSArgs)."""
    for name, title in re.findall(r"\s+(\S*)=\s*(PID\S*)", f" {ps_args}"):
        if name != "pid":
            raise InvalidRequest(f'specifying "{name}={title}" is not allowed')


def parse_ps(text: str, pids: frozenset[int]) -> Table:
    """The columns, and the rows whose PID is one of `pids`; the last column may hold blanks."""
    lines = text.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise InvalidRequest("Couldn't find PID field in ps output")
    at = titles.index("PID")
    rows = []
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) == len(titles) and fields[at].isdigit() and int(fields[at]) in pids:
            rows.append(tuple(fields))
    return titles, tuple(rows)
