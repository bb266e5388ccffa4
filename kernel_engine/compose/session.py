"""One call of `docker compose`: its words, the engine, the project that it is about and the display of what is done."""

from __future__ import annotations

import os
import sys

from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kernel_engine.cli.grammar import Parsed
    from kernel_engine.client import Client
    from kernel_engine.compose.converge.carry_out import Halt
    from kernel_engine.compose.converge.plan import Step
    from kernel_engine.compose.model import Project, Wanted
    from kernel_engine.compose.progress import Silent

#: exit codes of a project that cannot be read
NO_FILE, UNREADABLE = 14, 15
TRUE = ("1", "true", "yes", "on", "t", "y")


class Session:
    """What a command's function gets. `options` are those before the command's name, `words` those after it."""

    __slots__ = ("client", "options", "path", "words")

    def __init__(self, client: Client, options: Parsed, words: Parsed, path: str) -> None:
        self.client = client
        self.options = options
        self.words = words
        self.path = path

    @property
    def services(self) -> list[str]:
        """The services named."""
        return self.words.arguments

    def project(self, services: Iterable[str] = ()) -> Project:
        """The project of the files. Services that are named count as in an active profile."""
        from kernel_engine.compose.loading import Care, load
        from kernel_engine.compose.refusals import Refused

        try:
            return load(self.wanted(services), care=Care(prune=not self.options["all-resources"]))
        except Refused as refused:
            if not refused.about.startswith("no such service"):
                absent = refused.about.endswith(("no such file or directory", "not found"))
                refused.code = NO_FILE if absent else UNREADABLE
            raise

    def wanted(self, services: Iterable[str] = ()) -> Wanted:
        """Which files, under which name, the options before the command mean."""
        from kernel_engine.compose.model import Wanted

        options = self.options
        return Wanted(
            files=tuple(options["file"]),
            directory=options["project-directory"] or options["workdir"],
            project_name=options["project-name"],
            profiles=tuple(options["profile"]),
            env_files=tuple(options["env-file"]),
            services=tuple(services),
            environment=os.environ,
            legacy=options["legacy"],
        )

    def project_or_name(self) -> tuple[Project | None, str]:
        """The project where there are files, else its name alone: it is known by its labels then."""
        name: str = self.options["project-name"]
        if name and not self.options["file"]:
            return None, name.lower()
        try:
            project = self.project()
        except Failed:
            name = os.environ.get("COMPOSE_PROJECT_NAME", "")
            if not name or self.options["file"]:
                raise
            return None, name.lower()
        return project, project.name

    def known_project(self) -> tuple[Project, bool]:
        """The project of the files, or what the engine has under its name; and whether files say it."""
        project, name = self.project_or_name()
        if project is not None:
            return project, True
        from kernel_engine.compose.converge.observed import project_of

        return project_of(self.client, name), False

    def display(self, title: str = "Running", *, among_output: bool = False) -> Silent:
        """`among_output`: containers print on the same screen, so that no line can be drawn anew."""
        from kernel_engine.compose.progress import MODES, display

        mode = self.options["progress"]
        if mode not in MODES:
            raise Failed(f'unsupported --progress value "{mode}"')
        return display(mode, title, ansi="never" if among_output and mode == "auto" else self.ansi)

    def carry_out(
        self,
        steps: Sequence[Step],
        do: Callable[[Step], None],
        *,
        halt: Halt | None = None,
        parallel: int = 0,
        told: Callable[[Step], str] | None = None,
    ) -> None:
        """Does a plan's steps, as many at once as --parallel says; with --dry-run only says what they are.

        `told`: how a step is said then, where its own words say too little.
        """
        from kernel_engine.compose.converge.carry_out import carry_out

        if not self.options["dry-run"]:
            carry_out(steps, do, halt=halt, parallel=parallel or self.parallel)
            return
        for step in steps:
            self.rehearse(told(step) if told else step.describe())

    def rehearse(self, what: str) -> None:
        """Says what --dry-run does not do."""
        print(f" DRY-RUN MODE -  {what}", file=sys.stderr, flush=True)

    @property
    def ansi(self) -> str:
        """ "never" | "always" | "auto"."""
        if self.options["no-ansi"]:
            return "never"
        given: str = self.options["ansi"]
        if given not in ("never", "always", "auto"):
            raise Failed(f"unsupported --ansi value: {given}")
        return given if "ansi" in self.options.given else os.environ.get("COMPOSE_ANSI", given)

    @property
    def parallel(self) -> int:
        """Steps at once."""
        from kernel_engine.compose.converge.carry_out import PARALLEL

        given = self.options["parallel"]
        text = os.environ.get("COMPOSE_PARALLEL_LIMIT", "")
        if "parallel" not in self.options.given and text:
            if not text.lstrip("-").isdigit():
                raise Failed(f"COMPOSE_PARALLEL_LIMIT must be an integer (found: {text!r})")
            given = int(text)
        return int(given) if given > 0 else PARALLEL

    def says(self, variable: str) -> bool:
        """Whether an environment variable switches something on."""
        return os.environ.get(variable, "").lower() in TRUE


def warn(text: str) -> None:
    """As compose prints what is no failure."""
    sys.stdout.flush()
    print(f"WARN[0000] {text}", file=sys.stderr, flush=True)


def coloured(session: Session) -> bool:
    """Whether output on standard output may be in colour."""
    if session.ansi != "auto":
        return session.ansi == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
