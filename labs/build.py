"""lab.md → lab.ipynb: directives become cells, cells get ids that stay, the notebook is executed and trimmed.

For authors: needs jupytext (`pip install docker-labs[authors]`). What a cell prints comes from a real engine; nothing
is made up here. `notebook` is pure but for reading the source; `execute` starts a kernel.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat as untyped
from nbformat import NotebookNode

from labs import catalogue
from labs.catalogue import Lab
from labs.checks import exercises
from labs.directives import BadSource, Directive, ExerciseText, directives, exercise
from labs.workspace import prepare

#: exercise ("05-2") → variable → value
Values = Mapping[str, Mapping[str, str]]
#: nbformat comes with types that say nothing
nbformat: Any = untyped
#: our private metadata key
KEY = "docker_labs"
#: a build of the wiki fetches packages
CELL_SECONDS = 300
SLOW_SECONDS = 10
NOTES = {"docker": "실제 Docker에서는", "why": "왜 실패했을까?", "tip": "도움말", "careful": "주의"}
_NOTE = re.compile(rf"^:::\{{(?P<kind>{'|'.join(NOTES)})\}}[ \t]*\n(?P<body>.*?)^:::[ \t]*$", re.MULTILINE | re.DOTALL)
#: a line of its own: a lab of the other track in which the same is done by hand, or by docker. "{hand}`engine/03`"
WAYS = {"hand": "이 단계를 손으로", "docker": "도커로 할 때"}
_WAY = re.compile(rf"^\{{(?P<way>{'|'.join(WAYS)})\}}`(?P<lab>[^`]+)`$", re.MULTILINE)
WORK_HERE = "# 여기에 명령을 쓰고 실행하세요."
WALL_HERE = "%%wall\n# 여기에 파이썬을 쓰고 실행하세요."


# the source, as MyST -------------------------------------------------------------------------------------------------
def as_myst(lab: Lab, values: Values | None = None) -> str:
    """The lab's source without directives: what jupytext reads. `values`: exercise → what its learner gets."""
    text = lab.source.read_text(encoding="utf-8")
    pieces, at = [], 0
    for found in directives(text):
        pieces += [text[at : found.start], _as_cells(found, lab, values or {})]
        at = found.end
    text = _NOTE.sub(_note, "".join([*pieces, text[at:]]))
    text = _WAY.sub(lambda found: _way(found, lab), text)
    if left := re.search(r"^(`{3,}|:::)\{(?!code-cell)[^\n]*", text, re.MULTILINE):
        raise BadSource(f"{lab.source}: unknown directive {left[0]!r}")
    header, body = _split(text)
    return f"{header}\n{_code_cell(f'%map {lab.number}', folded=True)}\n\n{body}"


def _split(text: str) -> tuple[str, str]:
    """Front matter with its lines of `---`, and the rest."""
    end = text.index("\n---\n", 3) + 5
    return text[:end], text[end:]


def _as_cells(directive: Directive, lab: Lab, values: Values) -> str:
    if directive.kind == "exercise":
        name = directive.argument.partition(" ")[0]
        varied = exercises(lab)[name].varied if name in exercises(lab) else ()
        said = exercise(directive, {each.name: each.of(values.get(name, {})) for each in varied})
        check = _code_cell(f"%check {said.id} {said.answer}".rstrip(), folded=False)
        here = _code_cell(WALL_HERE if lab.track else WORK_HERE, folded=False)
        return f"+++\n\n{heading(said)}\n\n{said.text}\n\n{here}\n\n{check}"
    return _code_cell(f"%{directive.kind} {directive.argument}".rstrip(), folded=True)


def heading(said: ExerciseText) -> str:
    return f"### 과제 {said.id}. {said.title}"


def _code_cell(source: str, *, folded: bool) -> str:
    tags = ":tags: [hide-input]\n\n" if folded else ""
    return f"```{{code-cell}}\n{tags}{source}\n```"


