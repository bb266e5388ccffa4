"""The Dockerfile cases under testdata/dockerfiles: what each holds, its context on disk, and what an image shows.

A case is a folder: `Dockerfile` (or another name, see `options.dockerfile`), the other files of the context under
`context/`, `case.json`, and `expected.json`, which `python -m tests.record_dockerfiles` writes from a real dockerd.
Where git cannot keep what a context needs (owners, modes, times, hard links, fifos), `case.json` says it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLACE = Path(__file__).parent / "testdata" / "dockerfiles"
#: the time of every file of a context that names none: 2021-03-04 05:06:07 UTC
CONTEXT_TIME = 1614834367
#: of an image's config, what a Dockerfile can say
SETTINGS = (
    "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell", "StopSignal", "User",
    "Volumes", "WorkingDir",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    shows: str
    #: which of Docker's two builders says what is right: `classic`, or `buildkit` for what classic has not
    #: or does otherwise than the Dockerfile reference (`note` says what)
    oracle: str = "classic"
    since: str = ""  #: the first release of Docker whose builder knows this
    note: str = ""
    here: str = ""  #: our own words for an error, where Docker's say less (`note` says why)
    line: int | None = None  #: the line that an error names here, where BuildKit marks another; 0: the whole file
    alone: bool = False  #: the other builder is not asked, not even when recording: it crashes
    options: Mapping[str, Any] = field(default_factory=dict)  #: args, labels, target, dockerfile, secrets, platform
    context: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: path → mode, mtime, link, content, …
    times: Sequence[str] = ()  #: paths whose mtime counts

    @property
    def place(self) -> Path:
        return PLACE / self.name

    @property
    def expected(self) -> dict[str, Any]:
        """Either `error` (with `line`, and `also`: other releases' words), or `config`, `layers`, `history`, `tree`."""
        expected: dict[str, Any] = json.loads((self.place / "expected.json").read_text())
        return expected

    @property
    def dockerfile(self) -> str:
        return str(self.options.get("dockerfile", "Dockerfile"))

    def lay_out(self, context: Path) -> Path:
        """Makes the context in the folder `context`, with the times and modes that the case wants."""
        if (self.place / "context").is_dir():
            shutil.copytree(self.place / "context", context, symlinks=True)
        context.mkdir(exist_ok=True)
        if (self.place / "Dockerfile").exists():
            shutil.copy(self.place / "Dockerfile", context / self.dockerfile)
        for name, wanted in self.context.items():
            _make(context, name, wanted)
        # from the innermost outwards, because making a file changes its folder's time
        for path in sorted(context.rglob("*"), key=lambda path: -len(path.parts)):
            _settle(path, self.context.get(str(path.relative_to(context)), {}))
        os.utime(context, (CONTEXT_TIME, CONTEXT_TIME))
        return context


def _make(context: Path, name: str, wanted: Mapping[str, Any]) -> None:
    path = context / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if "link" in wanted:
        path.symlink_to(wanted["link"])
    elif "same_as" in wanted:
        path.hardlink_to(context / wanted["same_as"])
    elif "tar" in wanted:
        path.write_bytes(pack(wanted["tar"], wanted.get("compression", "")))
    elif wanted.get("directory"):
        path.mkdir(exist_ok=True)
    elif wanted.get("fifo"):
        os.mkfifo(path)
    elif "content" in wanted:
        path.write_bytes(str(wanted["content"]).encode())
    elif "bytes" in wanted:
        path.write_bytes(bytes(int(wanted["bytes"])))


def _settle(path: Path, wanted: Mapping[str, Any]) -> None:
    moment = wanted.get("mtime", CONTEXT_TIME)
    if not path.is_symlink():
        os.chown(path, *wanted.get("owner", (0, 0)))
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(int(wanted["mode"], 8) if "mode" in wanted else 0o755 if executable else 0o644)
    os.utime(path, (moment, moment), follow_symlinks=False)


def pack(members: Mapping[str, Mapping[str, Any]], compression: str = "") -> bytes:
    """A tar archive for ADD: path → content | link | same_as | directory, with mode, owner and mtime."""
    buffer = io.BytesIO()
    mode: Any = f"w:{compression}"
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for name, wanted in members.items():
            entry = tarfile.TarInfo(name)
            data = str(wanted.get("content", "")).encode()
            entry.mode = int(wanted.get("mode", "0755" if wanted.get("directory") else "0644"), 8)
            entry.mtime = wanted.get("mtime", CONTEXT_TIME)
            entry.uid, entry.gid = wanted.get("owner", (0, 0))
            entry.linkname = wanted.get("link", wanted.get("same_as", ""))
            if "link" in wanted:
                entry.type = tarfile.SYMTYPE
            elif "same_as" in wanted:
                entry.type = tarfile.LNKTYPE
            elif wanted.get("directory"):
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def load(name: str) -> Case:
    return Case(name=name, **json.loads((PLACE / name / "case.json").read_text()))


def all_cases() -> list[Case]:
    return [load(path.parent.name) for path in sorted(PLACE.glob("*/case.json"))]


@dataclass(frozen=True, slots=True)
class Built:
    """An image as any engine gives it away: its config file, and its layers as plain tar archives, lowest first."""

    config: Mapping[str, Any]
    layers: Sequence[bytes]

    def settings(self) -> dict[str, Any]:
        settings = self.config.get("config") or {}
        return {name: settings[name] for name in SETTINGS if settings.get(name)}

    def history(self, base: Built) -> list[list[Any]]:
        """For each instruction: how it is told, with digests of copied files left out, and whether it made no layer."""
        rows = self.config["history"][len(base.config["history"]) :]
        return [[told(row.get("created_by", "")), bool(row.get("empty_layer"))] for row in rows]

    def tree(self) -> dict[str, dict[str, Any]]:
        """Path → what lies there once all layers are laid on each other."""
        tree: dict[str, dict[str, Any]] = {}
        for number, layer in enumerate(self.layers):
            _lay(tree, layer, number)
        return tree

    def changes(self, base: Built, times: Sequence[str] = ()) -> dict[str, Any]:
        """What lies otherwise than in `base`; null: it is not there any more."""
        before, after = base.tree(), self.tree()
        changed: dict[str, Any] = {path: None for path in before if path not in after}
        shared = _names_by_file(after)
        for path, entry in after.items():
            names = shared[entry["file"]]
            facts = {key: value for key, value in entry.items() if key not in ("file", "mtime")}
            if len(names) > 1:
                facts["names"] = names
            if path in times:
                facts["mtime"] = entry["mtime"]
            known = {key: value for key, value in before.get(path, {}).items() if key not in ("file", "mtime")}
            if facts != known:
                changed[path] = facts
        gone = [path for path, facts in changed.items() if facts is None]
        for path in gone:  # what was in a folder that has gone goes without saying
            if any(path.startswith(f"{other}/") for other in gone):
                del changed[path]
        return dict(sorted(changed.items()))

    def layers_above(self, base: Built) -> int:
        return len(self.layers) - len(base.layers)


def told(created_by: str) -> str:
    """Without the digests of what was copied; and 20.10 forgets a space before them."""
    return re.sub(r" ?((?:file|dir|multi):)[0-9a-f]{64}", r" \1…", created_by)


def _names_by_file(tree: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for path, entry in sorted(tree.items()):
        names.setdefault(entry["file"], []).append(path)
    return names


def _lay(tree: dict[str, dict[str, Any]], layer: bytes, number: int) -> None:
    """Lays one layer over what is there. Whiteouts speak of lower layers only, so they go first."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        members = [(member, member.name.removeprefix("./").strip("/")) for member in archive]
        for _, path in members:
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                _drop(tree, folder, itself=False)
            elif name.startswith(".wh."):
                _drop(tree, f"{folder}/{name[4:]}".strip("/"))
        for member, path in members:
            if path and not path.rpartition("/")[2].startswith(".wh."):
                _put(tree, archive, member, path, number)


def _drop(tree: dict[str, dict[str, Any]], path: str, *, itself: bool = True) -> None:
    for other in [other for other in tree if other.startswith(f"{path}/") or (itself and other == path)]:
        del tree[other]


def _put(
    tree: dict[str, dict[str, Any]], archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, number: int
) -> None:
    if member.islnk():
        tree[path] = tree[member.linkname.removeprefix("./").strip("/")]
        return
    if not member.isdir():
        _drop(tree, path)
    entry: dict[str, Any] = {
        "type": _KINDS.get(member.type, "other"),
        "mode": f"{member.mode & 0o7777:04o}",
        "owner": f"{member.uid}:{member.gid}",
        "mtime": int(member.mtime),
        "file": f"{number}:{path}",
    }
    if member.isfile():
        data = archive.extractfile(member)
        content = data.read() if data else b""
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()[:16]}
    if member.issym():
        entry["target"] = member.linkname
        del entry["mode"]
    attributes = sorted(name for name in member.pax_headers if name.startswith("SCHILY.xattr."))
    if attributes:
        entry["attributes"] = [name.removeprefix("SCHILY.xattr.") for name in attributes]
    tree[path] = entry


_KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device",
}  # fmt: skip


def unpacked(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a tar archive, links followed: `docker save` links layers that are the same."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            data = opened.extractfile(member) if member.isfile() or member.issym() or member.islnk() else None
            if data is not None:
                yield member.name, data.read()


def saved(archive: bytes) -> Built:
    """An image out of what `docker save` writes."""
    files = dict(unpacked(archive))
    manifest = json.loads(files["manifest.json"])[0]
    return Built(json.loads(files[manifest["Config"]]), [files[layer] for layer in manifest["Layers"]])
