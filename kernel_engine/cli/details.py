"""One container's particulars: `diff`, `top`, `port`, and `commit`, which makes an image of it."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.ports import joined
from kernel_engine.cli.table import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.cli.grammar import Call

KINDS = {0: "C", 1: "A", 2: "D"}


def diff(call: Call) -> int:
    for change in call.client.get(f"/containers/{call.arguments[0]}/changes").json() or ():
        print(KINDS[change["Kind"]], change["Path"])
    return 0


def top(call: Call) -> int:
    name, *arguments = call.arguments
    found = call.client.get(f"/containers/{name}/top", query={"ps_args": " ".join(arguments) or None}).json()
    print(columns([found["Titles"], *found["Processes"]], minimum=20), end="")
    return 0


def port(call: Call) -> int:
    """All published ports, or the one that is asked for."""
    name = call.arguments[0]
    ports = call.client.get(f"/containers/{name}/json").json()["NetworkSettings"]["Ports"] or {}
    if len(call.arguments) == 1:
        lines = [f"{inside} -> {_outside(item)}" for inside, items in ports.items() for item in items or ()]
        print("".join(f"{line}\n" for line in sorted(lines, key=_natural)), end="")
        return 0
    wanted = call.arguments[1]
    number, _, protocol = wanted.partition("/")
    fault = (
        ""
        if number.isdigit() and int(number) <= 65535
        else "value out of range"
        if number.isdigit()
        else "invalid syntax"
    )
    if fault:
        raise Failed(f'Error: invalid port ({number}): strconv.ParseUint: parsing "{number}": {fault}')
    found = ports.get(f"{number}/{protocol or 'tcp'}")
    if not found:
        raise Failed(f"Error: No public port '{wanted}' published for {name}")
    for item in found:
        print(_outside(item))
    return 0


def _outside(item: dict[str, str]) -> str:
    return joined(item["HostIp"], item["HostPort"])


def _natural(line: str) -> tuple[int, str]:
    return int(line.partition("/")[0]), line


def commit(call: Call) -> int:
    """Prints the new image's id."""
    from kernel_engine.cli.pull import read_reference

    words = call.words
    container, *target = call.arguments
    query: dict[str, object] = {
        "container": container,
        "author": words["author"] or None,
        "comment": words["message"] or None,
        "changes": words["change"],
        "pause": words["pause"],
    }
    if target:
        reference = read_reference(target[0])
        if reference.digest:
            raise Failed("refusing to create a tag with a digest reference")
        query |= {"repo": reference.name, "tag": reference.tagged().tag}
    print(call.client.post("/commit", query=query, body={}).json()["Id"])
    return 0
