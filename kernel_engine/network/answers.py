"""A DNS question and its answer, as bytes (RFC 1035, through dnslib). Pure but for the order of several addresses.

Names of containers are answered here; what nobody here is called is somebody else's to answer (None).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv6Address

from dnslib import AAAA, PTR, QTYPE, RCODE, RR, A, DNSError, DNSRecord  # type: ignore[import-untyped]

#: seconds; Docker's
_TTL = 600
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
