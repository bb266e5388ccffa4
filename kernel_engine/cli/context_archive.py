"""The file of `docker context export`: a tar (or zip) with meta.json and tls/docker/*.pem. It comes from strangers."""

from __future__ import annotations

import io
import tarfile
import zipfile

from kernel_engine.cli.failures import Failed
from kernel_engine.client.context_store import DOCKER, Context, ContextError, from_meta
from kernel_engine.client.default_context import TLS_FILES

#: Docker's own limit, for the file and for each member
LIMIT = 10 << 20
META = "meta.json"


def packed(context: Context) -> bytes:
    import json

    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w", format=tarfile.PAX_FORMAT) as archive:
        meta = json.dumps(context.meta(), separators=(",", ":"), ensure_ascii=False).encode()
        _add(archive, META, meta, 0o644)
        if context.tls:
            for name in ("tls", f"tls/{DOCKER}"):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, 0o700
                archive.addfile(folder)
        for name, data in context.tls.items():
            _add(archive, f"tls/{DOCKER}/{name}", data, 0o600)
    return packing.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    archive.addfile(member, io.BytesIO(data))


def unpacked(data: bytes) -> Context:
    """The context in it, under its own name. Nothing is written: what has no place in a context is refused. Failed."""
    if len(data) > LIMIT:
        raise Failed("read exceeds the defined limit")
    files = _zipped(data) if data.startswith(b"PK\x03\x04") else _tarred(data)
    meta, tls = None, {}
    for name, content in files.items():
        folder, _, base = name.rpartition("/")
        if name == META:
            meta = content
        elif folder == f"tls/{DOCKER}" and base in TLS_FILES:
            tls[base] = content
        elif not name.startswith("tls/"):
            raise Failed(f"{name}: unexpected context file")
    if meta is None:
        raise Failed("invalid context: no metadata found")
    try:
        context = from_meta(meta, META)
    except ContextError as error:
        raise Failed(error.message) from error
    context.tls = tls
    return context


def _tarred(data: bytes) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    found[member.name] = content.read()
    except (tarfile.TarError, OSError, ValueError) as error:
        raise Failed("unexpected EOF") from error
    return found


def _zipped(data: bytes) -> dict[str, bytes]:
    found, left = {}, LIMIT
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                with archive.open(member) as content:
                    found[member.filename] = content.read(left + 1)  # what it claims to be does not bind it
                left -= len(found[member.filename])
                if left < 0:
                    raise Failed("read exceeds the defined limit")
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise Failed(f"zip: not a valid zip file: {error}") from error
    return found
