# shellcheck shell=sh disable=SC2154 # ./lab sets here and bundle
# The bundle of a class without internet: `./lab bundle` makes it, `./lab up --offline` sets a machine up from it. Only
# plain files and folders, so that any disk can carry it; SHA256SUMS comes last, so that a half-made one has none.

# where the hub's images are made: engines need a file system of their own, which a memory stick has not
BUNDLE_WORK=/var/lib/docker-labs/bundle
MIRROR=/var/lib/docker-labs/mirror
MIRROR_ADDRESS=192.0.2.80 # mirror-ways says why
MIRROR_PORT=5557
MIRROR_NAMES_PORT=5553
OFFLINE=$ETC/offline

# machine_kind: the packages and wheels of one kind serve no other
machine_kind() {
    # shellcheck source=/dev/null
    (. /etc/os-release && echo "${ID-}-${VERSION_ID-}-$(dpkg --print-architecture)")
}

# megabytes FOLDER
megabytes() { du -sm "$1" | cut -f1; }

bundle_packages() {
    mkdir -p "$bundle"
    rm -f "$bundle/SHA256SUMS"
    machine_kind >"$bundle/kind"
    patiently quietly update
    # shellcheck disable=SC2046,SC2086 # lists of words
    "$VENV/bin/python3" -I -m labs.offline packages "$bundle/packages" $PACKAGES_UP $(python_packages)
    echo "$(megabytes "$bundle/packages") MB"
}

# bundle_wheels: and the sources, so that the bundle is all that a machine needs
bundle_wheels() {
    rm -rf "$bundle/docker-labs"
    copy_sources "$bundle/docker-labs"
    cp "$here/lab" "$here/Vagrantfile" "$bundle/docker-labs/"
    copy_sources "$BUNDLE_WORK/source"
    pip="$VENV/bin/python3 -I -m pip --disable-pip-version-check --no-input"
    # what is there already is not built again
    PIP_FIND_LINKS="${PIP_FIND_LINKS-} $bundle_link/wheels" \
        $pip wheel --progress-bar off --wheel-dir "$bundle_link/wheels" "$BUNDLE_WORK/source" "setuptools>=66" wheel
    rm -rf "$BUNDLE_WORK/source"
    rm -f "$bundle"/wheels/docker_labs-*.whl # made anew of the sources
    echo "$(megabytes "$bundle/wheels") MB"
}

bundle_hub() {
    "$VENV/bin/python3" -I -m labs.hub --data "$BUNDLE_WORK/hub" fill --all --lasting
    rm -rf "$bundle/hub"
    mkdir -p "$bundle/hub"
    cp -r "$BUNDLE_WORK/hub/registry" "$bundle/hub/registry"
    echo "$(megabytes "$bundle/hub") MB"
}

bundle_mirror() {
    "$VENV/bin/python3" -I -m labs.offline mirror "$bundle/mirror" --work "$BUNDLE_WORK/apt"
    echo "$(megabytes "$bundle/mirror") MB"
}

bundle_sums() {
    cd "$bundle" || return 1
    find . -type f ! -name 'SHA256SUMS*' | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum >SHA256SUMS.new
    mv SHA256SUMS.new SHA256SUMS
}

# link_bundle FOLDER: sets `bundle`, and `bundle_link`, a name for it without blanks, which apt's and pip's lists need
link_bundle() {
    bundle=$(CDPATH='' cd -- "$1" && pwd) || return 1
    bundle_link=$RUN/bundle
    mkdir -p "$RUN"
    ln -sfn "$bundle" "$bundle_link"
}

# check_bundle: whole, and of this machine's kind
check_bundle() {
    if [ ! -f "$bundle/SHA256SUMS" ]; then
        echo "$bundle: 다 만든 꾸러미가 아니에요. 인터넷이 되는 컴퓨터에서 ./lab bundle을 끝까지 실행해 주세요."
        return 1
    fi
    if [ "$(cat "$bundle/kind")" != "$(machine_kind)" ]; then
        echo "이 꾸러미는 $(cat "$bundle/kind")용이에요. 이 컴퓨터는 $(machine_kind)예요."
        return 1
    fi
    echo "$(megabytes "$bundle") MB를 확인하고 있어요."
    (cd "$bundle" && sha256sum --check --quiet SHA256SUMS)
}

# from_bundle: from here on apt and pip ask the bundle alone
from_bundle() {
    mkdir -p "$ETC" "$RUN/bundle-lists/partial"
    echo "deb [trusted=yes] file:$bundle_link/packages ./" >"$RUN/bundle.list"
    # shellcheck disable=SC2034 # packages.sh uses it
    APT_FROM="-o Dir::Etc::sourcelist=$RUN/bundle.list -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists=$RUN/bundle-lists -o APT::Sandbox::User=root"
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$bundle_link/wheels"
    unset PIP_INDEX_URL PIP_EXTRA_INDEX_URL
}

# place_bundle: the hub's images and the mirror to this machine's own disk: the memory stick may go
place_bundle() {
    this=$(sha256sum <"$bundle/SHA256SUMS" | cut -c1-64)
    [ "$(cat "$OFFLINE" 2>/dev/null)" = "$this" ] && [ -d "$HUB/registry" ] && [ -d "$MIRROR" ] && return 0
    echo "이미지 $(megabytes "$bundle/hub") MB를 복사하고 있어요."
    mkdir -p "$HUB"
    cp -r "$bundle/hub/registry" "$HUB/"
    echo "패키지 $(megabytes "$bundle/mirror") MB를 복사하고 있어요."
    rm -rf "$MIRROR.new" "$MIRROR"
    cp -r "$bundle/mirror" "$MIRROR.new"
    mv "$MIRROR.new" "$MIRROR"
    chmod -R u=rwX,go=rX "$HUB/registry" "$MIRROR" # a memory stick keeps no modes
    echo "--dns $MIRROR_ADDRESS" >"$ETC/engine.options"
    touch "$OPT/.restart"
    echo "$this" >"$OFFLINE"
}

is_offline() { [ -s "$OFFLINE" ]; }

# go_online: the machine has internet now
go_online() {
    is_offline || return 0
    cease mirror docker-labs-mirror.service
    if ! systemd_runs && [ -x "$OPT/libexec/mirror-ways" ]; then "$OPT/libexec/mirror-ways" close; fi
    rm -rf "$MIRROR"
    rm -f "$ETC/engine.options" "$OFFLINE"
    touch "$OPT/.restart"
}

start_mirror() {
    if [ -e "$OPT/.restart" ]; then stop_mirror; fi
    if ! systemd_runs; then "$OPT/libexec/mirror-ways" open; fi
    serve mirror docker-labs-mirror.service setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
        "$VENV/bin/python3" -I -m labs.offline serve "$MIRROR" \
        --address "$MIRROR_ADDRESS" --port "$MIRROR_PORT" --names-port "$MIRROR_NAMES_PORT"
    "$ANSWERS" "http://$MIRROR_ADDRESS/debian/dists/bookworm/InRelease" "$PATIENCE" || {
        tail_log mirror docker-labs-mirror.service
        return 1
    }
}

stop_mirror() {
    cease mirror docker-labs-mirror.service
    if ! systemd_runs && [ -x "$OPT/libexec/mirror-ways" ]; then "$OPT/libexec/mirror-ways" close; fi
}
