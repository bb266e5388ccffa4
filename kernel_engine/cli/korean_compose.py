"""What is wrong in a compose file: docker compose's texts and their Korean lines. Data, a part of `korean_table.py`."""

from __future__ import annotations

_INDENT = "compose 파일은 들여쓰기로 구조를 나타내요. 같은 단계의 줄은 같은 칸만큼, 탭 대신 빈칸 두 칸씩 들여 주세요."

COMPOSE: tuple[tuple[str, str], ...] = (
    # YAML -----------------------------------------------------------------------------------------------------------
    (
        r"failed to parse \S+: yaml: .*found (a tab character|character that cannot start any token)",
        "줄 앞에 탭이 있거나, 값이 @ ` % 같은 글자로 시작해요. 탭은 빈칸으로 바꾸고, 값은 따옴표로 감싸 주세요.",
    ),
    (
        r"failed to parse \S+: yaml: .*mapping values are not allowed in this context",
        "한 줄에 콜론(:)이 두 번 나왔거나 들여쓰기가 맞지 않아요. 값에 콜론과 빈칸이 있으면 따옴표로 감싸 주세요.",
    ),
    (
        r"failed to parse \S+: yaml: .*did not find expected ',' or '\]'|did not find expected ',' or '\}}'",
        "[ 나 {{ 로 연 목록이 닫히지 않았어요. 그 줄에서 짝이 되는 ] 나 }} 를 확인해 보세요.",
    ),
    (
        r"failed to parse \S+: yaml: .*while scanning a quoted scalar",
        "따옴표가 닫히지 않았어요. 여는 따옴표와 닫는 따옴표의 짝을 맞춰 주세요.",
    ),
    (
        r'failed to parse \S+: yaml: .*mapping key "(?P<key>.*)" already defined at line (?P<line>\d+)',
        "{key}을(를) {line}번째 줄에서 이미 적었어요. 한곳에 같은 키는 한 번만 쓸 수 있으니 하나로 합쳐 주세요.",
    ),
    (
        r"failed to parse \S+: yaml: .*unknown anchor '(?P<name>.*)' referenced",
        "*{name}이 가리키는 &{name}이 파일의 앞쪽에 없어요. 이름을 확인해 보세요.",
    ),
    (
        r"failed to parse \S+: yaml: .*(value contains itself|visit limit|max depth)",
        "앵커(&, *)가 자기 자신을 가리키거나 값이 너무 많아요. 앵커를 줄여 보세요.",
    ),
    (
        r"failed to parse \S+: yaml: .*map merge requires",
        "<<: 뒤에는 키와 값으로 된 앵커(*이름)만 올 수 있어요.",
    ),
    (
        r"non-string key in \S*\.ports\b",
        "ports의 8080:80은 콜론 뒤에 빈칸 없이 붙여 쓰고, 따옴표로 감싸 주세요.",
    ),
    (
        r"failed to parse \S+: yaml:|non-string key",
        f"YAML 문법에 맞지 않아요. {_INDENT}",
    ),
    (
        r"top-level object must be a mapping",
        "compose 파일의 맨 바깥에는 services: 같은 키가 와야 해요. 그 다음 줄에 두 칸 들여 서비스 이름을 적어 주세요.",
    ),
    (
        r"the attribute `version` is obsolete",
        "version은 이제 쓰지 않는 항목이에요. 그 줄을 지워도 똑같이 동작해요.",
    ),
    (
        r"^empty compose file",
        "compose 파일이 비어 있어요. services: 아래에 서비스를 하나 이상 적어 주세요.",
    ),
    # the schema -----------------------------------------------------------------------------------------------------
    (
        r"^validating \S+:  additional properties '(?P<key>[^']*)'",
        "맨 바깥에 {key} 키는 쓸 수 없어요. 서비스라면 services: 아래에 두 칸 들여 적고, 아니면 철자를 확인해 보세요.",
    ),
    (
        r"^validating \S+: services additional properties '(?P<key>[^']*)'",
        "서비스 이름 {key}을(를) 쓸 수 없어요. 영문자, 숫자, . _ - 만 써 주세요.",
    ),
    (
        r"^validating \S+: \S+\.volumes\.\d+ (additional properties|missing property 'type')",
        "volumes의 ./data:/data는 콜론 뒤에 빈칸 없이 붙여 써 주세요. 빈칸이 있으면 키와 값으로 읽어요.",
    ),
    (
        r"^validating \S+: \S+\.(?P<what>environment|labels|args|annotations|sysctls)\.\d+ must be a string",
        "{what}을(를) -로 시작하는 목록으로 쓸 때는 이름=값으로 적어 주세요. 이름: 값으로 쓰려면 앞의 -를 빼 주세요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) additional properties '(?P<key>[^']*)'",
        "{place} 아래에 {key}라는 키는 없어요. 철자와 들여쓰기를 확인해 보세요.",
    ),
    (
        r"^validating \S+: version must be a string",
        "version의 값은 따옴표로 감싸야 해요. 이제는 쓰지 않는 항목이라 그 줄을 지워도 돼요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) must be a mapping",
        "{place}에는 키와 값이 와야 해요. 다음 줄에 두 칸 더 들여서 키: 값 형태로 적고, "
        "콜론 뒤에는 빈칸을 넣어 주세요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) must be a array",
        "{place}에는 목록이 와야 해요. 다음 줄에 들여서 - 로 시작하는 줄로 적어 주세요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) must be a string",
        "{place}에는 글자가 와야 해요. 숫자나 참/거짓이라면 따옴표로 감싸 주세요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) must be (?P<what>.*)",
        "{place}의 값이 맞지 않아요. 허용되는 값을 확인해 보세요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) missing propert(y|ies) (?P<what>.*)",
        "{place}에 {what}이(가) 빠졌어요. 그 아래에 적어 주세요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) value must be (one of )?(?P<what>.*)",
        "{place}에는 {what} 중 하나만 쓸 수 있어요.",
    ),
    (
        r"^validating \S+: (?P<place>\S+) ",
        "{place}의 값이 맞지 않아요. 철자와 모양을 확인해 보세요.",
    ),
    (
        r"cannot override (?P<place>\S+)",
        "{place}을(를) 앞의 파일과 다른 모양(목록과 키)으로 적었어요. 같은 모양으로 적어 주세요.",
    ),
    (
        r"^services\.(?P<place>\S+) is not supported by this engine",
        "{place}은(는) 이 엔진이 아직 하지 못하는 설정이라 건너뛰었어요.",
    ),
    # variables ------------------------------------------------------------------------------------------------------
    (
        r"required variable (?P<name>\w+) is missing a value",
        "변수 {name}에 값이 없어요. .env 파일에 {name}=값을 적거나, 명령 앞에 {name}=값을 붙여 실행해 보세요.",
    ),
    (
        r'^The "(?P<name>\w+)" variable is not set',
        "변수 {name}에 값이 없어서 빈 글자로 바꿨어요. .env 파일에 {name}=값을 적거나 "
        "${{{name}:-기본값}}으로 써 보세요.",
    ),
    (
        r"invalid interpolation format for (?P<place>\S+)\.\n",
        "{place}의 ${{ }}를 읽지 못했어요. ${{이름}} 또는 ${{이름:-기본값}}으로 쓰고, $ 글자 자체는 $$로 적어 주세요.",
    ),
    (
        r"error while interpolating (?P<place>\S+): failed to cast to expected type: invalid boolean",
        "{place}에는 true 또는 false가 와야 해요.",
    ),
    (
        r"error while interpolating (?P<place>\S+): failed to cast to expected type",
        "{place}에는 숫자가 와야 해요. 변수를 썼다면 그 값을 확인해 보세요.",
    ),
    # Kubernetes ---------------------------------------------------------------------------------------------------
    (
        r": no equivalent in Kubernetes|the claim asks for|Kubernetes builds nothing|compose does not do unasked",
        "위의 줄들은 쿠버네티스에 같은 것이 없거나 뜻이 조금 다른 부분이에요. "
        "매니페스트를 쓰기 전에 하나씩 확인해 보세요.",
    ),
    # files ----------------------------------------------------------------------------------------------------------
    (
        r"no configuration file provided: not found",
        "이 폴더와 그 위의 폴더에 compose.yaml이 없어요. 파일이 있는 폴더로 가거나 -f 파일이름을 붙여 주세요.",
    ),
    (
        r"(env|label) file (?P<path>\S+) not found|couldn't find env file: (?P<other>\S+)",
        "변수 파일 {path}{other}이(가) 없어요. 파일을 만들거나 env_file의 경로를 확인해 보세요. "
        "경로는 compose 파일이 있는 폴더에서 시작해요.",
    ),
    (
        r"failed to read (?P<path>\S+): (line \d+: (key cannot|unexpected)|.*unterminated|line \d+: Invalid)",
        "{path}의 그 줄이 맞지 않아요. 한 줄에 하나씩 이름=값으로 적고, 따옴표는 짝을 맞춰 주세요.",
    ),
    (
        r"^\S+ is a directory$",
        "변수 파일이 아니라 폴더예요. 파일의 경로를 적어 주세요.",
    ),
    (
        r"include cycle detected|Circular reference:",
        "파일이나 서비스가 돌고 돌아 자기 자신을 불러요. include나 extends 하나를 지워 주세요.",
    ),
    (
        r'cannot extend service "(?P<name>[^"]*)" in \S+: service "(?P<base>[^"]*)" not found',
        "{name}이(가) 이어받을 서비스 {base}을(를) 찾지 못했어요. extends의 이름과 파일을 확인해 보세요.",
    ),
    # references -----------------------------------------------------------------------------------------------------
    (
        r'service "(?P<name>[^"]*)" has neither an image nor a build context',
        "{name} 서비스에 image: 도 build: 도 없어요. 쓸 이미지나 Dockerfile이 있는 폴더를 적어 주세요.",
    ),
    (
        r'service "(?P<name>[^"]*)" depends on undefined service "?(?P<other>[^":]*)',
        "{name}이(가) 기다리는 서비스 {other}이(가) 없어요. depends_on이나 links에 적은 이름을 확인해 보세요. "
        "profiles가 있는 서비스라면 --profile로 켜 주세요.",
    ),
    (
        r'service "(?P<name>[^"]*)" refers to undefined (?P<kind>network|volume|config) (?P<what>[^:\s]+)',
        "{name} 서비스가 쓰는 {what}이(가) 파일에 없어요. 맨 바깥의 {kind}s: 아래에 {what}: 을 적어 주세요.",
    ),
    (
        r'service "(?P<name>[^"]*)" refers to undefined (build )?secret (?P<what>[^:\s]+)',
        "{name} 서비스가 쓰는 비밀 값 {what}이(가) 파일에 없어요. 맨 바깥의 secrets: 아래에 {what}을(를) 적어 주세요.",
    ),
    (
        r"dependency cycle detected: (?P<circle>.*)",
        "서비스가 서로를 기다려서 아무것도 먼저 시작할 수 없어요 ({circle}). depends_on이나 links 하나를 지워 주세요.",
    ),
    (
        r"^no such service: (?P<name>\S+)",
        "compose 파일에 {name}이라는 서비스가 없어요. docker compose config --services로 이름을 확인해 보세요.",
    ),
    (
        r"can't set container_name and (scale|deploy\.replicas)",
        "container_name은 컨테이너 하나의 이름이라 여러 개로 늘릴 수 없어요. container_name을 지워 주세요.",
    ),
    (
        r'container name "(?P<name>[^"]*)" is already in use by service (?P<other>\S+)',
        "컨테이너 이름 {name}을(를) {other} 서비스도 써요. 하나를 바꿔 주세요.",
    ),
    (
        r"can't set distinct values on '(?P<one>[^']*)' and '(?P<other>[^']*)'",
        "{one}과(와) {other}은(는) 같은 것을 정해요. 둘 중 하나만 적어 주세요.",
    ),
    (
        r"declares mutually exclusive `network_mode` and `networks`",
        "network_mode와 networks는 함께 쓸 수 없어요. 둘 중 하나만 적어 주세요.",
    ),
    (
        r"declares mutualy exclusive dockerfile and dockerfile_inline",
        "dockerfile과 dockerfile_inline은 함께 쓸 수 없어요. 둘 중 하나만 적어 주세요.",
    ),
    (
        r"service\.build\.platforms MUST include",
        "build의 platforms에 platform으로 고른 것이 들어 있어야 해요.",
    ),
    # values ---------------------------------------------------------------------------------------------------------
    (
        r"invalid project name \"(?P<name>[^\"]*)\"",
        "프로젝트 이름 {name}을(를) 쓸 수 없어요. 영문 소문자나 숫자로 시작해서 소문자, 숫자, _ - 만 써 주세요.",
    ),
    (
        r"project name must not be empty",
        "폴더 이름으로 프로젝트 이름을 지을 수 없어요. 파일에 name: 을 적거나 -p 이름을 붙여 주세요.",
    ),
    (
        r"^Invalid (hostPort|ranges specified)",
        "ports는 호스트포트:컨테이너포트 형태로 적어요 (예: 8080:80). 포트는 1부터 65535까지예요.",
    ),
    (
        r"^Invalid ip address|: invalid ip address",
        "ports의 주소가 맞지 않아요. 127.0.0.1:8080:80처럼 적고, IPv6 주소는 [ ]로 감싸 주세요.",
    ),
    (
        r"^Invalid proto: (?P<proto>\S+)",
        "{proto} 프로토콜은 쓸 수 없어요. tcp, udp, sctp 중 하나를 써 주세요.",
    ),
    (
        r"is missing a target port",
        "컨테이너의 포트가 빠졌어요. target: 에 적어 주세요.",
    ),
    (
        r"^invalid (spec: |empty volume spec)",
        "volumes는 이름이나 경로:컨테이너경로[:ro] 형태로 적어요 (예: ./data:/data).",
    ),
    (
        r"is missing a mount target|field Source must not be empty",
        "volumes의 긴 형태에는 source(이 컴퓨터 쪽)와 target(컨테이너 쪽)이 있어야 해요.",
    ),
    (
        r"target (?P<path>\S+) already mounted as",
        "컨테이너의 {path}에 두 가지를 붙이려고 해요. 하나를 지우거나 경로를 바꿔 주세요.",
    ),
    (
        r"healthcheck\.test must start either by",
        'healthcheck의 test는 목록이면 CMD 또는 CMD-SHELL로 시작해야 해요. ["CMD-SHELL", "명령"] 형태로 적어 주세요.',
    ),
    (
        r"decoding failed[^\n]*\n\n'(?P<place>[^']*)' invalid (size|suffix)",
        "{place}에는 크기를 적어 주세요. 64m, 1g처럼 숫자 뒤에 b, k, m, g를 붙여요.",
    ),
    (
        r"decoding failed[^\n]*\n\n'(?P<place>[^']*)' time: invalid duration",
        "{place}에는 시간을 적어 주세요. 10s, 1m30s처럼 숫자 뒤에 s, m, h를 붙여요.",
    ),
    (
        r"decoding failed[^\n]*\n\n'(?P<place>[^']*)'",
        "{place}의 값을 읽지 못했어요. 모양과 따옴표를 확인해 보세요.",
    ),
    (
        r"confusing device mapping",
        "devices는 호스트장치:컨테이너장치[:rwm] 형태로 적어 주세요.",
    ),
    (
        r"(?P<place>\S+): one of (?P<keys>\S+) must be set",
        "{place}의 내용을 어디서 가져올지 빠졌어요. {keys} 중 하나를 적어 주세요.",
    ),
    (
        r"(?P<place>\S+): (?P<keys>\S+) attributes are mutually exclusive",
        "{place}에는 {keys} 중 하나만 적을 수 있어요.",
    ),
    (
        r"conflicting parameters \"external\" and|name and external\.name conflict",
        "external은 이미 있는 것을 쓴다는 뜻이라 다른 설정과 함께 적을 수 없어요. name만 남겨 주세요.",
    ),
    (
        r"must be greater than or equal to 0$",
        "개수는 0 이상이어야 해요.",
    ),
    (
        r"\"count\" and \"device_ids\" attributes are exclusive",
        "count와 device_ids는 함께 쓸 수 없어요. 둘 중 하나만 적어 주세요.",
    ),
    (
        r"^(open|read|stat) (?P<path>\S+\.ya?ml): ",
        "compose 파일 {path}을(를) 읽지 못했어요. 파일의 이름과 위치를 확인해 보세요.",
    ),
)
