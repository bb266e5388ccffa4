# shellcheck shell=sh disable=SC2154 # steps.sh sets step_log
# Step 1: packages of the distribution. Debian 12 and 13, Ubuntu 22.04 and 24.04.

# on_ubuntu [VERSION]
on_ubuntu() {
    # shellcheck source=/dev/null
    case "$(. /etc/os-release && echo "${ID-}:${VERSION_ID-}")" in
    ubuntu:*"${1-}") return 0 ;;
    esac
    return 1
}

# nftables, iproute2: the engine's network. busybox-static, mmdebstrap: the hub's images.
# docker-registry: the hub. curl: lab 04 asks a registry. tini: `docker run --init`. libseccomp2: the containers' system call filter.
PACKAGES_UP="ca-certificates nftables iproute2 busybox-static mmdebstrap docker-registry curl tini
 libseccomp2 fonts-nanum procps"
# what making a bundle needs beside that
# shellcheck disable=SC2034 # bundle uses it
PACKAGES_BUNDLE="$PACKAGES_UP apt-utils"
# what the tests need beside that; Ubuntu has Chromium as a snap only, so there playwright brings its own
# shellcheck disable=SC2034 # run_tests uses it
PACKAGES_TEST="$PACKAGES_UP git skopeo shellcheck strace ruby uidmap slirp4netns $(on_ubuntu || echo chromium)"
# what the virtual machines of `--full` need
# shellcheck disable=SC2034 # run_tests uses it
PACKAGES_FULL="qemu-system-x86 qemu-system-arm qemu-user-static arch-test e2fsprogs"

# system_python: the distribution's own Python of at least 3.11; Ubuntu 22.04 has it beside its 3.10
system_python() {
    for candidate in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11; do
        if [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# python_packages: what brings that Python and its venv
python_packages() {
    if on_ubuntu 22.04; then
        echo "python3.11 python3.11-venv"
    else
        echo "python3 python3-venv"
    fi
}

# install_packages NAMES: nothing, without asking the network, when all are there
install_packages() {
    command -v apt-get >/dev/null || {
        echo "apt-get이 없어요. 데비안 12, 13이나 우분투 22.04, 24.04에서 실행해 주세요."
        return 1
    }
    missing=
    # shellcheck disable=SC2086 # a list of words
    for package in $1 $(python_packages); do
        installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "설치할 패키지:$missing"
    patiently dpkg --configure -a --force-confdef --force-confold
    case " $missing " in *" docker-registry "*) mask_registry ;; esac
    # a broken repository of another vendor must not stop us: whether ours are there shows when installing
    patiently quietly update || echo "패키지 목록을 모두 받지는 못했어요. 설치를 계속해 봐요."
    hold_services
    # shellcheck disable=SC2086
    patiently quietly install --yes --no-install-recommends $missing && status=0 || status=$?
    release_services
    return "$status"
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# patiently COMMAND ARGUMENT...: wait up to ten minutes for another apt or dpkg, try five times when the network fails
patiently() {
    waited=0 tries=0
    while :; do
        seen=$(wc -l <"$step_log")
        if "$@"; then return 0; fi
        if tail -n "+$((seen + 1))" "$step_log" | grep -qE 'Could not get lock|Unable to (acquire|lock)|lock was locked'; then
            [ $waited -lt 600 ] || return 1
            echo "다른 apt가 끝나기를 기다리고 있어요."
            waited=$((waited + 3))
            sleep 3
        else
            tries=$((tries + 1))
            [ $tries -lt 5 ] || return 1
            sleep $((tries * 2))
        fi
    done
}

# where apt looks instead of the machine's own sources, as options; bundle.sh sets it
APT_FROM=

# quietly APT_GET_ARGUMENT...: apt-get that asks nothing
quietly() {
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true NEEDRESTART_SUSPEND=1 \
        apt-get -q $APT_FROM -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# unpack_docker FOLDER: the official docker command, which the tests hold ours against, without installing its daemon
unpack_docker() {
    [ ! -x "$1/usr/bin/docker" ] || return 0
    package=docker.io
    if apt-cache show --no-all-versions docker-cli >/dev/null 2>&1; then package=docker-cli; fi
    rm -rf "$1"
    mkdir -p "$1"
    cd "$1" || return 1
    patiently quietly download "$package"
    dpkg-deb -x ./*.deb . && rm -f ./*.deb
}

# mask_registry: Debian's package starts a service on :5000, on all interfaces. That port is the learner's own.
mask_registry() {
    mkdir -p "$UNITS"
    [ -e "$UNITS/docker-registry.service" ] || ln -s /dev/null "$UNITS/docker-registry.service"
    if systemd_runs; then systemctl daemon-reload; fi
}

# hold_services, release_services: where systemd does not run, a package's service must not start either
hold_services() {
    systemd_runs && return 0
    policy=/usr/sbin/policy-rc.d
    # a run that was killed in between has left its own file, and the real one beside it
    if [ -e $policy ] && ! grep -q 'docker-labs' $policy; then mv $policy $policy.docker-labs; fi
    printf '#!/bin/sh\n# docker-labs: while packages are installed\nexit 101\n' >$policy
    chmod 755 $policy
    trap release_services EXIT
    trap 'exit 130' INT TERM HUP
}

release_services() {
    systemd_runs && return 0
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ] && grep -q 'docker-labs' $policy; then rm -f $policy; fi
    if [ -e $policy.docker-labs ]; then mv $policy.docker-labs $policy; fi
}
