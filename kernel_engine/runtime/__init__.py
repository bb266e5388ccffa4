"""From a spec to an isolated process. Knows no image, registry, container name, port or HTTP."""
