# shellcheck shell=sh disable=SC2034 # the other parts of ./lab use these
# Where the installed course lives. design: root owns all of it but the workspace.

OPT=/opt/docker-labs
VENV=$OPT/venv
ETC=/etc/docker-labs
RUN=/run/docker-labs
LOG=/var/log/docker-labs
HUB=/var/lib/docker-labs/hub
GROUP=docker-labs
HUB_PORT=5555
MAKER_PORT=5556
ENGINE_ROOT=/var/lib/kernel-engine
ENGINE_RUN=/run/kernel-engine
ENGINE_SOCKET=$ENGINE_RUN/engine.sock
UNITS=/etc/systemd/system

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8

# systemd_runs: whether systemd is this machine's init
systemd_runs() { [ -d /run/systemd/system ]; }
