"""A JupyterLab as `./lab up` starts it, on an engine of a test's own, and a person at its keyboard.

The settings are those of packaging/jupyter; the server runs as an ordinary user where that user can read the clone.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat as untyped
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.daemon import REPOSITORY

#: nbformat comes with types that say nothing
nbformat: Any = untyped
SETTINGS = REPOSITORY / "packaging" / "jupyter"
#: seconds; the machine may be busy with other tests
PATIENCE = 60
RUN_ALL_PATIENCE = 480
_IDLE = re.compile(r"\| (대기|Idle)")
_RUN_MENU = re.compile("^(실행|Run)$")
_PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
_WAITING = re.compile(r"^\[\*\]:?$")
DONE = re.compile(r"^\[\d+\]:?$")
_FLAGS = (
    "--no-sandbox",  # root has no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


# the browser ---------------------------------------------------------------------------------------------------------
def chromium() -> str:
    """The distribution's Chromium, else the one that playwright installed (Ubuntu), "" where there is none."""
    if found := shutil.which("chromium"):
        return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.path.exists(own) else ""


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield started
        finally:
            started.close()


# the server ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who runs JupyterLab. `group` may use the engine's socket."""

    uid: int
    gid: int
    group: str


def learner() -> Person:
    """An ordinary user, as in the product; root where that user cannot read the clone (one beneath /root)."""
    entry = pwd.getpwnam("nobody")
    found = Person(uid=entry.pw_uid, gid=entry.pw_gid, group=grp.getgrgid(entry.pw_gid).gr_name)
    probe = [*_become(found), sys.executable, "-P", "-c", "import labs.notebook, jupyterlab"]
    if subprocess.run(probe, cwd="/", capture_output=True, check=False).returncode == 0:
        return found
    return Person(uid=0, gid=0, group="root")


def _become(person: Person) -> list[str]:
    return ["setpriv", f"--reuid={person.uid}", f"--regid={person.gid}", "--clear-groups", "--"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A JupyterLab that answers. `host` is the engine of its notebooks."""

    port: int
    token: str
    workspace: Path
    host: str

    def address(self, path: str = "") -> str:
        """JupyterLab, with the notebook at `path` open. Nothing of an earlier visit comes back."""
        return f"http://127.0.0.1:{self.port}/lab{f'/tree/{quote(path)}' if path else ''}?reset&token={self.token}"

    def read(self, path: str) -> Any:
        """A notebook as it was saved."""
        return nbformat.read(self.workspace / path, as_version=4)


@contextmanager
def jupyterlab(place: Path, person: Person, host: str) -> Iterator[Server]:
    """Everything that the server writes is beneath `place`."""
    folder, port, token = place / "workspace", _free_port(), secrets.token_hex(16)
    settings, environment = _settings(place), _environment(place, token, host)
    for path in (place, *place.rglob("*")):
        os.chown(path, person.uid, person.gid)
    prepare = [*_become(person), sys.executable, "-P", "-m", "labs.workspace", str(folder)]
    subprocess.run(prepare, cwd=place, env=environment, check=True)
    words = [
        *(*_become(person), sys.executable, "-P", "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
        f"--LabApp.app_settings_dir={settings / 'lab'}",
    ]
    log = place / "jupyter.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, start_new_session=True,
            env=environment,
        )  # fmt: skip
    try:
        _wait_until_it_answers(process, port, log)
        yield Server(port=port, token=token, workspace=folder, host=host)
    finally:
        process.terminate()
        try:
            process.wait(20)  # it ends its kernels first
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _settings(place: Path) -> Path:
    """The product's settings where a server that is not installed finds them."""
    settings = place / "settings"
    for name, target in {
        "jupyter_server_config.py": settings / "jupyter_server_config.py",
        "custom.css": settings / "custom.css",
        "page_config.json": settings / "labconfig" / "page_config.json",
        "overrides.json": settings / "lab" / "overrides.json",
        "ipython_config.py": place / "ipython" / "profile_default" / "ipython_config.py",
    }.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SETTINGS / name, target)
    return settings


def _environment(place: Path, token: str, host: str) -> dict[str, str]:
    """As /etc/docker-labs/jupyter.env has it; nothing of the test's own, which would say that nobody looks on."""
    return {
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "DOCKER_HOST": host,
        "DOCKER_LABS_HOST": host,
        "DOCKER_CONFIG": str(place / "docker"),
        "DOCKER_LABS_WORKSPACE": str(place / "workspace"),
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(place / "settings"),
        "JUPYTER_DATA_DIR": str(place / "data"),
        "JUPYTER_RUNTIME_DIR": str(place / "runtime"),
        "IPYTHONDIR": str(place / "ipython"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text(errors='replace')[-3000:]}")


# the person ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Notebook:
    """One open notebook. Cells are typed and run with Shift+Enter, each at the end of the notebook."""

    page: Page
    server: Server

    @classmethod
    def opened(cls, page: Page, server: Server, path: str) -> Notebook:
        page.goto(server.address(path))
        return cls(page, server)._ready()

    @classmethod
    def new(cls, page: Page, server: Server) -> Notebook:
        """An empty notebook, from the launcher."""
        page.goto(server.address())
        page.locator(".jp-LauncherCard[data-category='노트북'], .jp-LauncherCard[data-category='Notebook']").click()
        return cls(page, server)._ready()

    def _ready(self) -> Notebook:
        expect(self.cells.first).to_be_visible()
        # Shift+Enter before the kernel is connected is lost
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(_IDLE)
        return self

    @property
    def cells(self) -> Locator:
        return self.page.locator(f"{_PANEL} .jp-Cell")

    def start(self, source: str) -> Locator:
        """Type `source` into the last cell and press Shift+Enter: the cell, perhaps still running."""
        at = self.cells.count() - 1
        cell = self.cells.nth(at)
        cell.locator(".cm-content").click()
        self.page.keyboard.type(source)
        self.page.keyboard.press("Shift+Enter")
        return cell

    def run(self, source: str) -> str:
        """The text that the cell shows when it has ended."""
        return self.ended(self.start(source))

    def ended(self, cell: Locator) -> str:
        expect(cell.locator(".jp-InputPrompt")).to_have_text(DONE)
        return self.output(cell)

    @staticmethod
    def output(cell: Locator) -> str:
        return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())

    def run_all(self, path: str) -> list[Any]:
        """실행 → 모든 셀 실행, until the last cell has ended: the code cells as they are saved."""
        last = self.page.locator(f"{_PANEL} .jp-CodeCell .jp-InputArea-prompt").last
        self.page.locator(".lm-MenuBar-item", has_text=_RUN_MENU).click()
        self.page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
        expect(last).to_have_text(_WAITING)
        expect(last).to_have_text(DONE, timeout=RUN_ALL_PATIENCE * 1000)
        deadline = time.monotonic() + PATIENCE
        while True:  # cells with a folded input come after it, and show no number
            cells = [cell for cell in self.saved(path).cells if cell.cell_type == "code" and cell.source]
            if all(cell.execution_count for cell in cells) or time.monotonic() > deadline:
                return cells
            time.sleep(0.2)

    def saved(self, path: str) -> Any:
        """The notebook after Ctrl+S, as the server wrote it to `path`."""
        self.page.keyboard.press("Control+s")
        expect(self.page.locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty")).to_have_count(0)
        return self.server.read(path)
