"""Checks of lab engine/06: a machine alone, two machines on a bridge, the way out. Each network is asked in itself."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, missing, no_program, no_room
from labs.wall.view import Process, Room

#: runs inside a process's network namespace, and says what is there
ASKS = """
import json
from kernel_engine.syscalls.netlink import Netlink
with Netlink() as net:
    print(json.dumps({
        "links": [[each.index, each.name, each.kind, each.up, each.master] for each in net.links()],
        "addresses": [[each.index, str(each.interface)] for each in net.addresses()],
        "routes": [[str(each.destination), str(each.gateway)] for each in net.routes()],
    }))
"""
DEFAULT = "0.0.0.0/0"


class Link(NamedTuple):
    number: int
    name: str
    kind: str
    up: bool
    master: int


class Network(NamedTuple):
    """What the kernel says of one network namespace. `addresses`: "10.1.0.2/24" → its device's index."""

    links: tuple[Link, ...]
    addresses: dict[str, int]
    routes: dict[str, str]

    def link(self, index: int) -> Link | None:
        return next((each for each in self.links if each.number == index), None)


def _network(found: Process) -> Network:
    said = found.run(("net",), sys.executable, "-c", ASKS)
    told: dict[str, Any] = json.loads(said) if said else {"links": [], "addresses": [], "routes": []}
    return Network(
        links=tuple(
            Link(number=index, name=name, kind=kind, up=up, master=master)
            for index, name, kind, up, master in told["links"]
        ),
        addresses={address: index for index, address in told["addresses"]},
        routes=dict(told["routes"]),
    )


def _networks(room: Room) -> tuple[Network, ...]:
    """Those of the worker's children that are not the worker's own, each once."""
    found = {each.namespace("net"): each for each in room.children()}
    own = room.worker.namespace("net")
    return tuple(_network(each) for name, each in found.items() if name not in ("", own))


def _holder(networks: tuple[Network, ...], address: str) -> Network | None:
    return next((each for each in networks if address in each.addresses), None)


def _is_shared(room: Room) -> bool:
    """The worker is still in the network in which it began."""
    return room.worker.namespace("net") == room.first.namespace("net")


def _not_yet(expected: str, found: str, read_from: str, hints: tuple[str, ...]) -> NotYet:
    return NotYet(expected=expected, found=found, read_from=read_from, hints=hints)


# engine/06-1 --------------------------------------------------------------------------------------------------------
ALONE = (
    "네트워크는 자식 쪽에서 새로 만들고, lo는 sleep으로 바뀌기 전에 켜세요.",
    "자식이 unshare(CLONE_NEWNET)를 하고, Netlink()의 set_link로 lo를 켠 다음, execve로 sleep이 되세요.",
    "process.unshare(CloneFlag.CLONE_NEWNET)\nwith Netlink() as net:\n    net.set_link(1, up=True)\n"
    'process.execve("/bin/sleep", ["sleep", "1000"], {})',
)


