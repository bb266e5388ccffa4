"""docker ps: which containers, in which order. Pure over records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kernel_engine.containers.publishing import is_exposed, is_published, port_range
from kernel_engine.containers.record import Container
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.filters import all_labels, flag, pattern

Filters = Mapping[str, tuple[str, ...]]

_KNOWN = {
    "id", "name", "label", "status", "exited", "ancestor", "before", "since", "network", "health", "is-task",
    "publish", "expose", "volume", "isolation",
}  # fmt: skip
_STATUSES = {"created", "running", "paused", "restarting", "removing", "exited", "dead"}
_HEALTH = {"none", "starting", "healthy", "unhealthy"}


def select(
    containers: Iterable[Container],
    *,
    all: bool,
    limit: int,
    filters: Filters,
    resolve: Callable[[str], Container],
    same_image: Callable[[Container, str], bool],
) -> tuple[Container, ...]:
    """Newest first. `resolve` finds the container of before/since, `same_image` decides `ancestor`."""
    _check(filters)
    found = sorted(containers, key=lambda item: item.created, reverse=True)
    if not all and limit <= 0 and not filters.get("status"):
        found = [item for item in found if item.state.running]
    if before := filters.get("before"):
        oldest = min(resolve(word).created for word in before)
        found = [item for item in found if item.created < oldest]
    if since := filters.get("since"):
        newest = max(resolve(word).created for word in since)
        found = [item for item in found if item.created > newest]
    found = [item for item in found if _fits(item, filters, same_image)]
    return tuple(found[:limit] if limit > 0 else found)


def _check(filters: Filters) -> None:
    for key in filters:
        if key not in _KNOWN:
            raise InvalidRequest(f"invalid filter '{key}'")
    for value in filters.get("status", ()):
        if value not in _STATUSES:
            raise InvalidRequest(f"invalid filter 'status={value}'")
    for value in filters.get("health", ()):
        if value not in _HEALTH:
            raise InvalidRequest(f"Unrecognised filter value for health: {value}")
    for key in ("publish", "expose"):
        for value in filters.get(key, ()):
            port_range(key, value)
    for value in filters.get("exited", ()):
        if not value.isascii() or not value.removeprefix("-").isdigit():
            raise InvalidRequest(f'strconv.Atoi: parsing "{value}": invalid syntax')
    flag(filters, "is-task")
    for key in ("id", "name"):
        for value in filters.get(key, ()):
            pattern(key, value)


def _fits(item: Container, filters: Filters, same_image: Callable[[Container, str], bool]) -> bool:
    def any_of(key: str, test: Callable[[str], bool]) -> bool:
        values = filters.get(key, ())
        return not values or any(test(value) for value in values)

    return (
        any_of("id", lambda word: pattern("id", word).search(item.id) is not None)
        and any_of(
            "name", lambda word: any(pattern("name", word).search(name) for name in (item.name, f"/{item.name}"))
        )
        and any_of("status", lambda word: item.state.status == word)
        and any_of("exited", lambda code: item.state.status == "exited" and item.state.exit_code == int(code))
        and any_of("ancestor", lambda word: same_image(item, word))
        and any_of("network", lambda word: word in _networks(item))
        and any_of("health", lambda word: word == (item.state.health.status if item.state.health else "none"))
        and any_of("publish", lambda word: is_published(item, word))
        and any_of("expose", lambda word: is_exposed(item, word))
        and any_of("volume", lambda word: any(word in (one.name, one.destination) for one in item.mounts))
        and not flag(filters, "is-task")
        and all_labels(item.config.labels, filters.get("label", ()))
    )


def _networks(item: Container) -> tuple[str, ...]:
    """By name and by id."""
    return (
        *item.config.networks,
        *(word for place in item.endpoints for word in (place.network_name, place.network_id)),
    )
