"""The offline hub: which images the course offers, how each is built from the distribution's packages, and the registry
that serves them as a mirror of docker.io.

The registry itself is Debian's `docker-registry`. Two images are bootstrapped and always there (`recipes`); the others
are built from a Dockerfile each when somebody asks for one first (`dockerfiles`, `maker`), by a private engine of this
project (`workshop`). The course's engine pulls from the hub by HTTP as it does from any registry.
"""
