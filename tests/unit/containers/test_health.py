"""Health checks: which command, when the next one comes, what a result means."""

from __future__ import annotations

import pytest

from kernel_engine.containers import health
from kernel_engine.containers.merge import merge
from kernel_engine.containers.options import ContainerOptions, Healthcheck
from kernel_engine.containers.record import Health, Probe
from kernel_engine.errors import InvalidRequest

SECOND = health.SECOND


def probe(exit_code: int, at: float = 0.0) -> Probe:
    return Probe(start=at, end=at + 0.1, exit_code=exit_code, output="")


def course(check: Healthcheck, *codes: int, health_now: Health | None = None, first: float = 0.0) -> Health:
    """The health after probes with these exit codes, one a second, of a container started at 0."""
    now = health_now or Health()
    for number, code in enumerate(codes):
        now = health.after(check, now, probe(code, first + number), started_at=0.0)
    return now


def config(*test: str, shell: tuple[str, ...] = ()) -> ContainerOptions:
    return ContainerOptions(image="x", healthcheck=Healthcheck(test=test), shell=shell)


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (ContainerOptions(image="x"), ()),
        (config(), ()),
        (config("NONE"), ()),
        (config("CMD"), ()),
        (config("FOO", "true"), ()),
        (config("CMD", "curl", "-f", "localhost"), ("curl", "-f", "localhost")),
        (config("CMD-SHELL", "exit 1"), ("/bin/sh", "-c", "exit 1")),
        (config("CMD-SHELL", "exit 1", shell=("/bin/bash", "-ec")), ("/bin/bash", "-ec", "exit 1")),
    ],
)
def test_the_command_is_what_the_test_says(options: ContainerOptions, command: tuple[str, ...]) -> None:
    assert health.command(options) == command
    assert (health.starting(options, None) is None) == (command == ())


def test_one_success_is_healthy_and_three_failures_in_a_row_are_not() -> None:
    check = Healthcheck()
    assert course(check, 0).status == "healthy"
    assert course(check, 1, 1).status == "starting"
    assert course(check, 1, 1).failing_streak == 2
    assert course(check, 1, 1, 1).status == "unhealthy"
    assert course(check, 0, 1, 1, 0, 1, 1).status == "healthy"
    assert course(check, 1, 1, 1, 1, 0) == Health(
        status="healthy", log=tuple(probe(code, at) for at, code in enumerate((1, 1, 1, 1, 0)))
    )


def test_the_number_of_failures_is_the_users() -> None:
    assert course(Healthcheck(retries=1), 2).status == "unhealthy"
    assert course(Healthcheck(retries=5), 1, 1, 1, 1).status == "starting"


def test_failures_of_the_start_period_do_not_count_until_a_first_success() -> None:
    check = Healthcheck(start_period=10 * SECOND, retries=2)
    assert course(check, *[1] * 10) == Health(log=tuple(probe(1, at) for at in range(5, 10)))
    assert course(check, *[1] * 12).status == "unhealthy"
    assert course(check, 0, 1, 1).status == "unhealthy"


def test_five_results_are_kept_through_a_restart() -> None:
    before = course(Healthcheck(), *[0] * 7)
    assert [item.start for item in before.log] == [2, 3, 4, 5, 6]
    again = health.starting(config("CMD", "true"), before)
    assert again == Health(status="starting", log=before.log)


def test_the_next_probe() -> None:
    assert health.delay(Healthcheck(), Health(), ran_for=0) == 30
    assert health.delay(Healthcheck(interval=SECOND // 2), Health(), ran_for=0) == 0.5
    check = Healthcheck(start_period=60 * SECOND, interval=20 * SECOND)
    assert health.delay(check, Health(), ran_for=59) == 5
    assert health.delay(check, Health(), ran_for=61) == 20
    assert health.delay(check, Health(status="healthy"), ran_for=10) == 20


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (Healthcheck(interval=999_999), "Interval in Healthcheck cannot be less than 1ms"),
        (Healthcheck(timeout=-1), "Timeout in Healthcheck cannot be less than 1ms"),
        (Healthcheck(start_period=1), "StartPeriod in Healthcheck cannot be less than 1ms"),
        (Healthcheck(start_interval=1), "StartInterval in Healthcheck cannot be less than 1ms"),
        (Healthcheck(retries=-1), "Retries in Healthcheck cannot be negative"),
    ],
)
def test_what_cannot_be(check: Healthcheck, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        health.check_possible(check)


def test_the_callers_words_over_the_images() -> None:
    image = {
        "Cmd": ["sh"],
        "Shell": ["/bin/bash", "-c"],
        "Healthcheck": {"Test": ["CMD-SHELL", "old"], "Interval": 5, "Retries": 7, "Timeout": "soon"},
    }
    inherited = merge(ContainerOptions(image="x"), image)
    assert inherited.healthcheck == Healthcheck(test=("CMD-SHELL", "old"), interval=5, retries=7)
    assert inherited.shell == ("/bin/bash", "-c")
    changed = merge(ContainerOptions(image="x", healthcheck=Healthcheck(interval=9)), image)
    assert changed.healthcheck == Healthcheck(test=("CMD-SHELL", "old"), interval=9, retries=7)
    silenced = merge(ContainerOptions(image="x", healthcheck=Healthcheck(test=("NONE",))), image)
    assert silenced.healthcheck is not None
    assert silenced.healthcheck.test == ("NONE",)
    assert merge(ContainerOptions(image="x"), {"Cmd": ["sh"], "Healthcheck": [1]}).healthcheck is None


def test_an_image_and_back() -> None:
    check = Healthcheck(test=("CMD", "true"), interval=SECOND, retries=2)
    assert health.to_config(check) == {"Test": ["CMD", "true"], "Interval": SECOND, "Retries": 2}
    assert health.from_config(health.to_config(check)) == check
