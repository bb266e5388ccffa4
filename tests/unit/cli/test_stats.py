"""The rows of docker stats, and the numbers beneath them."""

from __future__ import annotations

from typing import Any

from kernel_engine.cli.stats import STATS, cpu_percent, row, used_memory

ID = "e6c4a1b76ff5385829386dcc8fbafd414b21a0e82b91aa4c06703bc07fd76bc7"


def sample(**more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "name": "/web",
        "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000, "online_cpus": 2},
        "memory_stats": {"usage": 3 << 20, "limit": 64 << 20, "stats": {"total_inactive_file": 1 << 20}},
        "networks": {"eth0": {"rx_bytes": 1500, "tx_bytes": 0}, "eth1": {"rx_bytes": 500, "tx_bytes": 7}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 4096}, {"op": "write", "value": 1}]},
        "pids_stats": {"current": 3},
        **more,
    }


def test_a_row() -> None:
    assert row("web", sample(), whole=False) == {
        "Container": "web",
        "ID": ID[:12],
        "Name": "web",
        "CPUPerc": "40.00%",
        "MemUsage": "2MiB / 64MiB",
        "MemPerc": "3.12%",
        "NetIO": "2kB / 7B",
        "BlockIO": "4.1kB / 1B",
        "PIDs": "3",
    }


def test_the_table_is_headed_as_dockers() -> None:
    assert STATS.text("", ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"), []).split("  ")[
        0
    ] == ("CONTAINER ID")


def test_nothing_is_known() -> None:
    found = row(ID, None, whole=False)
    assert (found["ID"], found["CPUPerc"], found["MemUsage"], found["PIDs"]) == (ID[:12], "--", "-- / --", "--")


def test_what_does_not_run_uses_nothing() -> None:
    empty: dict[str, Any] = {"memory_stats": {}, "pids_stats": {}, "networks": {}, "blkio_stats": {}}
    found = row("web", sample(**empty, cpu_stats={"cpu_usage": {"total_usage": 0}}), whole=False)
    assert list(found.values()) == ["web", ID[:12], "web", "0.00%", "0B / 0B", "0.00%", "0B / 0B", "0B / 0B", "0"]


def test_the_first_sample_has_no_share() -> None:
    assert cpu_percent(sample(precpu_stats={"cpu_usage": {"total_usage": 0}})) == 0.0


def test_memory_without_the_cache_that_could_go() -> None:
    assert used_memory({"usage": 10, "stats": {"inactive_file": 4}}) == 6
    assert used_memory({"usage": 10, "stats": {"total_inactive_file": 3, "inactive_file": 4}}) == 7
    assert used_memory({"usage": 10, "stats": {"inactive_file": 11}}) == 10
