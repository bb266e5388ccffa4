"""Whose resolvers a container's resolv.conf names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernel_engine.containers import identity
from kernel_engine.containers.options import HostOptions

ENGINES, OWN = ("192.0.2.80",), ("198.51.100.1",)


@pytest.mark.parametrize(
    ("own", "engines", "named"),
    [(OWN, ENGINES, OWN), ((), ENGINES, ENGINES)],
    ids=["--dns of the container first", "--dns of the engine"],
)
def test_resolvers(tmp_path: Path, own: tuple[str, ...], engines: tuple[str, ...], named: tuple[str, ...]) -> None:
    host = replace(HostOptions(), dns=own)
    identity.write_resolvers(tmp_path, host, engines, named=False)
    written = [line.split()[1] for line in (tmp_path / "resolv.conf").read_text().splitlines() if "nameserver" in line]
    assert tuple(written) == named
    assert identity.upstream(host, engines) == named


def test_names_are_still_the_engines_own_to_answer(tmp_path: Path) -> None:
    identity.write_resolvers(tmp_path, HostOptions(), ENGINES, named=True)
    assert "nameserver 127.0.0.11\n" in (tmp_path / "resolv.conf").read_text()
