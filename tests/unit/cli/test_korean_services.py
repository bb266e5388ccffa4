"""What compose ends with has its Korean line, and names what it is about."""

from __future__ import annotations

import pytest

from kernel_engine.cli import korean


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("dependency failed to start: container demo-db-1 is unhealthy", "docker inspect demo-db-1"),
        ("dependency failed to start: container demo-db-1 exited (3)", "종료 코드 3"),
        ("dependency failed to start: container demo-db-1 has no healthcheck configured", "service_started"),
        ("container demo-db-1 is unhealthy", "docker inspect demo-db-1"),
        ("container demo-web-1 exited (0)", "docker logs demo-web-1"),
        ('service "init" didn\'t complete successfully: exit 4', "docker compose logs init"),
        ("application not healthy after 5s", "--wait-timeout"),
        ('service "web" is not running', "docker compose up -d web"),
        ('service "web" has no container to start', "docker compose up -d"),
        ("network shared declared as external, but could not be found", "docker network create shared"),
        ('external volume "data" not found', "docker volume create data"),
        ("invalid scale specifier: web", "--scale web=3"),
        ('unknown docker command: "compose foo"', "docker compose foo"),
        ('service "a": build.ssh is not supported by this engine: it needs BuildKit', "ssh"),
        (
            'WARNING: The "web" service is using the custom container name "site". Docker requires each container to '
            "have a unique name. Remove the custom name to scale the service",
            "container_name",
        ),
    ],
)
def test_the_line(text: str, advice: str) -> None:
    assert advice in korean.line(text)
