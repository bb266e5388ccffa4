"""A notebook of `%%dockerfile` and `%layers` cells gives the same outputs on two fresh engines, strictly compared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat as untyped
import pytest

from labs import build
from labs.catalogue import Lab
from tests.daemon import Daemon, running_daemon
from tests.labs.test_notebooks import replay

#: nbformat comes with types that say nothing
nbformat = untyped
SOURCE = """---
docker_labs: {lab: "98", title: 시험, minutes: 1, goals: [볼 수]}
---
```{code-cell}
%%dockerfile -t web:1 --build-arg WHO=you
FROM busybox AS tools
ARG WHO=me
RUN echo hello $WHO > /hello && date && sleep 0.1
FROM busybox AS unused
RUN false
FROM busybox
COPY --from=tools /hello /
ENV A=b
CMD cat /hello
```

```{code-cell}
docker run --rm web:1
```

```{code-cell}
%%dockerfile -t web:1 --build-arg WHO=them
FROM busybox AS tools
ARG WHO=me
RUN echo hello $WHO > /hello && date && sleep 0.1
FROM busybox
COPY --from=tools /hello /
ENV A=b
CMD cat /hello
```

```{code-cell}
%%dockerfile -t broken
FROM busybox
RUN echo about to fail; exit 3
```

```{layers} web:1 busybox
```
"""


@contextmanager
def fresh_engine(mirror: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place, running_daemon(Path(place), (mirror,)) as engine:
        yield engine


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: real namespaces, mounts and cgroups")
@pytest.mark.timeout(300)
def test_the_same_again_on_another_engine(busybox_mirror: str, tmp_path: Path) -> None:
    folder = tmp_path / "course" / "98_test"
    folder.mkdir(parents=True)
    (folder / "lab.md").write_text(SOURCE, encoding="utf-8")
    lab = Lab(number="98", title="시험", minutes=1, goals=("볼 수",), folder=folder)
    made = build.notebook(lab)
    made.cells = made.cells[1:]  # without the map of a course that has no such lab
    with fresh_engine(busybox_mirror) as engine:
        build.execute(made, lab, engine.host)
    texts = [output.data["text/plain"] for cell in made.cells for output in cell.outputs if "data" in output]
    assert "이미지를 만들었어요: web:1" in texts[0] and "RUN false · 건너뜀" in texts[0]
    assert "빌드 인자가 달라졌어요: WHO" in texts[1]
    assert "about to fail" in texts[2]
    assert "레이어 2 · COPY --from=tools /hello /" in texts[3]
    build.write(made, lab.notebook)
    with fresh_engine(busybox_mirror) as engine, build.learners_folder(lab) as place:
        result = replay(place / lab.notebook.name, engine, tmp_path)
    assert result.returncode == 0, result.stdout