def _note(found: re.Match[str]) -> str:
    """A quotation: JupyterLab sets it off without colouring a page red."""
    body = found["body"].strip("\n").splitlines()
    return "\n".join(f"> {line}".rstrip() for line in (f"**{NOTES[found['kind']]}**", "", *body))


def _way(found: re.Match[str], lab: Lab) -> str:
    """A quiet line with the other lab's title, which JupyterLab opens from where this one lies."""
    other = catalogue.lab(found["lab"], lab.course)
    place = os.path.relpath(other.notebook, lab.folder)
    return f"<small>{WAYS[found['way']]}: [{other.number} {other.title}]({place})</small>"


# the notebook --------------------------------------------------------------------------------------------------------
def notebook(lab: Lab, values: Values | None = None) -> NotebookNode:
    """Not executed. `values`: as `as_myst`. The same source gives the same notebook, ids included."""
    import jupytext  # type: ignore[import-untyped]

    made: NotebookNode = jupytext.reads(as_myst(lab, values), fmt="md:myst")
    for cell, name in zip(made.cells, identities(lab.number, made.cells), strict=True):
        cell.id = name
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict(_metadata(tags))
    return with_metadata(made, {"lab": lab.number, "title": lab.title})


def _metadata(tags: list[str]) -> dict[str, Any]:
    folded = {"jupyter": {"source_hidden": True}} if "hide-input" in tags else {}
    return {"tags": tags, **folded} if tags else {}


def playground() -> NotebookNode:
    """The empty notebook beside the labs: the engine's picture, a cell to work in, and the way back."""
    made = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(
                "# 놀이터\n\n여기에서는 무엇이든 해 볼 수 있어요. 셀에 `docker` 명령을 쓰고 Shift+Enter로 실행하세요. "
                "아래 그림은 명령을 실행할 때마다 바뀌어요."
            ),
            nbformat.v4.new_code_cell("%live", metadata=_metadata(["hide-input"])),
            nbformat.v4.new_code_cell(""),
            nbformat.v4.new_code_cell(""),
            nbformat.v4.new_markdown_cell(
                "처음으로 돌아가려면 아래 셀을 실행하세요. 만든 컨테이너와 이미지를 모두 지워요. 받은 이미지는 남아요."
            ),
            nbformat.v4.new_code_cell("%reset"),
        ]
    )
    for cell, name in zip(made.cells, identities("playground", made.cells), strict=True):
        cell.id = name
    return with_metadata(made, {"title": "놀이터"})


def identities(lab: str, cells: list[NotebookNode]) -> Iterator[str]:
    """An id for each cell from what it says, so that an edit elsewhere does not change it."""
    seen: dict[str, int] = {}
    for cell in cells:
        told = f"{lab}\0{cell.cell_type}\0{cell.source}"
        seen[told] = seen.get(told, 0) + 1
        yield hashlib.sha256(f"{told}\0{seen[told]}".encode()).hexdigest()[:8]


def with_metadata(made: NotebookNode, ours: dict[str, Any]) -> NotebookNode:
    """`ours` goes under our key."""
    made.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
            KEY: ours,
        }
    )
    made.nbformat, made.nbformat_minor = 4, 5
    return made


