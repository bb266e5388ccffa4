"""The Docker Engine API on the wire: bytes, statuses, shapes."""
