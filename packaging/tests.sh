# shellcheck shell=sh disable=SC2154 # ./lab sets here
# `./lab test`: from nothing to the last test, in a venv inside the repository.

run_tests() {
    full=no
    while [ $# -gt 0 ]; do
        case $1 in
        --full) full=yes ;;
        *) wrong "test에 없는 옵션이에요: $1" ;;
        esac
        shift
    done
    steps 4
    packages=$PACKAGES_TEST
    if [ $full = yes ]; then packages="$packages $PACKAGES_FULL"; fi
    step packages "배포판 패키지를 설치해요" install_packages "$packages"
    step python "파이썬 패키지를 설치해요" install_for_tests
    step hub "오프라인 허브에 이미지를 채워요" fill_hub_for_tests
    step docker "비교할 공식 docker 명령을 받아요" unpack_docker "$here/.venv/official"
    say "테스트를 실행해요."
    # the kernel tests start many processes: two workers keep two processors busy, and a module's fixtures together
    set -- --numprocesses 2 --dist loadscope
    # docs/decisions/0029: what hangs on the machine's mood gets a second try, three of them at most, each told with its reason
    set -- "$@" --reruns 1 --max-suite-reruns 3 --rerun-exclude-path tests/unit --rerun-show-tracebacks
    if [ $full = no ]; then set -- "$@" -m "not full"; fi
    # last on the path: a machine's own docker is as official
    PATH=$PATH:$here/.venv/official/usr/bin
    cd "$here" && exec "$here/.venv/bin/python" -m pytest "$@" </dev/null
}

install_for_tests() {
    python=$(system_python)
    venv=$here/.venv
    key=$("$python" -V)-$(content_key "$here" setup.py packaging/bin)
    [ "$(cat "$venv/.content" 2>/dev/null)" = "$key" ] && return 0
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off --editable "${here}[test]"
    if on_ubuntu; then "$venv/bin/python" -m playwright install --with-deps chromium; fi
    printf %s "$key" >"$venv/.content"
}

fill_hub_for_tests() {
    cd "$here" && "$here/.venv/bin/python" -m labs.hub --data "$HUB" fill
}
