"""Files of the kernel to numbers."""

from __future__ import annotations

from kernel_engine.containers.stats import devices, machine_cpu
from kernel_engine.runtime.usage import Transfer, transfers_v1, transfers_v2


def test_block_devices() -> None:
    wanted = (
        Transfer(major=8, minor=0, operation="read", bytes=4096),
        Transfer(major=8, minor=0, operation="write", bytes=512),
    )
    assert transfers_v1("8:0 Read 4096\n8:0 Write 512\n8:0 Sync 1\n8:0 Total 4608\nTotal 4608\n") == wanted
    assert transfers_v2("8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n") == wanted
    assert transfers_v1("") == transfers_v2("") == ()


def test_network_devices() -> None:
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
        "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0\n"
        "  eth0:    1500      11    2    3    0     0          0         0       42       4    5    6    0     0\n"
    )
    assert devices(text) == {
        "eth0": {
            "rx_bytes": 1500, "rx_packets": 11, "rx_errors": 2, "rx_dropped": 3,
            "tx_bytes": 42, "tx_packets": 4, "tx_errors": 5, "tx_dropped": 6,
        }
    }  # fmt: skip


def test_the_machine_counts_guests_once() -> None:
    assert machine_cpu("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1\n") == 36 * 10_000_000
