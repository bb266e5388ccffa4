# shellcheck shell=sh disable=SC2154 # ./lab sets here
# Step 2: the product as a wheel in a venv that only root can write. A root daemon must not run code from a folder that
# the learner can write.

# what the wheel is made of, relative to the clone
SOURCES="kernel_engine labs packaging setup.py pyproject.toml README.md"

# copy_sources TARGET: without what running them has left behind
copy_sources() {
    mkdir -p "$1"
    # shellcheck disable=SC2086 # a list of words
    (cd "$here" && tar -c --exclude=__pycache__ --exclude=.ipynb_checkpoints --exclude='*.pyc' --exclude='*.egg-info' \
        --owner=0 --group=0 --mode=u=rwX,go=rX $SOURCES) | tar -x -C "$1"
}

# content_key FOLDER [NAME...]: the hash of all that is in it, names included
content_key() {
    (
        cd "$1" || exit 1
        shift
        [ $# -gt 0 ] || set -- .
        find "$@" -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c1-64
    )
}

install_product() {
    python=$(system_python)
    build=$OPT/build
    rm -rf "$build"
    mkdir -p "$OPT" && chmod 755 "$OPT"
    copy_sources "$build/source"
    key=$("$python" -V)-$(content_key "$build/source")
    if [ "$(cat "$VENV/.content" 2>/dev/null)" = "$key" ] && "$VENV/bin/python3" -I -c '' 2>/dev/null; then
        rm -rf "$build"
        return 0
    fi
    if ! "$VENV/bin/python3" -I -m pip --version >/dev/null 2>&1 ||
        [ "$("$VENV/bin/python3" -V)" != "$("$python" -V)" ]; then
        echo "가상 환경을 만들고 있어요."
        rm -rf "$VENV"
        "$python" -m venv "$VENV"
    fi
    rm -f "$VENV/.content"
    pip="$VENV/bin/python3 -I -m pip --disable-pip-version-check --no-input"
    echo "휠을 만들고 있어요."
    $pip wheel --quiet --no-deps --wheel-dir "$build/wheel" "$build/source"
    echo "휠과 필요한 파이썬 패키지를 설치하고 있어요."
    $pip install --progress-bar off --upgrade-strategy only-if-needed "$build"/wheel/*.whl
    # the version is the same while the content is another: put the files in place whatever is there
    $pip install --quiet --no-deps --force-reinstall "$build"/wheel/*.whl
    install_settings "$build/source/packaging"
    printf %s "$key" >"$VENV/.content"
    touch "$OPT/.restart"
    rm -rf "$build"
}

# install_settings FOLDER: JupyterLab's and IPython's settings, and what the services run
install_settings() {
    install -D -m 644 "$1/jupyter/jupyter_server_config.py" "$VENV/etc/jupyter/jupyter_server_config.py"
    install -D -m 644 "$1/jupyter/custom.css" "$VENV/etc/jupyter/custom.css"
    install -D -m 644 "$1/jupyter/ipython_config.py" "$VENV/etc/ipython/ipython_config.py"
    install -D -m 644 "$1/jupyter/overrides.json" "$VENV/share/jupyter/lab/settings/overrides.json"
    install -D -m 644 "$1/jupyter/page_config.json" "$VENV/etc/jupyter/labconfig/page_config.json"
    install -D -m 644 "$1/jupyter/bashrc" "$OPT/share/bashrc"
    install -D -m 755 "$1/jupyter/start" "$OPT/libexec/jupyter"
    install -D -m 755 "$1/engine" "$OPT/libexec/engine"
    install -D -m 755 "$1/mirror-ways" "$OPT/libexec/mirror-ways"
    install -D -m 755 "$1/supervise" "$OPT/libexec/supervise"
    install -D -m 755 "$1/answers" "$OPT/libexec/answers"
}

fill_hub() {
    if is_offline; then
        echo "꾸러미에서 온 이미지를 써요."
        return 0
    fi
    "$VENV/bin/python3" -I -m labs.hub --data "$HUB" fill
}
