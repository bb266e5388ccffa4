"""`labs assign`: labs to hand out, in the folders that nbgrader knows.

FOLDER/manifest.json                 for the teacher: points, seed, learners, digests
FOLDER/source/05_x/lab.ipynb         for the teacher: with solutions and all marks
FOLDER/release/05_x/…                for everybody: notebook and materials
FOLDER/learners/kim/05_x/…           with --learners: each their own
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode

from labs import build, catalogue, practice, workspace
from labs.catalogue import Lab
from labs.grading import manifest, sheet
from labs.grading.failures import BadInput
from labs.grading.manifest import Learner, Manifest


def assign(labs: tuple[Lab, ...], folder: Path, learners: tuple[Learner, ...] = (), seed: str = "") -> Manifest:
    """Writes it all. What another `assign` left in the folder of one of these labs is replaced. BadInput, BadSource."""
    sheets = {lab: sheet.sheet(lab) for lab in labs}
    made = Manifest(seed=seed, learners=learners, labs={sheet.assignment(lab): manifest.assigned(lab) for lab in labs})
    if (folder / manifest.FILE).exists():
        made = _joined(manifest.read(folder), made, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for lab, found in sheets.items():
        name = sheet.assignment(lab)
        _lay(lab, found.source, folder / "source" / name)
        _lay(lab, found.notebook, folder / "release" / name)
        for learner in learners:
            values = made.values(lab, learner.id)
            own = sheet.sheet(lab, values).notebook if values else found.notebook
            _lay(lab, own, folder / "learners" / learner.id / name, values)
    manifest.write(made, folder)
    return made


def _joined(before: Manifest, made: Manifest, folder: Path) -> Manifest:
    """Labs may be handed out one after another, all with the same seed to the same learners."""
    if (before.seed, before.learners) != (made.seed, made.learners):
        raise BadInput(
            f"{folder / manifest.FILE}: made with another seed or other learners; take another folder",
            f"{folder}에는 다른 시드나 다른 명단으로 만든 과제가 있어요. 다른 폴더를 쓰세요.",
        )
    return Manifest(seed=made.seed, learners=made.learners, labs={**before.labs, **made.labs})


def _lay(lab: Lab, notebook: NotebookNode, folder: Path, values: build.Values | None = None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for path, file in materials(lab):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(workspace.content(file))
        target.chmod(0o600 | file.stat().st_mode & 0o755)
    folder.mkdir(parents=True, exist_ok=True)
    build.write(notebook, folder / catalogue.NOTEBOOK)
    if values:
        text = json.dumps(values, ensure_ascii=False, indent=1)
        (folder / practice.VALUES).write_text(text, encoding="utf-8")


def materials(lab: Lab) -> Iterable[tuple[str, Path]]:
    """Path in the lab's folder, and the course's file."""
    beneath = f"{lab.folder.name}/"
    for path, file in workspace.offered_files(lab.folder.parent).items():
        if path.startswith(beneath) and path != beneath + catalogue.NOTEBOOK:
            yield path.removeprefix(beneath), file
