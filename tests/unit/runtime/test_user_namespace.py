"""Whose ids are whose: pure."""

from __future__ import annotations

from kernel_engine.runtime.channel import as_json, mount_from_json, spec_from_json
from kernel_engine.runtime.spec import IdRange, Ids, Mount, Process, Rootfs, Spec
from kernel_engine.runtime.user_namespace import lines, owned_by

_IDS = Ids(
    users=(IdRange(inside=0, outside=100_000, count=65_536), IdRange(inside=65_536, outside=300_000, count=10)),
    groups=(IdRange(inside=0, outside=200_000, count=65_536),),
)


def test_lines_of_a_map() -> None:
    assert lines(_IDS.users) == "0 100000 65536\n65536 300000 10"


def test_who_somebody_is_outside() -> None:
    assert _IDS.root == (100_000, 200_000)
    assert _IDS.outside(33, 44) == (100_033, 200_044)
    assert _IDS.outside(65_537, 0) == (300_001, 200_000)
    assert _IDS.outside(70_000, 70_000) == (100_000, 200_000), "nobody it has: its root"


def test_a_folder_whose_owner_is_root_inside() -> None:
    found = owned_by(_IDS, (1001, 1002))
    assert lines(found.users) == "1001 100000 1\n100001 100001 65535\n300000 300000 10"
    assert lines(found.groups) == "1002 200000 1\n200001 200001 65535"


def test_a_spec_travels_whole() -> None:
    rootfs = Rootfs(base="/b", lower=("1",), upper="u", work="w", target="/t", store="/s")
    mount = Mount(type="inside", target="/x", lower=("/y",), base="/", owner=(1, 2))
    spec = Spec(id="1", process=Process(args=("a",)), rootfs=rootfs, cgroup="c", ids=_IDS, mounts=(mount,))
    assert spec_from_json(as_json(spec)) == spec
    assert mount_from_json(as_json(mount)) == mount
