"""Which images are pulled, which are built, and with which words of `docker build`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import options_of, parse
from kernel_engine.compose.model import Build, BuildSecret, FileObject, Ulimit
from kernel_engine.compose.verbs.build import build_words, refuse
from kernel_engine.compose.verbs.images import Choice, is_built, is_pulled
from tests.unit.compose.projects import project, service

BUILT = Build(context="/demo")


@pytest.mark.parametrize(
    ("given", "choice", "there", "built", "pulled"),
    [
        ({}, {}, True, False, False),
        ({}, {}, False, False, True),
        ({}, {"pull": "always"}, True, False, True),
        ({}, {"pull": "never"}, False, False, False),
        ({"pull_policy": "always"}, {}, True, False, True),
        ({"pull_policy": "always"}, {"pull": "missing"}, True, False, False),
        ({"pull_policy": "never"}, {}, False, False, False),
        ({"build": BUILT}, {}, True, False, False),
        ({"build": BUILT}, {}, False, True, False),
        ({"build": BUILT}, {"build": True}, True, True, False),
        ({"build": BUILT}, {"pull": "build"}, True, True, False),
        ({"build": BUILT, "pull_policy": "build"}, {}, True, True, False),
        ({"build": BUILT}, {"no_build": True}, False, False, True),
        ({"build": BUILT, "image": ""}, {"no_build": True}, False, False, False),
    ],
)
def test_what_is_had_how(given: dict[str, Any], choice: dict[str, Any], there: bool, built: bool, pulled: bool) -> None:
    item = service("web", **given)
    assert is_built(item, Choice(**choice), there) is built
    assert (not built and is_pulled(item, Choice(**choice), there)) is pulled


def test_words_of_a_build() -> None:
    build = Build(
        context="/demo",
        args={"A": "1", "B": None},
        target="last",
        labels={"own": "x"},
        tags=("demo:extra",),
        extra_hosts=("name=1.2.3.4",),
        ulimits={"nofile": Ulimit(soft=1, hard=2)},
        secrets=(BuildSecret(id="key", source="file"), BuildSecret(id="word", source="word")),
        no_cache=True,
        shm_size=1024,
    )
    web = service("web", image="", build=build, platform="linux/amd64")
    secrets = {
        "file": FileObject(name="demo_file", file="/demo/key"),
        "word": FileObject(name="demo_word", environment="WORD", content="x"),
    }
    words = build_words(project(web, secrets=secrets), web, "/demo/Dockerfile")
    given = parse(options_of(COMMANDS["build"].options), [*words, "/demo"])
    assert given.arguments == ["/demo"]
    assert given["tag"] == ["demo-web", "demo:extra"]
    assert given["file"] == "/demo/Dockerfile"
    assert given["build-arg"] == ["A=1", "B"]
    assert given["secret"] == ["id=key,src=/demo/key", "id=word,env=WORD"]
    assert (given["target"], given["platform"], given["no-cache"], given["shm-size"]) == (
        "last",
        "linux/amd64",
        True,
        1024,
    )
    assert given["label"][0] == "own=x"
    assert "com.docker.compose.service=web" in given["label"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"additional_contexts": {"a": "b"}}, 'service "web": build.additional_contexts is not supported'),
        ({"ssh": ("default",)}, "build.ssh is not supported"),
        ({"platforms": ("linux/amd64", "linux/arm64")}, "one platform at a time"),
    ],
)
def test_what_only_buildkit_does_is_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(Failed, match=text):
        refuse("web", replace(BUILT, **change))
