"""Docker's texts and their Korean lines. Data; `korean.py` reads it, a test counts course texts against it.

The first pattern that is found counts, so that the narrow ones stand before the wide ones. `{name}` is a named group.
"""

from __future__ import annotations

import re

from kernel_engine.cli.korean_building import BUILDING
from kernel_engine.cli.korean_compose import COMPOSE
from kernel_engine.cli.korean_dockerfile import DOCKERFILE
from kernel_engine.cli.korean_services import SERVICES
from kernel_engine.cli.korean_swarm import REFUSED

_TEXTS: tuple[tuple[str, str], ...] = (
    *REFUSED,
    # images that cannot be removed ----------------------------------------------------------------------------------
    (
        r'unable to remove repository reference "(?P<image>[^"]+)" \(must force\) - container (?P<id>\w+) is using',
        "컨테이너 {id}에서 이 이미지를 쓰고 있어요. 정지한 컨테이너도 이미지를 붙잡고 있어요. "
        "docker rm {id} 다음에 docker rmi {image} 순서로 지워 보세요.",
    ),
    (
        r"unable to delete (?P<image>\S+) .*image is being used by stopped container (?P<id>\w+)",
        "정지한 컨테이너 {id}에서 이 이미지를 쓰고 있어요. "
        "docker rm {id} 다음에 docker rmi {image} 순서로 지워 보세요.",
    ),
    (
        r"unable to delete (?P<image>\S+) .*image is being used by running container (?P<id>\w+)",
        "실행 중인 컨테이너 {id}에서 이 이미지를 쓰고 있어요. "
        "docker rm -f {id} 다음에 docker rmi {image} 순서로 지워 보세요.",
    ),
    (
        r"image has dependent child images",
        "이 이미지 위에 쌓아 만든 다른 이미지가 있어서 지울 수 없어요. "
        "docker images -a로 자식 이미지를 찾아 그것부터 지워 보세요.",
    ),
    (
        r"unable to delete (?P<image>\S+) .*image is referenced in multiple repositories",
        "한 이미지에 이름이 여러 개 붙어 있어서 ID로는 지우지 않아요. docker images에서 이름을 보고, "
        "docker rmi 이름:태그 형태로 하나씩 떼어 보세요.",
    ),
    (
        r"image is referenced in multiple repositories",
        "한 이미지에 이름이 여러 개 붙어 있어요. docker rmi 이름:태그 형태로 하나씩 떼어 보세요.",
    ),
    # containers -----------------------------------------------------------------------------------------------------
    (
        r"this engine is restricted: (?P<source>\S+) cannot be mounted, only what lies in (?P<folder>.+) of this",
        "수업용으로 제한된 엔진이에요. {source} 폴더는 컨테이너에 연결할 수 없어요. "
        "{folder} 아래에 있는 폴더나 파일을 써 보세요.",
    ),
    (
        r"this engine is restricted: (?P<source>\S+) cannot be mounted",
        "수업용으로 제한된 엔진이에요. {source} 폴더는 컨테이너에 연결할 수 없어요. 볼륨(-v 이름:/경로)을 써 보세요.",
    ),
    (
        r"this engine is restricted: no more than (?P<most>\d+) other servers are allowed",
        "수업용으로 제한된 엔진에서는 다른 서버를 {most}개까지만 만들 수 있어요. "
        "labs server rm 이름으로 먼저 지우고 다시 만들어 보세요.",
    ),
    (
        r"this engine is restricted: ",
        "수업용으로 제한된 엔진이라서 컨테이너 밖으로 나가는 기능은 쓸 수 없어요. 이 옵션 없이 해 보세요.",
    ),
    (
        r"this engine may have (?P<count>\d+) containers",
        "이 엔진에는 컨테이너를 {count}개까지만 만들 수 있어요. "
        "docker ps -a로 보고, 쓰지 않는 것을 docker rm으로 지워 주세요.",
    ),
    (
        r"privileged mode is incompatible with user namespaces",
        "이 엔진에서는 컨테이너의 root가 이 컴퓨터의 root가 아니에요(userns-remap). "
        "그래서 --privileged를 쓸 수 없어요.",
    ),
    (
        r"cannot share the host(?:'s network| PID) namespace when user namespaces are enabled",
        "이 엔진에서는 컨테이너의 root가 이 컴퓨터의 root가 아니에요(userns-remap). "
        "그래서 호스트의 네트워크나 프로세스를 함께 쓸 수 없어요.",
    ),
    (
        r'container name "/?(?P<name>[^"]+)" is already in use',
        "{name} 이름을 쓰는 컨테이너가 이미 있어요. 정지한 컨테이너도 이름을 차지해요. "
        "docker ps -a로 확인하고 docker rm {name} 명령으로 지우거나, 다른 이름을 써 보세요.",
    ),
    (
        r"Bind for \S*?:(?P<port>\d+) failed: port is already allocated",
        "호스트의 {port}번 포트를 다른 컨테이너가 이미 쓰고 있어요. docker ps의 PORTS에서 그 컨테이너를 찾아 "
        "정지하거나, -p에 다른 호스트 포트를 써 보세요. "
        "방금 만든 컨테이너는 Created 상태로 남아 있으니 docker rm으로 지워 주세요.",
    ),
    # an ordinary user's engine --------------------------------------------------------------------------------------
    (
        r"cannot expose privileged port (?P<port>\d+), .*currently (?P<start>\d+)",
        "root 없이 켠 엔진은 {start}보다 작은 포트를 열 수 없어요. -p에 8080처럼 더 큰 호스트 포트를 써 보세요. "
        "컴퓨터 주인이라면 sudo sysctl net.ipv4.ip_unprivileged_port_start={port}로 열어 줄 수도 있어요.",
    ),
    (
        r"try increasing the number of subordinate IDs in /etc/subuid",
        "이 이미지에는 root 말고 다른 사용자의 파일이 있는데, root 없이 켠 엔진에 그 번호가 없어요. "
        "/etc/subuid와 /etc/subgid에 번호를 더하고 kernel-engine doctor --rootless로 살펴보세요.",
    ),
    (
        r"a rootless engine without cgroups has no freezer",
        "root 없이 켠 엔진은 cgroup을 쓸 수 없어서 컨테이너를 멈춰 둘(pause) 수 없어요. "
        "docker stop과 docker start를 써 보세요.",
    ),
    (
        r"NanoCPUs can not be set, as your kernel does not support",
        "root 없이 켠 엔진은 cgroup을 쓸 수 없어서 --cpus를 지킬 수 없어요. --cpus를 빼고 실행하세요.",
    ),
    (
        r"is not for a rootless engine|a rootless engine (makes no servers|leaves no wall out)",
        "root 없이 켠 엔진에서는 할 수 없는 일이에요. root로 켠 엔진(./lab up)에서 해 보세요.",
    ),
    (
        r"listen (tcp|udp|sctp)\d? \S*?:(?P<port>\d+): bind: address already in use",
        "호스트의 {port}번 포트를 이미 다른 프로그램이 쓰고 있어요. sudo ss -lntup으로 어느 프로그램인지 보고, "
        "-p에 다른 호스트 포트를 써 보세요. "
        "방금 만든 컨테이너는 Created 상태로 남아 있으니 docker rm으로 지워 주세요.",
    ),
    (
        r"listen \w+ (?P<address>\S+):\d+: bind: cannot assign requested address",
        "이 컴퓨터에는 {address} 주소가 없어요. ip addr로 주소를 확인하거나, 주소 없이 "
        "-p 호스트포트:컨테이너포트로 써 보세요.",
    ),
    (
        r"listen sctp\d? \S+: bind: protocol not supported",
        "이 컴퓨터의 커널은 SCTP를 몰라요. -p에서 /sctp를 빼면 TCP 포트를 열어요.",
    ),
    (
        r"all ports are allocated",
        "고를 수 있는 호스트 포트가 하나도 남지 않았어요. -p에 다른 호스트 포트를 쓰거나, docker ps를 보고 "
        "쓰지 않는 컨테이너를 정지해 주세요.",
    ),
    (
        r"no port specified: (?P<text>\S*)<empty>",
        "-p에 컨테이너의 포트가 빠졌어요. -p 호스트포트:컨테이너포트, 예를 들면 -p 8080:80 으로 써 보세요.",
    ),
    (
        r"invalid (hostPort|containerPort): (?P<port>\S+)",
        "'{port}' 부분이 포트 번호가 아니에요. 1부터 65535까지의 숫자로, -p 호스트포트:컨테이너포트처럼 써 보세요.",
    ),
    (
        r"invalid IP address:? (?P<address>\S+)",
        "'{address}' 부분이 IP 주소가 아니에요. 이름이 아니라 숫자로, 예를 들면 -p 127.0.0.1:8080:80 으로 써 보세요.",
    ),
    (
        r"invalid ranges specified for container and host Ports: (?P<inside>\S+) and (?P<outside>\S+)",
        "호스트 포트({outside})와 컨테이너 포트({inside})의 개수가 달라요. 같은 개수로 맞추거나, "
        "컨테이너 포트를 하나만 써 보세요.",
    ),
    (
        r"invalid proto: (?P<protocol>\S+)",
        "{protocol} 프로토콜은 열 수 없어요. /tcp(기본값), /udp, /sctp 가운데 하나를 써 보세요.",
    ),
    (
        r"No public port '(?P<port>\S+)' published for (?P<name>\S+)",
        "컨테이너 {name}에는 호스트에 연 {port} 포트가 없어요. docker port {name}으로 열린 포트를 확인해 보세요.",
    ),
    (
        r"cannot remove (a )?(running|restarting) container (?P<id>\w{12})",
        "실행 중인 컨테이너는 그냥 지울 수 없어요. docker stop {id} 다음에 docker rm {id}, "
        "또는 한 번에 docker rm -f {id} 명령으로 지워 보세요.",
    ),
    (
        r"cannot remove (a )?paused container (?P<id>\w{12})|container is paused and must be unpaused",
        "일시 정지한 컨테이너는 그냥 지울 수 없어요. docker unpause로 다시 움직인 뒤 "
        "정지하거나, docker rm -f로 지워 보세요.",
    ),
    (
        r'cannot remove container "?/?(?P<name>[^": ]+)"?: container is running',
        "실행 중인 컨테이너는 그냥 지울 수 없어요. docker stop {name} 다음에 docker rm {name}, "
        "또는 한 번에 docker rm -f {name} 명령으로 지워 보세요.",
    ),
    (
        r"Container \S+ is paused, unpause the container before exec",
        "일시 정지한 컨테이너에서는 명령을 실행할 수 없어요. docker unpause로 다시 움직인 뒤 실행해 보세요.",
    ),
    (
        r"[Cc]ontainer \S+ is not paused",
        "이 컨테이너는 일시 정지 상태가 아니에요. docker ps의 STATUS를 확인해 보세요.",
    ),
    (
        r"[Cc]ontainer \S+ is already paused",
        "이 컨테이너는 이미 일시 정지 상태예요. docker unpause로 다시 움직일 수 있어요.",
    ),
    (
        r"[Cc]ontainer \S+ is not running",
        "이 컨테이너는 지금 실행 중이 아니에요. 첫 프로세스가 끝나면 컨테이너도 정지해요. "
        "docker ps -a로 상태를 보고, docker start로 다시 실행해 보세요.",
    ),
    (
        r"You cannot attach to a stopped container",
        "정지한 컨테이너에는 연결할 수 없어요. docker start -ai로 다시 실행하면서 연결해 보세요.",
    ),
    (
        r"You cannot attach to a paused container",
        "일시 정지한 컨테이너에는 연결할 수 없어요. docker unpause로 다시 움직인 뒤 연결해 보세요.",
    ),
    (
        r"No such container: (?P<name>\S+)",
        "{name} 이름이나 ID를 가진 컨테이너가 없어요. docker ps -a로 정지한 것까지 확인해 보세요. "
        "--rm으로 실행한 컨테이너는 끝나면 사라져요.",
    ),
    (
        r"No such object: (?P<name>\S+)",
        "{name} 이름이나 ID를 가진 컨테이너나 이미지가 없어요. docker ps -a와 docker images로 확인해 보세요.",
    ),
    (
        r"Multiple IDs found with provided prefix|multiple IDs found with provided prefix",
        "이 글자로 시작하는 ID가 여러 개예요. 하나로 정해질 때까지 ID를 더 길게 적어 주세요.",
    ),
    (
        r"Invalid container name \((?P<name>[^)]*)\)",
        "컨테이너 이름은 영문자나 숫자로 시작해서 영문자, 숫자, _ . - 만 쓰고 두 글자가 넘어야 해요.",
    ),
    (
        r"cannot specify both --restart and --rm",
        "--rm은 끝나면 지우고 --restart는 끝나면 다시 시작하라는 뜻이라 함께 쓸 수 없어요. 하나만 골라 주세요.",
    ),
    (
        r"container ID file found",
        "--cidfile로 정한 파일이 이미 있어요. 그 파일을 지우거나 다른 이름을 써 주세요.",
    ),
    (r"[Ii]nvalid signal: (?P<name>\S+)", "{name} 신호는 없어요. SIGTERM, SIGKILL, SIGINT 같은 이름을 써 보세요."),
    (
        r"Memory limit should be smaller than already set memoryswap limit",
        "메모리와 스왑을 더한 한도보다 큰 메모리는 줄 수 없어요. "
        "docker update -m 256m --memory-swap 512m 이름처럼 --memory-swap도 함께 늘려 보세요.",
    ),
    (
        r"Restart policy cannot be updated because AutoRemove",
        "--rm으로 만든 컨테이너는 끝나면 지워져서 재시작 정책을 줄 수 없어요.",
    ),
    (
        r"Minimum memory limit allowed is 6MB",
        "메모리 제한이 너무 작아요. 6MB 이상으로 정해 주세요 (예: -m 64m).",
    ),
    (
        r"Range of CPUs is from",
        "--cpus에 쓸 수 있는 수를 넘었어요. 이 컴퓨터의 CPU 개수 안에서 정해 주세요.",
    ),
    (
        r"unable to find user (?P<name>\S+): no matching entries in passwd file",
        "이미지의 /etc/passwd에 {name} 사용자가 없어요. 숫자 UID를 쓰거나(-u 1000), 이미지에 있는 사용자를 써 보세요.",
    ),
    # the process that does not start --------------------------------------------------------------------------------
    (
        r'exec: "(?P<word>-[^"]*)": executable file not found in \$PATH',
        "이미지 이름 뒤의 {word}도 컨테이너 안에서 실행할 명령으로 읽혔어요. "
        "docker run의 옵션은 이미지 이름 앞에 적어 주세요.",
    ),
    (
        r'exec: "(?P<word>[^"]*)": executable file not found in \$PATH',
        "컨테이너 안에 {word} 명령이 없어요 (종료 코드 127). 철자를 확인해 보세요. "
        "이미지에 없는 프로그램이면 그 안에 먼저 설치해야 해요.",
    ),
    (
        r'exec: "(?P<word>[^"]*)": stat [^:]*: no such file or directory',
        "컨테이너 안에 {word} 파일이 없어요 (종료 코드 127). 경로는 호스트가 아니라 컨테이너 안에서 찾아요.",
    ),
    (
        r'exec: "(?P<word>[^"]*)": (permission denied|is a directory)',
        "{word} 파일은 실행할 수 없어요 (종료 코드 126). 폴더가 아닌지, 실행 권한(chmod +x)이 있는지 확인해 보세요.",
    ),
    (
        r"exec format error",
        "이 프로그램은 다른 종류의 CPU용이거나, 첫 줄에 #!/bin/sh가 없는 스크립트예요. "
        "이미지의 플랫폼을 확인해 보세요.",
    ),
    (
        r"chdir to cwd|Cannot mkdir: \S+ is not a directory",
        "-w로 정한 작업 폴더로 들어갈 수 없어요. 컨테이너 안에 그 폴더가 있는지 확인해 보세요.",
    ),
    # images and registries ------------------------------------------------------------------------------------------
    (
        r"pull access denied for (?P<image>\S+?),",
        "{image} 이미지를 찾을 수 없어요. 이름의 철자를 확인해 보세요. 공개되지 않은 "
        "이미지라면 docker login이 필요해요.",
    ),
    (
        r"manifest for (?P<image>\S+) not found|manifest unknown",
        "저장소는 있지만 그 태그의 이미지는 없어요. 태그(이름 뒤의 : 다음)를 확인해 보세요.",
    ),
    (
        r"requested access to the resource is denied|push access denied",
        "이 이름으로는 올릴 권한이 없어요. docker login을 했는지, 이미지 이름이 자기 네임스페이스(아이디/이름)로 "
        "시작하는지 확인하고 docker tag로 이름을 바꿔 보세요.",
    ),
    (
        r"An image does not exist locally with the tag: (?P<image>\S+)",
        "{image} 이미지가 이 엔진에 없어서 올릴 수 없어요. docker images로 이름을 확인하고 docker tag로 붙여 보세요.",
    ),
    (
        r"tag does not exist: (?P<image>\S+)",
        "이 이름의 이미지는 있지만 {image} 태그는 없어요. docker images로 태그를 확인하고, 없으면 docker tag로 "
        "붙여 보세요.",
    ),
    (
        r'Get "?https?://(?P<host>(localhost|127\.[\d.]+)[^/"]*)/v2/.*connection refused',
        "{host}에 레지스트리가 없어요. 레지스트리 컨테이너가 실행 중인지 확인해 보세요. "
        "localhost는 명령을 실행하는 엔진 자신을 가리켜요.",
    ),
    (
        r'(Patch|Put|Post|Head|Get) "https?://(?P<host>[^/"]+)/v2/[^"]+/(blobs|manifests)/.*'
        r"(EOF|connection (reset|refused)|Client\.Timeout)",
        "{host} 레지스트리와의 연결이 도중에 끊겼어요. 이미지는 한 번에 나타나니까 반만 남은 것은 없어요. "
        "레지스트리가 실행 중인지 확인하고 같은 명령을 다시 실행하면, 남은 것만 이어서 옮겨요.",
    ),
    (
        r"no basic auth credentials",
        "이 레지스트리는 로그인한 사람만 쓸 수 있어요. docker login 레지스트리주소 명령으로 먼저 로그인해 보세요.",
    ),
    (
        r"login attempt to \S+ failed with status: 401|unauthorized: incorrect username or password",
        "사용자 이름이나 비밀번호가 맞지 않아요. 다시 확인하고 로그인해 보세요.",
    ),
    (
        r"unauthorized: authentication required",
        "이 레지스트리는 로그인한 사람만 쓸 수 있어요. docker login으로 로그인했는지, 이름의 네임스페이스가 맞는지 "
        "확인해 보세요.",
    ),
    (
        r"Cannot perform an interactive login from a non TTY device",
        "여기서는 비밀번호를 물어볼 수 없어요. "
        "echo 비밀번호 | docker login -u 이름 --password-stdin 주소 형태로 로그인해 보세요.",
    ),
    (
        r"Must provide --username with --password-stdin",
        "--password-stdin을 쓸 때는 -u 사용자이름도 함께 적어 주세요.",
    ),
    (
        r"x509: certificate signed by unknown authority",
        "레지스트리의 인증서를 누가 보증하는지 몰라요. 인증 기관의 인증서(ca.crt)를 "
        "/etc/docker/certs.d/주소:포트/ 폴더에 넣어 주세요.",
    ),
    (
        r"x509: .*certificate is (not )?valid for|x509: cannot validate certificate for",
        "인증서에 적힌 주소와 접속한 주소가 달라요. 인증서를 만든 이름이나 주소로 접속해 보세요.",
    ),
    (
        r"Error loading config file: (?P<path>[^:]+):",
        "로그인 정보를 적어 두는 {path} 파일을 읽지 못했어요. 내용을 고치거나 파일을 지우고 다시 로그인해 보세요.",
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "이 레지스트리는 암호화(HTTPS)를 쓰지 않아요. localhost나 127.0.0.1 주소로 부르거나 엔진 설정에 등록해야 해요.",
    ),
    (
        r"No such image: (?P<image>[^\s\"]+)",
        "이 엔진에는 {image} 이미지가 없어요. docker images로 이름과 태그를 확인해 보세요. "
        "이미지는 엔진마다 따로 있어서, 다른 서버에서 쓰려면 레지스트리를 거쳐야 해요.",
    ),
    (
        r"repository name .*must be lowercase",
        "이미지 이름에는 대문자를 쓸 수 없어요. 모두 소문자로 적어 주세요.",
    ),
    (
        r"cannot create a tag with a digest|refusing to create a tag with a digest reference",
        "다이제스트(@sha256:…)는 내용에서 나오는 값이라 이름으로 붙일 수 없어요. 이름:태그 형태로 적어 주세요.",
    ),
    (
        r"invalid reference format",
        "이미지 이름의 형태가 맞지 않아요. 이름:태그 형태로, 소문자와 숫자, . _ - / 만 써서 적어 주세요. "
        "앞의 옵션에 값이 빠져도 이 오류가 나요.",
    ),
    (
        r"does not match the specified platform|no matching manifest for",
        "이 컴퓨터의 CPU에 맞는 이미지가 없어요. 다른 태그를 찾아보거나 --platform을 확인해 보세요.",
    ),
    (
        r"no space left on device",
        "디스크가 가득 찼어요. 쓰지 않는 컨테이너(docker rm)와 이미지(docker rmi)를 지운 뒤 다시 해 보세요.",
    ),
    # volumes and mounts ---------------------------------------------------------------------------------------------
    (
        r"(remove (?P<name>[^\s:]+): )?volume is in use",
        "이 볼륨을 쓰는 컨테이너가 있어서 지울 수 없어요. 정지한 컨테이너도 볼륨을 붙잡고 있으니, "
        "그 컨테이너를 docker rm으로 지운 뒤 다시 해 보세요.",
    ),
    (
        r"bind source path does not exist(: (?P<path>\S+))?",
        "--mount로 붙일 호스트 폴더가 없어요. --mount는 -v와 달리 폴더를 만들어 주지 않으니, "
        "mkdir -p로 먼저 만들어 주세요.",
    ),
    (
        r"includes invalid characters for a local volume name",
        "-v의 앞부분이 /나 ./로 시작하지 않으면 볼륨 이름으로 읽혀요. 폴더라면 $PWD/폴더처럼 전체 경로로 적어 주세요.",
    ),
    (
        r"path (?P<path>\S+) is mounted on \S+ but it is not a (?P<kind>shared|shared or slave) mount",
        "호스트의 {path} 마운트가 {kind}가 아니라서 마운트를 함께 볼 수 없어요. mount --make-rshared로 바꾸거나 "
        "bind-propagation을 빼 보세요.",
    ),
    (
        r"cannot access path (?P<path>\S+): lstat",
        "볼륨 안에 그런 폴더가 없어요. 볼륨을 통째로 붙여 폴더를 먼저 만들거나 volume-subpath를 확인해 보세요.",
    ),
    (
        r"Duplicate mount point: (?P<path>\S+)",
        "{path} 자리에 두 가지를 함께 붙일 수는 없어요. 하나만 남겨 보세요.",
    ),
    (
        r"cannot mix '(?P<kind>[a-z]+)-\*' options with mount type '(?P<type>[a-z]+)'",
        "{kind}-로 시작하는 옵션은 type={type}에서 쓸 수 없어요. type을 {kind}(으)로 바꾸거나 그 옵션을 빼 주세요.",
    ),
    (
        r"invalid volume specification|invalid mode: |invalid mount path",
        "-v의 형태가 맞지 않아요. 호스트 경로:컨테이너 경로[:ro] 형태로, 컨테이너 경로는 /로 시작하게 적어 주세요.",
    ),
    *BUILDING,
    *SERVICES,
    *COMPOSE,
    # networks -----------------------------------------------------------------------------------------------------
    (
        r"network with name (?P<name>\S+) already exists",
        "{name} 네트워크가 이미 있어요. docker network ls로 확인하고, 다른 이름을 쓰거나 "
        "docker network rm {name} 명령으로 지워 보세요.",
    ),
    (
        r"Pool overlaps with other one on this address space",
        "그 서브넷은 다른 네트워크와 겹쳐요. docker network ls와 docker network inspect로 쓰고 있는 서브넷을 "
        "확인하고 다른 것을 골라 보세요.",
    ),
    (
        r"overlaps .* which this machine uses already",
        "그 서브넷은 이 컴퓨터가 이미 쓰고 있는 주소와 겹쳐요. 다른 서브넷을 골라 보세요.",
    ),
    (
        r"network (?P<name>\S+) id \S+ has active endpoints",
        "{name} 네트워크에 실행 중인 컨테이너가 있어요. docker network inspect {name} 명령으로 확인하고, "
        "컨테이너를 멈추거나 docker network disconnect로 떼어 낸 다음 지워 보세요.",
    ),
    (
        r"is a pre-defined network and cannot be removed|operation is not permitted on predefined",
        "bridge, host, none은 처음부터 있는 네트워크라서 지우거나 새로 만들 수 없어요.",
    ),
    (
        r"Address already in use",
        "그 주소는 다른 컨테이너가 쓰고 있어요. 다른 주소를 쓰거나 --ip를 빼고 맡겨 보세요.",
    ),
    (
        r"It does not belong to any of this network's subnets",
        "그 주소는 이 네트워크의 서브넷 밖이에요. docker network inspect로 서브넷을 확인해 보세요.",
    ),
    (
        r"user specified IP address is supported (only when|on user defined)",
        "주소를 직접 정하려면 docker network create --subnet으로 만든 네트워크여야 해요.",
    ),
    (
        r"network-scoped alias is supported only for containers in user defined networks",
        "별명은 직접 만든 네트워크에서만 쓸 수 있어요. "
        "docker network create로 네트워크를 만들어 --network로 연결해 보세요.",
    ),
    (
        r"endpoint with name (?P<name>\S+) already exists in network (?P<network>\S+)",
        "{name} 컨테이너는 이미 {network} 네트워크에 있어요.",
    ),
    (
        r"is not connected to (the )?network (?P<network>\S+)",
        "그 컨테이너는 {network} 네트워크에 있지 않아요. docker inspect로 어느 네트워크에 있는지 확인해 보세요.",
    ),
    (
        r"cannot join network of a non running container: (?P<id>\w{12})",
        "네트워크를 빌려주는 컨테이너 {id}가 실행 중이 아니에요. docker start {id} 명령으로 먼저 시작해 주세요.",
    ),
    (
        r"non-shareable IPC",
        "메모리를 빌려줄 컨테이너를 --ipc shareable로 실행해야 해요.",
    ),
    (
        r"cannot join own (network|PID)",
        "컨테이너가 자기 자신의 것을 빌릴 수는 없어요. container: 뒤에 다른 컨테이너의 이름을 써 주세요.",
    ),
    (
        r"conflicting options: .* and the (container type )?network mode",
        "--network container:로 다른 컨테이너의 네트워크를 빌리면, 이름·포트·DNS는 그 컨테이너가 정해요. "
        "이 옵션을 빼거나, 네트워크를 가진 컨테이너 쪽에 써 주세요.",
    ),
    (
        r"Cannot link to a non running container: /(?P<name>\S+)",
        "연결할 컨테이너 {name}이(가) 실행 중이 아니에요. docker start {name} 명령으로 먼저 시작해 주세요.",
    ),
    (
        r"Cannot link to /(?P<name>\S+), as it does not belong to the default network",
        "--link는 기본 네트워크(bridge)에 있는 컨테이너끼리만 돼요. "
        "둘을 같은 사용자 네트워크에 두면 --link 없이 이름({name})으로 서로 찾아요.",
    ),
    (
        r"could not get container for (?P<name>[^:]+): No such container",
        "--link로 연결할 컨테이너 {name}이(가) 없어요. docker ps -a로 이름을 확인해 주세요.",
    ),
    (
        r"(links|network-scoped aliases) are only supported for user-defined networks",
        "이 옵션은 docker network create로 만든 네트워크에서만 쓸 수 있어요.",
    ),
    (
        r"network (?P<name>\S+) not found",
        "{name} 네트워크가 없어요. docker network ls로 이름을 확인해 보세요.",
    ),
    (
        r"Invalid top-level property \"(?P<name>[^\"]+)\"",
        "{name} 항목이 맨 바깥에 있어요. 서비스는 services: 아래에 두 칸 들여서 적어 주세요.",
    ),
    (
        r"You might be seeing this error because you're using the wrong Compose file version",
        "compose 파일의 구조가 맞지 않아요. 서비스가 services: 아래에 두 칸 들여 적혔는지 확인해 보세요.",
    ),
    # the command line -----------------------------------------------------------------------------------------------
    (
        r"^unknown flag: --(?P<letters>it|ti|itd|dit)$",
        "짧은 옵션 여러 개를 붙여 쓸 때는 줄표를 하나만 써요: -{letters}",
    ),
    (
        r"^unknown (flag: |shorthand flag: '.*' in )(?P<word>\S+)",
        "이 명령에는 {word} 옵션이 없어요. 철자를 확인하거나, 명령 뒤에 --help를 붙여 옵션을 살펴보세요.",
    ),
    (
        r"^flag needs an argument: .*?(?P<word>-\S+)$",
        "{word} 옵션 뒤에 값이 빠졌어요.",
    ),
    (
        r'^invalid argument "(?P<value>.*)" for "(?P<option>[^"]+)" flag: invalid (size|suffix)',
        "{option}에는 크기를 적어 주세요. 64m, 1g처럼 숫자 뒤에 b, k, m, g를 붙여요.",
    ),
    (
        r'^invalid argument "(?P<value>.*)" for "(?P<option>[^"]+)" flag',
        "{option} 옵션의 값이 맞지 않아요: {value}",
    ),
    (
        r"'docker (?P<command>[^']+)' requires (?P<count>\d) arguments?",
        "docker {command} 명령에는 이름이나 ID를 {count}개 적어 주세요.",
    ),
    (
        r"'docker (?P<command>[^']+)' requires at least (?P<count>\d)( and at most (?P<most>\d))? arguments?",
        "docker {command} 명령 뒤에 필요한 말이 빠졌어요. docker {command} --help의 사용법을 확인해 보세요.",
    ),
    (
        r"'docker (?P<command>[^']+)' accepts no arguments",
        "docker {command} 명령 뒤에는 옵션만 올 수 있어요. 조건으로 고르려면 --filter를 써 보세요.",
    ),
    (
        r"unknown command: docker (?P<command>(compose|"
        r"swarm|service|stack|node|buildx|context|prune)\b[^\n]*)",
        "docker {command} 명령은 이 엔진에 아직 없어요. docker --help에서 쓸 수 있는 명령을 볼 수 있어요.",
    ),
    (
        r"unknown command: docker (?P<command>[^\n]+)",
        "docker {command} 명령은 없어요. 철자를 확인하거나 docker --help로 명령 목록을 살펴보세요.",
    ),
    (
        r"the input device is not a TTY",
        "-t는 사람이 입력하는 터미널에서만 쓸 수 있어요. 파이프나 스크립트에서는 -t를 빼고 -i만 써 보세요.",
    ),
    (
        r"you cannot start and attach multiple containers at once",
        "화면은 하나라서 여러 컨테이너에 한꺼번에 연결할 수 없어요. 하나씩 실행해 보세요.",
    ),
    (
        r"template parsing error|failed to (parse|execute) template|Error parsing format: template",
        "--format의 템플릿을 읽지 못했어요. 필드 이름과 중괄호 {{{{ }}}} 를 확인해 보세요. "
        "쓸 수 있는 필드는 --format json으로 볼 수 있어요.",
    ),
    (
        r"failed to parse value as time or duration",
        "시각을 읽지 못했어요. 2026-01-31T12:00:00 같은 시각이나, "
        "지금부터 거꾸로 센 10m, 1h30m 같은 시간을 적어 주세요.",
    ),
    (
        r"^invalid filter '(?P<word>[^'=]+)",
        "--filter에 쓸 수 없는 말이에요: {word}. 명령 뒤에 --help를 붙여 확인해 보세요.",
    ),
    (
        r"cowardly refusing to save to a terminal",
        "tar는 화면에 보여 줄 수 없어요. -o 파일이름으로 저장할 파일을 적거나 > 파일이름으로 돌려 주세요.",
    ),
    (
        r"requested load from stdin, but stdin is empty",
        "읽을 파일이 빠졌어요. docker load -i 파일이름 또는 docker load < 파일이름 형태로 적어 주세요.",
    ),
    (
        r"invalid archive: it holds neither manifest.json",
        "docker save로 만든 파일이 아니에요. 파일 시스템만 담긴 tar라면 docker import를 써 보세요.",
    ),
    (
        r"invalid archive|failed to register layer|Error processing tar file",
        "파일이 중간에 잘렸거나 손상됐어요. 다시 저장하거나 다시 받아 보세요. 지금까지의 이미지는 그대로예요.",
    ),
    (
        r"Could not find the file (?P<path>\S+) in container",
        "컨테이너 안에 {path} 파일이 없어요. docker exec 이름 ls로 경로를 확인해 보세요.",
    ),
    (
        r"copying between containers is not supported",
        "컨테이너에서 컨테이너로 바로 복사할 수는 없어요. 이 컴퓨터로 먼저 꺼낸 다음 다시 넣어 보세요.",
    ),
    (
        r"must specify at least one container source",
        "둘 중 하나는 컨테이너의 경로여야 해요. 이름:경로 형태로 적어 주세요 (예: web:/etc/hosts).",
    ),
    (
        r"^cannot copy directory$",
        "폴더를 파일 위에 복사할 수 없어요. 복사할 곳을 폴더로 적어 주세요.",
    ),
    (
        r"^no such directory$|extraction point is not a directory|must be a directory$",
        "복사할 곳이 폴더가 아니거나 없어요. 경로를 확인하고, 없으면 먼저 만들어 주세요.",
    ),
    (
        r"cannot overwrite (non-)?directory",
        "같은 이름의 폴더와 파일은 서로 덮어쓸 수 없어요. 이름을 바꾸거나 먼저 지워 주세요.",
    ),
    (
        r"(container rootfs|mounted volume) is marked read-only",
        "읽기 전용으로 실행한 컨테이너라서 파일을 넣을 수 없어요.",
    ),
    (
        r"could not make (?P<image>\S+) from Debian's packages",
        "오프라인 허브에 {image} 이미지가 아직 없고, 지금은 만들지도 못했어요. "
        "재료인 데비안 패키지는 인터넷에서 받아요. "
        "연결을 확인하고 다시 실행해 보세요. 한 번 만들고 나면 인터넷 없이도 받을 수 있어요.",
    ),
    (
        r"get (?P<name>\S+): no such volume",
        "{name} 볼륨이 없어요. docker volume ls로 이름을 확인해 보세요.",
    ),
    (
        r"includes invalid characters for a local volume name",
        "볼륨 이름에 쓸 수 없는 글자가 있어요. "
        "이 컴퓨터의 폴더를 붙이려던 것이라면 /로 시작하는 전체 경로를 적어 주세요.",
    ),
    (
        r"Duplicate mount point: (?P<path>\S+)",
        "같은 자리에 두 가지를 붙일 수 없어요: {path}. 하나만 남겨 주세요.",
    ),
    (
        r"bad format of filter",
        "--filter는 이름=값 형태로 적어 주세요 (예: --filter name=web).",
    ),
    # contexts -------------------------------------------------------------------------------------------------------
    (
        r'context "(?P<name>[^"]*)": context not found',
        "{name}이라는 컨텍스트가 없어요. docker context ls로 이름을 확인하고, "
        "이 컴퓨터의 엔진으로 돌아오려면 docker context use default를 실행해 보세요.",
    ),
    (
        r'context "(?P<name>[^"]*)" already exists',
        "{name}이라는 컨텍스트가 이미 있어요. 고치려면 docker context update, "
        "지우려면 docker context rm {name}을 쓰세요.",
    ),
    (
        r'context "(?P<name>[^"]*)" is in use, set -f flag',
        "지금 쓰고 있는 컨텍스트예요. docker context use default로 돌아온 다음 지우거나 -f를 붙이세요.",
    ),
    (
        r'context "default" cannot be removed|"default" is a reserved context name',
        "default는 이 컴퓨터의 엔진을 가리키는 이름이라 새로 만들거나 지울 수 없어요.",
    ),
    (
        r'context "(?P<name>[^"]*)" does not exist',
        "{name}이라는 컨텍스트가 없어요. docker context ls로 이름을 확인해 보세요.",
    ),
    (
        r'context name "[^"]*" is invalid',
        "컨텍스트의 이름은 두 글자 이상이고, 영문자나 숫자로 시작해서 영문자, 숫자, _ . + - 만 쓸 수 있어요.",
    ),
    (
        r"cannot specify both --host and --context",
        "--host와 --context는 둘 다 엔진을 고르는 옵션이에요. 하나만 쓰세요.",
    ),
    # other servers ------------------------------------------------------------------------------------------------
    (
        r"server (?P<name>\S+) already exists",
        "{name} 서버가 이미 있어요. 그대로 쓰거나, %server rm {name}으로 지우고 다시 만드세요.",
    ),
    (
        r"No such server: (?P<name>\S+)",
        "{name} 서버가 없어요. %server로 이름을 확인해 보세요.",
    ),
    (
        r"invalid server name",
        "서버의 이름은 소문자로 시작해서 소문자, 숫자, - 만 20글자까지 쓸 수 있어요.",
    ),
    (
        r"a container that is to be seen without a wall cannot have (?P<what>.+)",
        "벽 하나를 뺀 컨테이너는 컴퓨터의 다른 것과 이어질 수 없어서 {what} 없이 써야 해요.",
    ),
    (
        r"the sandbox cannot be built|user namespaces need (Linux|idmapped mounts)",
        "이 컴퓨터에서는 사용자 번호를 바꾼 상자를 만들 수 없어요. Linux 5.19 이상과 ext4, xfs, btrfs가 필요해요.",
    ),
    # the engine itself ----------------------------------------------------------------------------------------------
    (
        r"permission denied while trying to connect to the Docker daemon socket",
        "엔진의 소켓을 열 권한이 없어요. 사용자가 소켓의 그룹에 들어 있는지 id 명령으로 "
        "확인하고, 로그인을 다시 해 보세요. "
        "이 그룹은 root와 같은 힘을 가져요.",
    ),
    (
        r"error during connect: (?P<host>\S+): tls: failed to verify certificate",
        "{host}의 인증서를 믿을 수 없어요. 그 엔진의 인증서에 서명한 기관의 ca.pem을 --tlscacert로 주었는지, "
        "주소가 인증서에 적힌 것과 같은지 확인해 보세요.",
    ),
    (
        r"error during connect: (?P<host>\S+): tls: ",
        "{host}의 엔진이 이 연결을 받아 주지 않았어요. 그 엔진이 아는 기관이 서명한 인증서와 열쇠를 "
        "--tlscert와 --tlskey로 주어야 해요.",
    ),
    (
        r"(?P<host>\S+) closed the connection: unexpected EOF",
        "{host} 엔진과의 연결이 도중에 끊겨서, 여기까지 나온 것이 전부가 아닐 수 있어요. 네트워크와 엔진이 "
        "그대로인지 확인하고 같은 명령을 다시 실행해 보세요.",
    ),
    (
        r"Client sent an HTTP request to an HTTPS server",
        "이 주소의 엔진은 TLS로만 말해요. --tlsverify와 인증서(--tlscacert, --tlscert, --tlskey)를 함께 주세요.",
    ),
    (
        r"Cannot connect to the Docker daemon at (?P<host>\S+)\. Is the docker daemon running",
        "엔진이 실행되고 있지 않아요. 실습 폴더에서 ./lab up을 다시 실행해 주세요.",
    ),
    (
        r"this engine was updated while containers were running",
        "컨테이너가 실행되는 동안 엔진이 새 버전으로 바뀌었어요. 실행 중인 컨테이너를 docker stop으로 모두 멈추고, "
        "실습 폴더에서 ./lab down과 ./lab up을 차례로 실행하면 다시 시작할 수 있어요.",
    ),
    (
        r"client version \S+ is too (new|old)",
        "명령과 엔진의 버전이 맞지 않아요. DOCKER_API_VERSION을 지우고 다시 실행해 보세요.",
    ),
    *DOCKERFILE,
)

TABLE = tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in _TEXTS)
