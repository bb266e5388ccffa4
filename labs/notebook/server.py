"""Which engine a notebook speaks to, and the environment that its commands get.

A notebook's own DOCKER_HOST: the machine's engine, or the one that DOCKER_LABS_HOST names (another instance, a test). A
learner's real Docker, which an inherited DOCKER_HOST may mean, is never touched.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kernel_engine.client import APIError, Client, EngineUnreachable, target
from kernel_engine.client.default_context import DEFAULT_CONTEXT
from kernel_engine.paths import DEFAULT_SOCKET


class WrongServer(Exception):
    """The server answers, but it is not this engine. The message is Korean."""


def host() -> str:
    return os.environ.get("DOCKER_LABS_HOST") or f"unix://{DEFAULT_SOCKET}"


def environment() -> dict[str, str]:
    """For commands in cells: our `docker` first, and this notebook's engine."""
    programs = str(Path(sys.executable).parent)
    workspace = Path(os.environ.get("DOCKER_LABS_WORKSPACE", Path.cwd()))
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "DOCKER_HOST": host(),
        "DOCKER_LABS_HOST": host(),  # the same: DOCKER_HOST is no choice of the learner's, so that a context may be one
        "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG") or str(workspace / ".docker"),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
    }


def client() -> Client:
    return Client(host())


def chosen() -> Client:
    """Of the engine that a cell's `docker` speaks to: after `docker context use` another server's. ContextError."""
    name = target.chosen_context()
    if name in ("", DEFAULT_CONTEXT):
        return client()
    return Client(target.host(name), tls=target.tls(name))


_known: set[str] = set()


def require_this_engine() -> Client:
    """A client of this engine; WrongServer where somebody else answers, EngineUnreachable where nobody does."""
    there = client()
    if host() not in _known:
        try:
            there.get("/kernel-engine/info").close()
        except EngineUnreachable:
            raise
        except APIError:
            raise WrongServer(
                f"{host()}에는 이 실습실의 엔진이 아니라 다른 도커가 있어요. "
                "여러분의 진짜 도커를 건드리지 않으려고 멈췄어요."
            ) from None
        _known.add(host())
    return there
