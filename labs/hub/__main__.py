"""`python -m labs.hub fill | configuration | make`: what `./lab` runs. Speaks Korean, one line a step."""

from __future__ import annotations

import argparse
import ctypes
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from labs.hub.dockerfiles import BUILT, Built, named
from labs.hub.recipes import RECIPES, lasting
from labs.hub.registry import DEFAULT_ADDRESS, DEFAULT_DATA, DEFAULT_PORT, MAKER_PORT, RegistryFailed, configuration

PR_SET_PDEATHSIG = 1  # prctl(2)


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 1 after one line that says what failed."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    return int(options.work(options))


def _end(number: int, frame: object) -> None:
    """Asked to end in the middle, what was begun is still taken away, and nobody asks twice: a process whose parent has
    several threads hears of the end of each (prctl(2))."""
    signal.signal(number, lambda *_: None)
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m labs.hub")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    verbs = parser.add_subparsers(required=True)
    filling = verbs.add_parser("fill", help="make and push the images that are missing")
    filling.add_argument("image", nargs="*", help="besides the bases: images that are else made on first need")
    filling.add_argument("--all", action="store_true", help="every image that the hub can make")
    filling.add_argument("--lasting", action="store_true", help="for a bundle: apt takes lists of any age")
    filling.add_argument("--again", action="store_true", help="make each of them anew")
    filling.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    filling.set_defaults(work=_fill)
    writing = verbs.add_parser("configuration", help="print the configuration of the read-only hub")
    writing.add_argument("--listen", default=DEFAULT_ADDRESS)
    writing.add_argument("--port", type=int, default=DEFAULT_PORT)
    writing.set_defaults(work=_write)
    making = verbs.add_parser("make", help="make what the hub lacks when somebody asks for it, until SIGTERM")
    making.add_argument("--port", type=int, default=MAKER_PORT)
    making.add_argument("--hub", default=f"http://{DEFAULT_ADDRESS}:{DEFAULT_PORT}", help="where it is served then")
    making.set_defaults(work=_make)
    return parser


def _fill(options: argparse.Namespace) -> int:
    from labs.hub.bootstrap import BootstrapFailed
    from labs.hub.fill import fill
    from labs.hub.workshop import BuildFailed

    if options.with_parent:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    wanted: list[Built] = list(BUILT) if options.all else []
    for name in options.image:
        if (image := named(name)) is None:
            print(f"허브가 만들 수 없는 이미지예요: {name}", file=sys.stderr)
            return 1
        wanted.append(image)
    recipes = RECIPES if not options.image else ()
    if options.lasting:
        recipes = tuple(map(lasting, recipes))
        wanted = [replace(image, base=lasting(image.base)) for image in wanted]
    try:
        fill(options.data, recipes, wanted, say=_say, again=options.again,
             renew=not options.image and not options.lasting)  # fmt: skip
    except (BootstrapFailed, BuildFailed, RegistryFailed, OSError, subprocess.CalledProcessError) as error:
        print(f"허브를 채우지 못했어요: {error}", file=sys.stderr)
        return 1
    return 0


def _write(options: argparse.Namespace) -> int:
    print(configuration(options.data, listen=f"{options.listen}:{options.port}"), end="")
    return 0


def _make(options: argparse.Namespace) -> int:
    from labs.hub.maker import Maker, filling_process, serve

    try:
        serve(Maker(options.hub, lambda image, say: filling_process(options.data, image, say)), options.port)
    except OSError as error:
        print(f"{DEFAULT_ADDRESS}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
