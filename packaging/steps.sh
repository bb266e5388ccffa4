# shellcheck shell=sh
# How ./lab shows what it does: numbered steps with their time, signs of life while one runs, and, when one fails, its
# last lines and what to do.

say() { printf '%s\n' "$*"; }

# wrong TEXT: the command line makes no sense
wrong() {
    printf '%s\n%s\n' "$1" "사용법은 ./lab --help로 볼 수 있어요." >&2
    exit 2
}

# steps TOTAL: begin counting
steps() { step_total=$1 step_number=0; }

# step NAME TITLE FUNCTION ARGUMENT...: run FUNCTION with its output in a log. Ends ./lab when it fails.
#
# FUNCTION runs in a subshell under set -e, in the foreground, so that Ctrl+C reaches what it runs. Lines that it
# prints with `tell` are shown to the learner.
step() {
    step_name=$1 step_title=$2
    shift 2
    step_number=$((step_number + 1))
    step_head="[$step_number/$step_total] $step_title"
    mkdir -p "$LOG" && chmod 755 "$LOG"
    step_log=$LOG/setup-$step_name.log
    : >"$step_log"
    step_began=$(date +%s)
    [ -t 1 ] || say "$step_head …"
    heartbeat &
    heart=$!
    trap 'kill "$heart" 2>/dev/null; interrupted' INT TERM
    (
        set -e
        "$@"
    ) >>"$step_log" 2>&1 </dev/null
    step_status=$?
    kill "$heart" 2>/dev/null
    wait "$heart" 2>/dev/null
    trap - INT TERM
    [ -t 1 ] && printf '\r\033[K'
    took=$(($(date +%s) - step_began))
    if [ $step_status -ne 0 ]; then
        step_failed
        exit 1
    fi
    say "$step_head — 완료 (${took}초)"
}

# heartbeat: every second in a terminal, every ten elsewhere, how long the step has run and the last line of its log
heartbeat() {
    trap 'exit 0' TERM INT
    told=0
    while kill -0 $$ 2>/dev/null; do # `$$` is ./lab itself: nobody beats on when it was killed
        sleep 1
        beats=$(($(date +%s) - step_began))
        if [ -t 1 ]; then
            printf '\r\033[K%s … %s초 %s' "$step_head" "$beats" "$(last_line 40)"
        elif [ $((beats - told)) -ge 10 ]; then
            told=$beats
            say "      ${beats}초 지났어요. $(last_line 100)"
        fi
    done
}

# last_line WIDTH: the last line of the step's log; cut when it is plain ASCII, which apt's and pip's lines are
last_line() {
    line=$(tail -n 1 "$step_log" 2>/dev/null | tr -d '\r\033')
    case $line in
    *[!\ -~]*) printf %s "$line" ;;
    *) printf "%.${1}s" "$line" ;;
    esac
}

interrupted() {
    say ""
    say "$step_head — 중단했어요. 다시 실행하면 이어서 해요."
    exit 130
}

step_failed() {
    {
        say "$step_head — 실패 (${took}초)"
        say ""
        say "마지막 기록 ($step_log):"
        tail -n 15 "$step_log" | sed 's/^/    /'
        say ""
        say "이렇게 해 보세요: $(advice "$step_name")"
    } >&2
}

# advice STEP: what to do when it failed
advice() {
    if grep -qiE 'no space left|not enough free space' "$step_log"; then
        say "디스크에 자리가 없어요. 'df -h'로 확인하고 비운 다음 ./lab을 다시 실행하세요."
        return
    fi
    if [ -n "${APT_FROM-}" ]; then
        case $1 in packages | product)
            say "꾸러미에 빠진 것이 있어요. 인터넷이 되는 컴퓨터에서 ./lab bundle로 다시 만드세요."
            return
            ;;
        esac
    fi
    case $1 in
    packages)
        say "인터넷 연결과 /etc/apt의 저장소 설정을 확인하고 다시 실행하세요. 우분투라면 universe 저장소가 켜져 있어야 해요."
        ;;
    bundle) say "꾸러미를 다시 복사하거나, 인터넷이 되는 컴퓨터에서 ./lab bundle로 다시 만드세요. 받은 것은 남아 있어서 이어서 해요." ;;
    bundle-*) say "인터넷 연결을 확인하고 ./lab bundle을 다시 실행하세요. 받은 것은 남아 있어서 이어서 해요." ;;
    product | python) say "인터넷 연결(또는 pip 설정)을 확인하고 다시 실행하세요. 받은 것은 남아 있어서 이어서 해요." ;;
    hub) say "인터넷 연결을 확인하고 다시 실행하세요. 이미 만든 이미지는 다시 만들지 않아요." ;;
    hub-service) say "다른 프로그램이 127.0.0.1:$HUB_PORT 포트를 쓰는지 'ss -ltnp'로 확인하세요. 기록: $(record_of hub docker-labs-hub.service)" ;;
    engine) say "기록($(record_of engine kernel-engine.service))과 '$VENV/bin/kernel-engine doctor'의 결과를 확인하세요." ;;
    jupyter) say "다른 프로그램이 그 포트를 쓴다면 ./lab up --port 8899처럼 바꿔 보세요. 기록: $(record_of jupyter docker-labs-jupyter.service)" ;;
    *) say "기록을 확인하고 다시 실행하세요." ;;
    esac
}
