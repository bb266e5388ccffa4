"""The options of `run` and `create` as the JSON body of POST /containers/create. Reads env and label files; else pure.

Docker's field names: docker-api-v1.47.yaml, ContainerCreateRequest. What an engine makes of a field is its affair.
"""

from __future__ import annotations

import os

from kernel_engine.cli import health
from kernel_engine.cli.endpoints import check_links, endpoints, network_mode
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused
from kernel_engine.cli.refusals import check_host_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Parsed

STREAMS = ("stdin", "stdout", "stderr")


def create_body(words: Parsed, *, detached: bool, console: tuple[int, int]) -> dict[str, Any]:
    """The whole body. Failed for combinations and values that Docker's own command refuses."""
    image, *command = words.arguments
    stdin, stdout, stderr = attached_streams(words, detached=detached)
    body: dict[str, Any] = {
        "Hostname": words["hostname"],
        "Domainname": words["domainname"],
        "User": words["user"],
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
        "Tty": words["tty"],
        "OpenStdin": words["interactive"],
        "StdinOnce": words["interactive"] and stdin,
        "Env": environment(words["env"], words["env-file"]),
        "Cmd": command or None,
        "Image": image,
        "Volumes": {item: {} for item in words["volume"] if ":" not in item},
        "WorkingDir": words["workdir"],
        "Entrypoint": [words["entrypoint"]] if "entrypoint" in words.given else None,
        "Labels": labels(words["label"], words["label-file"]),
        "HostConfig": host_config(words, console),
        "NetworkingConfig": {"EndpointsConfig": endpoints(words)},
    }
    if words["stop-signal"]:
        body["StopSignal"] = words["stop-signal"]
    if words["stop-timeout"] is not None:
        body["StopTimeout"] = words["stop-timeout"]
    if words["no-healthcheck"] or any(words[name] for name in health.OPTIONS):
        body["Healthcheck"] = health.health_config(words)
    if words["mac-address"]:
        body["MacAddress"] = mac_address(words["mac-address"])
    if words["publish"] or words["expose"]:
        from kernel_engine.cli.ports import exposed

        body["ExposedPorts"] = {port: {} for port in exposed(words["publish"], words["expose"])}
    return body


def attached_streams(words: Parsed, *, detached: bool) -> tuple[bool, bool, bool]:
    """Which of stdin, stdout and stderr the container is created attached to."""
    named = [item.lower() for item in words["attach"]]
    for item, given in zip(named, words["attach"], strict=True):
        if item not in STREAMS:
            raise Misused(
                f'invalid argument "{given}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR'
            )
    if detached:
        return False, False, False
    if not named:
        return words["interactive"], True, True
    # -i always keeps our standard input attached (Docker's own rule)
    return "stdin" in named or words["interactive"], "stdout" in named, "stderr" in named


def host_config(words: Parsed, console: tuple[int, int]) -> dict[str, Any]:
    check_host_options(words)
    check_links(words["link"])
    host: dict[str, Any] = {
        "Binds": [bind(item) for item in words["volume"] if ":" in item] or None,
        "ContainerIDFile": words["cidfile"],
        "LogConfig": {"Type": words["log-driver"], "Config": key_values(words["log-opt"])},
        "NetworkMode": network_mode(words),
        "PortBindings": {},
        "RestartPolicy": restart_policy(words["restart"]),
        "AutoRemove": words["rm"],
        "VolumeDriver": words["volume-driver"],
        "VolumesFrom": words["volumes-from"] or None,
        "ConsoleSize": list(console),
        "CapAdd": words["cap-add"] or None,
        "CapDrop": words["cap-drop"] or None,
        "CgroupnsMode": words["cgroupns"],
        "Dns": words["dns"],
        "DnsOptions": words["dns-option"],
        "DnsSearch": words["dns-search"],
        "ExtraHosts": [extra_host(item) for item in words["add-host"]] or None,
        "GroupAdd": words["group-add"] or None,
        "IpcMode": words["ipc"],
        "Links": words["link"] or None,
        "OomScoreAdj": words["oom-score-adj"] or 0,
        "PidMode": words["pid"],
        "Privileged": words["privileged"],
        "PublishAllPorts": words["publish-all"],
        "ReadonlyRootfs": words["read-only"],
        "SecurityOpt": security_options(words["security-opt"]) or None,
        "UTSMode": words["uts"],
        "UsernsMode": words["userns"],
        "ShmSize": words["shm-size"] or 0,
        "Runtime": words["runtime"],
        **resources(words),
    }
    if words["publish"]:
        from kernel_engine.cli.ports import bindings

        host["PortBindings"] = bindings(words["publish"])
    if words["tmpfs"]:
        host["Tmpfs"] = {place: options for place, _, options in (item.partition(":") for item in words["tmpfs"])}
    if words["sysctl"]:
        host["Sysctls"] = key_values(words["sysctl"])
    if words["storage-opt"]:
        host["StorageOpt"] = key_values(words["storage-opt"])
    if words["mount"]:
        from kernel_engine.cli.mounts import mount

        host["Mounts"] = [mount(item) for item in words["mount"]]
    if "init" in words.given:
        host["Init"] = words["init"]
    return host


def resources(words: Parsed) -> dict[str, Any]:
    """Limits. A swap limit is memory and swap together; -1 is none."""
    return {
        **update_limits(words),
        "Devices": [device(item) for item in words["device"]],
        "MemorySwappiness": words["memory-swappiness"],
        "OomKillDisable": words["oom-kill-disable"],
        "Ulimits": [ulimit(item) for item in words["ulimit"]],
    }


