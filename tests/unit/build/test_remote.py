"""Addresses of contexts, and what they turn out to be."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from kernel_engine.build.remote import Repository, is_archive, is_text, parse_repository
from kernel_engine.errors import InvalidRequest


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("git://h/x", Repository(url="git://h/x", ref="HEAD", directory="")),
        ("github.com/a/b#v1:/docs/", Repository(url="https://github.com/a/b", ref="v1", directory="docs")),
        ("https://h/x.git#:sub", Repository(url="https://h/x.git", ref="HEAD", directory="sub")),
        ("git@h:a/b.git", Repository(url="git@h:a/b.git", ref="HEAD", directory="")),
        ("https://h/x.tar.gz", None),
        ("https://h/x.git.tar", None),
    ],
)
def test_addresses(url: str, repository: Repository | None) -> None:
    assert parse_repository(url) == repository


def test_an_address_is_no_option_of_git() -> None:
    with pytest.raises(InvalidRequest):
        parse_repository("git://h/x#--upload-pack=touch /x")


def test_texts_and_archives() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as opened:
        opened.addfile(tarfile.TarInfo("x"))
    assert is_text("FROM 한글".encode())
    assert is_text("FROM 한글".encode()[:-1])
    assert not is_text(b"\xff\xfeF\0")
    assert not is_text(b"")
    assert is_archive(archive.getvalue())
    assert is_archive(gzip.compress(archive.getvalue()))
    assert not is_archive(b"FROM busybox\n" * 50)
