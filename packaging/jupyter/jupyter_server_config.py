"""JupyterLab's settings for the course. Address, port and folder come from the command line; the token from a file."""

from pathlib import Path

import labs.notebook

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - Jupyter's loader defines it

c.ServerApp.open_browser = False
c.ServerApp.port_retries = 0
# a login shell would read /etc/profile, which sets PATH anew: then `docker` would not be the course's
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "--rcfile", "/opt/docker-labs/share/bashrc"]}

# the pages of published ports come through the course's own handler: without scripts, without JupyterLab's cookies
c.ServerApp.jpserver_extensions = {
    "jupyter_server_proxy": False,
    "labs.notebook.port_proxy": True,
    "labs.notebook.terminals.server": True,
}

# nothing here asks the internet
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"

# colours commands and Dockerfiles as what they are
c.LabApp.extra_labextensions_path = [str(Path(labs.notebook.__file__).parent / "labextensions")]

# custom.css beside this file
c.LabApp.custom_css = True
c.ServerApp.tornado_settings = {"static_custom_path": [str(Path(__file__).parent)]}
