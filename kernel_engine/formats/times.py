"""Times and durations in Docker's words, both ways. Pure: "now" is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMERIC = "0123456789."
_LONGEST = (2**63 - 1) / 1e9  #: seconds that Go's 64 bits of nanoseconds hold
NEVER = "0001-01-01T00:00:00Z"


def human_duration(seconds: float) -> str:
    """`Less than a second`, `About a minute`, `3 hours`: go-units' HumanDuration."""
    whole = int(seconds)
    minutes = whole // 60
    hours = int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    return _days(hours, int(seconds) // 3600)


def _days(rounded: int, hours: int) -> str:
    if rounded < 24 * 14:
        return f"{rounded // 24} days"
    if rounded < 24 * 60:
        return f"{rounded // 24 // 7} weeks"
    if rounded < 24 * 730:
        return f"{rounded // 24 // 30} months"
    return f"{hours // 24 // 365} years"


def parse_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time with up to nine digits of fraction. ValueError otherwise."""
    return parse_nanoseconds(text) / 1e9


def parse_nanoseconds(text: str) -> int:
    """The same, exactly."""
    head, fraction, zone = _split_fraction(text)
    moment = datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=_zone(zone))
    return _epoch_seconds(moment) * 10**9 + int(f"{fraction:0<9}"[:9] or "0")


def rfc3339(nanoseconds: int) -> str:
    """`2026-11-24T02:34:37.443726342Z`: always nine digits, as Docker's logs and events show them."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def local_stamp(seconds: float) -> str:
    """`2026-11-24 02:34:37 +0000 UTC`: CREATED AT of tables."""
    try:
        moment = datetime.fromtimestamp(seconds).astimezone()
    except (ValueError, OverflowError):  # the year 1: an image that does not say when it was made
        moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S %z %Z}"


def parse_duration(text: str) -> float:
    """Seconds of a Go duration: `1h30m`, `1.5s`, `-10m`, `0`. ValueError otherwise."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest):
        end = at
        while end < len(rest) and rest[end] in _NUMERIC:
            end += 1
        unit_end = end
        while unit_end < len(rest) and rest[unit_end] not in _NUMERIC:
            unit_end += 1
        unit = rest[end:unit_end]
        if end == at or rest[at:end].count(".") > 1 or rest[at:end] == ".":
            raise ValueError(f'time: invalid duration "{text}"')
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in UNITS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(rest[at:end]) * UNITS[unit]
        at = unit_end
    if not rest or total > _LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total


def go_duration(nanoseconds: int) -> str:
    """`300ms`, `1m30s`, `1.5s`: as Go prints a duration."""
    if nanoseconds < 0:
        return f"-{go_duration(-nanoseconds)}"
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 10**6)):
        if nanoseconds < size * 1000:
            return f"{_fraction(nanoseconds, size)}{unit}" if nanoseconds else "0s"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{head}{_fraction(rest, 10**9)}s"


def _fraction(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = f"{rest:0{len(str(size)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def timestamp(text: str, now: float) -> str:
    """What a user writes for --since and --until as the API wants it, `seconds.nanoseconds`.

    A Go duration counts back from `now`; a date or a time without zone is local; a number is taken as it is.
    ValueError for anything else.
    """
    try:
        return f"{now - parse_duration(text):.9f}"
    except ValueError:
        pass
    seconds, _, fraction = text.partition(".")
    if seconds.removeprefix("-").isdigit() and (not fraction or fraction.isdigit()):
        return text
    head, fraction, zone = _split_fraction(text)
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d"):
        try:
            moment = datetime.strptime(head, form)
        except ValueError:
            continue
        aware = moment.replace(tzinfo=_zone(zone)) if zone else moment.astimezone()
        return f"{_epoch_seconds(aware)}.{f'{fraction:0<9}'[:9]}"
    raise ValueError(f'parsing time "{text}": cannot parse "{text}" as a date, a time or a duration')


def _split_fraction(text: str) -> tuple[str, str, str]:
    """`2026-11-24T02:34:37.5+09:00` → its parts (head, "5", "+09:00")."""
    zone = ""
    if text.endswith(("Z", "z")):
        text, zone = text[:-1], "Z"
    elif len(text) > 16 and text[-6] in "+-" and text[-3] == ":":
        text, zone = text[:-6], text[-6:]
    head, _, fraction = text.partition(".")
    if fraction and not fraction.isdigit():
        raise ValueError(f'parsing time "{text}": invalid fraction')
    return head, fraction, zone


def _zone(text: str) -> timezone:
    if text in ("", "Z"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def _epoch_seconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
