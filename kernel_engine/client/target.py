"""Which engine a command speaks to, as Docker's own client decides: -H, --context, $DOCKER_HOST, $DOCKER_CONTEXT, the
context that was chosen with `docker context use`, else this machine's engine.

On the path of every command: the configuration is read only where nothing stronger was said, and only looked into
where it names a context. What a context is lives in `context_store.py`, what holds without one in
`default_context.py`.
"""

from __future__ import annotations

import os

from kernel_engine.client.default_context import DEFAULT_CONTEXT, config_place, default_host, default_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kernel_engine.client.default_context import Tls


def host(context: str = "") -> str:
    """The address of a context ("" = the one in use), scheme://place. Raises ContextError."""
    name = context or context_name()
    if name == DEFAULT_CONTEXT:
        return default_host()
    from kernel_engine.client.context_store import host_of

    return host_of(name) or default_host()


def tls(context: str = "") -> Tls | None:
    """What a context ("" = the one in use) says of TLS; None: nothing. Raises ContextError."""
    name = context or context_name()
    if name == DEFAULT_CONTEXT:
        return default_tls()
    from kernel_engine.client.context_store import tls_of

    return tls_of(name)


def context_name(hosts: Sequence[str] = (), context: str = "") -> str:
    """The context in use, with the global options -H and --context."""
    if context:
        return context
    if hosts or overriding_host():
        return DEFAULT_CONTEXT
    return os.environ.get("DOCKER_CONTEXT") or chosen_context() or DEFAULT_CONTEXT


def overriding_host() -> str:
    """$DOCKER_HOST where it is stronger than any context; "" where there is none.

    A notebook's commands have one that only says where their engine is, for clients that know nothing of this engine's
    place: the same as $DOCKER_LABS_HOST. It means no more than `default`.
    """
    given = os.environ.get("DOCKER_HOST", "")
    return "" if given == os.environ.get("DOCKER_LABS_HOST") else given


def chosen_context() -> str:
    """What `docker context use` chose; "" for nothing, also where the file cannot be read: whoever needs it says so."""
    try:
        with open(config_place(), "rb") as file:
            data = file.read()
    except OSError:
        return ""
    if b'"currentContext"' not in data:
        return ""
    import json

    try:
        return str(json.loads(data)["currentContext"] or "")
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
