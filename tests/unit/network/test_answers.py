"""Questions about containers and their answers, as bytes."""

from __future__ import annotations

import pytest
from dnslib import EDNS0, QTYPE, DNSQuestion, DNSRecord  # type: ignore[import-untyped]

from kernel_engine.network.answers import Known, answer, cut, failure, room

NAMES = {"web": ["10.0.0.2", "fd00::2"], "app": ["10.0.0.3", "10.0.0.4", "10.0.0.5"], "four": ["10.0.0.6"]}
ADDRESSES = {"10.0.0.2": "web.n1", "fd00::2": "web.n1"}


def question(name: str, kind: str = "A", *, identity: int = 7, size: int = 0) -> bytes:
    asked = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, kind)))
    asked.header.id = identity
    if size:
        asked.add_ar(EDNS0(udp_len=size))
    return bytes(asked.pack())


def told(data: bytes) -> list[str]:
    """The answers' contents."""
    reply = answer(data, NAMES.get, ADDRESSES.get)
    assert reply is not None
    read = DNSRecord.parse(reply)
    assert (read.header.id, read.header.qr, read.header.rcode) == (7, 1, 0)
    return [str(record.rdata).rstrip(".") for record in read.rr]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web", "A", ["10.0.0.2"]),
        ("WEB", "A", ["10.0.0.2"]),
        ("web", "AAAA", ["fd00::2"]),
        ("four", "AAAA", []),
        ("web", "MX", []),
        ("app", "A", NAMES["app"]),
        ("2.0.0.10.in-addr.arpa", "PTR", ["web.n1"]),
        ("2." + "0." * 29 + "d.f.ip6.arpa", "PTR", ["web.n1"]),
    ],
)
def test_answers(name: str, kind: str, expected: list[str]) -> None:
    assert told(question(name, kind)) == expected


@pytest.mark.parametrize(
    "data",
    [question("example.com"), question("9.9.9.9.in-addr.arpa", "PTR"), question("z.ip6.arpa", "PTR"), b"", b"x" * 40],
)
def test_what_is_somebody_elses_to_answer(data: bytes) -> None:
    assert answer(data, NAMES.get, ADDRESSES.get) is None


def test_a_failure_says_so() -> None:
    assert failure(b"junk") is None
    assert DNSRecord.parse(failure(question("example.com"))).header.rcode == 2


def test_a_reply_that_is_too_long_is_cut() -> None:
    NAMES["many"] = [f"10.1.0.{number}" for number in range(1, 60)]
    reply = answer(question("many"), NAMES.get, ADDRESSES.get)
    assert reply is not None and room(question("many")) == 512 and room(question("many", size=4096)) == 4096
    short = DNSRecord.parse(cut(reply, 512))
    assert (short.header.tc, short.rr) == (1, [])
    assert cut(reply, 4096) == reply


def test_known_answers_are_the_same_but_for_number_and_order() -> None:
    version = 1
    known = Known(lambda: version)
    for name, kind in (("app", "A"), ("web", "AAAA"), ("four", "AAAA"), ("2.0.0.10.in-addr.arpa", "PTR")):
        data = question(name, kind)
        reply = answer(data, NAMES.get, ADDRESSES.get)
        assert reply is not None and known.get(data) is None
        known.keep(data, reply)
        again = known.get(question(name, kind, identity=99))
        assert again is not None
        read = DNSRecord.parse(again)
        assert read.header.id == 99
        assert {str(item.rdata) for item in read.rr} == {str(item.rdata) for item in DNSRecord.parse(reply).rr}
    orders = {known.get(question("app")) for _ in range(50)}
    assert len(orders) > 1, "addresses change their order"
    version = 2
    assert known.get(question("app")) is None, "something has changed"
