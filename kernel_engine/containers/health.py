"""Health checks, the part that decides: which command, when, and what a result means. Pure.

`probing.py` runs them. The numbers and rules are moby's daemon/health.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kernel_engine.containers.options import ContainerOptions, Healthcheck
from kernel_engine.containers.record import Health, Probe
from kernel_engine.errors import InvalidRequest

#: nanoseconds
SECOND = 1_000_000_000
INTERVAL = 30 * SECOND
TIMEOUT = 30 * SECOND
START_INTERVAL = 5 * SECOND
SHORTEST = 1_000_000
RETRIES = 3
#: how many results are remembered, and how many bytes of each one's output
KEPT_RESULTS = 5
KEPT_OUTPUT = 4096
SHELL = ("/bin/sh", "-c")

#: field → its name in the JSON of images and of the API
_TIMES = (
    ("interval", "Interval"),
    ("timeout", "Timeout"),
    ("start_period", "StartPeriod"),
    ("start_interval", "StartInterval"),
)


def command(config: ContainerOptions) -> tuple[str, ...]:
    """What is run inside the container; () where nothing is checked."""
    test = config.healthcheck.test if config.healthcheck is not None else ()
    if len(test) > 1 and test[0] == "CMD":
        return test[1:]
    if len(test) > 1 and test[0] == "CMD-SHELL":
        return (config.shell or SHELL) + test[1:]
    return ()


def starting(config: ContainerOptions, before: Health | None) -> Health | None:
    """The health of a container that has just started; what was seen in its earlier life stays in the log."""
    return Health(log=before.log if before else ()) if command(config) else None


def delay(check: Healthcheck, health: Health, *, ran_for: float) -> float:
    """Seconds until the next probe, `ran_for` seconds after the container's start."""
    in_start_period = ran_for * SECOND < check.start_period
    if in_start_period and health.status == "starting":
        return (check.start_interval or START_INTERVAL) / SECOND
    return (check.interval or INTERVAL) / SECOND


def after(check: Healthcheck, health: Health, probe: Probe, *, started_at: float) -> Health:
    """The health once `probe` is known. In the start period a failure of a starting container does not count."""
    log = (*health.log, probe)[-KEPT_RESULTS:]
    if probe.exit_code == 0:
        return Health(status="healthy", log=log)
    forgiven = health.status == "starting" and (probe.start - started_at) * SECOND < check.start_period
    if forgiven:
        return replace(health, log=log)
    streak = health.failing_streak + 1
    failed = streak >= (check.retries or RETRIES)
    return Health(status="unhealthy" if failed else health.status, failing_streak=streak, log=log)


def inherit(mine: Healthcheck | None, image: Healthcheck | None) -> Healthcheck | None:
    """The caller's words over the image's, field by field."""
    if mine is None or image is None:
        return mine or image
    return Healthcheck(
        test=mine.test or image.test,
        interval=mine.interval or image.interval,
        timeout=mine.timeout or image.timeout,
        start_period=mine.start_period or image.start_period,
        start_interval=mine.start_interval or image.start_interval,
        retries=mine.retries or image.retries,
    )


def check_possible(check: Healthcheck) -> None:
    """InvalidRequest with Docker's text for times and counts that cannot be."""
    for field, name in _TIMES:
        value: int = getattr(check, field)
        if value != 0 and value < SHORTEST:
            raise InvalidRequest(f"{name} in Healthcheck cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidRequest("Retries in Healthcheck cannot be negative")


def from_config(words: object) -> Healthcheck | None:
    """The `Healthcheck` object of an image configuration. Values of the wrong type count as not given."""
    if not isinstance(words, Mapping):
        return None
    test = words.get("Test")
    numbers = {field: words.get(name) for field, name in (*_TIMES, ("retries", "Retries"))}
    return Healthcheck(
        test=tuple(str(word) for word in test) if isinstance(test, list | tuple) else (),
        **{field: value for field, value in numbers.items() if type(value) is int and value > 0},
    )


def to_config(check: Healthcheck) -> dict[str, Any]:
    """The same object for images and for the API: what is not said is left out."""
    words: dict[str, Any] = {"Test": list(check.test)}
    words |= {name: getattr(check, field) for field, name in _TIMES}
    words["Retries"] = check.retries
    return {name: value for name, value in words.items() if value}
