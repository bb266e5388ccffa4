"""A container engine on the Linux kernel's own namespaces, speaking the Docker Engine API.

Nothing is imported here: `docker` must start in milliseconds. docs/architecture.md is the map of the rooms.
"""

__version__ = "0.1.0"
