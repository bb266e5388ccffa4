# shellcheck shell=sh disable=SC2154 # ./lab sets here, learner, listen, port and port_given
# Steps 4 to 7: hub (the registry, and the maker that adds to it), engine and JupyterLab as systemd units, or as supervised background processes where systemd does
# not run. Everything may be started twice and stopped twice.

ANSWERS=$OPT/libexec/answers
# seconds for a service's first answer: on a virtual machine beside Hyper-V everything takes ten times as long
PATIENCE=180

# serve NAME UNIT COMMAND...: start it, or leave it when it runs
serve() {
    name=$1 unit=$2
    shift 2
    if systemd_runs; then
        install -D -m 644 "$here/packaging/systemd/$unit" "$UNITS/$unit"
        systemctl daemon-reload
        systemctl enable --quiet "$unit"
        systemctl start "$unit" || {
            tail_log "$name" "$unit"
            return 1
        }
        return
    fi
    runs "$name" "$unit" && return
    mkdir -p "$RUN" "$LOG"
    fresh_log "$LOG/$name.log"
    (
        cd /
        setsid "$OPT/libexec/supervise" "$RUN" "$name" "$@" >>"$LOG/$name.log" 2>&1 </dev/null &
    )
}

# cease NAME UNIT: stop it when it runs
cease() {
    if systemd_runs; then
        if [ -e "$UNITS/$2" ]; then systemctl disable --now --quiet "$2"; fi
        return
    fi
    runs "$1" "$2" || return 0
    kill "$(cat "$RUN/$1.supervisor")"
    left=300
    while runs "$1" "$2" && [ $left -gt 0 ]; do
        sleep 0.1
        left=$((left - 1))
    done
    ! runs "$1" "$2"
}


# runs NAME UNIT: whether it is being kept running. The lock tells a live supervisor from a stale pid file.
runs() {
    if systemd_runs; then
        systemctl is-active --quiet "$2"
    else
        [ -e "$RUN/$1.lock" ] && ! flock -n "$RUN/$1.lock" true
    fi
}

# fresh_log FILE: keep one older file when it has grown
fresh_log() {
    if [ -f "$1" ] && [ "$(stat -c %s "$1")" -gt 5000000 ]; then mv "$1" "$1.1"; fi
}

start_hub() {
    mkdir -p "$ETC"
    "$VENV/bin/python3" -I -m labs.hub --data "$HUB" configuration --port "$HUB_PORT" >"$ETC/hub.yml"
    chmod 644 "$ETC/hub.yml"
    if ! runs hub docker-labs-hub.service && ! port_free 127.0.0.1 "$HUB_PORT"; then
        echo "127.0.0.1의 $HUB_PORT 포트를 다른 프로그램이 쓰고 있어요."
        return 1
    fi
    serve hub docker-labs-hub.service setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
        docker-registry serve "$ETC/hub.yml"
    "$ANSWERS" "http://127.0.0.1:$HUB_PORT/v2/library/debian/tags/list" "$PATIENCE" || {
        tail_log hub docker-labs-hub.service
        return 1
    }
    start_maker
    if is_offline; then start_mirror; fi
}

# start_maker: what makes images that the hub lacks. A new version of it: started again.
start_maker() {
    if [ -e "$OPT/.restart" ]; then cease maker docker-labs-maker.service; fi
    if ! runs maker docker-labs-maker.service && ! port_free 127.0.0.1 "$MAKER_PORT"; then
        echo "127.0.0.1의 $MAKER_PORT 포트를 다른 프로그램이 쓰고 있어요."
        return 1
    fi
    serve maker docker-labs-maker.service "$VENV/bin/python3" -I -m labs.hub --data "$HUB" \
        make --port "$MAKER_PORT" --hub "http://127.0.0.1:$HUB_PORT"
    "$ANSWERS" "http://127.0.0.1:$MAKER_PORT/v2/" "$PATIENCE" || {
        tail_log maker docker-labs-maker.service
        return 1
    }
}

start_engine() {
    # a new version, or one that does not answer: containers go on while the daemon is started again
    if [ -e "$OPT/.restart" ] || ! "$ANSWERS" "unix:$ENGINE_SOCKET" 2>/dev/null; then cease engine kernel-engine.service; fi
    serve engine kernel-engine.service "$OPT/libexec/engine"
    "$ANSWERS" "unix:$ENGINE_SOCKET" "$PATIENCE" || {
        tail_log engine kernel-engine.service
        return 1
    }
}

start_jupyter() {
    choose_port
    write_jupyter_settings
    if systemd_runs; then
        mkdir -p "$UNITS/docker-labs-jupyter.service.d"
        printf '[Service]\nUser=%s\nWorkingDirectory=%s\n' "$learner" "$(workspace)" \
            >"$UNITS/docker-labs-jupyter.service.d/learner.conf"
        systemctl daemon-reload
    fi
    if [ -e "$OPT/.restart" ] || [ -e "$ETC/.jupyter-changed" ]; then
        cease jupyter docker-labs-jupyter.service
        rm -f "$OPT/.restart" "$ETC/.jupyter-changed"
    fi
    # env reads KEY=VALUE words; none of them holds a blank (checked names and paths of ours)
    # shellcheck disable=SC2046
    serve jupyter docker-labs-jupyter.service setpriv --reuid="$learner" --regid="$(id -g "$learner")" --init-groups \
        env -i $(cat "$ETC/jupyter.env") "$OPT/libexec/jupyter"
    "$ANSWERS" "http://$(reachable):$port/api" "$PATIENCE" || {
        tail_log jupyter docker-labs-jupyter.service
        return 1
    }
}

