"""Restart policies: does an ended container start again, and when? Pure; the numbers are moby's restartmanager's."""

from __future__ import annotations

from kernel_engine.containers.options import RestartPolicy

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
#: a container that ran this long starts afresh with the first delay
STEADY = 10.0


def next_delay(
    policy: RestartPolicy, *, exit_code: int, stopped_by_user: bool, restart_count: int, ran_for: float
) -> float | None:
    """Seconds until the next start, or None: stay ended."""
    if stopped_by_user or policy.name in ("", "no"):
        return None
    if policy.name == "on-failure":
        if exit_code == 0 or (policy.maximum_retry_count and restart_count >= policy.maximum_retry_count):
            return None
    if ran_for >= STEADY:
        return FIRST_DELAY
    return float(min(FIRST_DELAY * 2 ** min(restart_count, 16), LONGEST_DELAY))


def starts_with_daemon(policy: RestartPolicy, *, was_running: bool, stopped_by_user: bool) -> bool:
    """After a reboot or a lost launcher: `always` comes back, `unless-stopped` unless it was stopped by hand."""
    if policy.name == "always":
        return True
    if policy.name == "unless-stopped":
        return not stopped_by_user
    return policy.name == "on-failure" and was_running
