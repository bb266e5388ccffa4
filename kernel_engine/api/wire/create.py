"""The body of POST /containers/create → ContainerOptions. Fields that nothing here knows are accepted and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kernel_engine.api.wire.fields import Fields
from kernel_engine.api.wire.network import read_endpoint
from kernel_engine.containers.options import (
    ContainerOptions,
    EndpointOptions,
    Healthcheck,
    HostOptions,
    LogConfig,
    MountOptions,
    RestartPolicy,
)
from kernel_engine.errors import EngineError, InvalidRequest


def read_create(body: Mapping[str, Any]) -> ContainerOptions:
    """Raises InvalidRequest for a value of the wrong type."""
    fields = Fields(body)
    image = fields.text("Image")
    options = ContainerOptions(
        image=image,
        command=fields.optional_words("Cmd"),
        entrypoint=fields.optional_words("Entrypoint"),
        environment=fields.words("Env"),
        working_dir=fields.text("WorkingDir"),
        user=fields.text("User"),
        hostname=fields.text("Hostname"),
        domainname=fields.text("Domainname"),
        labels=fields.mapping("Labels"),
        tty=fields.flag("Tty"),
        open_stdin=fields.flag("OpenStdin"),
        stdin_once=fields.flag("StdinOnce"),
        attach_stdin=fields.flag("AttachStdin"),
        attach_stdout=fields.flag("AttachStdout"),
        attach_stderr=fields.flag("AttachStderr"),
        exposed_ports=fields.keys("ExposedPorts"),
        volumes=fields.keys("Volumes"),
        stop_signal=fields.text("StopSignal"),
        stop_timeout=fields.optional_number("StopTimeout"),
        network_disabled=fields.flag("NetworkDisabled"),
        mac_address=fields.text("MacAddress"),
        healthcheck=None if fields.data.get("Healthcheck") is None else _healthcheck(fields.inner("Healthcheck")),
        shell=fields.words("Shell"),
    )
    host = read_host(_with_runtime(fields))
    networks = _networks(fields.inner("NetworkingConfig"))
    mode = _network_mode(host.network_mode, networks)
    return replace(
        options,
        host=replace(host, network_mode=mode),
        networks=networks,
    )


def read_update(body: Mapping[str, Any]) -> HostOptions:
    """The body of POST /containers/{id}/update: limits and a restart policy, named "" where none is given."""
    fields = Fields(body)
    restart = fields.inner("RestartPolicy")
    policy = RestartPolicy(name=restart.text("Name"), maximum_retry_count=restart.number("MaximumRetryCount"))
    return _with_limits(HostOptions(restart=policy), fields)


def _healthcheck(fields: Fields) -> Healthcheck:
    return Healthcheck(
        test=fields.words("Test"),
        interval=fields.number("Interval"),
        timeout=fields.number("Timeout"),
        start_period=fields.number("StartPeriod"),
        start_interval=fields.number("StartInterval"),
        retries=fields.number("Retries"),
    )


#: this engine's own, and the words by which clients ask for Docker's usual one
_RUNTIMES = frozenset(("", "kernel-engine", "runc", "io.containerd.runc.v2"))


def _with_runtime(fields: Fields) -> Fields:
    """HostConfig; docker-py writes the runtime beside it."""
    host = fields.inner("HostConfig")
    runtime = host.text("Runtime") or fields.text("Runtime")
    return Fields({**host.data, "Runtime": runtime}) if runtime else host


def _refuse_storage_options(options: Mapping[str, str]) -> None:
    """Docker's own texts: it has quotas on one file system only, and this engine has none."""
    for name in options:
        if name.lower() != "size":
            raise EngineError(f"Unknown option {name}")
        raise EngineError("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")


