"""A place to make one layer by hand: an empty upper directory above an image's layers, ready to be mounted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kernel_engine.storage.layers import Layers
from kernel_engine.storage.refusal import refusal
from kernel_engine.storage.snapshots import OverlayPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    upper: Path  #: what is written; may be taken away
    overlay: OverlayPlan


@contextmanager
def scratch(layers: Layers, chain_id: str | None) -> Iterator[Scratch]:
    """Gone after the block, and swept by the next daemon where this one does not come to it. NoSpace."""
    directory = layers.stage()
    try:
        try:
            for name in ("upper", "work", "merged", "nothing"):
                os.mkdir(directory / name, 0o755)
            os.chmod(directory / "upper", 0o755)
        except OSError as error:
            raise refusal("make a place for a layer", error) from error
        beside = PurePosixPath("..", directory.parent.name, directory.name)
        numbers = tuple(str(layer.number) for layer in layers.chain(chain_id)) or (str(beside / "nothing"),)
        plan = OverlayPlan(
            base=layers.root,
            lower=tuple(map(PurePosixPath, numbers)),
            upper=beside / "upper",
            work=beside / "work",
            target=directory / "merged",
            store=layers.root.parent,
            volatile=True,
        )
        yield Scratch(upper=directory / "upper", overlay=plan)
    finally:
        layers.discard(directory)
