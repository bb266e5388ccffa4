"""What a Swarm says, in Korean: the refusals of a `docker` that runs in a node's container, and what it tells of tasks.

`korean.py` looks REFUSED up like every other text; TOLD is looked for in what a command printed that did not fail.
"""

from __future__ import annotations

REFUSED = (
    (
        r"invalid join token|A valid join token is necessary to join this cluster",
        "토큰이 이 스웜의 것이 아니에요. 매니저에서 docker swarm join-token worker를 실행해 나온 토큰을 "
        "처음부터 끝까지 옮겨 주세요.",
    ),
    (
        r"Error while dialing dial tcp (?P<address>[\d.]+:\d+): connect: (connection refused|no route to host)",
        "{address} 주소에서 매니저가 대답하지 않아요. 매니저가 켜져 있는지, 주소 뒤의 포트가 2377이 맞는지 "
        "확인해 보세요.",
    ),
    (
        r"could not find local IP address: dial udp: lookup (?P<name>\S+) on \S+: "
        r"(no such host|server misbehaving|read udp \S+: i/o timeout)",
        "{name} 이름을 찾지 못했어요. 그 매니저가 켜져 있고 이 노드와 같은 네트워크에 있는지 확인해 보세요.",
    ),
    (
        r"Timeout was reached before node joined",
        "정해진 시간 안에 매니저의 대답이 오지 않았어요. 이 노드는 뒤에서 계속 시도해요. 매니저가 켜져 있는지 보고, "
        "그만두려면 docker swarm leave를 실행하세요.",
    ),
    (
        r"This node is already part of a swarm",
        "이 노드는 이미 스웜에 들어 있어요. 다른 스웜에 넣으려면 먼저 그 노드에서 docker swarm leave를 실행하세요 "
        "(매니저라면 --force를 붙여요).",
    ),
    (
        r"This node is not a swarm manager\. Worker nodes can't",
        "워커에게는 스웜의 일을 물을 수 없어요. 같은 명령을 매니저에서 실행해 보세요.",
    ),
    (
        r"This node is not a swarm manager\. Use",
        "이 노드는 아직 스웜에 들어 있지 않아요. 새로 만들려면 docker swarm init, "
        "있는 스웜에 들어가려면 docker swarm join을 실행하세요.",
    ),
    (
        r"The swarm does not have a leader",
        "스웜에 리더가 없어요. 매니저의 절반이 넘게 살아 있어야 해요. 꺼진 매니저를 다시 켜 보세요.",
    ),
    (
        r"node (?P<name>\S+) is ambiguous \((?P<count>\d+) matches found\)",
        "이름이 {name}인 노드가 {count}개예요. 스웜은 이름이 아니라 ID로 노드를 가려요. docker node ls에서 ID를 보고 "
        "이름 대신 써 주세요. 사라진 노드라면 docker node rm에 그 ID를 주면 돼요.",
    ),
    (
        r"name conflicts with an existing object: (?P<kind>service|network|config|secret) (?P<name>\S+) already exists",
        "이름이 {name}인 것이 스웜에 이미 있어요. 다른 이름을 쓰거나 docker {kind} rm {name} 명령으로 지운 뒤 "
        "다시 해 보세요.",
    ),
    (
        r"No such service: (?P<name>\S+)",
        "{name} 서비스가 없어요. docker service ls로 이름을 확인해 보세요. 스택의 서비스는 앞에 스택의 이름이 붙어요.",
    ),
    (
        r"No such node: (?P<name>\S+)",
        "{name} 노드가 없어요. docker node ls로 이름이나 ID를 확인해 보세요.",
    ),
    (
        r"nothing found in stack: (?P<name>\S+)",
        "이름이 {name}인 스택이 없어요. docker stack ls로 이름을 확인해 보세요.",
    ),
    (
        r"update out of sequence",
        "방금 다른 변경이 이 서비스에 적히는 중이었어요. 같은 명령을 한 번 더 실행해 보세요.",
    ),
    (
        r"does not have a previous spec",
        "이 서비스는 한 번도 바뀐 적이 없어서 되돌릴 모습이 없어요.",
    ),
    (
        r"port published with ingress mode can't be used with dnsrr mode",
        "dnsrr 서비스에는 가상 주소가 없어서 라우팅 메시로 포트를 열 수 없어요. --publish mode=host,… 로 열거나 "
        "--endpoint-mode를 빼 주세요.",
    ),
    (
        r"ContainerSpec: image reference must be provided",
        "스택 파일의 서비스에 image가 없어요. 스웜은 이미지를 만들지 않아요. 먼저 빌드해서 레지스트리에 올리고, "
        "그 이름을 image에 적어 주세요.",
    ),
    (
        r'network "(?P<name>[^"]+)" is declared as external, but could not be found\. You need to create a swarm',
        "여러 노드에 걸친 네트워크 {name}이(가) 없어요. docker network create --driver=overlay --attachable {name} "
        "명령으로 먼저 만들어 주세요.",
    ),
    (
        r"unsupported Compose file version: 1\.0",
        '스택 파일의 맨 위에 version: "3.8" 줄이 필요해요. docker stack deploy는 아직 그 줄로 파일의 판을 가려요.',
    ),
)

#: cut as the column ERROR of `service ps` cuts them
TOLD = (
    (
        r"Ignoring unsupported options: (?P<options>[a-z_, ]*\bbuild\b[a-z_, ]*)",
        "스웜은 스택 파일의 build를 보지 않아요. 노드가 여럿이라 한 곳에서 만든 이미지를 다른 노드는 몰라요. "
        "먼저 docker build와 docker push로 레지스트리에 올려 두세요.",
    ),
    (
        r'"No such image: (?P<image>[^"…]+)',
        "태스크가 간 노드에 이미지가 없고 레지스트리에서도 받지 못했어요. 이미지는 노드끼리 저절로 옮겨 가지 않아요. "
        "registry:5000/… 이름으로 레지스트리에 올리고 서비스에도 그 이름을 쓰세요.",
    ),
    (
        r'"no suitable node \(schedulin',
        "조건(constraint)에 맞는 노드가 하나도 없어서 태스크가 기다리고 있어요. docker service inspect --pretty로 "
        "조건을 보고, docker node update --label-add로 노드에 라벨을 붙이거나 조건을 바꿔 보세요.",
    ),
    (
        r'"no suitable node \(insuffici',
        "태스크가 달라고 한 CPU나 메모리가 남은 노드가 없어요. 개수를 줄이거나, --reserve-memory와 --reserve-cpu를 "
        "줄이거나, 노드를 늘려 보세요.",
    ),
    (
        r'"no suitable node \(max repl',
        "노드마다 둘 수 있는 개수(--replicas-max-per-node)가 다 찼어요. 노드를 늘리거나 개수를 줄여 보세요.",
    ),
    (
        r'"no suitable node \(\d+ node',
        "태스크를 받을 수 있는 노드가 없어요. docker node ls에서 STATUS가 Ready이고 AVAILABILITY가 Active인 노드를 "
        "찾아보세요.",
    ),
)
