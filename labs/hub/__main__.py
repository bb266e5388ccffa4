"""`python -m labs.hub fill | configuration`: what `./lab` runs. Speaks Korean, one line a step."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from labs.hub.bootstrap import BootstrapFailed
from labs.hub.fill import fill
from labs.hub.registry import DEFAULT_ADDRESS, DEFAULT_DATA, DEFAULT_PORT, RegistryFailed, configuration


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 1 after one line that says what failed."""
    parser = argparse.ArgumentParser(prog="python -m labs.hub")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    verbs = parser.add_subparsers(dest="verb", required=True)
    filling = verbs.add_parser("fill", help="build and push the images that are missing")
    filling.add_argument("--again", action="store_true", help="build every image anew")
    writing = verbs.add_parser("configuration", help="print the configuration of the read-only hub")
    writing.add_argument("--listen", default=DEFAULT_ADDRESS)
    writing.add_argument("--port", type=int, default=DEFAULT_PORT)
    options = parser.parse_args(arguments)
    if options.verb == "configuration":
        print(configuration(options.data, listen=f"{options.listen}:{options.port}"), end="")
        return 0
    try:
        fill(options.data, say=_say, again=options.again)
    except (BootstrapFailed, RegistryFailed, OSError) as error:
        print(f"허브를 채우지 못했어요: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
