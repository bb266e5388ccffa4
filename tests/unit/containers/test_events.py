"""The event stream."""

from __future__ import annotations

import asyncio
import time

import pytest

from kernel_engine.containers.events import Event, Events, matches


async def test_past_and_coming_events_in_order() -> None:
    events = Events()
    events.publish("container", "create", "1", {"name": "a"})
    seen: list[str] = []

    async def listen() -> None:
        async for event in events.subscribe(since=0.0):
            seen.append(event.action)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    events.publish("container", "start", "1", {"name": "a"})
    await asyncio.sleep(0.01)
    events.close()
    await asyncio.wait_for(task, 1)
    assert seen == ["create", "start"]


async def test_until_the_past_ends_at_once() -> None:
    events = Events()
    events.publish("container", "create", "1")
    assert [event.action async for event in events.subscribe(since=0.0, until=time.time())] == ["create"]


def test_filters_are_alternatives_within_a_key_and_conditions_between_keys() -> None:
    event = Event(
        type="container", action="exec_start: ls", actor_id="abc", attributes={"name": "web", "image": "x", "l": "1"}
    )
    assert matches(event, {"type": ("image", "container"), "event": ("exec_start",)})
    assert matches(event, {"container": ("web",), "label": ("l=1",)})
    assert matches(event, {"image": ("x",), "scope": ("local",)})
    assert matches(event, {"container": ("we",)})  # the beginning is enough, as in Docker
    assert not matches(event, {"scope": ("swarm",)})
    assert not matches(event, {"network": ("web",)})
    assert not matches(event, {"type": ("container",), "event": ("die",)})
    assert not matches(event, {"label": ("l=2",)})


@pytest.mark.parametrize("word", ["r:5000/a/b:1", "r:5000/a/b", "sha256:1"])
def test_an_image_with_or_without_its_tag(word: str) -> None:
    pulled = Event(type="image", action="pull", actor_id="sha256:1", attributes={"name": "r:5000/a/b:1"})
    started = Event(type="container", action="start", actor_id="abc", attributes={"image": "r:5000/a/b:1"})
    assert matches(pulled, {"image": (word,)})
    assert matches(started, {"image": (word,)}) is not word.startswith("sha256")
    assert not matches(started, {"image": ("r:5000/a",)})


async def test_a_listener_that_does_not_read_comes_to_the_end_of_its_stream() -> None:
    events = Events()
    listener = events.subscribe()
    first = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(0)
    for number in range(10_000):
        events.publish("container", "create", str(number))
    heard = [(await first).actor_id] + [event.actor_id async for event in listener]
    assert heard == [str(number) for number in range(len(heard))]  # nothing is left out in the middle
    assert 4000 < len(heard) < 5000
