"""Do records and machine agree, and is nothing left over? One look at everything that an instance has.

Reads the database and the kernel by itself; of the engine's own code only the names that an instance gives to things.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine.client import Client
from kernel_engine.paths import Instance
from tests.daemon import Daemon

_GROUPS = Path("/sys/fs/cgroup")
_ID = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(
    r"engine\.sock|daemon\.lock|launcher\.(sock|lock|log)|log-writer\.(sock|lock|log)|seccomp|servers|walls"
)


def settled(daemon: Daemon, seconds: float = 30) -> list[str]:
    """The faults that stay when everything that is under way has had time to end."""
    deadline = time.monotonic() + seconds
    while (found := faults(daemon)) and time.monotonic() < deadline:
        time.sleep(0.03)
    return found


def faults(daemon: Daemon) -> list[str]:
    """A sentence for each thing that does not agree. [] = all is well."""
    found = Look(daemon).faults()
    return list(found)


def chains(diff_ids: list[str]) -> list[str]:
    """OCI image-spec, config.md, "Layer ChainID"."""
    found: list[str] = []
    for diff_id in diff_ids:
        above = f"{found[-1]} {diff_id}" if found else ""
        found.append(f"sha256:{hashlib.sha256(above.encode()).hexdigest()}" if above else diff_id)
    return found


@dataclass(slots=True)
class Rows:
    """What the database says."""

    containers: dict[str, Any]
    snapshots: dict[str, str]  #: container id → directory
    layers: dict[str, str]  #: chain id → directory
    images: dict[str, list[str]]  #: id → chain ids
    named_layers: set[str]
    blobs: dict[str, int]  #: digest → size
    volumes: dict[str, Any]
    networks: dict[str, Any]  #: users' own, by id
    gateway: str
    leases: dict[str, str]  #: address → host's end
    unsound: list[str]

    @classmethod
    def read(cls, path: Path) -> Rows:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as database:
            database.row_factory = sqlite3.Row

            def all(words: str) -> list[Any]:
                return [tuple(row) for row in database.execute(words)]

            unsound = [str(row[0]) for row in all("PRAGMA integrity_check") if row[0] != "ok"]
            unsound += [f"foreign key: {row}" for row in all("PRAGMA foreign_key_check")]
            rows = cls(
                containers={key: json.loads(text) for key, text in all("SELECT id, record FROM containers")},
                snapshots={key: str(number) for key, number in all("SELECT container_id, number FROM snapshots")},
                layers={key: str(number) for key, number in all("SELECT chain_id, number FROM layers")},
                images={
                    key: chains(json.loads(config)["rootfs"]["diff_ids"] or [])
                    for key, config in all("SELECT id, config FROM images")
                },
                named_layers={key for (key,) in all("SELECT chain_id FROM image_layers")},
                blobs=dict(all("SELECT digest, size FROM image_blobs")),
                volumes={key: json.loads(text) for key, text in all("SELECT name, record FROM volumes")},
                networks={key: json.loads(text) for key, text in all("SELECT network_id, record FROM user_networks")},
                gateway=next((row[0] for row in all("SELECT gateway FROM networks")), ""),
                leases=dict(all("SELECT address, host_interface FROM leases")),
                unsound=unsound,
            )
        database.close()
        return rows


class Look:
    """One comparison."""

    def __init__(self, daemon: Daemon) -> None:
        self.instance: Instance = daemon.instance
        self.api = Client(daemon.host, timeout=30)
        self.rows = Rows.read(self.instance.database)
        self.running = {
            key: record for key, record in self.rows.containers.items()
            if record["state"]["status"] in ("running", "paused")
        }  # fmt: skip

    def faults(self) -> Iterator[str]:
        yield from self.rows.unsound
        yield from self._containers()
        yield from self._processes()
        yield from self._groups()
        yield from self._images()
        yield from self._volumes()
        yield from self._networks()
        yield from self._rest()

    # containers -------------------------------------------------------------------------------------------------
    def _containers(self) -> Iterator[str]:
        known = set(self.rows.containers)
        listed = {item["Id"]: item["State"] for item in self.api.get("/containers/json", query={"all": "1"}).json()}
        yield from _same("containers: the API's and the database's", set(listed), known)
        for key, record in self.rows.containers.items():
            if listed.get(key, record["state"]["status"]) != record["state"]["status"]:
                yield f"container {key[:12]} is {listed[key]}, on the disk {record['state']['status']}"
            if record["state"]["status"] in ("removing", "restarting"):
                yield f"container {key[:12]} is still {record['state']['status']}"
            if record["provisional"]:
                yield f"container {key[:12]} is provisional"
        yield from _same("containers and their directories", known, _names(self.instance.containers))
        yield from _same("containers and their snapshots", known, set(self.rows.snapshots))
        directories = self.instance.root / "snapshots"
        yield from _same("snapshots on disk", set(self.rows.snapshots.values()), _names(directories))
        for number in self.rows.snapshots.values():
            if missing := {"upper", "work", "merged"} - _names(directories / number):
                yield f"snapshot {number} lacks {missing}"

    def _processes(self) -> Iterator[str]:
        for key, record in self.running.items():
            pid = record["state"]["pid"]
            try:
                inside = key in Path(f"/proc/{pid}/cgroup").read_text()
            except OSError:
                inside = False
            if not inside:
                yield f"container {key[:12]} is said to run as {pid}, and does not"
        for key, record in self.rows.containers.items():
            if key not in self.running and record["state"]["pid"]:
                yield f"container {key[:12]} does not run and has the pid {record['state']['pid']}"

    def _groups(self) -> Iterator[str]:
        found: dict[str, list[Path]] = {}
        for place in (_GROUPS, *(_GROUPS / name for name in _names(_GROUPS))):
            own = place / self.instance.cgroup
            for name in _names(own):
                if _ID.fullmatch(name):
                    found.setdefault(name, []).append(own / name)
        yield from _same("running containers and their control groups", set(self.running), set(found))
        for key, paths in found.items():
            frozen = any(_frozen(path) for path in paths)
            paused = key in self.running and self.running[key]["state"]["status"] == "paused"
            if frozen != paused:
                yield f"container {key[:12]}: frozen {frozen}, recorded as paused {paused}"

    # images -----------------------------------------------------------------------------------------------------
    def _images(self) -> Iterator[str]:
        rows = self.rows
        listed = {item["Id"] for item in self.api.get("/images/json", query={"all": "1"}).json()}
        yield from _same("images: the API's and the database's", listed, set(rows.images))
        needed = {chain for mine in rows.images.values() for chain in mine}
        for key in needed - set(rows.layers):
            yield f"layer {key} of an image is missing"
        stood_on = set(self._stood_on())
        yield from _same("layers that somebody needs", needed | stood_on, set(rows.layers))
        yield from _same("layers of the catalogue", rows.named_layers, set(rows.layers))
        on_disk = {name for name in _names(self.instance.layers) if not name.endswith(".init")}
        yield from _same("layers on disk", set(rows.layers.values()), on_disk)
        for name in _names(self.instance.layers) - on_disk:
            if name.removesuffix(".init") not in {"0", *rows.layers.values()}:
                yield f"{name} belongs to no layer"
        for digest, size in rows.blobs.items():
            path = self.instance.blobs / "sha256" / digest.partition(":")[2]
            if path.exists() and path.stat().st_size != size:
                yield f"blob {digest} has not the size that is recorded"
        for name in _names(self.instance.blobs / "partial"):
            if name.startswith("new-"):
                yield f"blobs/partial/{name} is left over"

    def _stood_on(self) -> Iterator[str]:
        """Layers that containers need, whose image may have gone."""
        with sqlite3.connect(f"file:{self.instance.database}?mode=ro", uri=True, timeout=20) as database:
            parents = dict(database.execute("SELECT chain_id, parent FROM layers"))
            tops = [row[0] for row in database.execute("SELECT chain_id FROM snapshots")]
        database.close()
        for top in tops:
            layer = top
            while layer is not None:
                yield layer
                layer = parents.get(layer)

    # volumes ----------------------------------------------------------------------------------------------------
    def _volumes(self) -> Iterator[str]:
        known = set(self.rows.volumes)
        listed = {item["Name"] for item in self.api.get("/volumes").json()["Volumes"] or ()}
        yield from _same("volumes: the API's and the database's", listed, known)
        place = self.instance.root / "volumes"
        yield from _same("volumes on disk", known, _names(place))
        used = {point["name"] for record in self.rows.containers.values() for point in record["mounts"]}
        for name, volume in self.rows.volumes.items():
            if volume["anonymous"] and name not in used:
                yield f"volume {name[:12]} is nobody's"
            if not (place / name / "_data").is_dir():
                yield f"volume {name} has no directory"
        for point in _mounted(self.instance):
            name = Path(point).parent.name
            if not (self.rows.volumes.get(name, {}).get("options") and name in used):
                yield f"{point} is still mounted"

    # networks ---------------------------------------------------------------------------------------------------
    def _networks(self) -> Iterator[str]:
        rows, instance = self.rows, self.instance
        listed = {
            item["Id"] for item in self.api.get("/networks").json() if item["Name"] not in ("bridge", "host", "none")
        }
        yield from _same("networks: the API's and the database's", listed, set(rows.networks))
        links = json.loads(_output("ip", "-j", "-d", "address"))
        bridges = {
            link["ifname"]: {item["local"] for item in link["addr_info"]}
            for link in links
            if link["ifname"] == instance.bridge or link["ifname"].startswith(f"{instance.bridge}-")
            or link.get("ifalias") == f"kernel-engine {instance.id}"
        }  # fmt: skip
        wanted = {network["interface"]: network["gateway"] for network in rows.networks.values()}
        wanted[instance.bridge] = rows.gateway.partition("/")[0]
        yield from _same("networks and their bridges", set(wanted), set(bridges))
        for name, gateway in wanted.items():
            if name in bridges and gateway not in bridges[name]:
                yield f"bridge {name} has not the address {gateway}"
        endpoints = [place for record in self.rows.containers.values() for place in record["endpoints"]]
        cables = {link["ifname"] for link in links if link["ifname"].startswith(instance.veth_prefix)}
        yield from _same("endpoints and their cables", {place["host_interface"] for place in endpoints}, cables)
        addresses = {place[kind] for place in endpoints for kind in ("address", "address6") if place.get(kind)}
        yield from _same("endpoints and their leases", addresses, set(rows.leases))
        for record in self.rows.containers.values():
            if record["endpoints"] and record["id"] not in self.running:
                yield f"container {record['id'][:12]} does not run and is on a network"
        yield from self._rules(set(wanted), endpoints)

    def _rules(self, bridges: set[str], endpoints: list[Any]) -> Iterator[str]:
        text = _output("nft", "list", "table", "ip", self.instance.nft_table)
        named = set(re.findall(rf'"({self.instance.bridge}[^"*]*)"', text))
        yield from _same("networks and their rules", bridges, named)
        open_ports = {int(word) for word in re.findall(r"(?:tcp|udp) \. (\d+) : ", text)}
        published = {port["host_port"] for place in endpoints for port in place["published"] if not port["relayed"]}
        yield from _same("published ports and the rules' elements", published, open_ports)

    # the rest ---------------------------------------------------------------------------------------------------
    def _rest(self) -> Iterator[str]:
        for name in _names(self.instance.staging):
            yield f"staging/{name} is left over"
        for name in _names(self.instance.run):
            if not _RUN.fullmatch(name):
                yield f"{self.instance.run / name} is left over"
        mine = list(_helpers(self.instance))
        for name in ("ke-launcher", "ke-log-writer"):
            if (count := mine.count(name)) != 1:
                yield f"there are {count} processes {name}"


def _same(what: str, one: set[str] | set[int], other: set[str] | set[int]) -> Iterator[str]:
    for item in one - other:
        yield f"{what}: {item} is only among the first"
    for item in other - one:
        yield f"{what}: {item} is only among the second"


def _names(directory: Path) -> set[str]:
    try:
        return set(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _frozen(group: Path) -> bool:
    for name, word in (("freezer.state", "FROZEN"), ("freezer.state", "FREEZING"), ("cgroup.freeze", "1")):
        try:
            if (group / name).read_text().strip() == word:
                return True
        except OSError:
            continue
    return False


def _mounted(instance: Instance) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith((f"{instance.root}/", f"{instance.run}/"))]


def _helpers(instance: Instance) -> Iterator[str]:
    """What the processes that log in its run directory are called."""
    logs = {"ke-launcher": "launcher.log", "ke-log-writer": "log-writer.log"}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = Path(f"/proc/{entry}/comm").read_text().strip()
            if name in logs and os.readlink(f"/proc/{entry}/fd/1") == str(instance.run / logs[name]):
                yield name
        except OSError:
            continue


def _output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
