"""Every error that a Dockerfile can give has its Korean line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel_engine.build.plan import plan
from kernel_engine.cli import korean
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.expansion import expand
from kernel_engine.formats.dockerfile.parse import parse
from kernel_engine.formats.dockerfile.settings import apply, start

CASES = sorted((Path(__file__).parents[2] / "testdata" / "dockerfile_syntax").glob("bad_*"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refused_file(case: Path) -> None:
    assert korean.line(json.loads((case / "result.json").read_text())["error"])


@pytest.mark.parametrize(
    ("lines", "advice"),
    [
        ("ENV a='b", "따옴표가 닫히지"),
        ("ENV a=${b", "${이름}"),
        ("ENV a=${}", "${이름}"),
        ("ENV a=${b!c}", "${이름:-기본값}"),
        ("ENV a=${b:?}", "--build-arg b=값"),
        ("ENV a=" + "${a:-" * 60 + "}" * 60, "더 간단하게"),
        ("EXPOSE http", "포트 번호"),
        ("EXPOSE 80/http", "tcp, udp, sctp"),
        ("VOLUME $none", "VOLUME의 경로"),
        ("WORKDIR $none", "WORKDIR의 경로"),
        ("STOPSIGNAL STOP-IT", "SIGTERM"),
        ("FROM a AS a", "이미 있어요"),
        ("FROM $none", "기본값"),
        ("COPY --from=$x a b", "변수를 쓸 수 없어요"),
        ("COPY --from=3 a b", "첫 FROM이 0번"),
        ("COPY --from=later a b\nFROM b AS later", "앞쪽에"),
        ("COPY --from=a a b", "자기 자신"),
        ("FROM --platform=$none a", "linux/amd64"),
    ],
)
def test_what_only_the_build_shows(lines: str, advice: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        settings, _ = start(None)
        for stage in plan(parse(f"FROM a AS a\n{lines}\n".encode())).stages:
            for instruction in stage.instructions:
                settings = apply(expand(instruction, settings.environment), settings)
    assert advice in korean.line(caught.value.message)


def test_an_unknown_target() -> None:
    with pytest.raises(DockerfileError) as caught:
        plan(parse(b"FROM a"), target="web")
    assert "AS web" in korean.line(caught.value.message)
