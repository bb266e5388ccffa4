"""A context that the engine fetches: an archive or a Dockerfile behind a URL, or a commit of a git repository.

A repository is never checked out: `git archive` makes the tar of what was fetched, so that nothing of it is run.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
import tempfile
from asyncio import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.build.context import Context
from kernel_engine.build.download import Downloaded, download
from kernel_engine.errors import EngineError, InvalidRequest, NotFound, Unavailable

DOCKERFILE = "Dockerfile"
#: what gzip, bzip2, xz and zstd begin with; a tar has its mark at 257
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_TAR_MARK = b"ustar"
_PIECE = 1 << 18
_TEXT_LIMIT = 1 << 20
_GIT_PREFIXES = ("git://", "github.com/", "git@", "ssh://")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")
#: no prompt, no configuration of the machine's, no protocol that reads local files or runs a helper
_GIT_ENVIRONMENT = {
    **{name: os.environ[name] for name in _PROXIES if name in os.environ},
    "PATH": os.defpath,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "git:http:https:ssh",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
}
#: seconds for a repository to be fetched
_GIT_PATIENCE = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """`URL#REF:DIRECTORY`."""

    url: str
    ref: str
    directory: str


async def receive(url: str, dockerfile: str, staging: Path) -> tuple[Context, str]:
    """The context and its Dockerfile's name. InvalidRequest, NotFound, Unavailable; as `Context.receive` otherwise."""
    repository = parse_repository(url)
    if repository is not None:
        return await Context.receive(_cloned(repository, staging), staging), dockerfile
    try:
        got = await download(url, staging)
    except EngineError as error:
        raise type(error)(f"error downloading remote context {url}: {error.message}") from error
    try:
        beginning = os.pread(got.file, _PIECE, 0)
        if is_archive(beginning):
            return await Context.receive(_pieces(got.file), staging), dockerfile
        if not is_text(beginning) or got.size > _TEXT_LIMIT:
            kind = got.content_type or "application/octet-stream"
            raise InvalidRequest(f"error detecting content type for remote {url}: unsupported Content-Type {kind!r}")
        return await Context.receive(_alone(got), staging), DOCKERFILE
    finally:
        os.close(got.file)


def parse_repository(url: str) -> Repository | None:
    """None where it is no address of a git repository, by Docker's rules."""
    address, _, fragment = url.partition("#")
    if not address.startswith(_GIT_PREFIXES) and not (
        address.startswith(("http://", "https://")) and address.endswith(".git")
    ):
        return None
    ref, _, directory = fragment.partition(":")
    if address.startswith("github.com/"):
        address = f"https://{address}"
    for word in (address, ref):
        if word.startswith("-"):
            raise InvalidRequest(f"unable to 'git clone' to temporary context directory: invalid address {url}")
    return Repository(url=address, ref=ref or "HEAD", directory=directory.strip("/"))


def is_archive(beginning: bytes) -> bool:
    return beginning.startswith(_COMPRESSED) or beginning[257:262] == _TAR_MARK


def is_text(beginning: bytes) -> bool:
    """Whether it may be a Dockerfile; a character may be cut at the end."""
    if not beginning or b"\0" in beginning:
        return False
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(beginning) - 3
    return True


async def _pieces(file: int) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(os.read, file, _PIECE):
        yield data


async def _alone(got: Downloaded) -> AsyncIterator[bytes]:
    """The archive of a context that is a Dockerfile and nothing else."""
    data = os.pread(got.file, got.size, 0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(DOCKERFILE)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    yield buffer.getvalue()


async def _cloned(repository: Repository, staging: Path) -> AsyncIterator[bytes]:
    """The tar of a commit."""
    if shutil.which("git", path=_GIT_ENVIRONMENT["PATH"]) is None:
        raise Unavailable(
            "unable to 'git clone' to temporary context directory: exec: \"git\": executable file not found in $PATH"
        )
    with tempfile.TemporaryDirectory(prefix="git-", dir=staging) as place:
        await _git(place, "init", "--quiet", "--bare")
        try:
            await _git(place, "fetch", "--quiet", "--depth", "1", "--", repository.url, repository.ref)
        except NotFound:  # a server that cannot send a part
            await _git(place, "fetch", "--quiet", "--", repository.url, repository.ref)
        tree = f"FETCH_HEAD:{repository.directory}" if repository.directory else "FETCH_HEAD"
        process = await _start(place, "archive", "--format=tar", tree)
        assert process.stdout is not None
        try:
            while data := await process.stdout.read(_PIECE):
                yield data
            await _ended(process, await _errors(process))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _git(place: str, *words: str) -> None:
    """NotFound with git's own words where it does not succeed."""
    process = await _start(place, *words)
    try:
        async with asyncio.timeout(_GIT_PATIENCE):
            said = await _errors(process)
            await _ended(process, said)
    except TimeoutError:
        raise Unavailable(f"git {words[0]}: no end after {_GIT_PATIENCE:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _start(place: str, *words: str) -> subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "git", *words, cwd=place, env=_GIT_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


async def _errors(process: subprocess.Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode("utf-8", "replace").strip()


async def _ended(process: subprocess.Process, said: str) -> None:
    if await process.wait():
        raise NotFound(f"unable to 'git clone' to temporary context directory: error fetching: {said}")
