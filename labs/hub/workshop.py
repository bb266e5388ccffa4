"""A private engine of this project that builds the hub's images, and what comes out of it.

Private: its own directories, no name that a learner could see, gone when the image is finished. Its containers use
the machine's own network, so that it takes no subnet away. The course's engine knows nothing of it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from kernel_engine.client import APIError, Client, EngineUnreachable
from kernel_engine.client.context import prepare
from labs.hub.dockerfiles import Built

Say = Callable[[str], None]

PROGRAM = (sys.executable, "-I", "-m", "kernel_engine.daemon")
#: the end of a failed step's output that is told
TAIL_LINES = 6
#: instructions that take their time, and what apt prints in between; what the learner reads of each
INSTRUCTIONS = {
    "FROM": "바탕 이미지를 가져오고 있어요",
    "RUN": "명령을 실행하고 있어요",
    "COPY": "파일을 넣고 있어요",
}
STAGES = (
    ("Get:", "패키지를 내려받고 있어요"),
    ("Unpacking ", "패키지를 풀고 있어요"),
    ("Setting up ", "패키지를 설치하고 있어요"),
)
#: what the builder puts around a line of stderr
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_APT_PROXY = re.compile(r'^Acquire::(https?)::Proxy "(.+)";$', re.MULTILINE | re.IGNORECASE)


class BuildFailed(Exception):
    """The builder gave up: what was built, and why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """An image as it left the engine: its configuration, and of each layer the diff id and the packed file."""

    config: bytes
    layers: tuple[tuple[str, Path], ...]


@contextmanager
def workshop(place: Path, mirror: str) -> Iterator[Client]:
    """An engine in `place`, which pulls from `mirror`, while the block runs. Raises BuildFailed when it does not start.

    Also takes away what a workshop in the same place left that was killed.
    """
    places = ("--root", str(place / "engine"), "--run", str(place / "run"))
    clear(place)
    place.mkdir(mode=0o700, parents=True)
    with (place / "log").open("wb") as log:
        words = [*PROGRAM, "serve", *places, "--registry-mirror", mirror]
        engine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        client = Client(f"unix://{place / 'run' / 'engine.sock'}")
        _wait_until_it_answers(client, engine, place / "log")
        yield client
    finally:
        engine.terminate()
        engine.wait()
        clear(place)


def clear(place: Path) -> None:
    """Nothing is left of a workshop in `place`: no process, mount, cgroup or file."""
    if not place.exists():
        return
    places = ("--root", str(place / "engine"), "--run", str(place / "run"))
    subprocess.run([*PROGRAM, "cleanup", *places, "--all"], check=True, stdout=subprocess.DEVNULL)
    (place / "log").unlink(missing_ok=True)
    place.rmdir()


def _wait_until_it_answers(client: Client, engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.get("/_ping").close()
            return
        except EngineUnreachable:
            if engine.poll() is not None or time.monotonic() > deadline:
                raise BuildFailed(f"the builder did not start: {log.read_text(errors='replace')[-500:]}") from None
            time.sleep(0.05)


def build(client: Client, image: Built, *, epoch: int, say: Say) -> None:
    """Build `image` under its title. Raises BuildFailed. `epoch` (seconds): no file and no image is younger."""
    arguments = {**proxies(os.environ, _apt_configuration()), "SOURCE_DATE_EPOCH": str(epoch)}
    query = {
        "t": image.title, "buildargs": json.dumps(arguments), "networkmode": "host", "rm": "1", "forcerm": "1",
        "kernel-engine-steps": "1",
    }  # fmt: skip
    context = prepare(str(image.folder), "", BytesIO(), lambda remark: None)
    story = Story(image, say)
    try:
        with client.post("/build", query=query, body=context.pieces) as answer:
            for said in answer.objects():
                story.hear(said)
    except APIError as error:
        raise BuildFailed(_one_line(error.message)) from None


class Story:
    """Tells a build's answer as one line a change. Raises BuildFailed where it ends in an error."""

    def __init__(self, image: Built, say: Say) -> None:
        self._title, self._say = image.title, say
        self._step = self._last = self._rest = ""
        self._printed: list[str] = []

    def hear(self, said: Mapping[str, Any]) -> None:
        if said.get("id") == "kernel-engine.step":
            step = said["aux"]
            if step["state"] == "running" and step["instruction"] in INSTRUCTIONS:
                self._step = f"{step['step']}/{step['total']}단계:"
                self._printed = []
                self._tell(INSTRUCTIONS[step["instruction"]])
        elif "error" in said:
            raise BuildFailed(_one_line(said["error"], self._printed))
        elif "stream" in said:
            # a line may come in pieces, each with a colour of its own
            *lines, self._rest = (self._rest + _COLOUR.sub("", str(said["stream"]))).split("\n")
            for line in filter(None, map(str.strip, lines)):
                self._hear_line(line)

    def _hear_line(self, line: str) -> None:
        self._printed = [*self._printed, line][-TAIL_LINES:]
        for beginning, words in STAGES:
            if line.startswith(beginning):
                self._tell(words)

    def _tell(self, words: str) -> None:
        line = f"{self._title} {self._step} {words}"
        if line != self._last:
            self._last = line
            self._say(line)


def _one_line(message: str, printed: Sequence[str] = ()) -> str:
    """Apt's own reason where it printed one: it says more than the command that failed."""
    reasons = [line for line in printed if line.startswith("E: ")]
    return reasons[0] if reasons else " · ".join([message.strip(), *printed[-1:]])


def proxies(environment: Mapping[str, str], apt: str) -> dict[str, str]:
    """The machine's own proxies as build arguments: of the environment, or those that `apt-config dump` names."""
    found = {f"{scheme.lower()}_proxy": url for scheme, url in _APT_PROXY.findall(apt)}
    names = ("http_proxy", "https_proxy", "no_proxy")
    return found | {name: environment[name] for name in names if environment.get(name)}


def _apt_configuration() -> str:
    return subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout


def saved(client: Client, image: Built, place: Path) -> Saved:
    """The built image, its layers as files in `place`."""
    archive = place / "saved.tar"
    with client.get(f"/images/{image.title}/get") as answer, archive.open("wb") as file:
        for piece in answer.pieces():
            file.write(piece)
    try:
        return _unpacked(archive, place)
    finally:
        archive.unlink()


def _unpacked(archive: Path, place: Path) -> Saved:
    with tarfile.open(archive) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None, name
            return file.read()

        [found] = json.loads(read("manifest.json"))
        config = read(found["Config"])
        diff_ids = json.loads(config)["rootfs"]["diff_ids"]
        layers = []
        for number, (diff_id, name) in enumerate(zip(diff_ids, found["Layers"], strict=True)):
            path = place / f"layer-{number}"
            path.write_bytes(read(name))
            layers.append((diff_id, path))
    return Saved(config=config, layers=tuple(layers))
