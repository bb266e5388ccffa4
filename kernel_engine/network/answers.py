"""A DNS question and its answer, as bytes (RFC 1035, through dnslib). Pure but for the order of several addresses.

Names of containers are answered here; what nobody here is called is somebody else's to answer (None).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address

from dnslib import AAAA, PTR, QTYPE, RCODE, RR, A, DNSError, DNSRecord  # type: ignore[import-untyped]

#: seconds; Docker's
_TTL = 600
#: answers for one container
_REMEMBERED = 256
_REVERSE, _REVERSE6 = ".in-addr.arpa", ".ip6.arpa"

#: a name in lower case, without its last dot → addresses of both kinds; None: no such container
Lookup = Callable[[str], Sequence[str] | None]
#: an address → the name of the container that has it
Reverse = Callable[[str], str | None]


def answer(data: bytes, lookup: Lookup, reverse: Reverse) -> bytes | None:
    """The reply to a question about a container; None where it is about something else, or is no question.

    A known name without an address of the kind that is asked for is an answer too: nobody else is asked (as with
    Docker).
    """
    try:
        question = DNSRecord.parse(data)
        name, kind = str(question.q.qname).rstrip(".").lower(), question.q.qtype
    except (DNSError, UnicodeError, IndexError, ValueError):
        return None
    if question.header.qr or len(question.questions) != 1:
        return None
    reply = question.reply(ra=1, aa=0)
    if kind == QTYPE.PTR:
        found = reverse(_address(name))
        if found is None:
            return None
        reply.add_answer(RR(question.q.qname, QTYPE.PTR, rdata=PTR(found), ttl=_TTL))
        return bytes(reply.pack())
    addresses = lookup(name)
    if addresses is None:
        return None
    for address in addresses:
        its = QTYPE.AAAA if ":" in address else QTYPE.A
        if kind == its:
            data_of = AAAA(address) if its == QTYPE.AAAA else A(address)
            reply.add_answer(RR(question.q.qname, kind, rdata=data_of, ttl=_TTL))
    return bytes(reply.pack())


class Known:
    """Answers that were given lately, ready but for their number and the order of their addresses.

    One is as good as long as nothing changes about who is called what: `version` says whether it did. About 5 us each,
    where reading and writing a message anew takes 300.
    """

    def __init__(self, version: Callable[[], int]) -> None:
        self._version = version
        self._made_at = -1
        self._answers: dict[bytes, tuple[bytes, tuple[bytes, ...]]] = {}

    def get(self, data: bytes) -> bytes | None:
        version = self._version()
        if version != self._made_at:
            self._answers.clear()
            self._made_at = version
        found = self._answers.get(data[2:])
        if found is None:
            return None
        head, records = found
        if len(records) > 1:
            records = tuple(random.sample(records, len(records)))
        return b"".join((data[:2], head, *records))

    def keep(self, data: bytes, reply: bytes) -> None:
        """The reply to this question, as it is sent."""
        if len(self._answers) >= _REMEMBERED:
            self._answers.clear()
        self._answers[data[2:]] = _in_parts(reply)


def _in_parts(reply: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """What comes before the answers (without the number), and each answer's record: ours are all of one length."""
    count = int.from_bytes(reply[6:8], "big")
    end = reply.index(b"\0", 12) + 5  # of the question: a name of ours is not compressed, then type and class
    size = (len(reply) - end) // count if count else 0
    return reply[2:end], tuple(reply[at : at + size] for at in range(end, len(reply), size)) if count else ()


def _address(name: str) -> str:
    """ "2.0.17.172.in-addr.arpa" or 32 nibbles before ".ip6.arpa" → the address; "" for what is none."""
    if name.endswith(_REVERSE):
        return ".".join(reversed(name.removesuffix(_REVERSE).split(".")))
    nibbles = "".join(reversed(name.removesuffix(_REVERSE6).split(".")))
    if not name.endswith(_REVERSE6) or len(nibbles) != 32:
        return ""
    try:
        return str(IPv6Address(int(nibbles, 16)))
    except ValueError:
        return ""


def failure(data: bytes) -> bytes | None:
    """ "Server failure" for a question that nobody answers; None for what is no question."""
    try:
        reply = DNSRecord.parse(data).reply(ra=1, aa=0)
    except (DNSError, UnicodeError, IndexError, ValueError):
        return None
    reply.header.rcode = RCODE.SERVFAIL
    return bytes(reply.pack())


def cut(reply: bytes, limit: int) -> bytes:
    """For UDP: a reply that is too long becomes an empty one that says so, and the client asks again over TCP."""
    if len(reply) <= limit:
        return reply
    record = DNSRecord.parse(reply)
    record.header.tc = 1
    record.rr, record.auth, record.ar = [], [], []
    return bytes(record.pack())


def room(data: bytes) -> int:
    """Bytes that the asker takes over UDP: 512, or what it says (EDNS, RFC 6891)."""
    try:
        extra = DNSRecord.parse(data).ar
    except (DNSError, UnicodeError, IndexError, ValueError):
        return 512
    return max([512, *(int(item.rclass) for item in extra if item.rtype == QTYPE.OPT)])
