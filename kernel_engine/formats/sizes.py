"""Sizes in Docker's words, both ways. Pure. The words are those of docker/go-units."""

from __future__ import annotations

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
MULTIPLES = {letter: 1024**power for power, letter in enumerate("kmgtp", 1)}


def human_size(size: float, precision: int = 4) -> str:
    """Decimal units: 1984162 is `1.984MB`, with precision 3 (tables) `1.98MB`."""
    return _scaled(size, 1000.0, DECIMAL, precision)


def binary_size(size: float) -> str:
    """Binary units: 536870912 is `512MiB` (memory limits, `docker info`)."""
    return _scaled(size, 1024.0, BINARY, 4)


def parse_size(text: str) -> int:
    """Bytes of `512m`, `1.5GiB`, `64 kb`, `100`: always binary multiples. ValueError with go-units' words."""
    last = max((at for at, letter in enumerate(text) if letter in "0123456789. "), default=-1)
    if last < 0:
        raise ValueError(f"invalid size: '{text}'")
    number, suffix = text[: last + 1].removesuffix(" "), text[last + 1 :].lower()
    try:
        size = float(number)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{number}": invalid syntax') from None
    if not 0 <= size < float("inf"):
        raise ValueError(f"invalid size: '{text}'")
    if suffix in ("", "b"):
        return int(size)
    if suffix[0] not in MULTIPLES or suffix[1:] not in ("", "b", "ib"):
        raise ValueError(f"invalid suffix: '{suffix}'")
    return int(size * MULTIPLES[suffix[0]])


def _scaled(size: float, step: float, units: tuple[str, ...], precision: int) -> str:
    unit = 0
    while size >= step and unit < len(units) - 1:
        size /= step
        unit += 1
    return f"{size:.{precision}g}{units[unit]}"
