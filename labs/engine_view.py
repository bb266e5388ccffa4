"""What checks read of an engine: facts of the API, and what a command prints. Also runs a solution's commands.

A view never changes what a learner made: `run` uses a container of its own and removes it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs import servers
from labs.servers import Servers
from labs.wall import door
from labs.wall.view import Room, find

if TYPE_CHECKING:
    from labs.swarm_view import Swarm

#: a command of a check or a solution that takes longer is ended
PATIENCE_SECONDS = 300
LABEL = "docker-labs.check"
#: how long a server that has just been started may take to answer
ANSWER_SECONDS = 5
#: what ends by itself has done so by then: a script that only starts a server lives for a second or two
SETTLE_SECONDS = 4
_KINDS = {0: "C", 1: "A", 2: "D"}


class CommandFailed(Exception):
    """A solution's command ended with another code than 0, or not in time. The message holds what it printed."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a web server answered."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class StopTrial:
    """How a container of an image served and stopped: its page, whether it went on running until the stop, the seconds
    that the stop took, its exit code."""

    page: Page | None
    stayed: bool
    seconds: float
    code: int


@dataclass(frozen=True, slots=True)
class Varied:
    """A name, port or limit of an exercise that may differ from learner to learner. The first choice is the one of the
    course as it is published."""

    name: str
    choices: tuple[str, ...]

    def of(self, values: Mapping[str, str]) -> str:
        """The learner's, or the published one."""
        return values.get(self.name, self.choices[0])


