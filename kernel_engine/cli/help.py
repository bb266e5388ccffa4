"""--help: Docker's shapes with Korean words, made from the table of commands."""

from __future__ import annotations

from kernel_engine.cli import descriptions
from kernel_engine.cli.commands import COMMANDS, COMMON, GLOBAL_OPTIONS, GROUPS, Command
from kernel_engine.cli.grammar import Option, options_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Set

SHOWN_DEFAULT = frozenset(("true", "missing", "all", "info", "-1"))
#: older names that still work and are not shown, as in Docker
HIDDEN = frozenset(("net", "net-alias", "time"))


def overview() -> str:
    """`docker --help`."""
    others = sorted(name for name in COMMANDS if name not in COMMON and " " not in name)
    parts = [
        "사용법:  docker [OPTIONS] COMMAND",
        "컨테이너를 만들고 실행하는 명령이에요",
        section("자주 쓰는 명령", [(name, descriptions.COMMANDS[name]) for name in COMMON]),
        section("묶음 명령", sorted({**descriptions.GROUPS, **descriptions.PLUGINS}.items())),
        section("명령", [(name, descriptions.COMMANDS[name]) for name in others]),
        _options("", options_of(GLOBAL_OPTIONS), "모든 명령에 쓰는 옵션"),
        "명령마다 더 알고 싶으면 'docker COMMAND --help'를 실행해 보세요.",
    ]
    return "\n\n".join(parts)


def group_help(group: str) -> str:
    """`docker container --help`."""
    words = GROUPS[group]
    # of several words for one command the first is shown: ls, not list
    shown = {target: word for word, target in reversed([*words.items()]) if word not in ("list", "remove")}
    rows = sorted((word, descriptions.COMMANDS[target]) for target, word in shown.items())
    return "\n\n".join(
        [
            f"사용법:  docker {group} COMMAND",
            descriptions.GROUPS[group],
            section("명령", rows),
            f"명령마다 더 알고 싶으면 'docker {group} COMMAND --help'를 실행해 보세요.",
        ]
    )


def command_help(path: str, command: Command) -> str:
    """`docker run --help`."""
    name = next(known for known, value in COMMANDS.items() if value is command)
    parts = [f"사용법:  docker {path} {command.usage}", descriptions.COMMANDS[name]]
    same = aliases(name)
    if len(same) > 1:
        parts.append(f"같은 명령:\n  {', '.join(f'docker {item}' for item in same)}")
    options = options_of(command.options)
    if options:
        parts.append(_options(name, options, "옵션"))
    return "\n\n".join(parts)


def aliases(name: str) -> list[str]:
    """Every way to write a command: "container ls", "ps"."""
    found = [f"{group} {word}" for group, words in GROUPS.items() for word, target in words.items() if target == name]
    return sorted(set(found)) + ([name] if " " not in name else [])


def _options(command: str, options: list[Option], title: str) -> str:
    return options_section(title, options, lambda name: descriptions.option(command, name), HIDDEN)


def section(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(12, *(len(name) + 2 for name, _ in rows))
    return f"{title}:\n" + "\n".join(f"  {name:<{width}}{text}" for name, text in rows)


def options_section(title: str, options: list[Option], described: Callable[[str], str], hidden: Set[str]) -> str:
    """The options in the order of their names; `described` says what an option of this name does."""
    shown = [option for option in sorted(options, key=lambda item: item.name) if option.name not in hidden]
    rows = [(_spelled(option), described(option.name) + _default(option)) for option in shown]
    width = max(len(left) for left, _ in rows) + 3
    return f"{title}:\n" + "\n".join(f"  {left:<{width}}{text}" for left, text in rows)


def _spelled(option: Option) -> str:
    short = f"-{option.shorthand}, " if option.shorthand else "    "
    return f"{short}--{option.name}" + ("" if option.kind == "bool" else f" {KINDS.get(option.kind, option.kind)}")


#: kinds that Docker shows under another name
KINDS = {"cpus": "decimal", "swap": "bytes"}


def _default(option: Option) -> str:
    return f" (기본값 {option.default})" if option.default in SHOWN_DEFAULT else ""
