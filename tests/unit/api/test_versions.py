from __future__ import annotations

import pytest

from kernel_engine.api.versions import NEWEST, Version, split_path
from kernel_engine.errors import InvalidRequest


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/info", (NEWEST, "/info")),
        ("/v1.24/info", (Version(1, 24), "/info")),
        ("/v1.47/images/v1.2/x/json", (Version(1, 47), "/images/v1.2/x/json")),
        ("/v1.41", (NEWEST, "/v1.41")),
        ("/version", (NEWEST, "/version")),
        ("/v1/info", (NEWEST, "/v1/info")),
    ],
)
def test_paths(path: str, expected: tuple[Version, str]) -> None:
    assert split_path(path) == expected


@pytest.mark.parametrize("path", ["/v1.48/info", "/v1.23/info", "/v1.9/info", "/v10.0/info", "/v0.1/info"])
def test_versions_that_are_not_served(path: str) -> None:
    with pytest.raises(InvalidRequest, match="client version"):
        split_path(path)


def test_versions_compare_as_numbers() -> None:
    assert Version(1, 9) < Version(1, 24) < (1, 47) <= NEWEST
