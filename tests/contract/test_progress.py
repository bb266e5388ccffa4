"""pull and push: what is a status, what is a line of the stream."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kernel_engine.images.image import Auth
from tests.contract.conftest import Door
from tests.contract.speaking import connect, read_head, request


def lines(body: bytes) -> list[dict[str, Any]]:
    assert body.endswith(b"\r\n")
    return [json.loads(line) for line in body.split(b"\r\n")[:-1]]


def pull(door: Door, name: str, *headers: str) -> Any:
    return request(door.path, "POST", f"/v1.47/images/create?fromImage={name}&tag=latest", headers=headers)


def test_a_pull_that_succeeds(door: Door) -> None:
    reply = pull(door, "docker.io%2Flibrary%2Fx")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    shown = lines(reply.body)
    assert shown[0] == {"status": "Pulling from library/x", "id": "latest"}
    assert shown[-2:] == [
        {"status": "Pull complete", "progressDetail": {}, "id": "abc"},
        {"status": "Status: Downloaded newer image for x:latest"},
    ]
    loading = [line for line in shown if line["status"] == "Downloading"]
    assert loading[-1]["progressDetail"] == {"current": 4990, "total": 5000}
    assert len(loading) < 100, "reports that were overtaken before they were sent are left out"
    assert door.images.asked == [("docker.io/library/x:latest", "", None)]


def test_an_error_before_the_first_line_is_a_status(door: Door) -> None:
    reply = pull(door, "missing")
    assert (reply.status, reply.json()) == (404, {"message": "pull access denied for missing"})


def test_an_error_after_it_is_a_line(door: Door) -> None:
    reply = pull(door, "broken")
    text = "filesystem layer verification failed for digest sha256:abc"
    assert reply.status == 200
    assert lines(reply.body)[-1] == {"errorDetail": {"message": text}, "error": text}


def test_a_pull_is_given_up_when_its_client_leaves(door: Door) -> None:
    with connect(door.path) as end:
        end.sendall(b"POST /images/create?fromImage=endless&tag=latest HTTP/1.1\r\nHost: d\r\n\r\n")
        read_head(end)
    assert door.images.cancelled.wait(5)


def test_push_ends_with_what_was_pushed(door: Door) -> None:
    reply = request(door.path, "POST", "/v1.47/images/host:5000/a/b/push?tag=latest")
    shown = lines(reply.body)
    assert shown[0] == {"status": "The push refers to repository [host:5000/a/b:latest]"}
    assert shown[-1] == {"progressDetail": {}, "aux": {"Tag": "latest", "Digest": "sha256:1", "Size": 7}}


def test_a_push_without_a_tag_is_of_all_tags(door: Door) -> None:
    shown = lines(request(door.path, "POST", "/v1.47/images/host:5000/a/b/push").body)
    assert shown[0] == {"status": "The push refers to repository [host:5000/a/b]"}
    assert [line.get("status") or line["aux"]["Tag"] for line in shown[1:]] == [
        "1: digest: sha256:1 size: 7",
        "1",
        "2: digest: sha256:2 size: 7",
        "2",
    ]


@pytest.mark.parametrize("name", ["host:5000%2Fa", "host:5000%2Fa:"])
def test_a_pull_without_a_tag_is_of_all_tags(door: Door, name: str) -> None:
    assert request(door.path, "POST", f"/images/create?fromImage={name}").status == 200
    assert door.images.asked[0][0] == "all of host:5000/a"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"{}", None),
        (b'{"username":"u","password":"p","serveraddress":"x"}', Auth(username="u", password="p")),
        (b'{"identitytoken":"t"}', Auth(identity_token="t")),
        (b"nonsense", None),
        (b"[]", None),
    ],
)
def test_credentials(door: Door, sent: bytes, expected: Auth | None) -> None:
    pull(door, "x", f"X-Registry-Auth: {base64.urlsafe_b64encode(sent).decode()}")
    assert door.images.asked[0][2] == expected


def test_a_digest_in_the_place_of_the_tag(door: Door) -> None:
    request(door.path, "POST", f"/images/create?fromImage=x&tag=sha256:{'a' * 64}&platform=linux/arm64")
    assert door.images.asked[0][:2] == (f"x@sha256:{'a' * 64}", "linux/arm64")
