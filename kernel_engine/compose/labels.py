"""Labels of what belongs to a project: how every compose finds its containers, networks and volumes again. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.compose.model import Project, Service

#: the release of Docker Compose whose behaviour and labels these are. `docker-compose` 1.29 takes what an older release
#: than 1.21 made for another project's, so that the engine's own version must not stand here
COMPOSE_VERSION = "2.40.3"

PREFIX = "com.docker.compose."
PROJECT = PREFIX + "project"
DIRECTORY = PREFIX + "project.working_dir"
FILES = PREFIX + "project.config_files"
ENV_FILES = PREFIX + "project.environment_file"
SERVICE = PREFIX + "service"
NUMBER = PREFIX + "container-number"
ONE_OFF = PREFIX + "oneoff"
SLUG = PREFIX + "slug"
HASH = PREFIX + "config-hash"
IMAGE = PREFIX + "image"
DEPENDS_ON = PREFIX + "depends_on"
REPLACES = PREFIX + "replace"
NETWORK = PREFIX + "network"
VOLUME = PREFIX + "volume"
VERSION = PREFIX + "version"


def of_container(project: Project, service: Service, *, config_hash: str, image: str) -> dict[str, str]:
    """What a container of the service has, whichever it is; the file's own labels come first."""
    found = {
        **service.labels,
        HASH: config_hash,
        DEPENDS_ON: dependencies(service),
        IMAGE: image,
        ONE_OFF: "False",
        PROJECT: project.name,
        FILES: ",".join(project.files),
        DIRECTORY: project.directory,
        SERVICE: service.name,
        VERSION: COMPOSE_VERSION,
    }
    if project.env_files:
        found[ENV_FILES] = ",".join(project.env_files)
    return found


def of_network(project: str, key: str) -> dict[str, str]:
    return {NETWORK: key, PROJECT: project, VERSION: COMPOSE_VERSION}


def of_volume(project: str, key: str) -> dict[str, str]:
    return {VOLUME: key, PROJECT: project, VERSION: COMPOSE_VERSION}


def of_image(project: str, service: str) -> dict[str, str]:
    """What an image that was built for a service has."""
    return {PROJECT: project, SERVICE: service, VERSION: COMPOSE_VERSION}


def dependencies(service: Service) -> str:
    """`db:service_healthy:false,init:service_started:true`: name, condition, and whether it restarts with it."""
    return ",".join(
        f"{name}:{needed.condition}:{str(needed.restart).lower()}" for name, needed in service.depends_on.items()
    )


def read_dependencies(text: str) -> dict[str, tuple[str, bool]]:
    """The same, back: name → (condition, restarts). Docker's first releases wrote the names only."""
    found = {}
    for item in text.split(","):
        name, _, rest = item.partition(":")
        condition, _, restarts = rest.partition(":")
        if name:
            found[name] = (condition or "service_started", restarts == "true")
    return found
