"""Whole machines: Debian 12 with systemd and cgroup v2, in software emulation. Only `./lab test --full` runs these."""
