"""Live terminals beneath cells: `docker run -it …`, `exec -it`, `attach`, `docker compose exec` and `run`.

The kernel says what is to be run (`cell`, `ticket`), Jupyter's own server runs it in a terminal of its own (`server`),
and JupyterLab shows it (labextensions/docker-labs/static/terminals.js). What is typed and printed never passes the
kernel.
"""
