"""`docker completion bash`, and `docker __complete WORD…`, which the script of it asks at every Tab.

The last word is the one being typed. The answer is one candidate a line, then `:4` (nothing else fits) or `:0` (names
of files fit), as the programs made with Docker's own library answer. Whatever goes wrong, a Tab prints no error.
"""

from __future__ import annotations

from kernel_engine.cli.commands import COMMANDS, GLOBAL_OPTIONS, GROUPS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Option, options_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kernel_engine.client import Client

    Names = Callable[[str], list[str]]

FILES = "files"
#: what the arguments of a command are; the last kind goes for all that follow
ARGUMENTS = {
    "run": ("image", ""),
    "create": ("image", ""),
    "exec": ("running", ""),
    "attach": ("running", ""),
    "build": (FILES,),
    "commit": ("container", "image", ""),
    "cp": (FILES,),
    "context export": ("context", FILES),
    "context import": ("", FILES),
    "context inspect": ("context",),
    "context rm": ("context",),
    "context update": ("context", ""),
    "context use": ("context", ""),
    "diff": ("container", ""),
    "export": ("container", ""),
    "history": ("image", ""),
    "image inspect": ("image",),
    "images": ("image", ""),
    "import": (FILES,),
    "inspect": ("anything",),
    "kill": ("running",),
    "logs": ("container", ""),
    "network connect": ("network", "container", ""),
    "network disconnect": ("network", "container", ""),
    "network inspect": ("network",),
    "network rm": ("network",),
    "pause": ("running",),
    "port": ("running", ""),
    "pull": ("image", ""),
    "push": ("image", ""),
    "rename": ("container", ""),
    "restart": ("container",),
    "rm": ("container",),
    "rmi": ("image",),
    "save": ("image",),
    "start": ("stopped",),
    "stats": ("running",),
    "stop": ("running",),
    "tag": ("image", ""),
    "top": ("running", ""),
    "unpause": ("running",),
    "update": ("container",),
    "container inspect": ("container",),
    "volume inspect": ("volume",),
    "volume rm": ("volume",),
    "wait": ("running",),
}
#: what the value of an option is: a kind, or the words themselves
VALUES: dict[str, str | tuple[str, ...]] = {
    "cidfile": FILES,
    "context": "context",
    "env-file": FILES,
    "file": FILES,
    "iidfile": FILES,
    "input": FILES,
    "label-file": FILES,
    "link": "running",
    "net": "network",
    "network": "network",
    "output": FILES,
    "progress": ("auto", "plain", "quiet", "tty"),
    "project-directory": FILES,
    "pull": ("always", "missing", "never"),
    "restart": ("always", "no", "on-failure", "unless-stopped"),
    "volume": FILES,
    "volumes-from": "container",
}
#: words that other rooms complete, as main.py has their commands
ROOMS = {"compose": "kernel_engine.compose.completion:candidates"}

SCRIPT = r"""# bash completion for docker: `source <(docker completion bash)`
_docker_complete() {
    local line=${COMP_LINE:0:COMP_POINT} current found at
    local -a words=()
    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then words+=(""); fi
    current=${words[${#words[@]} - 1]}
    words=("${words[@]:1}")
    if [[ ${COMP_WORDS[0]##*/} == docker-compose ]]; then words=(compose "${words[@]}"); fi
    COMPREPLY=()
    while read -r found; do
        case $found in
        :4) ;;
        :0) compopt -o default ;;
        *) COMPREPLY+=("$found") ;;
        esac
    done < <(docker __complete "${words[@]}" 2>/dev/null)
    # bash takes a word apart at = and :, and puts only what follows in its place
    for at in ":" "="; do
        if [[ $current == *"$at"* && $COMP_WORDBREAKS == *"$at"* ]]; then
            COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*"$at"}"}"}")
        fi
    done
}
complete -F _docker_complete docker docker-compose
"""


def script(client: Client, words: list[str]) -> int:
    """`docker completion bash`. Other shells are not spoken here."""
    if words != ["bash"]:
        raise Failed("docker completion: only bash is supported\n\nUsage:  docker completion bash")
    print(SCRIPT, end="")
    return 0


def answer(client: Client, words: list[str]) -> int:
    """`docker __complete WORD…`."""
    found, files = candidates(client, words or [""])
    print("\n".join([*found, ":0" if files else ":4"]))
    return 0


def candidates(client: Client, words: Sequence[str]) -> tuple[list[str], bool]:
    """What the last word may become, and whether it may be a file."""
    return complete(words, lambda kind: names(client, kind), lambda room, rest: _room(client, room, rest))


