"""`kernel-engine`: the command line of the engine itself. What each word does lives in a file of its own name."""

from __future__ import annotations

import argparse
import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from kernel_engine import __version__
from kernel_engine.errors import EngineError, InvalidRequest
from kernel_engine.paths import DEFAULT_ROOT, DEFAULT_RUN, SOCKET_GROUP, Instance


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(words)
    try:
        return _run(options, words)
    except EngineError as error:
        print(f"kernel-engine: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"kernel-engine: {error.hint}", file=sys.stderr)
        return 1


def instance_of(words: list[str]) -> Instance:
    """Which engine the words of a command are about. Ends this process, as argparse does, where they mean nothing."""
    return _instance(_parser().parse_args(words))


def _instance(options: argparse.Namespace) -> Instance:
    """Of root, or of an ordinary user. The doctor looks at the machine's engine, whoever asks, unless told to."""
    if options.inside or not (options.rootless or (os.geteuid() and options.verb != "doctor")):
        found = Instance.at(options.root or DEFAULT_ROOT, options.run or DEFAULT_RUN, rootless=options.inside)
        if not options.inside:
            return found
    from kernel_engine.daemon import rootless

    if options.inside:
        return rootless.with_groups(found)
    return rootless.instance(options.root, options.run)


def _go_inside(verb: str, instance: Instance, words: list[str]) -> int:
    """An ordinary user's engine is served, and cleaned up, by root of the user's own namespaces."""
    from kernel_engine.daemon import rootless

    if verb != "cleanup" or os.path.exists(instance.root) or os.path.exists(instance.run):
        rootless.go_inside(instance, words)
    return 0


def _run(options: argparse.Namespace, words: list[str]) -> int:
    # each imports what only it needs: the doctor must speak on a machine where the daemon cannot even be imported
    if options.verb == "forkserver":
        from kernel_engine.daemon.forkserver import forkserver

        return forkserver()
    instance = _instance(options)
    if instance.rootless and not options.inside and options.verb != "doctor":
        return _go_inside(options.verb, instance, words)
    if options.verb == "serve":
        from kernel_engine.daemon.serve import Settings, serve
        from kernel_engine.runtime.cgroups import Limits

        return serve(
            Settings(
                instance=instance,
                mirrors=tuple(options.registry_mirror),
                insecure=tuple(options.insecure_registry),
                certificates=options.certificates,
                group=options.group,
                subnet=options.subnet,
                dns=tuple(options.dns),
                userns_remap=options.userns_remap,
                **_tcp(options),
                restrict=options.restrict,
                restrict_binds=tuple(options.restrict_binds),
                own_network=options.own_network,
                limits=Limits(
                    memory=options.limit_memory,
                    nano_cpus=options.limit_cpus,
                    pids=options.limit_pids,
                    containers=options.limit_containers,
                ),
                limit_disk=options.limit_disk,
                limit_servers=options.limit_servers,
                user=options.socket_user,
                verbose=options.debug,
            )
        )
    if options.verb == "doctor":
        from kernel_engine.daemon.doctor import doctor

        return doctor(instance, options.group or SOCKET_GROUP, options.format)
    from kernel_engine.daemon.cleanup import cleanup

    return cleanup(instance, everything=options.all, dry_run=options.dry_run)


def _tcp(options: argparse.Namespace) -> dict[str, Any]:
    """Settings.tcp and .tls."""
    from kernel_engine.api.tcp import Certificates, read_address

    files = {"authority": options.tlscacert, "certificate": options.tlscert, "key": options.tlskey}
    if any(files.values()) and not all(files.values()):
        raise InvalidRequest("--tlscacert, --tlscert and --tlskey go together: a client must show a certificate too")
    tls = Certificates(**files) if all(files.values()) else None
    return {"tcp": tuple(read_address(host, tls) for host in options.host), "tls": tls}


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kernel-engine", description="The container engine of Docker Labs.")
    parser.add_argument("--version", action="version", version=f"kernel-engine {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="serve|doctor|cleanup|forkserver")
    serve = verbs.add_parser("serve", help="serve the Docker Engine API until SIGTERM; containers go on after it")
    doctor = verbs.add_parser("doctor", help="say whether this machine can run containers, and what is missing")
    cleanup = verbs.add_parser("cleanup", help="remove every trace of an instance, also of one that was killed")
    forks = verbs.add_parser("forkserver", help="fork many short-lived engines, for programs: orders as JSON on stdin")
    forks.add_argument("--sealed", action="store_true", help=argparse.SUPPRESS)  # what it gives itself (runtime.seal)
    for verb in (serve, doctor, cleanup):
        verb.add_argument("--root", type=Path, help=f"what survives a reboot ({DEFAULT_ROOT})")
        verb.add_argument("--run", type=Path, help=f"what does not ({DEFAULT_RUN})")
        verb.add_argument(
            "--rootless",
            action="store_true",
            help="as an ordinary user, who needs not say so; the directories are then those of XDG_DATA_HOME and "
            "XDG_RUNTIME_DIR",
        )
        verb.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    for verb in (serve, doctor):
        verb.add_argument("--group", default="", help=f"who may use the socket ({SOCKET_GROUP}, if there is one)")
    doctor.add_argument("--format", choices=("text", "json"), default="text", help="json: for programs")
    serve.add_argument(
        "--registry-mirror", action="append", default=[], metavar="URL", help="ask here before docker.io; repeatable"
    )
    serve.add_argument(
        "--insecure-registry",
        action="append",
        default=[],
        metavar="HOST[:PORT]|CIDR",
        help="a registry that may be spoken to without TLS; loopback always may; repeatable",
    )
    serve.add_argument(
        "--certificates",
        type=Path,
        default=Path("/etc/docker/certs.d"),
        metavar="DIR",
        help="DIR/HOST[:PORT]/*.crt: whom to trust for that registry (/etc/docker/certs.d)",
    )
    serve.add_argument("--subnet", default=None, metavar="CIDR", help="of the default bridge; chosen if not given")
    serve.add_argument(
        "--dns",
        action="append",
        default=[],
        type=_address,
        metavar="ADDRESS",
        help="the resolver of containers that name none, instead of the host's; repeatable",
    )
    serve.add_argument(
        "--userns-remap",
        default="",
        metavar="default|USER[:GROUP]",
        help="the root of containers is nobody here: users and groups from /etc/subuid and /etc/subgid",
    )
    serve.add_argument(
        "-H",
        "--host",
        action="append",
        default=[],
        metavar="tcp://ADDRESS:PORT",
        help="serve there besides the socket: with TLS, or plain on a loopback address; repeatable",
    )
    for name, what in (
        ("--tlscacert", "who signs the certificates of clients"),
        ("--tlscert", "the engine's own certificate"),
        ("--tlskey", "its key"),
    ):
        serve.add_argument(name, type=Path, default=None, metavar="FILE", help=f"{what}, for --host")
    _add_restriction(serve)
    serve.add_argument("--debug", action="store_true", help="log more")
    cleanup.add_argument("--all", action="store_true", help="images, containers and records too: the whole --root")
    cleanup.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    return parser


def _add_restriction(serve: argparse.ArgumentParser) -> None:
    """For an engine whose users are not to be root of this machine: a class, submissions that are graded."""
    serve.add_argument("--socket-user", default="", metavar="USER|UID", help="who, besides the group, may use it")
    serve.add_argument(
        "--restrict",
        action="store_true",
        help="refuse all that leads out of a container; containers' root is nobody here (--userns-remap default)",
    )
    serve.add_argument(
        "--restrict-binds",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="what lies in this folder may be mounted, and nothing else of this machine; repeatable",
    )
    serve.add_argument(
        "--own-network",
        action="store_true",
        help="with --restrict: the network namespace that this runs in is its users' own; allow --network host",
    )
    limits = (
        ("memory", _bytes, "BYTES[k|m|g]", "memory of all containers together, with swap"),
        ("cpus", _nano_cpus, "N", "processors of all containers together: 1.5"),
        ("pids", int, "N", "processes and threads of all containers together"),
        ("containers", int, "N", "how many containers there may be"),
        ("disk", _bytes, "BYTES[m|g]", "a new --root becomes a file system of this size, in a file beside it"),
    )
    for name, kind, word, text in limits:
        serve.add_argument(f"--limit-{name}", type=kind, default=0, metavar=word, help=text)
    serve.add_argument(
        "--limit-servers",
        type=int,
        default=None,
        metavar="N",
        help="other servers that there may be (restricted: 1)",
    )


def _bytes(text: str) -> int:
    from kernel_engine.formats.sizes import parse_size

    return parse_size(text)


def _nano_cpus(text: str) -> int:
    return int(float(text) * 1_000_000_000)


if __name__ == "__main__":
    sys.exit(main())
