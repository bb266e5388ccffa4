"""The part of `korean_table.py` that speaks of building: contexts, and steps that fail. Data.

What is wrong in the Dockerfile itself is `korean_dockerfile.py`.
"""

from __future__ import annotations

BUILDING: tuple[tuple[str, str], ...] = (
    (
        r"max depth exceeded",
        "한 이미지에는 레이어를 125개까지만 쌓을 수 있어요. RUN 여러 줄을 &&로 이어 한 줄로 줄여 보세요.",
    ),
    (
        r"(COPY|ADD) failed.*stat #: file does not exist",
        "줄 끝의 # 주석까지 복사할 파일로 읽었어요. Dockerfile의 주석은 따로 한 줄에 적어 주세요.",
    ),
    (
        r"(COPY|ADD) failed: .*(file not found in build context|no such file or directory|file does not exist)",
        "복사할 파일이 빌드 컨텍스트(docker build에 준 폴더) 안에 없어요. "
        "파일이 그 폴더에 있는지, .dockerignore에 걸리지 않는지 확인해 보세요.",
    ),
    (
        r"unable to evaluate symlinks in Dockerfile path|Cannot locate specified Dockerfile",
        "그 폴더에 Dockerfile이 없어요. ls로 확인해 보고, 다른 이름의 파일이면 -f 파일이름을 붙여 주세요.",
    ),
    (
        r"returned a non-zero code: 127",
        "RUN의 명령을 찾지 못했어요 (종료 코드 127). 이미지에 그 프로그램이 있는지, 먼저 설치했는지 확인해 보세요.",
    ),
    (
        r"returned a non-zero code: 137",
        "RUN의 명령이 강제로 끝났어요 (종료 코드 137). 메모리가 모자랐을 수 있어요.",
    ),
    (
        r"apt-get[^\n]*returned a non-zero code: 100",
        "apt-get이 실패했어요 (종료 코드 100). 위의 W:, E: 줄을 보세요. resolving이라는 말이 있으면 인터넷이 안 되는 "
        "거예요. 연결한 뒤 --no-cache를 붙여 다시 빌드해 보세요. 패키지 목록이 없거나 오래됐으면 같은 RUN에서 "
        "apt-get update &&부터 적어 주세요.",
    ),
    (
        r"returned a non-zero code: (?P<code>\d+)",
        "RUN의 명령이 실패해서 빌드를 멈췄어요 (종료 코드 {code}). 이유는 그 명령이 위에 출력한 줄에 있어요. "
        "앞 단계까지는 캐시에 남아 있으니, 고친 뒤 다시 빌드하면 이어서 해요.",
    ),
    (
        r"failed to stat (?P<path>\S+): stat|secret missing ID",
        "--secret은 id=이름,src=파일 형태로 적어 주세요. 파일이 그 자리에 있는지도 확인해 보세요.",
    ),
    (
        r"secret (not found|[^\n]*: not found)|secret \S+ is required",
        "RUN이 기다리는 비밀 값을 받지 못했어요. docker build에 --secret id=이름,src=파일을 붙여 주세요.",
    ),
    (
        r"context must be a directory",
        "docker build 뒤에는 파일이 아니라 폴더를 적어요. Dockerfile이 있는 폴더(지금 폴더면 .)를 적어 주세요.",
    ),
    (
        r'unable to prepare context: path "(?P<path>[^"]*)" not found',
        "{path} 폴더가 없어요. 빌드할 폴더의 경로를 확인해 보세요. 지금 폴더라면 . 하나만 적어요.",
    ),
    (
        r"error checking context: no permission to read from '(?P<path>[^']+)'|"
        r"error checking context: can't stat '(?P<place>[^']+)'",
        "{path}{place} 파일이나 폴더를 읽을 권한이 없어요. "
        "권한을 주거나, 빌드에 필요 없으면 .dockerignore에 적어 주세요.",
    ),
    (
        r"error checking context: (syntax error in pattern|illegal exclusion pattern)",
        ".dockerignore에 읽을 수 없는 무늬가 있어요. 대괄호 [ ]의 짝과 홀로 있는 ! 를 확인해 보세요.",
    ),
    (
        r"can't use stdin for both build context and dockerfile",
        "표준 입력은 하나라서 컨텍스트와 Dockerfile을 함께 받을 수 없어요. - 하나를 폴더나 파일 이름으로 바꿔 주세요.",
    ),
    (
        r"(COPY|ADD) failed: (forbidden path outside the build context|.*outside)",
        "빌드 컨텍스트 밖의 파일은 복사할 수 없어요. 파일을 그 폴더 안에 두거나, 더 위의 폴더에서 빌드해 보세요.",
    ),
    (
        r"--no-healthcheck conflicts with --health-",
        "--no-healthcheck는 확인을 끄라는 뜻이라 --health-… 옵션과 함께 쓸 수 없어요. 하나만 골라 주세요.",
    ),
    (
        r"(?P<option>--\w+) is not supported by this engine",
        "{option} 옵션은 이 엔진에 없어요. 빼고 실행해 보세요.",
    ),
    (
        r'"--squash" is only supported',
        "레이어를 하나로 합치는 --squash는 이 엔진에 없어요. 여러 단계 빌드(COPY --from)로 작게 만들 수 있어요.",
    ),
    (
        r"'docker ((image|builder) )?build' requires 1 argument",
        "빌드할 폴더가 빠졌어요. 명령 끝에 지금 폴더를 뜻하는 . 을 붙여 주세요.",
    ),
)