def update_limits(words: Parsed) -> dict[str, Any]:
    """The limits that `docker update` may change, too."""
    return {
        "CpuShares": words["cpu-shares"] or 0,
        "Memory": words["memory"] or 0,
        "NanoCpus": words["cpus"] or 0,
        "CpuPeriod": words["cpu-period"] or 0,
        "CpuQuota": words["cpu-quota"] or 0,
        "CpusetCpus": words["cpuset-cpus"],
        "CpusetMems": words["cpuset-mems"],
        "MemoryReservation": words["memory-reservation"] or 0,
        "MemorySwap": words["memory-swap"] or 0,
        "PidsLimit": words["pids-limit"] or 0,
    }


def environment(given: list[str], files: list[str]) -> list[str]:
    """`A=b` as it is, `A` with our own value of it (and bare where we have none: it takes the image's away)."""
    return [_variable(entry) for path in files for entry in _lines(path)] + [_variable(entry) for entry in given]


def _variable(entry: str) -> str:
    name, equals, _ = entry.partition("=")
    if not name:
        raise Misused(f'invalid argument "{entry}" for "-e, --env" flag: invalid environment variable: {entry}')
    return f"{name}={os.environ[name]}" if not equals and name in os.environ else entry


def labels(given: list[str], files: list[str]) -> dict[str, str]:
    return key_values([entry for path in files for entry in _lines(path)] + given)


def key_values(entries: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (entry.partition("=") for entry in entries)}


def _lines(path: str) -> list[str]:
    """Entries of an env or label file: blank lines and # comments are left out."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line.strip("\r\n").lstrip() for line in file]
    except OSError as error:
        raise Failed(f"open {path}: {(error.strerror or str(error)).lower()}", 125) from error
    except UnicodeDecodeError as error:
        raise Failed(f"env file {path} contains invalid utf8 bytes", 125) from error
    entries = [line for line in lines if line and not line.startswith("#")]
    for entry in entries:
        name = entry.partition("=")[0]
        if any(letter.isspace() for letter in name):
            raise Failed(f"invalid env file ({path}): variable '{name}' contains whitespaces", 125)
    return entries


def bind(text: str) -> str:
    """`./data:/data` with the host's side made absolute; a name stays a volume's name."""
    source, colon, rest = text.partition(":")
    if source in {".", ".."} or source.startswith(("./", "../")):
        source = os.path.abspath(source)
    return f"{source}{colon}{rest}"


def extra_host(text: str) -> str:
    """`name=address` or `name:address`, an IPv6 one in brackets or without; as Docker sends it."""
    name, _, address = text.partition("=" if "=" in text else ":")
    return f"{name}:{address[1:-1] if address.startswith('[') and address.endswith(']') else address}"


def restart_policy(text: str) -> dict[str, Any]:
    if not text:
        return {"Name": "no", "MaximumRetryCount": 0}
    name, colon, count = text.partition(":")
    if not name:
        raise Failed("invalid restart policy format: no policy provided before colon", 125)
    if colon and not count.isdigit():
        raise Failed("invalid restart policy format: maximum retry count must be an integer", 125)
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def security_options(given: list[str]) -> list[str]:
    """`seccomp=FILE` carries the file's content, as Docker sends it."""
    return [_security_option(entry) for entry in given]


def _security_option(entry: str) -> str:
    key, equals, value = entry.partition("=" if "=" in entry else ":")
    if not equals and key != "no-new-privileges":
        raise Failed(f'Invalid --security-opt: "{entry}"', 125)
    if key != "seccomp" or value in ("unconfined", "builtin"):
        return f"{key}={value}" if equals else key
    try:
        with open(value, encoding="utf-8") as file:
            return f"seccomp={file.read()}"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failed(f"opening seccomp profile ({value}) failed: open {value}: {reason}", 125) from error


def ulimit(text: str) -> dict[str, Any]:
    """`nofile=1024:2048`; one value is both limits, -1 is none."""
    name, _, values = text.partition("=")
    parts = values.split(":")
    if not values or len(parts) > 2 or not all(part.removeprefix("-").isdigit() for part in parts):
        raise Misused(f'invalid argument "{text}" for "--ulimit" flag: invalid ulimit argument: {text}')
    soft, hard = int(parts[0]), int(parts[-1])
    if hard not in (-1, soft) and (soft == -1 or soft > hard):
        reason = f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        raise Misused(f'invalid argument "{text}" for "--ulimit" flag: {reason}')
    return {"Name": name, "Hard": hard, "Soft": soft}


def device(text: str) -> dict[str, str]:
    """`/dev/fuse[:/dev/inside[:rwm]]`."""
    parts = text.split(":")
    if len(parts) > 3:
        raise Failed(f"invalid device specification: {text}", 125)
    rights = parts[-1] if len(parts) > 1 and parts[-1] and set(parts[-1]) <= set("rwm") else ""
    places = parts[:-1] if rights else parts
    return {"PathOnHost": places[0], "PathInContainer": places[-1], "CgroupPermissions": rights or "rwm"}


def mac_address(text: str) -> str:
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or any(len(part) != 2 or set(part.lower()) - set("0123456789abcdef") for part in parts):
        raise Failed(f"{text} is not a valid mac address", 125)
    return text
