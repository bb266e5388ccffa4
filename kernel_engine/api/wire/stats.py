"""A sample of what a container uses, as GET /containers/{id}/stats says it. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.api.wire.moments import NEVER, rfc3339
from kernel_engine.containers.stats import Sample
from kernel_engine.runtime.usage import Usage

_IO_TABLES = (
    "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive", "io_service_time_recursive",
    "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive",
)  # fmt: skip


def stats_json(now: Sample, before: Sample | None) -> dict[str, Any]:
    """`before` is the sample that CPU shares are counted from; None: none yet."""
    answer: dict[str, Any] = {
        "name": f"/{now.name}",
        "id": now.container_id,
        "read": rfc3339(now.read_at),
        "preread": rfc3339(before.read_at) if before is not None else NEVER,
        "num_procs": 0,
        "storage_stats": {},
        "pids_stats": _pids(now.usage),
        "blkio_stats": _block_devices(now.usage),
        "cpu_stats": _cpu(now),
        "precpu_stats": _cpu(before),
        "memory_stats": _memory(now),
    }
    if now.networks:
        answer["networks"] = {name: dict(counters) for name, counters in now.networks.items()}
    return answer


def _pids(usage: Usage | None) -> dict[str, int]:
    if usage is None:
        return {}
    return {"current": usage.pids, **({"limit": usage.pids_limit} if usage.pids_limit else {})}


def _block_devices(usage: Usage | None) -> dict[str, Any]:
    tables: dict[str, Any] = dict.fromkeys(_IO_TABLES)
    if usage is not None:
        tables["io_service_bytes_recursive"] = [
            {"major": item.major, "minor": item.minor, "op": item.operation, "value": item.bytes}
            for item in usage.transfers
        ]
    return tables


def _cpu(item: Sample | None) -> dict[str, Any]:
    usage = item.usage if item is not None else None
    answer: dict[str, Any] = {
        "cpu_usage": {
            "total_usage": usage.cpu if usage else 0,
            "usage_in_kernelmode": usage.cpu_kernel if usage else 0,
            "usage_in_usermode": usage.cpu_user if usage else 0,
        },
        "throttling_data": {
            "periods": usage.periods if usage else 0,
            "throttled_periods": usage.throttled_periods if usage else 0,
            "throttled_time": usage.throttled_time if usage else 0,
        },
    }
    if item is not None and usage is not None:
        answer |= {"system_cpu_usage": item.machine_cpu, "online_cpus": item.processors}
    return answer


def _memory(item: Sample) -> dict[str, Any]:
    usage = item.usage
    if usage is None:
        return {}
    answer: dict[str, Any] = {
        "usage": usage.memory,
        "limit": usage.memory_limit or item.machine_memory,
        "stats": dict(usage.memory_details),
    }
    if usage.memory_peak is not None:
        answer |= {"max_usage": usage.memory_peak, "failcnt": usage.memory_failures or 0}
    return answer