def read_host(fields: Fields) -> HostOptions:
    restart, log = fields.inner("RestartPolicy"), fields.inner("LogConfig")
    if (runtime := fields.text("Runtime")) not in _RUNTIMES:
        raise InvalidRequest(f"unknown or invalid runtime name: {runtime}")
    _refuse_storage_options(fields.mapping("StorageOpt"))
    host = HostOptions(
        binds=fields.words("Binds"),
        mounts=tuple(_mount(item) for item in fields.objects("Mounts")),
        volumes_from=fields.words("VolumesFrom"),
        network_mode=fields.text("NetworkMode") or "default",
        links=fields.words("Links"),
        restart=RestartPolicy(
            name=restart.text("Name") or "no", maximum_retry_count=restart.number("MaximumRetryCount")
        ),
        auto_remove=fields.flag("AutoRemove"),
        privileged=fields.flag("Privileged"),
        read_only=fields.flag("ReadonlyRootfs"),
        init=fields.optional_flag("Init"),
        cap_add=fields.words("CapAdd"),
        cap_drop=fields.words("CapDrop"),
        security_opt=fields.words("SecurityOpt"),
        group_add=fields.words("GroupAdd"),
        pid_mode=fields.text("PidMode"),
        ipc_mode=fields.text("IpcMode"),
        uts_mode=fields.text("UTSMode"),
        cgroupns_mode=fields.text("CgroupnsMode"),
        userns_mode=fields.text("UsernsMode"),
        shm_size=_not_negative("SHM size", fields.number("ShmSize")),
        tmpfs=fields.mapping("Tmpfs"),
        ulimits=tuple((item.text("Name"), item.number("Soft"), item.number("Hard")) for item in _ulimits(fields)),
        sysctls=fields.mapping("Sysctls"),
        dns=fields.words("Dns"),
        dns_search=fields.words("DnsSearch"),
        dns_options=fields.words("DnsOptions"),
        extra_hosts=fields.words("ExtraHosts"),
        log=LogConfig(driver=log.text("Type") or "json-file", options=log.mapping("Config")),
        port_bindings=_ports(fields.inner("PortBindings")),
        publish_all=fields.flag("PublishAllPorts"),
        console_size=fields.pair("ConsoleSize"),
        raw=dict(fields.data),
    )
    return _with_limits(host, fields)


def _with_limits(host: HostOptions, fields: Fields) -> HostOptions:
    return replace(
        host,
        memory=fields.number("Memory"),
        memory_swap=fields.number("MemorySwap"),
        memory_reservation=fields.number("MemoryReservation"),
        nano_cpus=fields.number("NanoCpus") or fields.number("NanoCPUs"),
        cpu_period=fields.number("CpuPeriod"),
        cpu_quota=fields.number("CpuQuota"),
        cpu_shares=fields.number("CpuShares"),
        cpuset_cpus=fields.text("CpusetCpus"),
        cpuset_mems=fields.text("CpusetMems"),
        pids_limit=fields.number("PidsLimit"),
        oom_kill_disable=fields.flag("OomKillDisable"),
        oom_score_adj=fields.number("OomScoreAdj"),
    )


def _not_negative(name: str, value: int) -> int:
    if value < 0:
        raise InvalidRequest(f"{name} can not be less than 0")
    return value


def _ulimits(fields: Fields) -> tuple[Fields, ...]:
    items = fields.objects("Ulimits")
    for item in items:
        soft, hard = item.number("Soft"), item.number("Hard")
        if hard != -1 and (soft > hard or soft == -1):
            raise InvalidRequest(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return items


def _ports(fields: Fields) -> dict[str, tuple[tuple[str, str], ...]]:
    return {
        port: tuple((item.text("HostIp"), item.text("HostPort")) for item in fields.objects(port))
        for port in fields.data
    }


def _mount(item: Fields) -> MountOptions:
    """`--mount`."""
    kind, source, target = item.text("Type"), item.text("Source"), item.text("Target")
    if kind not in ("bind", "volume", "tmpfs"):
        raise InvalidRequest(f'invalid mount config for type "{kind}": mount type unknown')
    if not target:
        raise InvalidRequest(f'invalid mount config for type "{kind}": field Target must not be empty')
    if kind == "bind" and not source:
        raise InvalidRequest('invalid mount config for type "bind": field Source must not be empty')
    if kind == "tmpfs" and source:
        raise InvalidRequest('invalid mount config for type "tmpfs": field Source must not be specified')
    binding, volume = item.inner("BindOptions"), item.inner("VolumeOptions")
    driver = volume.inner("DriverConfig")
    return MountOptions(
        type=kind,
        target=target,
        source=source,
        read_only=item.flag("ReadOnly"),
        propagation=binding.text("Propagation"),
        recursive=not binding.flag("NonRecursive"),
        read_only_below=not binding.flag("ReadOnlyNonRecursive"),
        subpath=volume.text("Subpath"),
        create_source=binding.flag("CreateMountpoint"),
        no_copy=volume.flag("NoCopy"),
        labels=volume.mapping("Labels"),
        driver=driver.text("Name"),
        driver_options=driver.mapping("Options"),
        data=_tmpfs_words(item.inner("TmpfsOptions")) if kind == "tmpfs" else "",
    )


def _tmpfs_words(options: Fields) -> str:
    size, mode = options.number("SizeBytes"), options.number("Mode")
    words = [f"size={size}" if size else "", f"mode={mode:o}" if mode else ""]
    return ",".join(word for word in words if word)


def _networks(networking: Fields) -> dict[str, EndpointOptions]:
    places = networking.inner("EndpointsConfig")
    return {name: read_endpoint(places.inner(name)) for name in places.data}


def _network_mode(mode: str, networks: Mapping[str, EndpointOptions]) -> str:
    """Where HostConfig says nothing, the first network of NetworkingConfig counts."""
    first = next(iter(networks), "")
    return first if mode == "default" and first not in ("", "default") else mode
