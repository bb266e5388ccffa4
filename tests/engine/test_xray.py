"""A container from both sides: what the engine tells is what /proc and /sys say at that moment."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import APIError
from tests.daemon import SLOWNESS, Daemon

WORK = "echo own > /new; rm /bin/dd; echo more >> /etc/group; nc -l -p 80; true"


@pytest.fixture
def seen(clean: Daemon) -> Any:
    clean.docker("run", "-d", "--name", "seen", "-m", "64m", "-p", "127.0.0.1::80", "busybox", "sh", "-c", WORK)
    until = time.monotonic() + 10 * SLOWNESS
    while time.monotonic() < until:
        found = clean.api.get("/kernel-engine/containers/seen/kernel").json()
        if found["Ways"][0]["Listener"]:
            return found
        time.sleep(0.02)
    raise AssertionError("nobody listens on port 80")


def test_namespaces_and_maps_are_the_kernels(seen: Any) -> None:
    pid = seen["Pid"]
    for space in seen["Namespaces"]:
        assert space["Inode"] == os.stat(f"/proc/{pid}/ns/{space['Kind']}").st_ino
        assert space["Shared"] == (space["Inode"] == os.stat(f"/proc/self/ns/{space['Kind']}").st_ino)
    shared = {space["Kind"] for space in seen["Namespaces"] if space["Shared"]}
    assert shared <= {"user", "time"}
    [line] = Path(f"/proc/{pid}/uid_map").read_text().splitlines()
    [row] = seen["UidMap"]
    assert (row["Inside"], row["Outside"], row["Count"]) == tuple(map(int, line.split()))


def test_processes_have_two_numbers(seen: Any) -> None:
    first, second = seen["Processes"]
    assert (first["Pid"], first["InnerPid"], first["Parent"]) == (seen["Pid"], 1, first["Parent"])
    assert second["Parent"] == first["Pid"]
    assert second["Command"] == "nc -l -p 80"
    assert Path(f"/proc/{second['Pid']}/status").read_text().split("NSpid:\t")[1].split()[1] == str(second["InnerPid"])


def test_limits_and_rights(seen: Any) -> None:
    [memory] = [value for value in seen["Cgroup"] if value["Limit"] == str(64 << 20)]
    assert int(memory["Value"]) > 0
    assert Path(memory["LimitPath"]).read_text().strip() == memory["Limit"]
    security = seen["Security"]
    assert "CAP_CHOWN" in security["Kept"]
    assert "CAP_SYS_ADMIN" in security["Dropped"]
    assert (security["Seccomp"], security["Filters"]) == (2, 1)


def test_the_way_of_a_packet_ends_at_the_process_that_listens(seen: Any) -> None:
    [way] = seen["Ways"]
    assert way["Listener"] == seen["Processes"][1]["Pid"]
    assert way["HostAddress"] == "127.0.0.1"
    assert Path(f"/sys/class/net/{way['HostInterface']}/master").resolve().name == way["Bridge"]
    with socket.create_connection((way["HostAddress"], way["HostPort"]), 5):
        pass


def test_every_file_knows_its_layer(clean: Daemon, seen: Any) -> None:
    def files(path: str) -> dict[str, list[tuple[int, str, bool]]]:
        found: dict[str, list[tuple[int, str, bool]]] = {}
        for item in clean.api.get("/kernel-engine/containers/seen/files", query={"path": path}).json():
            found.setdefault(item["Name"], []).append((item["Layer"], item["Kind"], item["Hidden"]))
        return found

    lowest = len(seen["Layers"]) - 1
    assert len(seen["DiffIds"]) == len(seen["Layers"]) - 2  # its own and the init layer are not the image's
    root = files("/")
    assert root["new"] == [(0, "file", False)]
    assert root["bin"] == [(0, "directory", False), (lowest, "directory", False)]
    inside = files("/bin")
    assert inside["dd"][0] == (0, "whiteout", False)
    assert inside["dd"][1][2] is True
    with pytest.raises(APIError, match="Could not find the directory /nowhere"):
        files("/nowhere")


def test_a_link_of_the_container_leads_nowhere(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "sly", "busybox", "sh", "-c", "ln -s / /out; sleep 100")
    time.sleep(0.2)
    for path in ("/out", "/out/etc", "/../../etc/ssh"):
        with pytest.raises(APIError, match="Could not find"):
            clean.api.get("/kernel-engine/containers/sly/files", query={"path": path})


def test_a_container_that_does_not_run(clean: Daemon) -> None:
    clean.docker("create", "--name", "still", "busybox")
    with pytest.raises(APIError, match="is not running"):
        clean.api.get("/kernel-engine/containers/still/kernel")
