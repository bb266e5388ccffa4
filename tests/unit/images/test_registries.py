"""Where to ask, what a challenge means, and the words for failures."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from kernel_engine.errors import InvalidRequest, Unauthorized
from kernel_engine.images.certificates import mismatch
from kernel_engine.images.endpoints import HUB, endpoints, is_loopback
from kernel_engine.images.failures import answer
from kernel_engine.images.image import Auth
from kernel_engine.images.tokens import Tokens, challenges


def urls(domain: str, **more: tuple[str, ...]) -> list[str]:
    return [item.url for item in endpoints(domain, **more)]  # type: ignore[arg-type]


def test_mirrors_first_then_the_hub() -> None:
    assert urls("docker.io", mirrors=("http://10.0.0.1:5555/", "mirror.example")) == [
        "http://10.0.0.1:5555",
        "https://mirror.example",
        HUB,
    ]
    assert urls("ghcr.io", mirrors=("http://10.0.0.1:5555",)) == ["https://ghcr.io"]


@pytest.mark.parametrize("domain", ["localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"])
def test_loopback_may_be_plain(domain: str) -> None:
    assert urls(domain) == [f"https://{domain}", f"http://{domain}"]


@pytest.mark.parametrize("name", ["10.1.2.3:5000", "10.1.2.3", "10.0.0.0/8"])
def test_named_registries_may_be_plain(name: str) -> None:
    assert urls("10.1.2.3:5000", insecure=(name,))[-1] == "http://10.1.2.3:5000"
    assert urls("10.1.2.3:5000", insecure=("11.0.0.0/8", "other"))[-1] == "https://10.1.2.3:5000"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://h/?q", ""])
def test_mirrors_that_are_no_addresses(url: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid mirror"):
        endpoints("docker.io", mirrors=(url,))


def test_names_that_only_look_like_loopback() -> None:
    assert not is_loopback("localhost.evil.example") and not is_loopback("127.0.0.1.example")


def test_challenges() -> None:
    hub = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"'
    (found,) = challenges([hub])
    assert (found.scheme, found.parameters["scope"]) == ("bearer", "repository:a:pull,push")
    both = challenges(['Basic realm="x, y", Bearer realm="https://a/\\"t"'])
    assert [(item.scheme, item.parameters["realm"]) for item in both] == [("basic", "x, y"), ("bearer", 'https://a/"t')]
    assert challenges(["Negotiate", "", "Bearerx y"]) == ()


class Service:
    """A token service that writes down what it is asked."""

    def __init__(self, reply: object = None, status: int = 200) -> None:
        self.asked: list[tuple[str, str, Mapping[str, str], bytes | None]] = []
        self.reply = json.dumps(reply if reply is not None else {"access_token": "t", "expires_in": 900}).encode()
        self.status = status

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        self.asked.append((method, url, headers, body))
        return self.status, self.reply


HUB_CHALLENGE = challenges(['Bearer realm="https://auth.example/token?x=1",service="s"'])


async def test_a_token_for_a_scope() -> None:
    service = Service()
    tokens = Tokens(auth=None, endpoint="https://r")
    assert await tokens.answer(HUB_CHALLENGE, "repository:a/b:pull", "https://r/v2/", service)
    assert service.asked[0][:2] == ("GET", "https://auth.example/token?x=1&service=s&scope=repository%3Aa%2Fb%3Apull")
    assert tokens.header("repository:a/b:pull") == "Bearer t"
    assert tokens.header("another") == ""


async def test_an_identity_token_is_exchanged() -> None:
    service = Service()
    tokens = Tokens(auth=Auth(identity_token="id"), endpoint="https://r")
    await tokens.answer(HUB_CHALLENGE, "s", "https://r/v2/", service)
    method, _, _, body = service.asked[0]
    assert method == "POST" and b"grant_type=refresh_token&refresh_token=id" in (body or b"")


@pytest.mark.parametrize(
    ("challenge", "url"),
    [('Bearer realm="http://auth.example/token"', "https://r/v2/"), ('Basic realm="x"', "http://other.example/v2/")],
)
async def test_passwords_do_not_travel_in_the_clear(challenge: str, url: str) -> None:
    service = Service()
    tokens = Tokens(auth=Auth(username="kim", password="pw"), endpoint="https://r")
    with pytest.raises(Unauthorized, match="over plain HTTP"):
        await tokens.answer(challenges([challenge]), "s", url, service)
    assert service.asked == []


@pytest.mark.parametrize("reply", [{}, [], {"token": 3}, {"token": "a\r\nX: y"}, {"token": "t", "expires_in": "soon"}])
async def test_services_that_give_nothing_usable(reply: object) -> None:
    tokens = Tokens(auth=None, endpoint="https://r")
    with pytest.raises(Unauthorized, match="did not include a token"):
        await tokens.answer(HUB_CHALLENGE, "s", "https://r/v2/", Service(reply))


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (
            404,
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
            "manifest unknown: manifest unknown",
        ),
        (401, b"", "unauthorized: authentication required"),
        (503, b"<html>", "received unexpected HTTP status: 503 Service Unavailable"),
        (599, b'{"errors":[]}', "received unexpected HTTP status: 599"),
        (500, b"[" * 99999, "received unexpected HTTP status: 500 Internal Server Error"),
    ],
)
def test_words_for_an_error_answer(status: int, body: bytes, text: str) -> None:
    assert str(answer(status, body)) == text


@pytest.mark.parametrize(
    ("host", "names", "text"),
    [
        (
            "reg.example",
            [("DNS", "a.example"), ("DNS", "b.example")],
            "is valid for a.example, b.example, not reg.example",
        ),
        ("reg.example", [("IP Address", "10.0.0.1")], "is not valid for any names, but wanted to match reg.example"),
        ("10.0.0.2", [("DNS", "x"), ("IP Address", "10.0.0.1")], "is valid for 10.0.0.1, not 10.0.0.2"),
        ("::1", [("IP Address", "0:0:0:0:0:0:0:2\n")], "is valid for ::2, not ::1"),
    ],
)
def test_words_for_a_certificate_of_another_host(host: str, names: list[tuple[str, str]], text: str) -> None:
    assert mismatch(host, names) == f"x509: certificate {text}"


def test_words_for_a_certificate_without_addresses() -> None:
    text = "x509: cannot validate certificate for 10.0.0.2 because it doesn't contain any IP SANs"
    assert mismatch("10.0.0.2", [("DNS", "x")]) == text
