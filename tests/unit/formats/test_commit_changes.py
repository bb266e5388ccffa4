"""docker commit --change. The expected values and texts are Docker 20.10's."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.dockerfile.changes import apply_changes

CONTAINER = {"Cmd": ["echo", "hi"], "Env": ["Q=1", "PATH=/bin"], "WorkingDir": "/w"}


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        (('CMD ["cat", "/hello.txt"]',), {"Cmd": ["cat", "/hello.txt"]}),
        (("  CMD cat /hello.txt ",), {"Cmd": ["/bin/sh", "-c", "cat /hello.txt"]}),
        (("CMD",), {"Cmd": ["/bin/sh", "-c"]}),
        (("ENTRYPOINT x",), {"Entrypoint": ["/bin/sh", "-c", "x"], "Cmd": None}),
        (("CMD a", "ENTRYPOINT x"), {"Cmd": ["/bin/sh", "-c", "a"], "Entrypoint": ["/bin/sh", "-c", "x"]}),
        (("ENV A=1 B='x y' z=$Q",), {"Env": ["Q=1", "PATH=/bin", "A=1", "B=x y", "z=1"]}),
        (("env OLD form of it", "ENV Q=2"), {"Env": ["Q=2", "PATH=/bin", "OLD=form of it"]}),
        (("EXPOSE 80 53/udp", "expose 81"), {"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "81/tcp": {}}}),
        (("LABEL a=b",), {"Labels": {"a": "b"}}),
        (('VOLUME ["/d"]',), {"Volumes": {"/d": {}}}),
        (("USER web",), {"User": "web"}),
        (("WORKDIR sub",), {"WorkingDir": "/w/sub"}),
        (("ONBUILD RUN x",), {"OnBuild": ["RUN x"]}),
        (("HEALTHCHECK CMD x",), {"Healthcheck": {"Test": ["CMD-SHELL", "x"]}}),
        (("# a comment", "USER web"), {"User": "web"}),
        ((), {}),
    ],
)
def test_each_instruction(changes: tuple[str, ...], changed: dict[str, Any]) -> None:
    expected = {key: value for key, value in {**CONTAINER, **changed}.items() if value is not None}
    assert apply_changes(CONTAINER, changes) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            (f"{word} x", f"{word.lower()} is not a valid change command")
            for word in "RUN FROM ADD COPY ARG SHELL STOPSIGNAL MAINTAINER Nonsense".split()
        ),
        ("ENV", "ENV requires at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=${", "failed to process \"${\": syntax error: missing '}'"),
        ("LABEL a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ("EXPOSE a", "Invalid containerPort: a"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("CMD --x a", "Unknown flag: x"),
        ("WORKDIR $none", "cannot normalize nothing"),
        ("# x", "file with no instructions"),
    ],
)
def test_what_is_refused(change: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        apply_changes(CONTAINER, (change,))
    assert caught.value.message == message
