"""Who is in the class: the file that a teacher writes, and each learner's place on this machine. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

#: an account's name (useradd(8)); short enough for all that is named after it
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
STATE = Path("/var/lib/docker-labs/class")
RUN = Path("/run/docker-labs-class")
#: letters that nobody mistakes for others when they are written on a board
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_SHORTEST = 8
_ROUNDS = 2**14  # scrypt's N: 16 MB and about 50 ms a try


class BadClass(Exception):
    """The file makes no sense; the message is one Korean sentence with the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """One person. `number` counts from 1; password "" = one is to be made up."""

    name: str
    number: int
    password: str = ""

    @property
    def root(self) -> Path:
        """Of the engine."""
        return STATE / "engines" / self.name

    @property
    def run(self) -> Path:
        return RUN / self.name

    @property
    def namespace(self) -> str:
        """Of the network, for ip-netns(8)."""
        return f"dl-{self.name}"

    @property
    def cable(self) -> str:
        """This machine's end of the cable into it."""
        return f"dl-c{self.number}"

    def address(self, network: IPv4Network) -> str:
        """In the class's network, whose first address is this machine's."""
        return str(network[self.number + 1])


def read(text: str) -> tuple[Learner, ...]:
    """`name` or `name,password` a line; empty lines and `#` lines are none. Raises BadClass."""
    found: dict[str, Learner] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, comma, password = (part.strip() for part in line.partition(","))
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not NAME.fullmatch(name):
            raise BadClass(f"{number}번째 줄: 이름은 영어 소문자로 시작하고 소문자, 숫자, -만 20자까지예요: {name!r}")
        if name in found:
            raise BadClass(f"{number}번째 줄: {name}이(가) 두 번 나와요.")
        if comma and len(password) < _SHORTEST:
            raise BadClass(f"{number}번째 줄: 비밀번호는 {_SHORTEST}자 이상이어야 해요.")
        found[name] = Learner(name=name, number=len(found) + 1, password=password)
    if not found:
        raise BadClass("학습자가 한 명도 없어요. 한 줄에 한 사람씩 적어 주세요. 예: kim")
    return tuple(found.values())


def new_password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def sealed(password: str) -> str:
    """What is kept of it: salt and scrypt (RFC 7914), as hex."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_stretched(password, salt).hex()}"


def opens(seal: str, password: str) -> bool:
    salt, _, kept = seal.partition("$")
    return hmac.compare_digest(_stretched(password, bytes.fromhex(salt)).hex(), kept)


def _stretched(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_ROUNDS, r=8, p=1)


def free_network(taken: Sequence[str]) -> IPv4Network:
    """A private network that no route of this machine touches. `taken`: routes' destinations."""
    routes = [IPv4Network(word, strict=False) for word in taken if re.fullmatch(r"\d+\.\d+\.\d+\.\d+(/\d+)?", word)]
    routes = [route for route in routes if route.prefixlen]
    for second in range(213, 256):
        found = IPv4Network(f"10.{second}.0.0/16")
        if not any(found.overlaps(route) for route in routes):
            return found
    raise BadClass("수업에 쓸 네트워크 주소(10.213.0.0/16 … 10.255.0.0/16)가 모두 쓰이고 있어요.")
