"""HEALTHCHECK's words → its value: the options' times and numbers as Go reads them."""

from __future__ import annotations

from dataclasses import replace

from kernel_engine.formats.dockerfile import options
from kernel_engine.formats.dockerfile.errors import DockerfileError, quote
from kernel_engine.formats.dockerfile.given import Given
from kernel_engine.formats.dockerfile.instructions import Healthcheck
from kernel_engine.formats.times import parse_duration

_OPTIONS = ("interval", "timeout", "start-period", "start-interval", "retries")
_MILLISECOND = 10**6  #: in nanoseconds


def read(given: Given) -> Healthcheck:
    """DockerfileError with a reason only."""
    kind, *rest = given.at_least_one()
    if kind.upper() == "NONE":
        if rest:
            raise DockerfileError("HEALTHCHECK NONE takes no arguments")
        return Healthcheck(location=given.statement.location, text=given.statement.text, command=None)
    found = options.read(given.statement.flags, texts=_OPTIONS)
    if kind.upper() != "CMD":
        raise DockerfileError(f"Unknown type {quote(kind.upper())} in HEALTHCHECK (try CMD)")
    if not rest:
        raise DockerfileError("Missing command after HEALTHCHECK CMD")
    return Healthcheck(
        location=given.statement.location,
        text=given.statement.text,
        command=replace(given.command, words=tuple(rest)),
        interval=_nanoseconds(found, "interval"),
        timeout=_nanoseconds(found, "timeout"),
        start_period=_nanoseconds(found, "start-period"),
        start_interval=_nanoseconds(found, "start-interval"),
        retries=_retries(found.text("retries")),
    )


def _nanoseconds(found: options.Options, name: str) -> int:
    text = found.text(name)
    if not text:
        return 0
    try:
        time = round(parse_duration(text) * 1e9)
    except ValueError as error:
        raise DockerfileError(str(error)) from None
    if time < _MILLISECOND:
        raise DockerfileError(f'Interval "{name}" cannot be less than 1ms')
    return time


def _retries(text: str) -> int:
    if not text:
        return 0
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        raise DockerfileError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if len(digits) > 10 or int(digits) >= 2**31:
        raise DockerfileError(f'strconv.ParseInt: parsing "{text}": value out of range')
    if int(text) < 1:
        raise DockerfileError(f"--retries must be at least 1 (not {int(text)})")
    return int(text)
