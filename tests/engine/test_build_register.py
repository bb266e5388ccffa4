"""What the engine remembers of builds, and how a build is ended before its end."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from typing import Any

from tests.daemon import Daemon
from tests.engine.building import Result, build, containers, context, images

SLOW = "FROM busybox\nRUN echo kept > /kept\nRUN echo begun; sleep 60\n"


def test_a_build_is_remembered_with_its_steps_and_calls(clean: Daemon) -> None:
    result = build(clean, "FROM busybox\nRUN echo remembered\nCOPY x /x\n", {"x": "1"}, buildid="one", t=["a", "b:2"])
    entry = clean.api.get("/kernel-engine/builds/one").json()
    assert (entry["id"], entry["image"], entry["tags"]) == ("one", result.image, ["a:latest", "b:2"])
    assert (entry["error"], entry["steps"]) == ("", list(result.steps))
    assert 0 < entry["seconds"] < 60 and abs(entry["started"] - time.time()) < 120
    assert clean.api.get("/kernel-engine/builds").json()[0]["id"] == "one"
    calls = clean.api.get("/kernel-engine/builds/one/trace").json()["Steps"]
    names = {call["Name"] for call in calls}
    assert {"execve", "pivot_root", "mount", "unshare"} <= names
    assert {"worker", "child"} <= {call["Process"] for call in calls}
    assert [call["Started"] for call in calls] == sorted(call["Started"] for call in calls)
    failed = build(clean, "FROM busybox\nRUN false\n", buildid="two")
    entry = clean.api.get("/kernel-engine/builds/two").json()
    assert (entry["error"], entry["image"], entry["steps"][-1]["state"]) == (failed.error, "", "failed")


def test_a_step_tells_that_it_runs(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nRUN echo running\n")
    states = [line["aux"]["state"] for line in result.lines if line.get("id") == "kernel-engine.step"]
    assert states == ["running", "cached", "running", "done"]


def running(daemon: Daemon, count: int = 1) -> None:
    deadline = time.monotonic() + 20
    while len(daemon.api.get("/containers/json").json()) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(daemon: Daemon) -> None:
    deadline = time.monotonic() + 10
    while containers(daemon):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_build_is_cancelled_by_its_id(clean: Daemon) -> None:
    before = images(clean)
    answers: list[Result] = []
    thread = threading.Thread(target=lambda: answers.append(build(clean, SLOW, buildid="slow")))
    thread.start()
    running(clean)
    clean.api.post("/build/cancel", query={"id": "slow"})
    thread.join(20)
    assert answers[0].error == "build cancelled: context canceled"
    assert containers(clean) == []
    assert images(clean) == before
    entry = clean.api.get("/kernel-engine/builds/slow").json()
    assert entry["error"] and entry["steps"][-1]["state"] == "failed"
    clean.api.post("/build/cancel", query={"id": "nobody"})


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock: Any = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def test_a_client_that_leaves_takes_its_build_along(clean: Daemon) -> None:
    before = images(clean)
    connection = _Unix(str(clean.instance.socket))
    connection.request("POST", "/build?networkmode=none&nocache=1", context({"Dockerfile": SLOW}))
    running(clean)
    connection.close()
    gone(clean)
    assert images(clean) == before


def test_a_client_that_leaves_before_its_context_has_come(clean: Daemon) -> None:
    connection = _Unix(str(clean.instance.socket))
    connection.putrequest("POST", "/build")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(context({"Dockerfile": SLOW})[:1000])
    time.sleep(0.2)
    connection.close()
    assert build(clean, "FROM busybox\nENV AFTER=1\n").image
