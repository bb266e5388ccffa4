"""What nbval may overlook, and what it may not."""

from __future__ import annotations

import re

import pytest
from nbval.plugin import get_sanitize_patterns

from labs.catalogue import COURSE
from labs.notebook.learning.stack_picture import edge

PATTERNS = get_sanitize_patterns((COURSE / "sanitize.cfg").read_text(encoding="utf-8"))


def sanitized(text: str) -> str:
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("컨테이너 93463c92d7df에서", "컨테이너 87c46e3f9d82에서"),
        ("root@93463c92d7df:/# ls", "root@87c46e3f9d82:/# ls"),
        ("sha256:" + "a" * 64, "sha256:" + "b" * 64),
        ("0" * 64, "f" * 64),
        ("sh   Less than a second ago   Up 2 minutes    x", "sh   About a minute ago   Up Less than a second   x"),
        ("Exited (0) 3 seconds ago", "Exited (0) 12 minutes ago"),
        ("1.98MB", "2.01MB"),
        ("· 1.1ms ·", "· 728µs ·"),
        ("Linux 6.1.0-28-amd64", "Linux 5.15.167.4-microsoft-standard-WSL2"),
        ("172.17.0.2", "172.21.0.6"),
        ("uts:[4026531838]", "uts:[4026539999]"),
        ("2026-11-24T03:41:59.509909Z", "2026-01-01T00:00:00Z"),
        ("kind_yun", "busy_turing"),
        (edge(3), edge(4)),
        ("<style>a{}</style><b>", "<style>.b\n{}</style><b>"),
    ],
)
def test_what_differs_from_run_to_run_is_equal(one: str, other: str) -> None:
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Exited (0) 3 seconds ago", "Exited (1) 3 seconds ago"),
        ("Up 3 seconds", "Exited (0) 3 seconds ago"),
        ("이미지 1개", "이미지 2개"),
        ("A /root/new", "D /root/new"),
        ("No such container: a", "No such image: a"),
        ("레이어 1", "레이어 2"),
    ],
)
def test_what_matters_is_not_overlooked(one: str, other: str) -> None:
    assert sanitized(one) != sanitized(other)
