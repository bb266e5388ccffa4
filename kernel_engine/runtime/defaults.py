"""What Docker does when nobody says otherwise: masked and read-only paths, sysctls, devices. Facts, no action.

Source: moby's and containerd's default OCI spec, seen in a container of dockerd 20.10.24.
"""

from __future__ import annotations

from kernel_engine.runtime.spec import Device, DeviceRule

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

PING_GROUPS = "net.ipv4.ping_group_range"
#: for a container with a network namespace of its own: low ports and ping without a capability
DEFAULT_SYSCTLS = (
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    (PING_GROUPS, "0 2147483647"),
)
#: besides, where the kernel has IPv6: it is off but on interfaces of networks that have it, as with Docker
IPV6_OFF = ("net.ipv6.conf.all.disable_ipv6", "1")

DEVICES = (
    Device(path="/dev/null", type="c", major=1, minor=3),
    Device(path="/dev/zero", type="c", major=1, minor=5),
    Device(path="/dev/full", type="c", major=1, minor=7),
    Device(path="/dev/random", type="c", major=1, minor=8),
    Device(path="/dev/urandom", type="c", major=1, minor=9),
    Device(path="/dev/tty", type="c", major=5, minor=0),
)
DEVICE_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
    ("/dev/ptmx", "pts/ptmx"),
)

#: nodes may be made (m) of every kind, but opened only where listed; the last rule that fits wins
DEVICE_RULES = (
    DeviceRule(allow=False),
    DeviceRule(allow=True, type="c", access="m"),
    DeviceRule(allow=True, type="b", access="m"),
    *(DeviceRule(allow=True, type="c", major=device.major, minor=device.minor) for device in DEVICES),
    DeviceRule(allow=True, type="c", major=5, minor=1),  # console
    DeviceRule(allow=True, type="c", major=5, minor=2),  # ptmx
    DeviceRule(allow=True, type="c", major=136),  # pseudo terminals
)
PRIVILEGED_DEVICE_RULES = (DeviceRule(allow=True),)

#: where tini is found in a container that has one
INIT_PATH = "/sbin/docker-init"
