"""The mounts of a RUN, made ready: contexts written out, caches, secrets and scripts put somewhere, all taken away
again. What each is made of was decided in `run_mounts`.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kernel_engine.build.cache_mounts import UPPER, WORK
from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.run_mounts import Found, Placed, secret_id
from kernel_engine.build.site import Site
from kernel_engine.build.tree import Node, walk
from kernel_engine.containers.spec import Provisions
from kernel_engine.formats.dockerfile.instructions import Heredoc
from kernel_engine.formats.dockerfile.settings import SCRIPTS
from kernel_engine.runtime.spec import Mount
from kernel_engine.storage import copying, overlay

if TYPE_CHECKING:
    from kernel_engine.images.image import Image

_SECRET_DIRECTORY = "build-secrets"  #: in the instance's --run
_SECRET_MODE = 0o400
_CACHE_MODE = 0o755


async def provide(site: Site, found: Found, stack: AsyncExitStack) -> Provisions:
    """The mounts, ready until `stack` is closed. BuildFailed for a secret that is required and was not given."""
    if not found.placed and found.script is None:
        return Provisions()
    directory = site.house.layers.stage()
    stack.callback(site.house.layers.discard, directory)
    making = _Making(site, directory, stack)
    for item in found.placed:
        await _MAKERS[item.mount.type](making, item)
    if found.script is not None:
        making.script(found.script)
    return Provisions(
        mounts=tuple(making.mounts), environment=tuple(making.environment), beneath=making.stubs(),
    )  # fmt: skip


def sweep(run: Path) -> None:
    """What a daemon that died has left of secrets."""
    shutil.rmtree(run / _SECRET_DIRECTORY, ignore_errors=True)


class _Making:
    """What is being made for one step, beneath a directory of its own."""

    def __init__(self, site: Site, directory: Path, stack: AsyncExitStack) -> None:
        self._site = site
        self._directory = directory
        self._stack = stack
        self._count = 0
        self.mounts: list[Mount] = []
        self.environment: list[str] = []
        self._targets: dict[str, bool] = {}  # → whether it is a directory

    def _new(self) -> Path:
        self._count += 1
        path = self._directory / str(self._count)
        path.mkdir(mode=0o755)
        return path

    def _add(self, mount: Mount, *, is_directory: bool = True) -> None:
        self.mounts.append(mount)
        self._targets[mount.target] = is_directory

    async def bind(self, item: Placed) -> None:
        read_only, node = item.mount.read_only is not False, item.source.node
        if node is None:
            self._inside(item, read_only=read_only, upper="" if read_only else self._pair())
        elif node.is_directory and not read_only:
            path, upper = await written_out(self._site, node), Path(self._pair())
            self._add(
                Mount(
                    type="inside",
                    target=item.target,
                    lower=(str(path),),
                    base="/",
                    upper=str(upper / UPPER),
                    work=str(upper / WORK),
                    mapped=True,
                )
            )
        else:
            path = await written_out(self._site, node) if read_only else await self._copy(node)
            mount = Mount(type="bind", target=item.target, source=str(path), read_only=read_only, mapped=True)
            self._add(mount, is_directory=node.is_directory)

    async def _copy(self, node: Node) -> Path:
        """A file that may be written to: its changes go with it."""
        path = self._new() / "file"
        await asyncio.to_thread(_write_out, node, path)
        return path

    async def cache(self, item: Placed) -> None:
        mount, image = item.mount, item.source.image
        directory = await self._stack.enter_async_context(
            self._site.caches.use(
                mount.id or item.target,
                mount.sharing,
                beneath=image.id if image else "",
                mode=_CACHE_MODE if mount.mode is None else mount.mode,
                owner=(mount.uid or 0, mount.gid or 0),
            )
        )
        read_only = bool(mount.read_only)
        if image is not None:
            self._inside(item, read_only=read_only, upper=str(directory))
        else:
            source = str(directory / UPPER)
            self._add(Mount(type="bind", target=item.target, source=source, read_only=read_only, mapped=True))

    async def tmpfs(self, item: Placed) -> None:
        size = f",size={item.mount.size}" if item.mount.size else ""
        self._add(Mount(type="tmpfs", target=item.target, options=f"exec,dev,mode=1777{size}"))

    async def secret(self, item: Placed) -> None:
        mount, name = item.mount, secret_id(item.mount)
        value = self._site.secrets.get(name)
        if value is None:
            if mount.required:
                raise BuildFailed(f"secret {name}: not found")
            return
        if mount.env:
            if b"\0" in value:
                raise BuildFailed(f"secret {name}: a NUL byte cannot stand in an environment variable")
            self.environment.append(f"{mount.env}={value.decode('utf-8', 'surrogateescape')}")
        if item.target:
            mode = _SECRET_MODE if mount.mode is None else mount.mode
            path = self._secret_file(value, mode, (mount.uid or 0, mount.gid or 0))
            self._add(Mount(type="bind", target=item.target, source=str(path), read_only=True), is_directory=False)

    def script(self, script: Heredoc) -> None:
        path = self._new() / "script"
        path.write_text(script.content)
        path.chmod(0o755)
        target = f"{SCRIPTS}/{script.name}"
        self.mounts.append(Mount(type="bind", target=target, source=str(path), read_only=True, mapped=True))

    def stubs(self) -> tuple[str, ...]:
        """A directory that holds nothing but the targets: beneath the image, so that no layer gets them."""
        place = self._new()
        for target, is_directory in sorted(self._targets.items()):
            path = place / target.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_directory:
                path.mkdir(exist_ok=True)
            elif not path.exists():
                path.touch()
        return (str(place),)

    def _inside(self, item: Placed, *, read_only: bool, upper: str) -> None:
        image = item.source.image
        layers = self._site.house.layers
        lower = tuple(str(layer.number) for layer in layers.chain(image.chain_id)) if image is not None else ()
        self._add(
            Mount(
                type="inside",
                target=item.target,
                source=posixpath.normpath(posixpath.join("/", item.mount.source)),
                lower=lower or (str(self._new()),),
                base=str(layers.root),  # one page of short names: an image may have many layers
                read_only=read_only,
                upper=f"{upper}/{UPPER}" if upper else "",
                work=f"{upper}/{WORK}" if upper else "",
                mapped=True,
            ),
            is_directory=self._is_directory(image, item.mount.source),
        )

    def _is_directory(self, image: Image | None, source: str) -> bool:
        path = posixpath.normpath(posixpath.join("/", source)).strip("/")
        if image is None or not path:
            return True
        found = overlay.look_up_path(self._site.house.layers.paths(image.chain_id), path)
        return found is None or bool(found.directories)

    def _pair(self) -> str:
        place = self._new()
        for part in (UPPER, WORK):
            (place / part).mkdir(mode=0o755)
        return str(place)

    def _secret_file(self, value: bytes, mode: int, owner: tuple[int, int]) -> Path:
        """Beneath --run, which is memory on every ordinary machine, and knows no idmapped mounts before Linux 6.3."""
        directory = self._site.house.instance.run / _SECRET_DIRECTORY / self._directory.name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        self._count += 1
        path = directory / str(self._count)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, value)
            ids = self._site.house.ids
            os.fchown(descriptor, *(owner if ids is None else ids.outside(*owner)))
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        return path


_MAKERS: Mapping[str, Callable[[_Making, Placed], Awaitable[None]]] = {
    "bind": _Making.bind,
    "cache": _Making.cache,
    "tmpfs": _Making.tmpfs,
    "secret": _Making.secret,
}


async def written_out(site: Site, node: Node) -> Path:
    """The file of the context on the disk, once for all steps of a build that bind it. Not to be written to."""
    async with site.writing:
        path = site.written.get(id(node))
        if path is None:
            directory = site.house.layers.stage()
            site.held.callback(site.house.layers.discard, directory)
            path = directory / "files"
            await asyncio.to_thread(_write_out, node, path)
            site.written[id(node)] = path
        return path


def _write_out(node: Node, path: Path) -> None:
    """A file of the context with everything beneath it. Each parent is a directory that was made just before."""
    for below, inner in (("", node), *walk(node)):
        copying.put(_file(inner), str(path / below) if below else str(path))


def _file(node: Node) -> copying.File:
    return copying.File(
        kind=node.kind, mode=node.mode, owner=(node.uid, node.gid), mtime=node.mtime, size=node.size,
        descriptor=node.spool, offset=node.offset, target=node.target, device=node.device, xattrs=node.xattrs,
    )  # fmt: skip