# choose_port: the one that JupyterLab has, else the one asked for, else (not asked for) the next free one
choose_port() {
    if jupyter_runs && [ "$(setting DOCKER_LABS_PORT)" = "$port" ]; then return; fi
    if jupyter_runs && [ "$port_given" = no ] && [ "$(setting DOCKER_LABS_LISTEN)" = "$listen" ]; then
        port=$(setting DOCKER_LABS_PORT)
        return
    fi
    last=$port
    [ "$port_given" = yes ] || last=$((port + 20))
    while ! port_free "$listen" "$port"; do
        [ "$port" -lt "$last" ] || {
            echo "$listen의 $port 포트를 다른 프로그램이 쓰고 있어요."
            return 1
        }
        port=$((port + 1))
    done
}

# port_free ADDRESS PORT
port_free() {
    "$(system_python)" -I -c 'import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family) as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((sys.argv[1], int(sys.argv[2])))' "$1" "$2" 2>/dev/null
}

setting() { sed -n "s/^$1=//p" "$ETC/jupyter.env" 2>/dev/null; }
jupyter_runs() { runs jupyter docker-labs-jupyter.service; }

# reachable: the address to ask JupyterLab at from this machine
reachable() {
    case $(setting DOCKER_LABS_LISTEN) in
    0.0.0.0 | '') echo 127.0.0.1 ;;
    ::) echo '[::1]' ;;
    *:*) echo "[$(setting DOCKER_LABS_LISTEN)]" ;;
    *) setting DOCKER_LABS_LISTEN ;;
    esac
}

# jupyter_address: with the token, on the first lab when it is there
jupyter_address() {
    folder=$(setting DOCKER_LABS_WORKSPACE)
    first=
    [ -e "$folder/00_what_is_docker/lab.ipynb" ] && first=/tree/00_what_is_docker/lab.ipynb
    echo "http://$(reachable):$(setting DOCKER_LABS_PORT)/lab$first?token=$(cat "$(setting JUPYTER_TOKEN_FILE)")"
}

open_browser() {
    [ -n "${DISPLAY-}${WAYLAND_DISPLAY-}" ] && command -v xdg-open >/dev/null || return 0
    runuser -u "$learner" -- xdg-open "$1" >/dev/null 2>&1 &
}

stop_jupyter() { cease jupyter docker-labs-jupyter.service; }
stop_hub() {
    stop_mirror
    cease maker docker-labs-maker.service
    cease hub docker-labs-hub.service
}

# stop_engine: its containers first, as `docker stop` does, then the daemon and the processes that outlive it
stop_engine() {
    if [ -S "$ENGINE_SOCKET" ] && "$ANSWERS" "unix:$ENGINE_SOCKET" 2>/dev/null; then
        export DOCKER_HOST="unix://$ENGINE_SOCKET"
        # what does not stop politely ends with the launcher, below
        # shellcheck disable=SC2046 # a list of ids
        "$VENV/bin/docker" ps --quiet | xargs -r "$VENV/bin/docker" stop --time 3 || true
    fi
    cease engine kernel-engine.service
    if [ -x "$VENV/bin/kernel-engine" ]; then # not where installing stopped half-way
        "$VENV/bin/python3" -I -m kernel_engine.daemon cleanup --root "$ENGINE_ROOT" --run "$ENGINE_RUN"
    fi
}

# record_of NAME UNIT: where what it says is kept
record_of() {
    if systemd_runs; then echo "journalctl -u $2"; else echo "$LOG/$1.log"; fi
}

# tail_log NAME UNIT: for the step's log
tail_log() {
    if systemd_runs; then
        journalctl --no-pager --lines 20 --unit "$2"
    else
        tail -n 20 "$LOG/$1.log"
    fi
}

# place_of NAME: where a healthy one answers
place_of() {
    case $1 in
    hub) echo "http://127.0.0.1:$HUB_PORT/v2/" ;;
    mirror) echo "http://$MIRROR_ADDRESS/debian/dists/bookworm/InRelease" ;;
    maker) echo "http://127.0.0.1:$MAKER_PORT/v2/" ;;
    engine) echo "unix:$ENGINE_SOCKET" ;;
    jupyter) echo "http://$(reachable):$(setting DOCKER_LABS_PORT)/api" ;;
    esac
}

show_status() {
    for pair in "hub docker-labs-hub.service 오프라인 허브" "maker docker-labs-maker.service 허브의 이미지 공방" \
        "$(! is_offline || echo "mirror docker-labs-mirror.service 꾸러미의 패키지 거울")" \
        "engine kernel-engine.service 컨테이너 엔진" \
        "jupyter docker-labs-jupyter.service JupyterLab"; do
        [ -n "$pair" ] || continue
        name=${pair%% *} rest=${pair#* }
        unit=${rest%% *}
        if ! runs "$name" "$unit"; then
            state="멈춤"
        elif "$ANSWERS" "$(place_of "$name")" 2>/dev/null; then
            state="실행 중"
        else
            state="대답하지 않아요 (기록: $(record_of "$name" "$unit"))"
        fi
        say "${rest#* }: $state"
    done
    if jupyter_runs; then jupyter_address; fi
}
