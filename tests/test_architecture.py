"""The house: imports go down the stairs and never across a landing. docs/architecture.md draws it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ENGINE = REPOSITORY / "kernel_engine"
LABS = REPOSITORY / "labs"

#: open to all, and importing nothing of ours but each other
STAIRWELL = {"errors", "paths", "records", "formats", "__init__", "__version__"}
#: room → the rooms that it may import besides the stairwell and itself
MAY_IMPORT = {
    "syscalls": set(),
    "workers": {"syscalls"},
    "runtime": {"syscalls"},
    "images": {"syscalls", "workers"},
    "storage": {"syscalls", "workers"},
    "network": {"syscalls"},
    "containers": {"runtime", "images", "storage", "network", "syscalls", "workers"},
    "build": {"runtime", "images", "storage", "network", "syscalls", "workers", "containers"},
    "servers": {"network", "syscalls"},
    "gate": {"network", "runtime", "syscalls"},
    "walls": {"containers", "images", "storage", "runtime", "syscalls"},
    "engine": {"servers", "gate", "walls", "containers", "build", "runtime", "images", "storage", "network", "workers"},
    "client": set(),
    "cli": {"client"},
    "compose": {"client", "cli"},
    "api": {"engine", "servers", "walls", "containers", "build", "images", "storage", "network", "runtime", "syscalls"},
    "daemon": {
        "api",
        "engine",
        "servers",
        "walls",
        "containers",
        "build",
        "images",
        "storage",
        "network",
        "runtime",
        "syscalls",
        "workers",
    },
}
#: what the course may know of the engine
LABS_MAY_IMPORT = {"client", "cli", "compose"} | STAIRWELL
#: where learners build a container by hand: the labs whose cells do it, and the room in which these cells run
HANDS_ON = (LABS / "course" / "engine", LABS / "wall")


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of each import of kernel_engine, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
            if node.module == "kernel_engine":
                names = [f"kernel_engine.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "kernel_engine")


def _files() -> list[Path]:
    return sorted(path for path in ENGINE.rglob("*.py"))


def test_every_room_has_a_rule() -> None:
    rooms = {path.relative_to(ENGINE).parts[0].removesuffix(".py") for path in _files()}
    assert rooms <= set(MAY_IMPORT) | STAIRWELL


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ENGINE)))
def test_imports_go_down_the_stairs(path: Path) -> None:
    room = path.relative_to(ENGINE).parts[0].removesuffix(".py")
    allowed = STAIRWELL | ({room} | MAY_IMPORT[room] if room not in STAIRWELL else set())
    wrong = [f"{path}:{line} imports {name}" for line, name in _imports(path) if _room(name) not in allowed]
    assert not wrong


def test_the_course_uses_the_public_door_only() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for path in sorted(LABS.rglob("*.py"))
        for line, name in _imports(path)
        if _room(name) not in LABS_MAY_IMPORT
        and not (_room(name) == "syscalls" and any(map(path.is_relative_to, HANDS_ON)))
    ]
    assert not wrong


def test_syscalls_and_client_need_only_the_standard_library() -> None:
    import sys

    foreign = [
        f"{path}: {node.names[0].name if isinstance(node, ast.Import) else node.module}"
        for room in ("syscalls", "client", "cli")
        for path in sorted((ENGINE / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and not getattr(node, "level", 0)
        and (node.names[0].name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        not in sys.stdlib_module_names | {"kernel_engine", "wcwidth"}
    ]
    assert not foreign


def test_only_the_choke_point_calls_libc() -> None:
    """Every kernel call passes through syscalls/libc.py: nobody else loads the C library."""
    allowed = {ENGINE / "syscalls" / "libc.py", ENGINE / "runtime" / "seccomp.py"}
    wrong = [
        str(path)
        for path in _files()
        if path not in allowed and not path.is_relative_to(ENGINE / "syscalls") and "CDLL(" in path.read_text()
    ]
    assert not wrong
