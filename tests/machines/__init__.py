"""Whole machines: Debian 12 and 13, Ubuntu 24.04, with systemd and cgroup v2, in software emulation. Only `./lab test --full` runs these."""
