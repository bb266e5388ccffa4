"""`version`: whose behaviour this is, and who made it."""

from __future__ import annotations

import json

from kernel_engine import __version__
from kernel_engine.cli.failures import Failed
from kernel_engine.compose.labels import COMPOSE_VERSION
from kernel_engine.compose.session import Session


def version(session: Session) -> int:
    words = session.words
    if words["short"]:
        print(COMPOSE_VERSION)
    elif words["format"] == "json":
        print(json.dumps({"version": f"v{COMPOSE_VERSION}"}))
    elif words["format"] in ("", "pretty"):
        print(f"Docker Compose version v{COMPOSE_VERSION}, build kernel-engine {__version__}")
    else:
        raise Failed(f'unknown format "{words["format"]}"')
    return 0
