"""The query of POST /build → BuildOptions, and the line that ends a failed build."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kernel_engine.api.wire.fields import Fields
from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.options import BuildOptions
from kernel_engine.containers.options import HostOptions
from kernel_engine.errors import InvalidRequest, NotSupported

if TYPE_CHECKING:
    from kernel_engine.api.call import Call
    from kernel_engine.build.register import Entry
    from kernel_engine.images.image import Auth, Image


def read_options(call: Call, auth: dict[str, Auth]) -> BuildOptions:
    """InvalidRequest for a value that cannot be read, NotSupported for what only BuildKit or an experiment does."""
    if call.text("version") == "2":
        raise NotSupported("this engine serves the classic builder only (version=1); set DOCKER_BUILDKIT=0")
    if call.flag("squash"):
        raise InvalidRequest("squash is only supported with experimental mode")
    arguments = _json(call, "buildargs", dict)
    return BuildOptions(
        id=call.text("buildid"),
        tags=call.texts("t"),
        dockerfile=call.text("dockerfile") or "Dockerfile",
        remote=call.text("remote"),
        arguments={
            str(name): None if value is None else Fields({name: value}).text(name) for name, value in arguments.items()
        },
        labels=Fields({"labels": _json(call, "labels", dict)}).mapping("labels"),
        target=call.text("target"),
        platform=call.text("platform"),
        no_cache=call.flag("nocache"),
        cache_from=Fields({"cachefrom": _json(call, "cachefrom", list)}).words("cachefrom"),
        pull=call.flag("pull"),
        quiet=call.flag("q"),
        steps=call.flag("kernel-engine-steps"),
        secrets=call.text("kernel-engine-secrets"),
        auth=auth,
        host=_host(call),
    )


def _host(call: Call) -> HostOptions:
    """The limits and the network of what RUN starts."""
    ulimits = Fields({"ulimits": _json(call, "ulimits", list)}).objects("ulimits")
    return HostOptions(
        network_mode=call.text("networkmode") or "default",
        memory=call.number("memory") or 0,
        memory_swap=call.number("memswap") or 0,
        cpu_shares=call.number("cpushares") or 0,
        cpu_period=call.number("cpuperiod") or 0,
        cpu_quota=call.number("cpuquota") or 0,
        cpuset_cpus=call.text("cpusetcpus"),
        cpuset_mems=call.text("cpusetmems"),
        shm_size=max(call.number("shmsize") or 0, 0),
        extra_hosts=call.texts("extrahosts"),
        security_opt=call.texts("securityopt"),
        ulimits=tuple((item.text("Name"), item.number("Soft"), item.number("Hard")) for item in ulimits),
        raw={"CgroupParent": call.text("cgroupparent")},
    )


def _json(call: Call, key: str, kind: type) -> Any:
    """A parameter that holds JSON; an empty value where it is not given, or null."""
    text = call.text(key)
    try:
        value = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        raise InvalidRequest(f"error reading {key}: invalid JSON") from None
    if value is not None and not isinstance(value, kind):
        raise InvalidRequest(f"error reading {key}: invalid JSON")
    return value or kind()


def error_json(error: BaseException, message: str) -> dict[str, Any]:
    """Docker's two forms of the message, and the place in the Dockerfile, which other clients pass over."""
    detail: dict[str, Any] = {"message": message}
    if isinstance(error, BuildFailed):
        if error.code:
            detail = {"code": error.code, **detail}
        if error.line:
            detail |= {"file": error.file, "line": error.line, "instruction": error.instruction}
    return {"errorDetail": detail, "error": message}


def build_step_json(image: Image, size: int) -> dict[str, Any]:
    """A step that leads to no image, as one record of `docker system df`."""
    history = image.config.get("history") or [{}]
    return {
        "ID": image.id,
        "Parent": image.parent,
        "Type": "regular",
        "Description": str(history[-1].get("created_by") or ""),
        "InUse": False,
        "Shared": False,
        "Size": size,
        "CreatedAt": image.created,
        "LastUsedAt": None,
        "UsageCount": 0,
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """A build that the engine remembers. Times in seconds."""
    return {
        "id": entry.id,
        "image": entry.image,
        "tags": list(entry.tags),
        "started": entry.started,
        "seconds": entry.seconds,
        "error": entry.error,
        "steps": [asdict(step) for step in entry.in_order()],
    }
