"""Restart policies, as numbers."""

from __future__ import annotations

import pytest

from kernel_engine.containers.options import RestartPolicy
from kernel_engine.containers.restart import next_delay, starts_with_daemon


def delay(
    name: str, *, code: int = 1, stopped: bool = False, count: int = 0, ran: float = 0.0, most: int = 0
) -> object:
    policy = RestartPolicy(name=name, maximum_retry_count=most)
    return next_delay(policy, exit_code=code, stopped_by_user=stopped, restart_count=count, ran_for=ran)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (delay("no"), None),
        (delay("always", code=0), 0.1),
        (delay("always", stopped=True), None),
        (delay("unless-stopped", stopped=True), None),
        (delay("on-failure", code=0), None),
        (delay("on-failure", code=3), 0.1),
        (delay("on-failure", count=2, most=2), None),
        (delay("always", count=3), 0.8),
        (delay("always", count=30), 60.0),
        (delay("always", count=30, ran=11.0), 0.1),
    ],
)
def test_next_delay(given: object, expected: object) -> None:
    assert given == expected


@pytest.mark.parametrize(
    ("name", "running", "stopped", "expected"),
    [
        ("always", False, True, True),
        ("unless-stopped", True, False, True),
        ("unless-stopped", False, True, False),
        ("on-failure", True, False, True),
        ("no", True, False, False),
    ],
)
def test_after_a_reboot(name: str, running: bool, stopped: bool, expected: bool) -> None:
    assert starts_with_daemon(RestartPolicy(name=name), was_running=running, stopped_by_user=stopped) is expected
