"""One service's values → `model.Service`. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.compose.attributes import Attributes
from kernel_engine.compose.model import (
    Attachment,
    BlockIO,
    Build,
    BuildSecret,
    Dependency,
    Deploy,
    DeployRestart,
    Device,
    DeviceLimit,
    DeviceRequest,
    Grant,
    Healthcheck,
    Hook,
    Logging,
    Mount,
    Port,
    Resources,
    Rollout,
    Service,
    Ulimit,
)
from kernel_engine.compose.refusals import Refused

TEXTS = """image container_name restart pull_policy platform hostname domainname user working_dir stop_signal
    network_mode mac_address pid ipc uts userns_mode cgroup cgroup_parent runtime isolation cpuset""".split()
LISTS = """profiles group_add expose links external_links dns dns_opt dns_search volumes_from tmpfs cap_add cap_drop
    security_opt device_cgroup_rules""".split()
NUMBERS = """cpu_count cpu_shares cpu_quota cpu_period cpu_rt_period cpu_rt_runtime pids_limit oom_score_adj""".split()
SIZES = "mem_limit mem_reservation memswap_limit shm_size".split()
TRUTHS = "tty stdin_open read_only privileged oom_kill_disable".split()
#: what neither this engine nor a plugin of it does
OTHERS = "develop provider models pre_start credential_spec use_api_socket".split()
MAPPINGS = "labels annotations storage_opt sysctls".split()


def service(name: str, given: Attributes) -> Service:
    simple: dict[str, Any] = {
        **{key: given.text(key) for key in TEXTS},
        **{key: given.texts(key) for key in LISTS},
        **{key: given.number(key) for key in NUMBERS},
        **{key: given.size(key) for key in SIZES},
        **{key: given.truth(key) for key in TRUTHS},
        **{key: given.mapping(key) for key in MAPPINGS},
    }
    return Service(
        name=name,
        build=_build(given.inner("build")) if "build" in given else None,
        command=given.command("command"),
        entrypoint=given.command("entrypoint"),
        environment=given.variables("environment"),
        scale=_scale(name, given),
        depends_on={key: _dependency(item) for key, item in given.named("depends_on")},
        deploy=_deploy(given.inner("deploy")),
        healthcheck=_healthcheck(given.inner("healthcheck")) if "healthcheck" in given else None,
        attach=given.truth("attach", True),
        init=given.maybe_truth("init"),
        stop_grace_period=given.maybe_duration("stop_grace_period"),
        post_start=tuple(_hook(hook) for hook in given.items("post_start")),
        pre_stop=tuple(_hook(hook) for hook in given.items("pre_stop")),
        networks={key: _attachment(item) for key, item in given.named("networks")},
        ports=tuple(_port(port) for port in given.items("ports")),
        extra_hosts=given.hosts("extra_hosts"),
        volumes=tuple(_mount(mount) for mount in given.items("volumes")),
        secrets=tuple(_grant(grant, "/run/secrets/") for grant in given.items("secrets")),
        configs=tuple(_grant(grant, "/") for grant in given.items("configs")),
        devices=tuple(_device(device) for device in given.items("devices")),
        gpus=tuple(_device_request(request) for request in given.items("gpus")),
        ulimits=_ulimits(given),
        nano_cpus=given.processors("cpus"),
        cpu_percent=given.real("cpu_percent"),
        mem_swappiness=given.maybe_number("mem_swappiness"),
        blkio=_block_io(given.inner("blkio_config")) if "blkio_config" in given else None,
        logging=_logging(given.inner("logging")) if "logging" in given else None,
        others={key: given.raw(key) for key in OTHERS if key in given},
        extensions=given.extensions(),
        **simple,
    )


def _scale(name: str, given: Attributes) -> int:
    scale, replicas = given.maybe_number("scale"), given.inner("deploy").maybe_number("replicas")
    if scale is not None and replicas is not None and scale != replicas:
        raise Refused(
            f"services.{name}: can't set distinct values on 'scale' and 'deploy.replicas': invalid compose project",
            ("services", name, "scale"),
        )
    chosen = replicas if scale is None else scale
    return 1 if chosen is None else chosen


def _build(given: Attributes) -> Build:
    return Build(
        context=given.text("context"),
        dockerfile=given.text("dockerfile"),
        dockerfile_inline=given.text("dockerfile_inline"),
        args=given.variables("args"),
        target=given.text("target"),
        labels=given.mapping("labels"),
        tags=given.texts("tags"),
        network=given.text("network"),
        no_cache=given.truth("no_cache"),
        pull=given.truth("pull"),
        privileged=given.truth("privileged"),
        shm_size=given.size("shm_size"),
        isolation=given.text("isolation"),
        platforms=given.texts("platforms"),
        cache_from=given.texts("cache_from"),
        cache_to=given.texts("cache_to"),
        extra_hosts=given.hosts("extra_hosts"),
        secrets=tuple(
            BuildSecret(
                id=secret.text("target") or secret.text("source"),
                source=secret.text("source"),
                uid=secret.text("uid"),
                gid=secret.text("gid"),
                mode=secret.mode("mode"),
            )
            for secret in given.items("secrets")
        ),
        ssh=tuple(f"{key}={value}" if value else key for key, value in given.mapping("ssh").items()),
        additional_contexts=given.mapping("additional_contexts"),
        ulimits=_ulimits(given),
        entitlements=given.texts("entitlements"),
    )


def _port(given: Attributes) -> Port:
    return Port(
        target=given.number("target"),
        published=given.text("published"),
        protocol=given.text("protocol") or "tcp",
        host_ip=given.text("host_ip"),
        mode=given.text("mode") or "ingress",
        name=given.text("name"),
        app_protocol=given.text("app_protocol"),
    )


def _mount(given: Attributes) -> Mount:
    bind, volume, tmpfs = given.inner("bind"), given.inner("volume"), given.inner("tmpfs")
    return Mount(
        type=given.text("type"),
        target=given.text("target"),
        source=given.text("source"),
        read_only=given.truth("read_only"),
        consistency=given.text("consistency"),
        propagation=bind.text("propagation"),
        create_host_path=bind.truth("create_host_path", True),
        recursive=bind.text("recursive"),
        selinux=bind.text("selinux"),
        no_copy=volume.truth("nocopy"),
        subpath=volume.text("subpath") or given.inner("image").text("subpath"),
        labels=volume.mapping("labels"),
        size=tmpfs.size("size"),
        mode=tmpfs.mode("mode"),
    )


def _grant(given: Attributes, directory: str) -> Grant:
    source = given.text("source")
    target = given.text("target") or source
    return Grant(
        source=source,
        target=target if target.startswith("/") else f"{directory}{target}",
        uid=given.text("uid"),
        gid=given.text("gid"),
        mode=given.mode("mode"),
    )


def _attachment(given: Attributes) -> Attachment:
    return Attachment(
        aliases=given.texts("aliases"),
        ipv4_address=given.text("ipv4_address"),
        ipv6_address=given.text("ipv6_address"),
        link_local_ips=given.texts("link_local_ips"),
        mac_address=given.text("mac_address"),
        interface_name=given.text("interface_name"),
        priority=given.number("priority"),
        gw_priority=given.number("gw_priority"),
        driver_opts=given.mapping("driver_opts"),
    )


def _dependency(given: Attributes) -> Dependency:
    return Dependency(
        condition=given.text("condition") or "service_started",
        restart=given.truth("restart"),
        required=given.truth("required", True),
    )


def _healthcheck(given: Attributes) -> Healthcheck:
    test = given.raw("test")
    return Healthcheck(
        test=("CMD-SHELL", test) if isinstance(test, str) else given.texts("test"),
        disable=given.truth("disable"),
        interval=given.maybe_duration("interval"),
        timeout=given.maybe_duration("timeout"),
        start_period=given.maybe_duration("start_period"),
        start_interval=given.maybe_duration("start_interval"),
        retries=given.maybe_number("retries"),
    )


def _deploy(given: Attributes) -> Deploy:
    resources, placement = given.inner("resources"), given.inner("placement")
    return Deploy(
        mode=given.text("mode"),
        replicas=given.maybe_number("replicas"),
        labels=given.mapping("labels"),
        limits=_resources(resources.inner("limits")),
        reservations=_resources(resources.inner("reservations")),
        restart_policy=_restart(given.inner("restart_policy")) if "restart_policy" in given else None,
        update_config=_rollout(given.inner("update_config")) if "update_config" in given else None,
        rollback_config=_rollout(given.inner("rollback_config")) if "rollback_config" in given else None,
        endpoint_mode=given.text("endpoint_mode"),
        constraints=placement.texts("constraints"),
        spread=tuple(item.text("spread") for item in placement.items("preferences")),
        max_replicas_per_node=placement.number("max_replicas_per_node"),
    )


def _resources(given: Attributes) -> Resources:
    specs = [item.inner("discrete_resource_spec") for item in given.items("generic_resources")]
    return Resources(
        nano_cpus=given.processors("cpus"),
        memory=given.size("memory"),
        pids=given.number("pids"),
        devices=tuple(_device_request(request) for request in given.items("devices")),
        generic={spec.text("kind"): spec.number("value") for spec in specs},
    )


def _restart(given: Attributes) -> DeployRestart:
    return DeployRestart(
        condition=given.text("condition") or "any",
        delay=given.duration("delay"),
        max_attempts=given.number("max_attempts"),
        window=given.duration("window"),
    )


def _rollout(given: Attributes) -> Rollout:
    return Rollout(
        parallelism=given.maybe_number("parallelism"),
        delay=given.duration("delay"),
        failure_action=given.text("failure_action"),
        monitor=given.duration("monitor"),
        max_failure_ratio=given.real("max_failure_ratio"),
        order=given.text("order"),
    )


def _hook(given: Attributes) -> Hook:
    return Hook(
        command=given.command("command") or (),
        user=given.text("user"),
        privileged=given.truth("privileged"),
        working_dir=given.text("working_dir"),
        environment=given.variables("environment"),
    )


def _device(given: Attributes) -> Device:
    source = given.text("source")
    return Device(source=source, target=given.text("target") or source, permissions=given.text("permissions") or "rwm")


def _device_request(given: Attributes) -> DeviceRequest:
    def count(value: object) -> int:
        if str(value).lower() == "all":
            return -1
        try:
            return int(str(value))
        except ValueError:
            raise ValueError(f"invalid value \"{value}\", the only value allowed is 'all' or a number") from None

    nothing = "count" not in given and "device_ids" not in given
    return DeviceRequest(
        capabilities=given.texts("capabilities"),
        driver=given.text("driver"),
        count=-1 if nothing else given.decoded("count", count, None),
        device_ids=given.texts("device_ids"),
        options=given.mapping("options"),
    )


def _ulimits(given: Attributes) -> dict[str, Ulimit]:
    result = {}
    inner = given.inner("ulimits")
    for name, limits in given.named("ulimits"):
        if isinstance(inner.raw(name), dict):
            result[name] = Ulimit(soft=limits.number("soft"), hard=limits.number("hard"))
        else:
            result[name] = Ulimit(soft=inner.number(name), hard=inner.number(name))
    return result


def _logging(given: Attributes) -> Logging:
    return Logging(driver=given.text("driver"), options=given.mapping("options"))


def _block_io(given: Attributes) -> BlockIO:
    def limits(name: str) -> tuple[DeviceLimit, ...]:
        return tuple(DeviceLimit(path=item.text("path"), value=item.size("rate")) for item in given.items(name))

    return BlockIO(
        weight=given.number("weight"),
        weight_device=tuple(
            DeviceLimit(path=item.text("path"), value=item.number("weight")) for item in given.items("weight_device")
        ),
        device_read_bps=limits("device_read_bps"),
        device_read_iops=limits("device_read_iops"),
        device_write_bps=limits("device_write_bps"),
        device_write_iops=limits("device_write_iops"),
    )
