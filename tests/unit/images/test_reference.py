"""Docker's reference grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.reference import (
    Reference,
    check_digest,
    familiar_match,
    parse,
    parse_any,
)

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("debian", "docker.io/library/debian", "debian"),
        ("debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"),
        ("library/debian", "docker.io/library/debian", "debian"),
        ("user/app:1", "docker.io/user/app:1", "user/app:1"),
        ("docker.io/debian", "docker.io/library/debian", "debian"),
        ("index.docker.io/library/debian", "docker.io/library/debian", "debian"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        ("MyHost/app", "MyHost/app", "MyHost/app"),
        ("ghcr.io/o/r@" + DIGEST, "ghcr.io/o/r@" + DIGEST, "ghcr.io/o/r@" + DIGEST),
        ("debian:12@" + DIGEST, "docker.io/library/debian:12@" + DIGEST, "debian:12@" + DIGEST),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("a__b/c-d--e/f.g", "docker.io/a__b/c-d--e/f.g", "a__b/c-d--e/f.g"),
        ("test:5000", "docker.io/library/test:5000", "test:5000"),
    ],
)
def test_normal_and_familiar_form(text: str, whole: str, familiar: str) -> None:
    reference = parse(text)
    assert (str(reference), reference.familiar) == (whole, familiar)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Debian", "invalid reference format: repository name (library/Debian) must be lowercase"),
        ("user/App:1", "invalid reference format: repository name (user/App) must be lowercase"),
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("debian:", "invalid reference format"),
        ("debian:-x", "invalid reference format"),
        ("debian:" + "x" * 129, "invalid reference format"),
        ("debian@sha256:abc", "invalid reference format"),
        ("-debian", "invalid reference format"),
        ("deb ian", "invalid reference format"),
        ("debian\n", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("../etc/passwd", "invalid reference format"),
        ("host:port/app", "invalid reference format"),
        ("https://host/app", "invalid reference format"),
        ("한글", "invalid reference format"),
        ("debian@sha512:" + HEX, "invalid checksum digest length"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("a/" * 130 + "a", "repository name must not be more than 255 characters"),
    ],
)
def test_what_docker_refuses(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert caught.value.message == message


def test_an_id_is_no_reference() -> None:
    assert parse_any(HEX) == DIGEST
    assert parse_any(DIGEST) == DIGEST
    assert parse_any("debian") == parse("debian")


def test_tag_and_digest_take_each_others_place() -> None:
    assert parse("debian").tagged().familiar == "debian:latest"
    assert parse("debian@" + DIGEST).tagged().familiar == "debian@" + DIGEST
    assert parse("debian:12").with_digest(DIGEST).familiar == "debian@" + DIGEST
    assert parse("debian@" + DIGEST).with_tag("x").familiar == "debian:x"
    with pytest.raises(InvalidRequest, match="invalid tag format"):
        parse("debian").with_tag("a/b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sha256", "invalid checksum digest format"),
        ("md5:" + "0" * 32, "unsupported digest algorithm"),
        ("sha256:" + "0" * 63, "invalid checksum digest length"),
        ("sha256:" + "G" * 64, "invalid checksum digest format"),
    ],
)
def test_digests_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        check_digest(text)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("debian", "debian:12", True),
        ("debian:*", "debian:12", True),
        ("deb*", "debian:12", True),
        ("*", "user/app", False),
        ("*/*", "user/app:1", True),
        ("user/a?p", "user/app", True),
        ("[a-d]ebian", "debian", True),
        ("[^a-d]ebian", "debian", False),
        ("debian:13", "debian:12", False),
    ],
)
def test_filter_patterns(pattern: str, text: str, fits: bool) -> None:
    assert familiar_match(pattern, parse(text)) is fits


@pytest.mark.parametrize("pattern", ["[", "[a", "x\\", "[]"])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(InvalidRequest, match="syntax error in pattern"):
        familiar_match(pattern, parse("debian"))


words = st.lists(st.text("ab01", min_size=1, max_size=5), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".", "_", "__", "-", "---"]).map(lambda separator: separator.join(parts))
)
domains = st.sampled_from(["docker.io", "localhost", "localhost:5000", "ghcr.io", "10.0.0.1:80", "Host.example"])


@given(domains, st.lists(words, min_size=1, max_size=3), st.sampled_from(["", "latest", "V1.0_x-y"]))
def test_every_normal_form_comes_back(domain: str, path: list[str], tag: str) -> None:
    name = "/".join(path) if len(path) > 1 or domain != "docker.io" else f"library/{path[0]}"
    reference = Reference(domain=domain, path=name, tag=tag)
    assert parse(str(reference)) == reference
    if len(name) < 64:
        assert parse(reference.familiar) == reference


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidRequest:
        return
    assert parse(str(reference)) == reference
    assert ".." not in str(reference).split("/")
