"""Whole machines of Debian and Ubuntu, with systemd and cgroup v2, in software emulation, for `./lab test --full`."""