class EngineView:
    """`answer` is what the learner wrote after `%check 00-3`; `workspace` is the notebook's folder; `address` is where
    its published ports are open; `told` hears each command and then what it printed; `values` are the learner's own, {}
    where everybody has the same."""

    #: of containers that a check starts by itself, with `docker` or `shell`: pictures leave them out
    LABEL = LABEL

    def __init__(
        self,
        host: str,
        *,
        answer: str = "",
        workspace: Path | None = None,
        address: str = "127.0.0.1",
        told: Callable[[str], object] | None = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        self.host = host
        self.values = values or {}
        self.address = address
        self.answer = answer
        self.workspace = workspace or Path.cwd()
        self._told = told
        self._client = Client(host)

    def value(self, varied: Varied) -> str:
        """What the learner's exercise says there."""
        return varied.of(self.values)

    def with_values(self, values: Mapping[str, str]) -> EngineView:
        """The same engine, asked as another learner."""
        return EngineView(
            self.host,
            answer=self.answer,
            workspace=self.workspace,
            address=self.address,
            told=self._told,
            values=values,
        )

    # facts ------------------------------------------------------------------------------------------------------
    def container(self, name: str) -> dict[str, Any] | None:
        """`docker inspect` of a container (name or id); None when there is none."""
        found: dict[str, Any] | None = self._find(f"/containers/{name}/json")
        return found

    def containers(self, **filters: str) -> list[dict[str, Any]]:
        """Rows of `docker ps -a`; filters as the command's: containers(ancestor="debian", status="exited")."""
        query = {"all": "1", "filters": {name: [value] for name, value in filters.items()}}
        found: list[dict[str, Any]] = self._client.get("/containers/json", query=_worded(query)).json()
        return found

    def image(self, reference: str) -> dict[str, Any] | None:
        """`docker image inspect`; None when there is none."""
        found: dict[str, Any] | None = self._find(f"/images/{reference}/json")
        return found

    def images(self) -> list[dict[str, Any]]:
        """Rows of `docker images`."""
        found: list[dict[str, Any]] = self._client.get("/images/json").json()
        return found

    def history(self, reference: str) -> list[dict[str, Any]]:
        """Rows of `docker history`, newest first; [] when there is no such image."""
        return self._find(f"/images/{reference}/history") or []

    def volume(self, name: str) -> dict[str, Any] | None:
        """`docker volume inspect`; None when there is none."""
        found: dict[str, Any] | None = self._find(f"/volumes/{name}")
        return found

    def volumes(self, **filters: str) -> list[dict[str, Any]]:
        """Rows of `docker volume ls`; filters as the command's: volumes(dangling="true")."""
        query = {"filters": {name: [value] for name, value in filters.items()}}
        found: dict[str, Any] = self._client.get("/volumes", query=_worded(query)).json()
        return sorted(found["Volumes"] or (), key=lambda row: str(row["Name"]))

    def files_of_volume(self, name: str) -> dict[str, str] | None:
        """Path beneath the volume → SHA-256 of each of its files; None when there is no such volume."""
        if self.volume(name) is None:
            return None  # mounting it would make it
        script = "cd /volume && find . -type f -exec sha256sum {} +"
        mount = f"type=volume,source={name},target=/volume,readonly"
        _, said = self.docker(
            "run", "--rm", "--label", LABEL, "--network", "none", "--mount", mount, "busybox", "sh", "-c", script
        )
        pairs = (line.split(maxsplit=1) for line in said.splitlines() if "  " in line)
        return {path.removeprefix("./"): digest for digest, path in pairs}

    def changes(self, name: str) -> dict[str, str]:
        """`docker diff` as path → "A" | "C" | "D"; {} when nothing changed or there is no such container."""
        return {row["Path"]: _KINDS[row["Kind"]] for row in self._find(f"/containers/{name}/changes") or []}

    def trace(self, name: str) -> list[dict[str, Any]]:
        """The kernel calls that started a container (also one removed lately); [] when nothing is known."""
        found: dict[str, Any] = self._find(f"/kernel-engine/containers/{name}/trace") or {}
        return list(found.get("Steps", ()))

    def events(self, since: float, until: float, **filters: str) -> list[dict[str, Any]]:
        """What happened between two times (Unix seconds): Type, Action, Actor.Attributes."""
        query = {"since": since, "until": until, "filters": {name: [value] for name, value in filters.items()}}
        return list(self._client.get("/events", query=_worded(query)).objects())

    def builds(self) -> list[dict[str, Any]]:
        """The builds that the engine remembers, oldest first: tags, image, error, steps (see docs of the API)."""
        found: list[dict[str, Any]] = self._find("/kernel-engine/builds") or []
        return sorted(found, key=lambda build: str(build["started"]))

    def page(self, name: str, port: int = 80, path: str = "/") -> Page | None:
        """What a running container answers at its own address on the default bridge; None when nothing answers."""
        found = self.container(name)
        address = found["NetworkSettings"]["IPAddress"] if found else ""
        return _page(address, port, path) if address else None

    def published_page(self, port: int, path: str = "/") -> Page | None:
        """What the server's own port answers; None when nothing answers."""
        return _page(self.address, port, path)

    def logs(self, name: str) -> str:
        """What `docker logs` prints; "" when there is no such container."""
        return self.docker("logs", name)[1] if self.container(name) else ""

    def file(self, name: str, path: str) -> str | None:
        """What a file of a container holds, also of one that does not run; None when there is no such file."""
        import io
        import tarfile

        try:
            packed = self._client.get(f"/containers/{name}/archive", query={"path": path}).read()
        except APIError as error:
            if error.status in (404, 409):  # 409: it has ended while it was asked
                return None
            raise
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isfile() else None
            return content.read().decode("utf-8", "replace") if content is not None else None

    def swarm(self, manager: str) -> Swarm | None:
        """What the manager in this container says of its Swarm; None where there is no such container or no manager."""
        from labs import swarm_view
        from labs.inside import Inside

        inside = Inside(self._client, manager)
        try:
            return swarm_view.read(inside)
        except (APIError, EngineUnreachable):
            return None
        finally:
            inside.close()

    def can_be_privileged(self) -> bool:
        """Whether containers may have --privileged. On an engine whose containers' root is nobody of this machine (one
        of a class, or for grading) none may."""
        return "name=userns" not in (self._find("/info") or {}).get("SecurityOptions", ())

    # other servers ----------------------------------------------------------------------------------------------
    def servers(self) -> Servers:
        """Those beside this one, and this one's address among them."""
        found = self._find(servers.PATH)
        return servers.understood(found) if found else Servers()

    def server(self, name: str) -> EngineView | None:
        """Another server, with all that can be asked of this one; None when there is none of that name."""
        found = self.servers().find(name)
        if found is None:
            return None
        return EngineView(
            found.host, answer=self.answer, workspace=self.workspace, address=found.address, told=self._told
        )

    def remove_server(self, name: str) -> None:
        """With all that is on it. No error when there is none."""
        if self.servers().find(name) is not None:
            servers.remove(self._client, name)

    # the room of the engine track ---------------------------------------------------------------------------------
    def room(self) -> Room | None:
        """What the kernel says of the room that `%%wall` cells run in: of this notebook, or of the lab's folder; None
        when there is none."""
        return find(door.folder() or self.workspace)

    def wall(self, source: str) -> str:
        """What a `%%wall` cell prints; its room stays. Raises CommandFailed when it fails."""
        if self._told:
            self._told(f"%%wall\n{source.strip()}")
        printed: list[str] = []
        try:
            ran = door.run(source, printed.append, host=self.host, folder=self.workspace)
        except door.NoRoom as error:
            raise CommandFailed(str(error)) from None
        text = "".join(printed)
        if self._told and text:
            self._told(text.removesuffix("\n"))
        if ran.code:
            raise CommandFailed(f"{source}\n→ {ran.code}\n{text}")
        return text

    # commands ---------------------------------------------------------------------------------------------------
    def run(self, image: str, *command: str) -> tuple[int, str]:
        """Exit code and output of a command in a new container of `image`, which is removed."""
        return self.docker("run", "--rm", "--network", "none", "--label", LABEL, image, *command)

    def stop_trial(self, image: str, port: int = 80) -> StopTrial:
        """Starts a container of `image`, asks it for its page, stops it, removes it."""
        code, name = self.docker("run", "-d", "--label", LABEL, image)
        name = name.strip()
        if code:
            return StopTrial(page=None, stayed=False, seconds=0.0, code=code)
        try:
            page = self.page(name, port)
            stayed = self._stays(name)
            began = time.monotonic()
            self.docker("stop", "-t", str(ANSWER_SECONDS), name)
            seconds = time.monotonic() - began
            found = self.container(name)
            return StopTrial(
                page=page, stayed=stayed, seconds=seconds, code=found["State"]["ExitCode"] if found else code
            )
        finally:
            self.remove_container(name)

    def _stays(self, name: str) -> bool:
        """Does it run for so long? False as soon as it has ended."""
        until = time.monotonic() + SETTLE_SECONDS
        while (found := self.container(name)) is not None and found["State"]["Running"]:
            if time.monotonic() > until:
                return True
            time.sleep(0.1)
        return False

    def exec(self, name: str, *command: str) -> tuple[int, str]:
        """Exit code and output of a command inside a running container."""
        return self.docker("exec", name, *command)

    def docker(self, *words: str) -> tuple[int, str]:
        """Exit code, standard output and error of a docker command."""
        return self._command([str(_program()), *words], shown=shlex.join(["docker", *words]))

    def shell(self, script: str) -> tuple[int, str]:
        """Exit code and output of a bash script that has our `docker` on its path, as a cell has."""
        return self._command(["bash", "-c", script], shown=script.strip())

    def must(self, script: str) -> str:
        """The script's output. Raises CommandFailed when its last command fails."""
        code, text = self.shell(script)
        if code:
            raise CommandFailed(f"{script}\n→ {code}\n{text}")
        return text

    def remove_container(self, name: str) -> None:
        """No error when there is none."""
        self._delete(f"/containers/{name}", {"force": "1", "v": "1"})

    def remove_volume(self, name: str) -> None:
        """No error when there is none."""
        self._delete(f"/volumes/{name}", {"force": "1"})

    def remove_image(self, reference: str) -> None:
        """No error when there is none."""
        self._delete(f"/images/{reference}", {"force": "1"})

    # how --------------------------------------------------------------------------------------------------------
    def _command(self, words: list[str], *, shown: str) -> tuple[int, str]:
        """Raises CommandFailed when it takes too long."""
        if self._told:
            self._told("\n  ".join(f"$ {shown}".splitlines()))
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_SECONDS,
                cwd=self.workspace,
                env={**command_environment(self.host), **servers.variables(self._client)},
                check=False,
            )
        except subprocess.TimeoutExpired:
            late = f"→ {PATIENCE_SECONDS}초가 지나도 끝나지 않아서 멈췄어요."
            if self._told:
                self._told(late)
            raise CommandFailed(f"{shown}\n{late}") from None
        if self._told and done.stdout:
            self._told(done.stdout.removesuffix("\n"))
        return done.returncode, done.stdout

    def _find(self, path: str) -> Any:
        try:
            return self._client.get(path).json()
        except APIError as error:
            if error.status == 404:
                return None
            raise

    def _delete(self, path: str, query: Mapping[str, str]) -> None:
        try:
            self._client.delete(path, query=query).close()
        except APIError as error:
            if error.status != 404:
                raise


