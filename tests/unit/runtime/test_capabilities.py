from __future__ import annotations

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime.capabilities import DEFAULT, NAMES, from_mask, mask, resolve


def test_the_default_is_docker_s_mask() -> None:
    assert mask(DEFAULT) == 0xA80425FB
    assert set(from_mask(0xA80425FB)) == set(DEFAULT)


@pytest.mark.parametrize(
    ("add", "drop", "privileged", "wanted"),
    [
        ((), (), False, set(DEFAULT)),
        (("net_admin",), ("CAP_CHOWN",), False, {*DEFAULT, "CAP_NET_ADMIN"} - {"CAP_CHOWN"}),
        ((), ("all",), False, set()),
        (("CHOWN",), ("ALL",), False, {"CAP_CHOWN"}),
        (("ALL",), (), False, {"ALL"}),
        (("ALL",), ("SYS_ADMIN",), False, set(NAMES) - {"CAP_SYS_ADMIN"}),
        (("NET_ADMIN",), ("CHOWN",), True, {"ALL"}),
    ],
)
def test_adding_and_dropping(add: tuple[str, ...], drop: tuple[str, ...], privileged: bool, wanted: set[str]) -> None:
    assert set(resolve(add, drop, privileged)) == wanted


def test_unknown_names_are_docker_s_error() -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolve(("x",), (), False)
    assert caught.value.message == 'invalid CapAdd: unknown capability: "CAP_X"'
    with pytest.raises(InvalidRequest, match="invalid CapDrop"):
        resolve((), ("CAP_Y",), False)
