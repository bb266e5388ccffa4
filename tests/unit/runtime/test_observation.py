"""The kernel's files about a process, as text."""

from __future__ import annotations

from kernel_engine.runtime.observation import Mount, Range, fields, mounts, ranges

MOUNTINFO = """\
610 609 0:52 / / rw,relatime - overlay overlay rw,lowerdir=a:b
611 610 0:55 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
640 610 254:0 /srv/my\\040data /data ro,relatime master:1 - ext4 /dev/vda rw
"""


def test_mountinfo() -> None:
    assert mounts(MOUNTINFO) == (
        Mount(target="/", type="overlay", source="overlay", root="/", options="rw,relatime"),
        Mount(target="/proc", type="proc", source="proc", root="/", options="rw,nosuid,nodev,noexec,relatime"),
        Mount(target="/data", type="ext4", source="/dev/vda", root="/srv/my data", options="ro,relatime"),
    )


def test_maps_and_status() -> None:
    assert ranges("         0     100000      65536\n") == (Range(inside=0, outside=100000, count=65536),)
    assert ranges("") == ()
    assert fields("Name:\tsh\nNSpid:\t812\t1\n") == {"Name": "sh", "NSpid": "812\t1"}
