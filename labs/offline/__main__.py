"""`python -m labs.offline packages | mirror | serve`: what `./lab bundle` and the mirror's service run."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from labs.offline.packages import AptFailed, File, bring, needed


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return int(options.carry_out(options))
    except (AptFailed, OSError, KeyError) as error:
        print(f"{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m labs.offline")
    verbs = parser.add_subparsers(required=True)
    packages = verbs.add_parser("packages", help="bring this distribution's packages, all that they need included")
    packages.add_argument("folder", type=Path)
    packages.add_argument("name", nargs="+")
    packages.set_defaults(carry_out=_packages)
    mirror = verbs.add_parser("mirror", help="make the archive that containers install from")
    mirror.add_argument("folder", type=Path)
    mirror.add_argument("--work", type=Path, required=True)
    mirror.set_defaults(carry_out=_mirror)
    serving = verbs.add_parser("serve", help="serve that archive, and the names that lead to it, until SIGTERM")
    serving.add_argument("folder", type=Path)
    serving.add_argument("--address", required=True)
    serving.add_argument("--port", type=int, required=True)
    serving.add_argument("--names-port", type=int, required=True)
    serving.set_defaults(carry_out=_serve)
    return parser


def _packages(options: argparse.Namespace) -> int:
    """An apt repository of one folder (sources.list(5), a path that ends in a slash)."""
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    found = needed(options.name, recommended=False)
    bring((File(uri=p.uri, target=folder / p.name, size=p.size, sha256=p.sha256) for p in found), _say)
    for file in folder.glob("*.deb"):
        if file.name not in {package.name for package in found}:
            file.unlink()  # an older version, of an earlier bundle
    index = subprocess.run(["apt-ftparchive", "packages", "."], cwd=folder, capture_output=True, check=True)
    (folder / "Packages").write_bytes(index.stdout)
    return 0


def _mirror(options: argparse.Namespace) -> int:
    from labs.offline.archive import make

    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    make(options.folder, options.work, architecture.stdout.strip(), _say)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from labs.offline.mirror import serve

    serve(options.folder, options.address, options.port, options.names_port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
