"""Names of images: Docker's reference grammar, its normal form and its familiar form. Pure.

The grammar is distribution/reference's (`regexp.go`, `normalize.go`): `[domain/]path[:tag][@digest]`, where a first
component without `.`, `:` or capitals that is not `localhost` belongs to the path, and an absent domain means
docker.io (and `library/` for one-word paths). Errors are InvalidRequest with Docker's texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from kernel_engine.errors import InvalidRequest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
_NAME_LIMIT = 255
#: longer than any name with tag and digest; keeps the pattern's work small
_TEXT_LIMIT = 1024

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_DOMAIN_ONLY = re.compile(_DOMAIN)
_HEX_64 = re.compile(r"[0-9a-f]{64}")
#: algorithm → number of hex digits (opencontainers/go-digest)
_ALGORITHMS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A normalised name: `domain` and `path` are never empty; `tag` and `digest` may be."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """`docker.io/library/debian`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """`debian`, `user/app`, `localhost:5000/app`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        short = self.path.removeprefix(_OFFICIAL)
        short = self.path if "/" in short else short
        # where its first word would be read as a domain it stays whole
        return short if _split_domain(short)[0] == DEFAULT_DOMAIN else self.name

    @property
    def familiar(self) -> str:
        """What Docker prints: `debian:bookworm`, `debian@sha256:…`."""
        return f"{self.familiar_name}{self._suffix}"

    @property
    def tag_or_digest(self) -> str:
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.name}{self._suffix}"

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def tagged(self) -> Reference:
        """With `latest` where neither tag nor digest is given."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> Reference:
        """The same name with this tag and no digest. InvalidRequest("invalid tag format")."""
        if not is_tag(tag):
            raise InvalidRequest("invalid tag format")
        return replace(self, tag=tag, digest="")

    def with_digest(self, digest: str) -> Reference:
        """The same name with this digest and no tag."""
        return replace(self, tag="", digest=check_digest(digest))


def is_tag(text: str) -> bool:
    return re.fullmatch(_TAG, text) is not None


def is_domain(text: str) -> bool:
    """`host` or `host:port`, of a registry that could be asked."""
    if len(text) > _NAME_LIMIT or not _DOMAIN_ONLY.fullmatch(text):
        return False
    if ":" not in text:
        return True
    from urllib.parse import urlsplit  # late: most names have none

    try:
        parts = urlsplit(f"//{text}")
        return bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:  # [:::], or a port that there is not
        return False


def check_digest(text: str) -> str:
    """`text` if it is a digest of a known algorithm. InvalidRequest with go-digest's texts."""
    algorithm, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", text):
        raise InvalidRequest("invalid checksum digest format")
    length = _ALGORITHMS.get(algorithm)
    if length is None:
        raise InvalidRequest("unsupported digest algorithm")
    if len(value) != length:
        raise InvalidRequest("invalid checksum digest length")
    if not re.fullmatch(r"[0-9a-f]+", value):
        raise InvalidRequest("invalid checksum digest format")
    return text


@lru_cache(maxsize=4096)
def parse(text: str) -> Reference:
    """The normalised reference; tag and digest stay empty where the text gives none."""
    if _HEX_64.fullmatch(text):
        raise InvalidRequest(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    if len(text) > _TEXT_LIMIT:
        raise InvalidRequest("invalid reference format")
    domain, rest = _split_domain(text)
    path = rest.partition("@")[0].partition(":")[0]
    if path.lower() != path:
        raise InvalidRequest(f"invalid reference format: repository name ({path}) must be lowercase")
    found = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if found is None or not is_domain(domain):
        raise InvalidRequest("invalid reference format")
    name = found["name"].removeprefix(f"{domain}/")
    if len(found["name"]) > _NAME_LIMIT:
        raise InvalidRequest(f"repository name must not be more than {_NAME_LIMIT} characters")
    digest = found["digest"] or ""
    if digest:
        try:
            check_digest(digest)
        except InvalidRequest as error:
            raise InvalidRequest("invalid reference format" if "format" in error.message else error.message) from None
    return Reference(domain=domain, path=name, tag=found["tag"] or "", digest=digest)


def parse_any(text: str) -> Reference | str:
    """A reference, or the digest (`sha256:…`) where the text is a whole image id."""
    if _HEX_64.fullmatch(text):
        return f"sha256:{text}"
    try:
        return check_digest(text)
    except InvalidRequest:
        return parse(text)


def familiar_match(pattern: str, reference: Reference) -> bool:
    """Go's `reference.FamiliarMatch`: a shell pattern over the familiar string or the familiar name.

    `*` and `?` do not cross `/` (Go's path.Match). InvalidRequest for a bad pattern.
    """
    compiled = _path_pattern(pattern)
    return bool(compiled.fullmatch(reference.familiar) or compiled.fullmatch(reference.familiar_name))


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not (any(mark in first for mark in ".:") or first == "localhost" or first.lower() != first):
        domain, rest = DEFAULT_DOMAIN, text
    else:
        domain = DEFAULT_DOMAIN if first == _LEGACY_DOMAIN else first
    if domain == DEFAULT_DOMAIN and "/" not in rest:
        rest = _OFFICIAL + rest
    return domain, rest


@lru_cache(maxsize=256)
def _path_pattern(pattern: str) -> re.Pattern[str]:
    pieces: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            pieces.append("[^/]*")
        elif character == "?":
            pieces.append("[^/]")
        elif character == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise InvalidRequest("syntax error in pattern")
            body = pattern[position:end].replace("\\", "\\\\")
            pieces.append(f"[{body}]")
            position = end + 1
        elif character == "\\":
            if position == len(pattern):
                raise InvalidRequest("syntax error in pattern")
            pieces.append(re.escape(pattern[position]))
            position += 1
        else:
            pieces.append(re.escape(character))
    try:
        return re.compile("".join(pieces))
    except re.error:
        raise InvalidRequest("syntax error in pattern") from None
