"""Notebooks as learners of the lab in tests/testdata/grading hand them in: right, wrong, broken and hostile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat

Change = Callable[[dict[str, Any]], object]
RIGHT = {
    "90-1": "docker run -d --name {name} busybox sleep 1000",
    "90-2": "docker run -d --name counted busybox sleep 1000",
    "answer": "%check 90-2 $(docker inspect --format '{{.State.Pid}}' counted)",
    "90-3": "docker volume create box",
}
POINTS = {"90-1": 2.0, "90-2": 1.0, "90-3": 1.5}


def right(name: str) -> dict[str, str]:
    """What a learner writes whose first container is called so."""
    return {at: source.replace("{name}", name) for at, source in RIGHT.items()}


def notebook(release: Path, work: Mapping[str, str] | None = None, *changes: Change) -> bytes:
    """The notebook that was handed out, with the learner's `work` (exercise, or "answer"), and what else was done."""
    made: dict[str, Any] = json.loads((release / "lab.ipynb").read_text(encoding="utf-8"))
    exercise = ""
    for cell in made["cells"]:
        source = "".join(cell["source"])
        if source.startswith("### 과제 "):
            exercise = source.split()[2].rstrip(".")
        mark = cell["metadata"]["nbgrader"]
        key = "answer" if mark["grade_id"].startswith("answer-") else exercise
        if mark["solution"] and work and key in work:
            cell["source"] = work[key]
    for change in changes:
        change(made)
    return json.dumps(made, ensure_ascii=False).encode()


def code(source: str) -> dict[str, Any]:
    """A cell of the learner's own."""
    made: dict[str, Any] = nbformat.v4.new_code_cell(source)
    return made


def first(source: str) -> Change:
    """The learner's own cell before all others."""
    return lambda made: made["cells"].insert(0, code(source))


def last(source: str) -> Change:
    return lambda made: made["cells"].append(code(source))


def forged(made: dict[str, Any]) -> None:
    """Nothing done, and everything that a notebook can say says otherwise."""
    for cell in made["cells"]:
        mark = cell["metadata"]["nbgrader"]
        if mark["grade"]:
            mark["points"] = 100
            mark["locked"] = False
            cell["source"] = "print('✓ 통과')"
            cell["metadata"]["tags"] = ["nbval-skip", "raises-exception"]
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "✓ 90-1 통과"}]
    made["metadata"]["docker_labs"] = {"lab": "90", "points": 100}


def mangled(made: dict[str, Any]) -> None:
    """Copied, deleted, turned around: what happens to notebooks without any malice."""
    cells = made["cells"]
    cells.append(dict(cells[-1]))
    cells[:] = [cell for cell in cells if cell["metadata"]["nbgrader"]["grade_id"] != "check-90-1"]
    cells.reverse()


# hostile cells -------------------------------------------------------------------------------------------------------
#: fails where anything can be read, reached or done that is not the learner's; `paths` are the teacher's
SNOOP = """
import glob, os, socket, subprocess
found = [path for path in {paths} if os.path.exists(path)]
for folder, folders, names in os.walk("/"):
    folders[:] = [each for each in folders if os.path.join(folder, each) not in ("/proc", "/sys", "/usr", "/dev")
                  and each != "site-packages"]
    found += [os.path.join(folder, name) for name in names if name in ("check.py", "gradebook.db", "manifest.json")]
import labs.catalogue, labs.checks
found += [str(lab.number) for lab in labs.catalogue.labs() if labs.checks.exercises(lab)]
for address in (("1.1.1.1", 53), ("127.0.0.1", 22), ("127.0.0.1", 8888), ("169.254.169.254", 80)):
    try:
        socket.create_connection(address, timeout=2)
        found.append(str(address))
    except OSError:
        pass
acts = {{
    "write /usr": lambda: open("/usr/pwned", "w"),
    "write /": lambda: open("/pwned", "w"),
    "write labs": lambda: open(labs.catalogue.__file__, "a"),
    "become root": lambda: os.setuid(0),
    "chown": lambda: os.chown(".", 0, 0),
    "mknod": lambda: os.mknod("disk", 0o060600, os.makedev(8, 0)),
    "chroot": lambda: os.chroot("/proc/1/root"),
}}
for name, act in acts.items():
    try:
        act()
        found.append(name)
    except OSError:
        pass
outward = ("--privileged", "-v /:/host", "--pid host", "--ipc host", "--cap-add SYS_ADMIN", "--userns host",
           "-v /run:/host", "--device /dev/null", "--security-opt seccomp=unconfined")
for options in outward:
    done = subprocess.run(["docker", "run", "--rm", *options.split(), "busybox", "true"], capture_output=True)
    if done.returncode == 0:
        found.append(options)
network = "busybox readlink /proc/self/ns/net"
done = subprocess.run(["docker", "run", "--rm", "--network", "host", *network.split()], capture_output=True, text=True)
if done.stdout.strip() != os.readlink("/proc/self/ns/net"):
    found.append("a network that is not the learner's")
assert not found, found
"""
MONKEYPATCH = """
import labs.checks, labs.practice, labs.engine_view
passed = lambda *a, **k: labs.checks.Passed("ok")
labs.checks.check = labs.practice.check = labs.checks.not_running = passed
labs.engine_view.EngineView.container = lambda *a: {"State": {"Running": True, "Pid": 1}}
"""
EXIT = "import os\nos._exit(0)"
#: nothing that comes to itself before it is gone
KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
ENDLESS = "while True:\n    print('x' * 1000)"
FORK_BOMB = """
import os, signal, time
children = []
while True:
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        time.sleep(10000)
        os._exit(0)
    children.append(child)
    assert len(children) < 5000
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
FILL = """
import errno, glob, os
for folder in (".", "/tmp"):
    name = os.path.join(folder, "big")
    try:
        with open(name, "wb") as file:
            for _ in range(2000):
                file.write(bytes(1 << 20))
        raise AssertionError(folder)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    os.unlink(name)
"""
FILL_ENGINE = """
docker run --name filler busybox dd if=/dev/zero of=/big bs=1M count=2000
docker rm filler
"""
OUTLIVE = """
import subprocess
subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
"""
#: a cell for each, none of which takes anything from the cells after it
NOISE = (FORK_BOMB, FILL, FILL_ENGINE)
