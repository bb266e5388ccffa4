"""`up`, `create` and `scale`: the project is brought to what its files say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.converge.making import Maker
from kernel_engine.compose.converge.observed import Observed, observe
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.converge.plan import Recreate, Wishes
from kernel_engine.compose.converge.plan_creation import creation, doubts
from kernel_engine.compose.model import Project
from kernel_engine.compose.progress import Silent
from kernel_engine.compose.selecting import selected
from kernel_engine.compose.session import Session, warn
from kernel_engine.compose.verbs.images import Choice, provide
from kernel_engine.compose.verbs.starting import start_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.cli.grammar import Parsed

ORPHANS = (
    "Found orphan containers ([{names}]) for this project. If you removed or renamed this service in your compose "
    "file, you can run this command with the --remove-orphans flag to clean it up."
)
TOGETHER = (
    "--{first} cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, "
    "--attach-dependencies or --watch"
)


def up(session: Session) -> int:
    words = session.words
    _check(words)
    detached = words["detach"] or words["wait"]
    project = chosen(session)
    if words["exit-code-from"]:
        check_names(project, [words["exit-code-from"]])
    if not project.services:
        raise Failed("no service selected")
    display = session.display()
    create_all(session, project, _making(session), display)
    if words["no-start"] or session.options["dry-run"]:
        return 0
    if detached:
        limit = words["wait-timeout"] or 0
        start_all(session, project, display, wait=words["wait"], limit=limit)
        return 0
    from kernel_engine.compose.verbs.attached import attached

    return attached(session, project)


def create(session: Session) -> int:
    words = session.words
    if words["build"] and words["no-build"]:
        raise Failed("--build and --no-build are incompatible")
    if words["force-recreate"] and words["no-recreate"]:
        raise Failed("--force-recreate and --no-recreate are incompatible")
    create_all(session, chosen(session), _making(session), session.display("Creating"))
    return 0


def scale(session: Session) -> int:
    """`scale web=3`: the other services stay as they are."""
    counts = _scales(session.services)
    project = _scaled(session.project(counts), counts)
    project = selected(project, counts, dependencies=not session.words["no-deps"])
    display = session.display()
    create_all(session, project, Making(targets=frozenset(counts)), display)
    if not session.options["dry-run"]:
        start_all(session, project, display)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What the options of `up` and `create` say of the containers."""

    targets: frozenset[str] = frozenset()
    recreate: Recreate = "diverged"
    recreate_dependencies: Recreate = "diverged"
    remove_orphans: bool = False
    inherit: bool = True
    timeout: int | None = None
    choice: Choice = field(default_factory=Choice)


def _making(session: Session) -> Making:
    words = session.words
    given = words.values
    recreate: Recreate = "force" if words["force-recreate"] else "never" if words["no-recreate"] else "diverged"
    dependencies: Recreate = "never" if words["no-recreate"] else "diverged"
    return Making(
        targets=frozenset(session.services),
        recreate=recreate,
        recreate_dependencies="force" if given.get("always-recreate-deps") else dependencies,
        remove_orphans=words["remove-orphans"] or session.says("COMPOSE_REMOVE_ORPHANS"),
        inherit=not given.get("renew-anon-volumes"),
        timeout=given.get("timeout"),
        choice=Choice(
            build=words["build"], no_build=words["no-build"], pull=words["pull"], quiet=words["quiet-pull"],
        ),
    )  # fmt: skip


def chosen(session: Session) -> Project:
    """The project with the services that were named and, without --no-deps, those that they depend on."""
    words = session.words
    counts = _scales(words["scale"])
    project = _scaled(session.project(session.services), counts)
    return selected(project, session.services, dependencies=not words.values.get("no-deps"))


def _scales(given: list[str]) -> dict[str, int]:
    counts = {}
    for item in given:
        name, equals, number = item.partition("=")
        if not equals or not name:
            raise Failed(f"invalid scale specifier: {item}")
        if not number.isdigit():
            raise Failed(f'strconv.Atoi: parsing "{number}": invalid syntax')
        counts[name] = int(number)
    return counts


def _scaled(project: Project, counts: dict[str, int]) -> Project:
    check_names(project, counts)
    services = {
        name: replace(service, scale=counts.get(name, service.scale)) for name, service in project.services.items()
    }
    return replace(project, services=services)


def create_all(session: Session, project: Project, making: Making, display: Silent) -> None:
    """Networks, volumes and containers as the project wants them, none started that did not run."""
    images = provide(session, project, making.choice, display)
    observed = observe(session.client, project)
    _tell_of_orphans(session, project, observed, making)
    for doubt in doubts(project, observed):
        warn(doubt)
    wishes = Wishes(
        targets=making.targets,
        recreate=making.recreate,
        recreate_dependencies=making.recreate_dependencies,
        remove_orphans=making.remove_orphans,
        images={name: str(image["Id"]) for name, image in images.items()},
    )
    steps = creation(project, observed, wishes)
    maker = Maker(
        client=session.client,
        project=project,
        observed=observed,
        display=display,
        images=images,
        timeout=making.timeout,
        inherit=making.inherit,
    )
    with display:
        display.expect(maker.subject(step) for step in steps if step.what != "rename")
        session.carry_out(steps, maker.do)


def _tell_of_orphans(session: Session, project: Project, observed: Observed, making: Making) -> None:
    orphans = observed.orphans(project)
    if session.says("COMPOSE_IGNORE_ORPHANS"):
        if making.remove_orphans:
            raise Failed("cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans")
        return
    if orphans and not making.remove_orphans:
        warn(ORPHANS.format(names=" ".join(item.name for item in orphans)))


def _check(words: Parsed) -> None:
    """Refuses what does not go together, in compose's words."""
    cascades = words["abort-on-container-exit"] or words["exit-code-from"]
    fails = words["abort-on-container-failure"]
    if words["abort-on-container-exit"] and fails:
        raise Failed("--abort-on-container-failure cannot be combined with --abort-on-container-exit")
    if words["build"] and words["no-build"]:
        raise Failed("--build and --no-build are incompatible")
    attaches = words["attach"] or words["attach-dependencies"]
    if (words["wait"] or words["detach"]) and (cascades or fails or attaches):
        raise Failed(TOGETHER.format(first="wait" if words["wait"] else "detach"))
    for first, second in (
        ("no-recreate", "renew-anon-volumes"),
        ("force-recreate", "no-recreate"),
        ("always-recreate-deps", "no-recreate"),
    ):
        if words[first] and words[second]:
            raise Failed(f"--{first} and --{second} are incompatible")
    if words["attach"] and words["attach-dependencies"]:
        raise Failed("cannot combine --attach and --attach-dependencies")