# execution -----------------------------------------------------------------------------------------------------------
def execute(made: NotebookNode, lab: Lab, host: str) -> dict[str, float]:
    """Runs all cells in a learner's folder on the engine at `host`; outputs stay in `made`. Seconds by cell id.

    Raises nbclient's CellExecutionError when a cell raises.
    """
    from nbclient import NotebookClient

    with learners_folder(lab) as folder, kernel_environment(host, workspace_of(lab, folder)):
        NotebookClient(
            made, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    took = {cell.id: _seconds(cell) for cell in made.cells if cell.cell_type == "code"}
    _trim(made)
    return took


@contextmanager
def fixed_ports() -> Iterator[None]:
    """Labs publish fixed ports of the machine (9000, 9999): one engine at a time runs them, whoever builds or tests."""
    with Path(tempfile.gettempdir(), "docker-labs-ports.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def learners_folder(lab: Lab) -> Iterator[Path]:
    """The lab's folder as a learner gets it, in a workspace of its own: what cells write there is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="docker-labs-") as scratch:
        prepare(Path(scratch), lab.course)
        folder = Path(scratch, lab.place)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def workspace_of(lab: Lab, folder: Path) -> Path:
    """The workspace in which `folder` is the lab's."""
    return folder.parents[lab.place.count("/")]


@contextmanager
def kernel_environment(host: str, workspace: Path | None = None) -> Iterator[None]:
    """For kernels started within: our extension loaded, this engine, this workspace, nobody looking on."""
    with tempfile.TemporaryDirectory(prefix="docker-labs-") as scratch:
        profile = Path(scratch, "profile_default")
        profile.mkdir()
        (profile / "ipython_config.py").write_text('get_config().InteractiveShellApp.extensions = ["labs"]\n')
        changed = {
            "IPYTHONDIR": scratch,
            "DOCKER_HOST": host,
            "DOCKER_LABS_HOST": host,
            "DOCKER_CONFIG": str(Path(scratch, "docker")),
            "DOCKER_LABS_STILL": "1",
            **({"DOCKER_LABS_WORKSPACE": str(workspace)} if workspace is not None else {}),
        }
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _seconds(cell: NotebookNode) -> float:
    from datetime import datetime

    times = cell.metadata.get("execution", {})
    began, ended = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    if not began or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _trim(made: NotebookNode) -> None:
    """What differs from run to run and what only a kernel understands."""
    made.metadata.pop("widgets", None)
    for cell in made.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What was printed in a row is one output, however it came."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


# in step -------------------------------------------------------------------------------------------------------------
def difference(lab: Lab) -> str:
    """Where the built notebook does not follow the source; "" when they are in step."""
    if not lab.notebook.exists():
        return f"{lab.notebook.name} has not been built"
    built = nbformat.read(lab.notebook, as_version=4)
    wanted = notebook(lab)
    if _faces(built) != _faces(wanted):
        pairs = zip(_faces(built), _faces(wanted), strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), None)
        return f"{lab.notebook.name} is not what {lab.source.name} says" + (f": {first[1][2][:80]!r}" if first else "")
    if any(cell.cell_type == "code" and cell.source and cell.execution_count is None for cell in built.cells):
        return f"{lab.notebook.name} has not been executed"
    return ""


def refresh(lab: Lab, course: tuple[Lab, ...]) -> str:
    """Brings prose and course map of a built notebook up to date without running it: what another lab's coming
    changes. What is still not as the source says, as `difference`."""
    from labs.notebook.learning import pages

    if not lab.notebook.exists():
        return difference(lab)
    built, wanted = nbformat.read(lab.notebook, as_version=4), notebook(lab)
    if [cell.cell_type for cell in built.cells] == [cell.cell_type for cell in wanted.cells]:
        for old, new in zip(built.cells, wanted.cells, strict=True):
            if new.cell_type == "markdown":
                old.source, old.id = new.source, new.id
            elif new.source == old.source == f"%map {lab.number}" and old.outputs:
                shown = {"text/plain": pages.map_text(lab, course), "text/html": pages.map_html(lab, course)}
                old.outputs[0].data = nbformat.from_dict(shown)
        write(built, lab.notebook)
    return difference(lab)


def _faces(made: NotebookNode) -> list[tuple[str, str, str]]:
    return [(cell.id, cell.cell_type, cell.source) for cell in made.cells]


def write(made: NotebookNode, path: Path) -> None:
    """As Jupyter writes it: UTF-8, one final newline."""
    nbformat.validate(made)
    path.write_text(nbformat.writes(made) + "\n", encoding="utf-8")
