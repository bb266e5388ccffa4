"""docker commit --change."""

from __future__ import annotations

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.dockerfile.changes import apply_changes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('CMD ["cat", "/hello.txt"]', {"Cmd": ["cat", "/hello.txt"]}),
        ("CMD cat /hello.txt", {"Cmd": ["/bin/sh", "-c", "cat /hello.txt"]}),
        ("ENV A=1 B='x y'", {"Env": ["A=1", "B=x y"]}),
        ("env OLD form of it", {"Env": ["OLD=form of it"]}),
        ("EXPOSE 80 53/udp", {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        ("LABEL a=b", {"Labels": {"a": "b"}}),
        ('VOLUME ["/d"]', {"Volumes": {"/d": {}}}),
        ("USER web", {"User": "web"}),
        ("ONBUILD RUN x", {"OnBuild": ["RUN x"]}),
    ],
)
def test_each_instruction(change: str, expected: dict[str, object]) -> None:
    assert apply_changes({}, (change,)) == expected


def test_a_relative_working_directory_stands_on_the_former() -> None:
    assert apply_changes({"WorkingDir": "/a"}, ("WORKDIR b",)) == {"WorkingDir": "/a/b"}


@pytest.mark.parametrize("change", ["RUN ls", "FROM x", "NONSENSE"])
def test_what_needs_a_build_is_refused(change: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a valid change command"):
        apply_changes({}, (change,))
