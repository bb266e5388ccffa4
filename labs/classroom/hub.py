"""JupyterHub's part of a class: who may come in, how a learner's JupyterLab is started, and its engine before it.

Loaded by JupyterHub itself (`jupyterhub_config.py`), in its process. What it has to know is in one file of root's.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.spawner import LocalProcessSpawner
from tornado import web

from labs.classroom import accounts, limits, network
from labs.classroom.engines import Engines, socket_of
from labs.classroom.learners import RUN, STATE, Learner, opens
from labs.classroom.plan import PLAN, Plan

CLONE_NEWNET = 0x40000000  # setns(2)
_JUPYTER_PORT = 8888


class Roster(Authenticator):  # type: ignore[misc]  # it has no types
    """Lets in who is in the class and knows their own password. Linux accounts stay closed to passwords."""

    seals: Mapping[str, str] = {}

    async def authenticate(self, handler: object, data: Mapping[str, str]) -> str | None:
        seal = self.seals.get(data["username"])
        return data["username"] if seal and opens(seal, data["password"]) else None


class LearnersProcess(LocalProcessSpawner):  # type: ignore[misc]
    """A process of the learner's account, in the learner's network and cgroup."""

    plan: Plan
    engines: Engines

    def _learner(self) -> Learner:
        try:
            return self.plan.learners()[self.user.name]
        except KeyError:
            raise web.HTTPError(403, f"{self.user.name}은(는) 이 수업에 없어요.") from None

    async def start(self) -> Any:
        learner = self._learner()
        await self.engines.need(learner)
        self.ip, self.port = learner.address(IPv4Network(self.plan.network)), _JUPYTER_PORT
        return await super().start()

    def get_env(self) -> dict[str, str]:
        given: dict[str, str] = super().get_env()
        learner = self._learner()
        return {**given, **accounts.environment(learner, socket_of(learner))}

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        become = super().make_preexec_fn(name)
        learner = self._learner()
        groups = limits.make(learner, self.plan.limits)
        namespace = os.open(f"/run/netns/{learner.namespace}", os.O_RDONLY | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)

        def become_the_learner() -> None:
            limits.enter(groups)
            if libc.setns(namespace, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            os.umask(0o077)
            become()

        return become_the_learner


def configure(c: Any) -> None:
    """JupyterHub's settings (its `get_config()`)."""
    plan = Plan.load()
    bin = Path(sys.executable).parent
    LearnersProcess.plan, Roster.seals = plan, plan.seals
    LearnersProcess.engines = Engines(plan.mirrors, plan.dns, plan.limits)
    gateway = str(IPv4Network(plan.network)[1])
    c.JupyterHub.bind_url = f"http://{plan.listen}:{plan.port}"
    c.JupyterHub.hub_bind_url = f"http://{gateway}:{network.HUB_PORT}"
    c.JupyterHub.authenticator_class = Roster
    c.JupyterHub.spawner_class = LearnersProcess
    c.JupyterHub.db_url = f"sqlite:///{STATE}/jupyterhub.sqlite"
    c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
    c.JupyterHub.cleanup_servers = True  # a class that ends leaves nobody's JupyterLab behind
    c.ConfigurableHTTPProxy.command = [str(bin / "configurable-http-proxy")]
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{plan.port + 1}"
    c.ConfigurableHTTPProxy.pid_file = str(RUN / "proxy.pid")
    c.Authenticator.allowed_users = set(plan.seals)
    c.Authenticator.delete_invalid_users = True
    c.Spawner.cmd = [str(bin / "jupyterhub-singleuser")]
    c.Spawner.notebook_dir = "~/docker-labs"
    c.Spawner.default_url = f"/lab/tree/{accounts.FIRST}"
    c.Spawner.start_timeout = c.Spawner.http_timeout = 120
    c.LocalProcessSpawner.shell_cmd = []
    # nothing here asks the internet, and nobody but JupyterHub's own page may frame it
    c.Spawner.disable_user_config = False
    atexit.register(_leave_no_plan)


def _leave_no_plan() -> None:
    PLAN.unlink(missing_ok=True)
