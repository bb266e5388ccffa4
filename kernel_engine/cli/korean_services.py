"""What can go wrong when a compose project is brought up, started or used, in Korean. `korean.py` looks it up.

What a compose file itself can have wrong is in `korean_compose.py`.
"""

from __future__ import annotations

SERVICES = (
    (
        r"dependency failed to start: container (?P<name>\S+) is unhealthy",
        "먼저 준비되어야 하는 {name} 컨테이너가 건강 확인(healthcheck)을 통과하지 못해서 나머지를 시작하지 않았어요. "
        "docker inspect {name} 의 State.Health에서 확인 명령이 무엇을 출력했는지 보세요.",
    ),
    (
        r"dependency failed to start: container (?P<name>\S+) exited \((?P<code>\d+)\)",
        "먼저 준비되어야 하는 {name} 컨테이너가 종료 코드 {code}로 끝나 버렸어요. "
        "docker logs {name} 에서 왜 끝났는지 확인해 보세요.",
    ),
    (
        r"container (?P<name>\S+) has no healthcheck configured",
        "condition: service_healthy는 건강 확인(healthcheck)이 있는 서비스에만 쓸 수 있는데, {name} 에는 없어요. "
        "그 서비스에 healthcheck를 적거나 condition을 service_started로 바꿔 주세요.",
    ),
    (
        r"^container (?P<name>\S+) is unhealthy",
        "{name} 컨테이너가 건강 확인(healthcheck)을 통과하지 못했어요. "
        "docker inspect {name} 의 State.Health에서 확인 명령이 무엇을 출력했는지 보세요.",
    ),
    (
        r"^container (?P<name>\S+) exited \((?P<code>\d+)\)",
        "{name} 컨테이너가 종료 코드 {code}로 끝나서 더 기다리지 않았어요. docker logs {name} 을 확인해 보세요.",
    ),
    (
        r'"(?P<name>[^"]+)" didn\'t complete successfully: exit (?P<code>\d+)',
        "먼저 끝나야 하는 {name} 서비스가 종료 코드 {code}로 실패했어요. "
        "docker compose logs {name} 에서 이유를 확인해 보세요.",
    ),
    (
        r"application not healthy after (?P<time>\S+)",
        "{time} 동안 기다렸지만 모두 준비되지는 않았어요. docker compose ps로 어느 서비스가 아직인지 보고, "
        "더 기다리려면 --wait-timeout을 늘려 주세요.",
    ),
    (
        r"(?P<name>\S+) is missing dependency (?P<other>\S+)",
        "{name} 서비스가 필요로 하는 {other} 서비스의 컨테이너가 없어요. "
        "docker compose up -d {name} 으로 함께 만들어 주세요.",
    ),
    (
        r'^service "(?P<name>[^"]+)" is not running',
        "{name} 서비스가 실행 중이 아니에요. docker compose ps -a로 상태를 보고, "
        "docker compose up -d {name} 으로 시작해 주세요.",
    ),
    (
        r'^service "(?P<name>[^"]+)" has no container to start',
        "{name} 서비스의 컨테이너가 아직 없어요. start는 있는 컨테이너만 시작해요. "
        "docker compose up -d 를 실행해 주세요.",
    ),
    (
        r"^network (?P<name>\S+) declared as external, but could not be found",
        "{name} 네트워크를 이미 있는 것(external)으로 적었는데 없어요. "
        "docker network create {name} 으로 먼저 만들어 주세요.",
    ),
    (
        r'^external volume "(?P<name>[^"]+)" not found',
        "{name} 볼륨을 이미 있는 것(external)으로 적었는데 없어요. "
        "docker volume create {name} 으로 먼저 만들어 주세요.",
    ),
    (
        r"^network (?P<name>\S+) was found but has incorrect label",
        "{name} 이라는 네트워크가 이미 있지만 이 프로젝트가 만든 것이 아니에요. "
        "그 네트워크를 쓰려면 external: true로 적고, 아니면 다른 이름을 써 주세요.",
    ),
    (
        r'The "(?P<name>[^"]+)" service is using the custom container name',
        "{name} 서비스에 container_name이 있어서 컨테이너를 여러 개 만들 수 없어요. 이름은 하나뿐이니까요. "
        "여러 개로 늘리려면 container_name을 지워 주세요.",
    ),
    (
        r"^invalid scale specifier: (?P<word>\S+)",
        "--scale web=3 처럼 서비스=개수로 적어 주세요.",
    ),
    (
        r"cannot share .* with service (?P<name>\S+): container missing",
        "{name} 서비스의 컨테이너가 없어서 함께 쓸 수 없어요. docker compose up -d {name} 을 먼저 실행해 주세요.",
    ),
    (
        r"No resource found to remove for project",
        "이 프로젝트의 컨테이너와 네트워크가 없어요. 이미 지웠거나, "
        "다른 폴더나 다른 프로젝트 이름(-p)이 맞는지 확인해 보세요.",
    ),
    (
        r'^unknown docker command: "compose (?P<word>[^"]+)"',
        "docker compose {word} 라는 명령은 없어요. docker compose --help에서 명령을 확인해 보세요.",
    ),
    (
        r"build\.(?P<what>\w+) is not supported by this engine: it needs BuildKit",
        "이 엔진의 빌드에는 {what} 이 없어요(BuildKit에만 있는 기능이에요). 그 줄을 지우고 다른 방법으로 적어 주세요.",
    ),
    (
        r"--dry-run is not supported",
        "이 명령은 미리 보기(--dry-run)를 할 수 없어요. --dry-run 없이 실행하면 실제로 바뀌니 조심해 주세요.",
    ),
)
