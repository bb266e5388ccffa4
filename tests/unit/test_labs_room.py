"""A room in a container that the engine refuses: what the learner is told hangs on what the engine is, not on words."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.wall import door
from tests.unit.client.served import in_json, serving

REFUSAL = {"message": "no room today"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [({"Restricted": True}, door.RESTRICTED), ({"Restricted": False}, "no room today"), ({}, "no room today")],
)
def test_why_no_room_opens(tmp_path: Path, said: dict[str, bool], shown: str) -> None:
    answers = {"/containers/create": in_json(REFUSAL, 403), "/kernel-engine/info": in_json(said)}
    with serving(tmp_path, answers) as served:
        door.reset(contained=True)
        try:
            with pytest.raises(door.NoRoom) as refused:
                door.run("1", print, host=served.host, folder=tmp_path)
        finally:
            door.reset()
        assert "POST /containers/create" in served.called
    assert str(refused.value).startswith(f"{door.UNOPENED}\n")
    assert shown in str(refused.value)
