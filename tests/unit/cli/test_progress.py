"""Progress on a terminal and elsewhere, by the rules of moby's jsonmessage."""

from __future__ import annotations

import io

from kernel_engine.cli.progress import Display, bar

PULL = [
    {"status": "Pulling from library/busybox", "id": "latest"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "aaa"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "bbb"},
    {"status": "Downloading", "progressDetail": {"current": 512, "total": 1024}, "id": "aaa"},
    {"status": "Pull complete", "progressDetail": {}, "id": "aaa"},
    {"status": "Status: Downloaded newer image for busybox:latest"},
    {"aux": {"Tag": "latest"}},
]


def shown(*, terminal: bool, width: int = 120) -> str:
    out = io.StringIO()
    display = Display(out, terminal=terminal, width=width)
    for message in PULL:
        display.show(message)
    return out.getvalue()


def test_without_a_terminal_each_state_is_a_line() -> None:
    assert shown(terminal=False) == (
        "latest: Pulling from library/busybox\naaa: Pulling fs layer\nbbb: Pulling fs layer\n"
        "aaa: Pull complete\nStatus: Downloaded newer image for busybox:latest\n"
    )


def test_on_a_terminal_each_layer_has_its_line() -> None:
    half = f"[{'=' * 25}>{' ' * 25}]     512B/1.024kB"
    assert shown(terminal=True) == (
        "latest: Pulling from library/busybox\n"
        "\n\x1b[1A\x1b[2K\raaa: Pulling fs layer \r\x1b[1B"
        "\n\x1b[1A\x1b[2K\rbbb: Pulling fs layer \r\x1b[1B"
        f"\x1b[2A\x1b[2K\raaa: Downloading {half}\r\x1b[2B"
        "\x1b[2A\x1b[2K\raaa: Pull complete \r\x1b[2B"
        "Status: Downloaded newer image for busybox:latest\n"
    )


def test_bars() -> None:
    assert bar(None, 200) == ""
    assert bar({}, 200) == ""
    assert bar({"current": 10}, 200) == "     10B"
    assert bar({"current": 512, "total": 1024}, 80) == "    512B/1.024kB"
    assert bar({"current": 2048, "total": 1024}, 80) == " 2.048kB"
    assert bar({"current": 2, "total": 4, "units": "layers"}, 80) == "2/4 layers"
    assert bar({"current": 1024, "total": 1024}, 200).startswith(f"[{'=' * 50}>] ")
