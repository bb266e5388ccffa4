"""Frozen values to JSON and back."""

from __future__ import annotations

import json

from kernel_engine.containers.options import ContainerOptions, HostOptions, LogConfig, RestartPolicy
from kernel_engine.containers.record import Container, State
from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.network.endpoint import Endpoint


def container() -> Container:
    host = HostOptions(
        binds=("/a:/b",),
        restart=RestartPolicy(name="always"),
        ulimits=(("nofile", 10, 20),),
        log=LogConfig(options={"max-size": "1m"}),
        port_bindings={"80/tcp": (("", "8080"),)},
        raw={"Memory": 0, "Odd": [1, {"x": None}]},
    )
    options = ContainerOptions(image="x", command=("ls",), labels={"a": "b"}, stop_timeout=3, host=host)
    endpoint = Endpoint(
        network_id="n", network_name="bridge", endpoint_id="e", address="10.0.0.2", prefix_length=24,
        gateway="10.0.0.1", mac="02:42:0a:00:00:02", host_interface="ke0",
    )  # fmt: skip
    return Container(
        id="1" * 64, name="web", created=1.5, image_id="sha256:0", image_name="x", config=options,
        state=State(status="running", pid=7), path="ls", args=(), endpoints=(endpoint,),
    )  # fmt: skip


def test_a_record_survives_the_database() -> None:
    assert revive(Container, json.loads(to_json(container()))) == container()


def test_unknown_keys_are_left_out_and_missing_ones_take_their_default() -> None:
    assert revive(State, {"pid": 3, "from_the_future": True}) == State(pid=3)