def alone(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(ALONE)
    found = next(iter(room.running("sleep", "1000")), None)
    if found is None:
        return no_program("sleep 1000", ALONE)
    if found.namespace("net") in (room.worker.namespace("net"), room.first.namespace("net")):
        return _not_yet("자기 네트워크 네임스페이스", "다른 프로세스와 같은 네트워크예요.", "/proc/PID/ns/net", ALONE)
    network = _network(found)
    others = [each.name for each in network.links if each.kind]
    if others:
        return _not_yet("lo뿐인 네트워크", f"다른 장치: {', '.join(others)}", "netlink RTM_GETLINK", ALONE)
    if not any(each.name == "lo" and each.up for each in network.links):
        return _not_yet("켜진 lo", "lo가 꺼져 있어요.", "netlink RTM_GETLINK", ALONE)
    return Passed("`sleep 1000`은 lo만 켜진 자기 네트워크에 있어요.")


# engine/06-2 --------------------------------------------------------------------------------------------------------
OFFICE = (
    "3장의 순서와 같아요. 다리, 케이블 두 줄, 그다음에 안쪽의 주소예요.",
    "add_veth의 master에 다리의 번호를 주고 up=True로 켜세요. 안쪽의 eth0은 주소를 준 다음 set_link로 켜세요.",
    'net.add_bridge("office", up=True)\nnet.add_veth("desk1", "eth0", peer_pid=one, master=net.link("office").index, '
    'up=True)\nconfigure(one, "10.1.0.2/24", "10.1.0.1")',
)


def office(engine: EngineView) -> Result:
    room = engine.room()
    if room is None or _is_shared(room):
        return missing("작업 프로세스의 자기 네트워크", "/proc/PID/ns/net", OFFICE)
    host = _network(room.worker)
    bridge = next((each for each in host.links if (each.name, each.kind) == ("office", "bridge")), None)
    if bridge is None:
        return missing("이름이 `office`인 다리", "netlink RTM_GETLINK", OFFICE)
    if not bridge.up:
        return _not_yet("켜진 다리", "다리가 꺼져 있어요.", "netlink RTM_GETLINK", OFFICE)
    ports = [each for each in host.links if each.master == bridge.number and each.kind == "veth" and each.up]
    if len(ports) < 2:
        return _not_yet("다리에 꽂혀 켜진 케이블 2줄", f"{len(ports)}줄", "netlink RTM_GETLINK의 IFLA_MASTER", OFFICE)
    machines = _networks(room)
    for address in ("10.1.0.2/24", "10.1.0.3/24"):
        machine = _holder(machines, address)
        if machine is None:
            return _not_yet(f"주소가 {address}인 컴퓨터", "그런 컴퓨터가 없어요.", "netlink RTM_GETADDR", OFFICE)
        device = machine.link(machine.addresses[address])
        if device is None or device.kind != "veth" or not device.up:
            return _not_yet(f"{address}인 장치가 켜진 veth", "아니에요.", "netlink RTM_GETLINK", OFFICE)
    if _holder(machines, "10.1.0.2/24") is _holder(machines, "10.1.0.3/24"):
        return _not_yet("두 컴퓨터", "주소 두 개가 한 컴퓨터에 있어요.", "/proc/PID/ns/net", OFFICE)
    return Passed("컴퓨터 두 대가 다리 `office`에 꽂혀 있고 주소를 가졌어요.")


# engine/06-3 --------------------------------------------------------------------------------------------------------
WAY_OUT = (
    "셋이 필요해요. 컴퓨터의 나가는 문, 호스트의 전달, 호스트의 바꿔 적기예요.",
    "문은 add_route(gateway=…), 전달은 /proc/sys/net/ipv4/ip_forward, 바꿔 적기는 postrouting 고리의 masquerade예요.",
    "table ip out {\n    chain out {\n        type nat hook postrouting priority srcnat;\n"
    "        ip saddr 10.2.0.0/24 masquerade\n    }\n}",
)
#: where a Linux keeps nft: an ordinary user's PATH may lack it
PATHS = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


def way_out(engine: EngineView) -> Result:
    room = engine.room()
    if room is None or _is_shared(room):
        return missing("작업 프로세스의 자기 네트워크", "/proc/PID/ns/net", WAY_OUT)
    machine = _holder(_networks(room), "10.2.0.2/24")
    if machine is None:
        return missing("주소가 10.2.0.2/24인 컴퓨터", "netlink RTM_GETADDR", WAY_OUT)
    gateway = machine.routes.get(DEFAULT, "")
    if gateway != "10.2.0.1":
        said = f"나가는 문: {gateway}" if gateway else "나가는 문이 없어요."
        return _not_yet("나가는 문: 10.2.0.1", said, "netlink RTM_GETROUTE", WAY_OUT)
    if "10.2.0.1/24" not in _network(room.worker).addresses:
        return missing("주소가 10.2.0.1/24인 호스트의 장치", "netlink RTM_GETADDR", WAY_OUT)
    if room.worker.run(("net",), "cat", "/proc/sys/net/ipv4/ip_forward").strip() != "1":
        return _not_yet("전달(ip_forward): 1", "0", "/proc/sys/net/ipv4/ip_forward", WAY_OUT)
    if not _masquerades(room.worker, "10.2.0.0"):
        return missing("10.2.0.0/24를 바꿔 적는 규칙(masquerade)", "nft list ruleset", WAY_OUT)
    return Passed("10.2.0.2의 짐은 호스트가 받아서 제 이름으로 내보내요.")


def _masquerades(found: Process, network: str) -> bool:
    """A rule about the network that masquerades, in a chain at the hook postrouting."""
    said = found.run(("net",), "env", PATHS, "nft", "-j", "list", "ruleset")
    items = json.loads(said)["nftables"] if said else []
    chains = {
        (each["chain"]["table"], each["chain"]["name"])
        for each in items
        if each.get("chain", {}).get("hook") == "postrouting"
    }
    rules = [each["rule"] for each in items if "rule" in each]
    return any(
        (rule["table"], rule["chain"]) in chains
        and any("masquerade" in step for step in rule["expr"])
        and network in json.dumps(rule["expr"])
        for rule in rules
    )


# solutions ----------------------------------------------------------------------------------------------------------
TOOLS = """import os, signal, subprocess, time
from kernel_engine.syscalls import process
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import CloneFlag

def machine():
    pid, _ = process.clone3(CloneFlag.CLONE_NEWNET)
    if pid == 0:
        while True:
            signal.pause()
    return pid

def enter(namespace):
    process.setns(namespace, CloneFlag.CLONE_NEWNET)
    os.close(namespace)

def configure(pid, address, gateway=""):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    enter(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY))
    with Netlink() as net:
        eth0 = net.link("eth0").index
        net.add_address(eth0, address)
        net.set_link(eth0, up=True)
        if gateway:
            net.add_route(gateway=gateway)
    enter(home)

"""
SLEEPER = """
pid = os.fork()
if pid == 0:
    process.unshare(CloneFlag.CLONE_NEWNET)
    with Netlink() as net:
        net.set_link(1, up=True)
    process.execve("/bin/sleep", ["sleep", "1000"], {})
while "sleep" not in open(f"/proc/{pid}/cmdline").read():
    time.sleep(0.01)
"""
TWO_DESKS = """
process.unshare(CloneFlag.CLONE_NEWNET)
one, two = machine(), machine()
with Netlink() as net:
    net.add_bridge("office", up=True)
    bridge = net.link("office").index
    net.add_veth("desk1", "eth0", peer_pid=one, master=bridge, up=True)
    net.add_veth("desk2", "eth0", peer_pid=two, master=bridge, up=True)
configure(one, "10.1.0.2/24")
configure(two, "10.1.0.3/24")
"""
ROUTER = """
process.unshare(CloneFlag.CLONE_NEWNET)
inner = machine()
with Netlink() as net:
    net.add_veth("inner", "eth0", peer_pid=inner, up=True)
    net.add_address(net.link("inner").index, "10.2.0.1/24")
configure(inner, "10.2.0.2/24", "10.2.0.1")
with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
    file.write("1")
rules = '''table ip out {
    chain out {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 10.2.0.0/24 masquerade
    }
}'''
environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, env=environment)
None
"""


def _cells(source: str) -> Work:
    return lambda engine: engine.wall(f"{TOOLS}{source}")


checks = {
    "engine/06-1": Exercise(
        check=alone,
        solve=_cells(SLEEPER),
        wrong={
            "lo를 켜지 않음": _cells(SLEEPER.replace("up=True", 'alias="lo"')),
            "호스트와 같은 네트워크": _cells(
                SLEEPER.replace(
                    "pid = os.fork()", "process.unshare(CloneFlag.CLONE_NEWNET)\npid = os.fork()", 1
                ).replace("    process.unshare(CloneFlag.CLONE_NEWNET)\n", "")
            ),
            "다른 장치도 있음": _cells(SLEEPER.replace("up=True)", 'up=True)\n        net.add_bridge("more")')),
            "작업실을 열지 않음": "",
        },
        room="own",
    ),
    "engine/06-2": Exercise(
        check=office,
        solve=_cells(TWO_DESKS),
        wrong={
            "다리에 꽂지 않음": _cells(TWO_DESKS.replace("master=bridge, ", "")),
            "다리의 이름이 다름": _cells(TWO_DESKS.replace('"office"', '"home"')),
            "주소가 하나": _cells(TWO_DESKS.replace("10.1.0.3/24", "10.1.0.4/24")),
        },
        room="own",
    ),
    "engine/06-3": Exercise(
        check=way_out,
        solve=_cells(ROUTER),
        wrong={
            "나가는 문이 없음": _cells(ROUTER.replace(', "10.2.0.1")', ")")),
            "전달하지 않음": _cells(ROUTER.replace('write("1")', 'write("0")')),
            "바꿔 적지 않음": _cells(ROUTER.replace(" masquerade", " accept")),
            "다른 주소": _cells(ROUTER.replace("ip saddr 10.2.0.0/24", "ip saddr 10.3.0.0/24")),
        },
        room="own",
    ),
}
