"""Faults: processes killed at a chosen step, full disks, registries that stall, power cuts. What is left is audited."""
