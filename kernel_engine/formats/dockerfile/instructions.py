"""What an instruction says, as frozen values. Parsing is `parse`, variables are `expansion`, the effect is `settings`.

Every word is as written, before variables are replaced. Source: the Dockerfile reference (docs.docker.com) and
BuildKit's `frontend/dockerfile/instructions`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Lines of the Dockerfile, counted from 1; `end` is the last one (of a heredoc: its closing word)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """`<<NAME`, `<<"NAME"` (nothing is replaced in it) or `<<-NAME` (leading tabs are taken away)."""

    name: str
    content: str  #: with its last newline; the tabs of `<<-` are away already
    expand: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    location: Location
    #: the instruction on one line as written (continuations joined, comments dropped, heredoc bodies left out):
    #: what `Step 1/5 : …` prints
    text: str

    @property
    def keyword(self) -> str:
        """RUN, COPY, …"""
        return self.text.split(maxsplit=1)[0].upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """The words of RUN, CMD, ENTRYPOINT and of a health check: a shell's line, or a JSON list that is run as it is."""

    shell: bool
    words: tuple[str, ...]  #: shell: the one line


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    image: str
    name: str = ""  #: AS name, in lower case
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMount:
    """`RUN --mount=type=…`."""

    type: str = "bind"  #: bind | cache | tmpfs | secret | ssh
    target: str = ""
    source: str = ""
    from_: str = ""
    id: str = ""
    read_only: bool | None = None  #: None = the type's own default (bind: true, cache: false)
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int = 0
    sharing: str = "shared"  #: cache: shared | private | locked
    env: str = ""  #: secret: the variable that gets its content


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    command: CommandLine
    heredocs: tuple[Heredoc, ...] = ()
    mount_flags: tuple[str, ...] = ()  #: the values of --mount as written
    #: the same understood; one whose keys hold variables is complete only after `expansion.expand`
    mounts: tuple[RunMount, ...] = ()
    network: str = "default"  #: default | none | host
    security: str = "sandbox"  #: sandbox | insecure


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Instruction):
    """COPY and, with `Add` below, ADD. `sources` that name a heredoc stand in `heredocs` instead."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Copy):
    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None  #: None: local archives are unpacked, downloaded ones are not


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    arguments: tuple[tuple[str, str | None], ...]  #: None: no default


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    command: CommandLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    command: CommandLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """`command` None: HEALTHCHECK NONE. Times in nanoseconds, 0 = Docker's default."""

    command: CommandLine | None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild(Instruction):
    trigger: str  #: the instruction's text, for the image that is built on this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A parsed file: what stands before the first FROM, and the stages in order."""

    arguments: tuple[Arg, ...]  #: ARG before FROM
    stages: tuple[tuple[From, tuple[Instruction, ...]], ...]
    name: str = "Dockerfile"  #: the file's name, for errors
    escape: str = "\\"
    syntax: str = ""  #: `# syntax=…`; noted, not obeyed
    check: str = ""  #: `# check=…`; noted, not obeyed
    #: the lines that Docker prints before the build starts
    warnings: tuple[str, ...] = ()
