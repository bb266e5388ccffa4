"""`docker commit --change`: instructions that only touch an image's settings, applied to a container's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.dockerfile import lexer
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.expansion import expand
from kernel_engine.formats.dockerfile.parse import understand
from kernel_engine.formats.dockerfile.settings import Settings, apply

_ALLOWED = frozenset("CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD USER VOLUME WORKDIR".split())


def apply_changes(config: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """The config object after the changes. InvalidRequest with Docker's texts, which name no line here."""
    text = "\n".join(changes)
    if not text.strip():
        return dict(config)
    try:
        source = lexer.lex(text.encode(errors="replace"), "changes")
        for statement in source.statements:
            if statement.keyword.upper() not in _ALLOWED:
                raise InvalidRequest(f"{statement.keyword.lower()} is not a valid change command")
        settings = Settings(config=config)
        for instruction in understand(source, "changes"):
            settings = apply(expand(instruction, settings.environment, source.escape), settings)
    except DockerfileError as error:
        raise InvalidRequest(error.reason) from None
    return dict(settings.config)