def _page(address: str, port: int, path: str) -> Page | None:
    """Asks again while nobody listens: a container that has just been started needs a moment."""
    from http.client import HTTPConnection, HTTPException

    until = time.monotonic() + ANSWER_SECONDS
    while True:
        connection = HTTPConnection(address, port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return Page(answer.status, answer.read().decode("utf-8", "replace"))
        except (OSError, HTTPException):
            if time.monotonic() > until:
                return None
            time.sleep(0.1)
        finally:
            connection.close()


def command_environment(host: str) -> dict[str, str]:
    """For bash: our `docker` first on the path, this engine, and no Korean lines among what a check reads."""
    programs = str(_program().parent)
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "DOCKER_HOST": host,
        "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG") or str(_workspace() / ".docker"),
        "DOCKER_LABS_HOST": "",  # this engine and no other, whatever context the learner has chosen
        "DOCKER_LABS_LANG": "off",
    }


def _workspace() -> Path:
    return Path(os.environ.get("DOCKER_LABS_WORKSPACE", Path.cwd()))


def _program() -> Path:
    """Our `docker`: beside the interpreter that runs the course."""
    return Path(sys.executable).with_name("docker")


def _worded(query: Mapping[str, Any]) -> dict[str, str]:
    import json

    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items() if value}
