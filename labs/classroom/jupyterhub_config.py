"""What `jupyterhub -f` reads; `hub` has the settings."""

from labs.classroom.hub import configure

configure(get_config())  # type: ignore[name-defined]  # noqa: F821 - JupyterHub's loader defines it
