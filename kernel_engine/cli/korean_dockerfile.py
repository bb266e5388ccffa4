"""What is wrong in a Dockerfile: Docker's texts and their Korean lines. Data, a part of `korean_table.py`."""

from __future__ import annotations

DOCKERFILE: tuple[tuple[str, str], ...] = (
    # the file -------------------------------------------------------------------------------------------------------
    (
        r"the Dockerfile \((?P<name>[^)]*)\) cannot be empty",
        "{name} 파일이 비어 있어요. 첫 줄에 FROM debian:bookworm처럼 바탕이 될 이미지를 적어 주세요.",
    ),
    (
        r"the Dockerfile \((?P<name>[^)]*)\) is larger than",
        "{name} 파일이 너무 커요. 큰 내용은 파일로 두고 COPY로 넣어 주세요.",
    ),
    (
        r"dockerfile line greater than max allowed size",
        "한 줄이 너무 길어요. 줄 끝에 \\를 붙여 여러 줄로 나누거나, 긴 내용은 파일로 두고 COPY로 넣어 주세요.",
    ),
    (
        r"file with no instructions",
        "명령이 한 줄도 없고 주석뿐이에요. 첫 명령으로 FROM debian:bookworm처럼 바탕이 될 이미지를 적어 주세요.",
    ),
    (
        r"no build stage in current context",
        "FROM보다 앞에는 ARG만 올 수 있어요. 바탕 이미지를 정하는 FROM을 맨 위에 적어 주세요.",
    ),
    (
        r"unknown instruction: (?P<word>\S+)",
        "{word} 명령은 Dockerfile에 없어요. 철자를 확인해 보세요. "
        "앞줄에서 이어지는 내용이라면 앞줄 끝에 \\를 붙여 주세요.",
    ),
    (
        r"unterminated heredoc",
        "<<로 시작한 글이 끝나지 않았어요. 끝을 알리는 단어(EOF 등)를 빈칸 없이 따로 한 줄에 적어 주세요.",
    ),
    (
        r"invalid escape token",
        "escape 지시자에는 \\나 ` 한 글자만 쓸 수 있어요.",
    ),
    (
        r"only one (?P<word>\w+) parser directive can be used",
        "{word} 지시자를 두 번 적었어요. 하나만 남겨 주세요.",
    ),
    (r"a NUL byte stands in", "글자가 아닌 값(0번 바이트)이 들어 있어요. 텍스트 파일로 다시 저장해 주세요."),
    # options --------------------------------------------------------------------------------------------------------
    (
        r"Unknown flag: (?P<word>\S+)",
        "이 Dockerfile 명령에는 --{word} 옵션이 없어요. 철자를 확인해 보세요.",
    ),
    (r"Duplicate flag specified: (?P<word>\S+)", "--{word} 옵션을 두 번 적었어요. 하나만 남겨 주세요."),
    (r"Missing a value on flag: (?P<word>\S+)", "--{word} 옵션에 값이 빠졌어요. --{word}=값 형태로 붙여 적어 주세요."),
    (r"Expecting boolean value for flag (?P<word>\S+),", "--{word} 옵션에는 true나 false만 적을 수 있어요."),
    # what each instruction takes ------------------------------------------------------------------------------------
    (
        r"FROM requires either one or three arguments",
        "FROM 뒤에는 이미지 이름 하나, 또는 이미지 AS 단계이름만 올 수 있어요. "
        "Dockerfile의 주석(#)은 줄 끝에 붙일 수 없으니 따로 한 줄에 적어 주세요.",
    ),
    (
        r"(?P<word>ENV|LABEL) must have two arguments",
        "{word}에는 이름과 값이 필요해요. {word} 이름=값 형태로 적어 주세요.",
    ),
    (
        r"can't find = in \"(?P<word>.*)\"\. Must be of the form: name=value",
        "{word}에 =가 없어요. 이름=값 형태로 적고, 값에 빈칸이 있으면 따옴표로 감싸 주세요.",
    ),
    (
        r"(?P<word>[A-Z]+) names can not be blank",
        "{word}의 = 앞에 이름이 빠졌어요. 이름=값 형태로 적어 주세요.",
    ),
    (
        r"(?P<word>ADD|COPY) requires at least two arguments",
        "{word}에는 복사할 파일과 이미지 안의 위치가 둘 다 필요해요. {word} 파일 /위치 형태로 적어 주세요.",
    ),
    (
        r"(?P<word>ADD|COPY) cannot accept a heredoc as a destination",
        "{word}의 마지막에는 이미지 안의 위치를 적어 주세요. <<로 시작하는 글은 그 앞에 와야 해요.",
    ),
    (r"(?P<word>[A-Z]+) requires (at least|exactly) one argument", "{word} 뒤에 적을 내용이 빠졌어요."),
    (
        r"arrays must be comprised of strings only",
        '대괄호 안의 값은 모두 큰따옴표로 감싸야 해요. ["명령", "인자"] 형태로 적어 주세요.',
    ),
    (
        r"SHELL requires the arguments to be in JSON form",
        'SHELL은 대괄호와 큰따옴표로 적어야 해요. SHELL ["/bin/bash", "-c"] 형태로 적어 주세요.',
    ),
    (
        r"Chaining ONBUILD via|isn't allowed as an ONBUILD trigger",
        "ONBUILD 뒤에는 ONBUILD, FROM, MAINTAINER를 쓸 수 없어요.",
    ),
    (
        r"onbuild trigger should be a single expression",
        "ONBUILD 하나에는 명령을 하나만 적을 수 있어요.",
    ),
    (
        r"invalid environment variable: =",
        "ENV의 변수 이름이 비어 있어요. 이름 자리에 변수를 썼다면 값이 들어 있는지 확인해 보세요.",
    ),
    (
        r"VOLUME specified can not be an empty string",
        "VOLUME의 경로가 비어 있어요. 변수를 썼다면 값이 들어 있는지 확인해 보세요.",
    ),
    (r"cannot normalize nothing", "WORKDIR의 경로가 비어 있어요. 변수를 썼다면 값이 들어 있는지 확인해 보세요."),
    (
        r"Invalid (containerPort|hostPort|ranges specified)|No port specified",
        "컨테이너가 쓰는 포트 번호를 적어 주세요. 80, 53/udp, 7000-7010 같은 형태이고 65535까지예요.",
    ),
    (r"Invalid proto: (?P<word>\S+)", "포트의 종류는 tcp, udp, sctp 가운데 하나예요. 80/tcp처럼 적어 주세요."),
    (
        r"Unknown type \"(?P<word>[^\"]*)\" in HEALTHCHECK|Missing command after HEALTHCHECK CMD",
        "HEALTHCHECK에는 확인할 명령을 적어 주세요. HEALTHCHECK CMD curl -f http://localhost/ 같은 형태예요.",
    ),
    (
        r"HEALTHCHECK NONE takes no arguments",
        "HEALTHCHECK NONE은 확인을 끈다는 뜻이라 뒤에 아무것도 적지 않아요.",
    ),
    (
        r"time: (invalid duration|missing unit in duration|unknown unit .*in duration) \"(?P<word>[^\"]*)\"",
        "{word} 값을 시간으로 읽을 수 없어요. 30s, 1m30s처럼 숫자 뒤에 단위(ms, s, m, h)를 붙여 주세요.",
    ),
    (r"Interval \"(?P<word>[^\"]*)\" cannot be less than", "--{word}의 시간이 너무 짧아요. 30s처럼 적어 주세요."),
    (
        r"--retries must be at least 1|strconv\.ParseInt: parsing",
        "--retries에는 1 이상의 정수를 적어 주세요.",
    ),
    # RUN --mount ----------------------------------------------------------------------------------------------------
    (
        r"unsupported mount type \"(?P<word>[^\"]*)\"",
        "--mount의 type은 bind, cache, tmpfs, secret, ssh 가운데 하나예요.",
    ),
    (
        r"unexpected key '(?P<word>[^']*)' (in|for mount type)",
        "이 종류의 --mount에는 {word} 항목을 쓸 수 없어요. 철자를 확인해 보세요.",
    ),
    (
        r"invalid field '(?P<word>.*)' must be a key=value pair|failed to parse csv mounts",
        "--mount의 값은 쉼표로 나눈 이름=값이에요. --mount=type=cache,target=/var/cache/apt 형태로 적어 주세요.",
    ),
    (
        r"RUN failed: file not found in build context",
        "--mount로 붙일 파일이 빌드 컨텍스트 안에 없어요. source의 경로와 .dockerignore를 확인해 보세요.",
    ),
    (
        r'invalid mount target "/"',
        "--mount에는 컨테이너 안의 위치를 target=/위치 형태로 적어 주세요. / 자체는 쓸 수 없어요.",
    ),
    (
        r'mount source path "(?P<path>[^"]*)": no such file or directory',
        "--mount의 from으로 정한 이미지나 단계 안에 {path} 경로가 없어요. source를 확인해 보세요.",
    ),
    (
        r"invalid secret mount\. one of source, target|both source and id can't be set|secret mount should not",
        "비밀 값은 --mount=type=secret,id=이름 형태로 적어 주세요. 파일은 컨테이너의 /run/secrets/이름에 나타나요.",
    ),
    (
        r"unsupported sharing value|invalid cache sharing set",
        "sharing은 type=cache에서만 쓰고, 값은 shared, private, locked 가운데 하나예요.",
    ),
    (
        r"(mode|uid|gid) not allowed for \"(?P<word>\w+)\" type mounts",
        "mode, uid, gid는 type이 cache나 secret일 때만 쓸 수 있어요.",
    ),
    (r"invalid value (?P<value>\S+) for (?P<word>mode|uid|gid)", "--mount의 {word}에는 숫자를 적어 주세요."),
    (
        r"invalid network mode \"(?P<word>[^\"]*)\"",
        "RUN의 --network는 default, none, host 가운데 하나예요.",
    ),
    (
        r"security\.insecure is not allowed",
        "RUN --security=insecure는 이 엔진에서 쓸 수 없어요. 빌드는 늘 격리된 컨테이너에서 실행해요.",
    ),
    (r"security \"[^\"]*\" is not valid", "RUN의 --security는 sandbox, insecure 가운데 하나예요."),
    (
        r"invalid value for (?P<word>ro|readonly|rw|readwrite|required|size): (?P<value>.*)",
        "--mount의 {word}에 쓸 수 없는 값이에요. "
        "켜고 끄는 항목에는 true나 false, size에는 64m 같은 크기를 적어 주세요.",
    ),
    # variables ------------------------------------------------------------------------------------------------------
    (
        r"failed to process .*while looking for matching (single|double)-quote",
        "따옴표가 닫히지 않았어요. 같은 따옴표로 닫거나, 글자 그대로 쓰려면 앞에 \\를 붙여 주세요.",
    ),
    (
        r"failed to process .*syntax error: (missing|bad substitution)",
        "변수의 중괄호가 맞지 않아요. ${{이름}} 형태로 적어 주세요.",
    ),
    (
        r"failed to process .*unsupported modifier",
        "변수의 중괄호 안에 쓸 수 없는 기호가 있어요. ${{이름:-기본값}}처럼 적어 주세요.",
    ),
    (
        r"failed to process \".*\": (?P<name>\w+): is not allowed to be (unset|empty)",
        "{name} 변수에 값이 없어요. docker build에 --build-arg {name}=값을 붙이거나 ENV, ARG로 값을 정해 주세요.",
    ),
    (
        r"failed to process .*(nested more than|longer than \d+ MiB|too long for its value)",
        "변수를 바꾼 결과가 너무 길거나 깊어요. 더 간단하게 적어 주세요.",
    ),
    # stages ---------------------------------------------------------------------------------------------------------
    (
        r"invalid name for build stage: \"(?P<name>[^\"]*)\"",
        "단계 이름은 영문자로 시작하고 영문자, 숫자, - _ . 만 쓸 수 있어요.",
    ),
    (
        r"(?P<name>\S+) stage name already used",
        "{name}이라는 단계가 이미 있어요. AS 뒤의 이름을 서로 다르게 적어 주세요.",
    ),
    (
        r"failed to reach build target (?P<name>\S+) in Dockerfile",
        "Dockerfile에 AS {name}로 이름 붙인 단계가 없어요. --target의 이름을 확인해 보세요.",
    ),
    (
        r"circular dependency detected on stage: (?P<name>\S+)",
        "{name} 단계가 돌고 돌아 자기 자신을 기다리고 있어요. --from이 앞선 단계만 가리키게 해 주세요.",
    ),
    (
        r"cannot copy from stage \"(?P<name>[^\"]*)\", it needs to be defined before",
        "{name} 단계는 아직 나오지 않았어요. 파일을 가져올 단계를 앞쪽에 적어 주세요.",
    ),
    (
        r"invalid from flag value (?P<name>\S+): (refers to current build stage|index out of bounds)",
        "--from의 번호는 앞선 단계만 가리킬 수 있어요. 첫 FROM이 0번이에요.",
    ),
    (
        r"variable expansion is not supported for --from|doesn't support variable expansion, define alias",
        "--from에는 변수를 쓸 수 없어요. FROM $이미지 AS 이름으로 단계를 만들고 --from=이름으로 가리켜 주세요.",
    ),
    (
        r"base name \((?P<word>[^)]*)\) should not be blank",
        "FROM의 {word} 값이 비어 있어요. FROM에 쓸 변수는 FROM보다 앞에 ARG로 적고 기본값을 주세요.",
    ),
    (
        r"empty platform value from expression|failed to parse platform",
        "--platform의 값을 읽을 수 없어요. linux/amd64처럼 적어 주세요.",
    ),
    (
        r"No image was generated\. Is your Dockerfile empty\?",
        "이미지에 담긴 것이 없어요. FROM scratch 다음에 COPY 같은 명령을 적어 주세요.",
    ),
    (
        r"is not a valid change command",
        "--change에는 CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, USER, VOLUME, WORKDIR만 쓸 수 있어요.",
    ),
)