def complete(
    words: Sequence[str], known: Names, room: Callable[[str, Sequence[str]], tuple[list[str], bool]]
) -> tuple[list[str], bool]:
    """Pure: `known` gives the names of a kind, `room` answers for words of another room."""
    *before, current = words
    given, waiting = read(GLOBAL_OPTIONS, before, interspersed=False)
    if not given:
        commands = [name for name in COMMANDS if " " not in name]
        return pick([*commands, *GROUPS, *ROOMS], GLOBAL_OPTIONS, waiting, current, known)
    if given[0] in ROOMS:
        return room(given[0], [*given[1:], current])
    name, rest = given[0], given[1:]
    if name in GROUPS:
        if not rest:
            return matching(GROUPS[name], current), False
        name, rest = GROUPS[name].get(rest[0], ""), rest[1:]
    if name not in COMMANDS:
        return [], False
    command = COMMANDS[name]
    arguments, waiting = read(command.options, rest, interspersed=command.interspersed)
    options = command.options if command.interspersed or not arguments else ""
    kinds = ARGUMENTS.get(name, ("",))
    return pick(kinds[min(len(arguments), len(kinds) - 1)], options, waiting, current, known)


def read(options: str, words: Sequence[str], *, interspersed: bool) -> tuple[list[str], Option | None]:
    """The arguments among the words so far, and the option that waits for its value. Refuses nothing."""
    by_name = {option.name: option for option in options_of(options)}
    by_letter = {option.shorthand: option for option in by_name.values() if option.shorthand}
    arguments: list[str] = []
    waiting: Option | None = None
    for at, word in enumerate(words):
        if waiting is not None:
            waiting = None
        elif word.startswith("--") and len(word) > 2:
            waiting = None if "=" in word else _valued(by_name.get(word[2:]))
        elif word.startswith("-") and len(word) > 1 and word != "--":
            waiting = _valued(by_letter.get(word[-1]))
        elif word != "--":
            arguments.append(word)
            if not interspersed:
                return [*arguments, *words[at + 1 :]], None
    return arguments, waiting


def pick(
    argument: str | Sequence[str], options: str, waiting: Option | None, current: str, known: Names
) -> tuple[list[str], bool]:
    """The value of the option that waits, else an option, else an argument: a kind, or the words themselves."""
    if waiting is not None:
        return _of_kind(VALUES.get(waiting.name, ""), current, known)
    if current.startswith("--") and "=" in current:
        name, _, value = current[2:].partition("=")
        found, files = _of_kind(VALUES.get(name, ""), value, known)
        return [f"--{name}={item}" for item in found], files
    if current.startswith("-"):
        return matching([f"--{option.name}" for option in options_of(options)] + ["--help"], current), False
    return _of_kind(argument, current, known)


def matching(words: Iterable[str], current: str) -> list[str]:
    return sorted(word for word in words if word.startswith(current))


def names(client: Client, kind: str) -> list[str]:
    """The engine's things of a kind; none where it does not answer."""
    from kernel_engine.errors import EngineError

    try:
        return _NAMES[kind](client)
    except (EngineError, OSError, KeyError):
        return []


def _of_kind(kind: str | Sequence[str], current: str, known: Names) -> tuple[list[str], bool]:
    if not isinstance(kind, str):
        return matching(kind, current), False
    return (matching(known(kind), current) if kind and kind != FILES else []), kind == FILES


def _valued(option: Option | None) -> Option | None:
    return option if option is not None and option.kind != "bool" else None


def _room(client: Client, word: str, rest: Sequence[str]) -> tuple[list[str], bool]:
    module, _, name = ROOMS[word].partition(":")
    return getattr(__import__(module, fromlist=[name]), name)(client, rest)  # type: ignore[no-any-return]


def _containers(client: Client, *states: str) -> list[str]:
    rows = client.get("/containers/json", query={"all": "1"}).json()
    return [row["Names"][0].lstrip("/") for row in rows if not states or row["State"] in states]


def _images(client: Client) -> list[str]:
    tags = [tag for row in client.get("/images/json").json() for tag in row["RepoTags"] or () if "<none>" not in tag]
    return [*tags, *(tag.removesuffix(":latest") for tag in tags if tag.endswith(":latest"))]


def _networks(client: Client) -> list[str]:
    return [row["Name"] for row in client.get("/networks").json()]


def _volumes(client: Client) -> list[str]:
    return [row["Name"] for row in client.get("/volumes").json()["Volumes"] or ()]


def _contexts(client: Client) -> list[str]:
    from kernel_engine.client.context_store import all_contexts

    return ["default", *(context.name for context in all_contexts())]


_NAMES: dict[str, Callable[[Client], list[str]]] = {
    "container": _containers,
    "running": lambda client: _containers(client, "running", "paused"),
    "stopped": lambda client: _containers(client, "created", "exited"),
    "image": _images,
    "network": _networks,
    "volume": _volumes,
    "context": _contexts,
    "anything": lambda client: [*_containers(client), *_images(client), *_networks(client), *_volumes(client)],
}
