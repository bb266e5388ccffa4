"""docker login: whether a registry takes a name and a password. Nothing is kept here; that is the client's."""

from __future__ import annotations

from collections.abc import Sequence

from kernel_engine.errors import EngineError, InvalidRequest, Unauthorized, Unavailable
from kernel_engine.formats.reference import DEFAULT_DOMAIN, is_domain
from kernel_engine.images.endpoints import Endpoint
from kernel_engine.images.failures import RegistryAnswer, Unreachable
from kernel_engine.images.image import Auth
from kernel_engine.images.registry import Remote, Timeouts

_HUB_NAMES = frozenset(("", "docker.io", "index.docker.io", "registry-1.docker.io"))


def domain_of(address: str) -> str:
    """`https://index.docker.io/v1/` → docker.io, `https://reg.example:5000/v2/` → reg.example:5000.

    InvalidRequest for what is no registry's name.
    """
    host = address.removeprefix("https://").removeprefix("http://").partition("/")[0]
    if host in _HUB_NAMES:
        return DEFAULT_DOMAIN
    if not is_domain(host):
        raise InvalidRequest(f'invalid registry address: "{address}" names no host')
    return host


async def log_in(places: Sequence[Endpoint], auth: Auth, timeouts: Timeouts) -> None:
    """Returns when the registry has let us in. Unauthorized and Unavailable with Docker's texts.

    places: without mirrors, whose answer says nothing about the registry itself.
    """
    failure: EngineError | None = None
    for endpoint in places:
        remote = Remote(endpoint, "", auth=auth, timeouts=timeouts)
        remote.scope = ""
        try:
            async with remote.session() as session:
                await session.ping()
            return
        except RegistryAnswer as error:
            raise _refused(remote, error) from error
        except Unreachable as error:
            failure = failure or Unavailable(str(error))
    assert failure is not None
    raise failure


def _refused(remote: Remote, error: RegistryAnswer) -> EngineError:
    url = f"{remote.endpoint.url}/v2/"
    if error.status != 401:
        return Unavailable(f"login attempt to {url} failed with status: {error}")
    if remote.tokens.uses_password:
        return Unauthorized(f"login attempt to {url} failed with status: 401 Unauthorized")
    return Unauthorized(f'Get "{url}": {error}')
