"""The health options of `run` and `create` as the Healthcheck object of POST /containers/create. Pure."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Parsed

FIELDS = {
    "health-interval": "Interval",
    "health-timeout": "Timeout",
    "health-start-period": "StartPeriod",
    "health-start-interval": "StartInterval",
    "health-retries": "Retries",
}

OPTIONS = ("health-cmd", *FIELDS)


def health_config(words: Parsed) -> dict[str, Any]:
    """Failed with Docker's text for options that contradict each other, and for numbers below nothing."""
    if words["no-healthcheck"]:
        if any(words[name] for name in OPTIONS):
            raise Failed("--no-healthcheck conflicts with --health-* options", 125)
        return {"Test": ["NONE"]}
    for name in FIELDS:
        if (words[name] or 0) < 0:
            raise Failed(f"--{name} cannot be negative", 125)
    config: dict[str, Any] = {"Test": ["CMD-SHELL", words["health-cmd"]]} if words["health-cmd"] else {}
    return config | {field: words[name] for name, field in FIELDS.items() if words[name]}
