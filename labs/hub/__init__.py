"""The offline hub: which images the course offers, how each is built from the distribution's packages, and the registry
that serves them as a mirror of docker.io.

The registry itself is Debian's `docker-registry`. Nothing here knows the engine: it pulls from the hub by HTTP as it
does from any registry.
"""
