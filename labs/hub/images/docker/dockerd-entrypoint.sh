#!/bin/sh
# What a machine's start would have done for dockerd, then dockerd in this process's place.
set -eu

case ${1-} in
'' | -*) set -- dockerd "$@" ;;
esac

if [ "$1" = dockerd ]; then
    # a machine that comes back knows nothing of the processes that it had
    mountpoint -q /run || mount -t tmpfs -o mode=755 tmpfs /run

    # cgroup v2: the topmost group may hold no process once it gives controllers away (cgroups(7)), and a `docker exec`
    # may come into it at any moment: all are moved again until there is none
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        mkdir -p /sys/fs/cgroup/init
        controllers=$(sed -e 's/ / +/g' -e 's/^/+/' /sys/fs/cgroup/cgroup.controllers)
        tries=100
        until [ $tries -eq 0 ] || echo "$controllers" >/sys/fs/cgroup/cgroup.subtree_control; do
            xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs || :
            tries=$((tries - 1))
        done 2>/dev/null
    fi

    # a kernel without nf_tables
    if ! iptables -nL >/dev/null 2>&1 && iptables-legacy -nL >/dev/null 2>&1; then
        for name in iptables ip6tables; do update-alternatives --set $name /usr/sbin/$name-legacy >/dev/null; done
    fi
fi
exec "$@"
