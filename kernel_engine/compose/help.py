"""--help of `docker compose`: Docker's shapes with Korean words."""

from __future__ import annotations

from kernel_engine.cli.grammar import options_of
from kernel_engine.cli.help import options_section, section
from kernel_engine.compose import descriptions
from kernel_engine.compose.commands import COMMANDS, GLOBAL_OPTIONS, HIDDEN


def overview() -> str:
    """`docker compose --help`."""
    return "\n\n".join(
        [
            "사용법:  docker compose [OPTIONS] COMMAND",
            "여러 컨테이너를 compose.yaml 파일 하나로 정하고 함께 실행하는 명령이에요",
            options_section("옵션", options_of(GLOBAL_OPTIONS), lambda name: descriptions.option("", name), HIDDEN),
            section("명령", sorted(descriptions.COMMANDS.items())),
            "명령마다 더 알고 싶으면 'docker compose COMMAND --help'를 실행해 보세요.",
        ]
    )


def command_help(name: str) -> str:
    """`docker compose up --help`."""
    command = COMMANDS[name]
    parts = [f"사용법:  docker compose {name} {command.usage}", descriptions.COMMANDS[name]]
    options = options_of(command.options)
    if options:
        described = lambda option: descriptions.option(name, option)  # noqa: E731
        parts.append(options_section("옵션", options, described, descriptions.HIDDEN))
    return "\n\n".join(parts)
