"""What `labs serve` decided, for JupyterHub's process: one file that only root can read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from labs.classroom.engines import Limits
from labs.classroom.learners import RUN, Learner

PLAN = RUN / "class.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`seals`: learner → what is kept of the password; `network`: the class's, "10.213.0.0/16"."""

    listen: str
    port: int
    network: str
    seals: Mapping[str, str]
    mirrors: tuple[str, ...]
    dns: tuple[str, ...]
    limits: Limits

    def learners(self) -> dict[str, Learner]:
        return {name: Learner(name=name, number=number) for number, name in enumerate(self.seals, 1)}

    def write(self, path: Path = PLAN) -> None:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)

    @classmethod
    def load(cls, path: Path = PLAN) -> Plan:
        kept = json.loads(path.read_text())
        several = {name: tuple(kept[name]) for name in ("mirrors", "dns")}
        return cls(**kept | several | {"limits": Limits(**kept["limits"])})
