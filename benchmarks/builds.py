"""How long a build takes: from nothing, all of it known, after one changed file, and of a real server."""

from __future__ import annotations

import io
import itertools
import tarfile
from pathlib import Path

from benchmarks.rivals import Engine
from benchmarks.timing import timed

#: FROM and five more, one of each kind that people write most; the file that changes comes late, as it should
DOCKERFILE = """\
FROM busybox
ENV LANG=C.UTF-8 MODE=production
COPY app /srv/app
RUN adduser -D -H web 2>/dev/null; echo built > /srv/built
COPY config /srv/config
CMD ["httpd", "-f", "-h", "/srv"]
"""
_NUMBERS = itertools.count()


def lay_out(context: Path) -> Path:
    """60 files of 4 KiB and one of 1 MiB: a small application."""
    app = context / "app"
    app.mkdir(parents=True)
    for number in range(60):
        (app / f"module{number}.py").write_text(f"# {number}\n" * 600)
    (app / "data.bin").write_bytes(bytes(range(256)) * 4096)
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "config").write_text("first\n")
    return context


def cold(engine: Engine, context: Path) -> float:
    return timed(lambda: engine.build(context, "--no-cache"))


def cached(engine: Engine, context: Path) -> float:
    return timed(lambda: engine.build(context))


def cached_through_api(engine: Engine, context: Path) -> float:
    if engine.api is None:
        return float("nan")
    api, body = engine.api, packed(context)
    return timed(lambda: api.build(body, engine.tag))


def changed(engine: Engine, context: Path) -> float:
    """The context is every engine's own, so each sees its file change."""
    (context / "config").write_text(f"changed {next(_NUMBERS)}\n")
    return timed(lambda: engine.build(context))


def packed(context: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(context, arcname=".")
    return buffer.getvalue()
