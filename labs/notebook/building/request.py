"""A recipe to `POST /build`: the options and the context as `docker build` sends them, with step events asked for."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from io import BytesIO
from typing import Any

from kernel_engine.cli.build import build_query
from kernel_engine.cli.build_secrets import hand_over
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused
from kernel_engine.client import Client
from kernel_engine.client.context import ContextError, prepare
from kernel_engine.client.credentials import CredentialsError, config_header
from labs.notebook.building.progress import CONTEXT
from labs.notebook.building.recipe import BadRecipe, Recipe


def build(client: Client, recipe: Recipe) -> Generator[dict[str, Any]]:
    """How much was sent, then the engine's answer, value by value. Closed before its end, the build is stopped.

    Raises BadRecipe for what cannot be sent, APIError for what the engine refuses, EngineUnreachable.
    """
    remarks: list[str] = []
    try:
        query = build_query(recipe.options, os.environ)
        context = prepare(str(recipe.folder), recipe.options["file"], BytesIO(), remarks.append)
        if recipe.options["secret"]:
            query["kernel-engine-secrets"] = hand_over(client, recipe.options["secret"])
        query |= {"dockerfile": context.dockerfile, "kernel-engine-steps": True}
        sent = _Counted(context.pieces)
        with client.post("/build", query=query, body=sent, headers=config_header()) as answer:
            yield {"id": CONTEXT, "aux": {"bytes": sent.bytes}}
            yield from ({"stream": f"{remark}\n"} for remark in remarks)
            yield from answer.objects()
    except (Misused, Failed, ContextError, CredentialsError) as error:
        raise BadRecipe(str(error)) from None


class _Counted:
    """The pieces of a context on their way, and how many bytes they came to."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.bytes += len(piece)
        return piece
