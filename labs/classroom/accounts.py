"""Each learner's Linux account and folder. Runs as root; what lies beneath a home is written as the learner."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

from labs.classroom.learners import BadClass, Learner

#: whose accounts these are: nobody else's is ever touched
GROUP = "docker-labs-class"
FIRST = "00_what_is_docker/lab.ipynb"


def prepare(learner: Learner) -> None:
    """The account, closed to passwords; a home that nobody else can read; the course in it. Raises BadClass."""
    _ensure_group()
    try:
        member = pwd.getpwnam(learner.name)
    except KeyError:
        words = ("useradd", "--create-home", "--user-group", "--groups", GROUP, "--shell", "/bin/bash", learner.name)
        subprocess.run(words, check=True, capture_output=True)
        member = pwd.getpwnam(learner.name)
    if learner.name not in grp.getgrnam(GROUP).gr_mem:
        raise BadClass(f"{learner.name}은(는) 이 컴퓨터에 이미 있는 사용자예요. 수업에서는 다른 이름을 쓰세요.")
    os.chmod(member.pw_dir, 0o700)
    folder = workspace(learner)
    environment = ("env", "-i", f"HOME={member.pw_dir}", "LANG=C.UTF-8", "PATH=/usr/bin:/bin")
    as_learner = ("runuser", "-u", learner.name, "--", *environment)
    data = f"JUPYTER_DATA_DIR={folder}/.docker-labs/jupyter/data"
    subprocess.run((*as_learner, data, sys.executable, "-I", "-m", "labs.workspace", str(folder)), check=True)
    hidden = f"{folder}/.docker-labs"
    subprocess.run(
        (*as_learner, "sh", "-c", 'umask 077 && mkdir -p "$1/docker" "$1/jupyter"', "sh", hidden), check=True
    )


def workspace(learner: Learner) -> Path:
    return Path(pwd.getpwnam(learner.name).pw_dir) / "docker-labs"


def environment(learner: Learner, engine: str) -> dict[str, str]:
    """What a JupyterLab of the course needs to know; as packaging/learner.sh writes it for one learner."""
    folder = workspace(learner)
    hidden = folder / ".docker-labs"
    return {
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "DOCKER_HOST": engine,
        "DOCKER_LABS_HOST": engine,
        "DOCKER_CONFIG": str(hidden / "docker"),
        "DOCKER_LABS_WORKSPACE": str(folder),
        "JUPYTER_CONFIG_DIR": str(hidden / "jupyter/config"),
        "JUPYTER_DATA_DIR": str(hidden / "jupyter/data"),
        "JUPYTER_RUNTIME_DIR": str(hidden / "jupyter/runtime"),
        "IPYTHONDIR": str(hidden / "ipython"),
    }


def _ensure_group() -> None:
    try:
        grp.getgrnam(GROUP)
    except KeyError:
        subprocess.run(("groupadd", "--system", GROUP), check=True, capture_output=True)
