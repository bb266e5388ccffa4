"""What `docker top` may be asked for."""

from __future__ import annotations

import pytest

from kernel_engine.containers.processes import check_ps, parse_ps
from kernel_engine.errors import InvalidRequest


@pytest.mark.parametrize("words", ["", "aux", "-ef", "-o pid,args", "-eo pid=PID,args"])
def test_columns_as_they_are(words: str) -> None:
    check_ps(words)


@pytest.mark.parametrize("words", ["-eo uid=PID,args", "-o args,ppid=PID", "-eo ppid= PIDS"])
def test_another_column_under_the_name_of_the_pid(words: str) -> None:
    with pytest.raises(InvalidRequest, match="is not allowed"):
        check_ps(words)


def test_only_the_containers_rows() -> None:
    text = "UID PID CMD\nroot 1 init of the host\nroot 20 sleep 5\n"
    assert parse_ps(text, frozenset({20})) == (("UID", "PID", "CMD"), (("root", "20", "sleep 5"),))
