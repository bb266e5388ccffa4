# shellcheck shell=sh disable=SC2154 # ./lab sets listen and port
# Step 3: the group that may use the engine, the ordinary user who works in JupyterLab, and that user's folder.

# find_learner: sets `learner`: who called sudo or su, else a `learner` made for the course
find_learner() {
    learner=${DOCKER_LABS_USER:-${SUDO_USER:-}}
    case $learner in
    '' | root) learner=learner ;;
    *[!a-zA-Z0-9._-]*) wrong "사용자 이름을 알 수 없어요: $learner" ;;
    esac
}

learner_home() { getent passwd "$learner" | cut -d: -f6; }
workspace() { echo "$(learner_home)/docker-labs"; }

# as_learner COMMAND...: with the learner's groups and home, and nothing of root's environment
as_learner() {
    runuser -u "$learner" -- env -i HOME="$(learner_home)" USER="$learner" LOGNAME="$learner" SHELL=/bin/bash \
        LANG=C.UTF-8 PATH="$VENV/bin:$PATH" "$@"
}

prepare_learner() {
    getent group "$GROUP" >/dev/null || groupadd --system "$GROUP"
    getent passwd "$learner" >/dev/null || useradd --create-home --shell /bin/bash "$learner"
    # membership equals root on this machine: README says so
    id -nG "$learner" | tr ' ' '\n' | grep -qx "$GROUP" || usermod --append --groups "$GROUP" "$learner"
    home=$(learner_home)
    if [ -z "$home" ] || [ ! -d "$home" ]; then
        echo "사용자 $learner의 홈 폴더가 없어요."
        return 1
    fi
    folder=$(workspace)
    # everything beneath a learner's home is written as the learner: a link there must not lead root anywhere
    as_learner env JUPYTER_DATA_DIR="$folder/.docker-labs/jupyter/data" "$VENV/bin/python3" -I -m labs.workspace "$folder"
    # shellcheck disable=SC2016 # the learner's shell expands it
    as_learner sh -c 'umask 077 && mkdir -p "$1/.docker-labs/docker" "$1/.docker-labs/jupyter" && cd "$1/.docker-labs" &&
        { [ -s token ] || od -An -N24 -tx1 /dev/urandom | tr -d " \n" >token; } && chmod 600 token' sh "$folder"
}

# write_jupyter_settings: for systemd's EnvironmentFile and for supervise
write_jupyter_settings() {
    folder=$(workspace)
    mkdir -p "$ETC"
    hidden=$folder/.docker-labs
    cat >"$ETC/jupyter.env.new" <<TEXT
HOME=$(learner_home)
USER=$learner
LOGNAME=$learner
SHELL=/bin/bash
LANG=C.UTF-8
PATH=$VENV/bin:$PATH
DOCKER_HOST=unix://$ENGINE_SOCKET
DOCKER_LABS_HOST=unix://$ENGINE_SOCKET
DOCKER_CONFIG=$hidden/docker
DOCKER_LABS_WORKSPACE=$folder
DOCKER_LABS_LISTEN=$listen
DOCKER_LABS_PORT=$port
JUPYTER_TOKEN_FILE=$hidden/token
JUPYTER_CONFIG_DIR=$hidden/jupyter/config
JUPYTER_DATA_DIR=$hidden/jupyter/data
JUPYTER_RUNTIME_DIR=$hidden/jupyter/runtime
IPYTHONDIR=$hidden/ipython
TEXT
    if cmp -s "$ETC/jupyter.env.new" "$ETC/jupyter.env"; then
        rm "$ETC/jupyter.env.new"
    else
        mv "$ETC/jupyter.env.new" "$ETC/jupyter.env"
        touch "$ETC/.jupyter-changed"
    fi
}
