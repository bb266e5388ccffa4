"""Overlay snapshots and what changed in them. Knows no tar, no manifest, no process."""
