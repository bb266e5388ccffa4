"""The engine as a whole: `version` and `info`."""

from __future__ import annotations

import os
import platform
import sys

from kernel_engine import __version__
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.table import columns
from kernel_engine.client import APIError, Client, EngineUnreachable
from kernel_engine.formats.sizes import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Call

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def client_line() -> str:
    """`docker --version`."""
    return f"Docker version {__version__}, build kernel-engine"


def client_facts(client: Client, context: str) -> dict[str, Any]:
    return {
        "Version": __version__,
        "ApiVersion": client.version,
        "DefaultAPIVersion": client.version,
        "GitCommit": "kernel-engine",
        "GoVersion": f"none (Python {platform.python_version()})",
        "Os": sys.platform,
        "Arch": MACHINES.get(os.uname().machine, os.uname().machine),
        "BuildTime": "",
        "Context": context,
    }


def version(call: Call) -> int:
    form = call.words["format"]
    try:
        server = call.client.get("/version").json()
    except EngineUnreachable:
        server = None
        if form:
            print()
            raise
    client = client_facts(call.client, call.context)
    if form:
        facts = {"Client": _versions(client), "Server": server and _versions(server)}
        print(_templated(facts, form, "system.versionInfo", "version"))
        return 0
    print(_client_text(client), end="", flush=True)
    if server is None:
        raise EngineUnreachable(_unreachable(call.client))
    print("\n" + _server_text(server), end="")
    return 0


def _versions(facts: dict[str, Any]) -> dict[str, Any]:
    from kernel_engine.formats.template_functions import Struct

    return Struct(facts, {"APIVersion": facts["ApiVersion"]})


def _unreachable(client: Client) -> str:
    return f"Cannot connect to the Docker daemon at {client.host}. Is the docker daemon running?"


def _client_text(facts: dict[str, Any]) -> str:
    rows = [
        [" Version:", facts["Version"]],
        [" API version:", facts["ApiVersion"]],
        [" Python version:", platform.python_version()],
        [" OS/Arch:", f"{facts['Os']}/{facts['Arch']}"],
        [" Context:", facts["Context"]],
    ]
    return "Client:\n" + columns(rows, minimum=20, padding=1)


def _server_text(facts: dict[str, Any]) -> str:
    components = facts.get("Components") or [{"Name": "Engine", "Version": facts["Version"], "Details": facts}]
    text = ""
    name = (facts.get("Platform") or {}).get("Name", "")
    text += f"Server: {name}\n" if name else "Server:\n"
    for component in components:
        details = component.get("Details") or {}
        rows = [["  Version:", component.get("Version", "")]]
        if component["Name"] == "Engine":
            rows += _engine_rows(details)
        else:
            rows += [[f"  {key}:", str(value)] for key, value in details.items()]
        text += f" {component['Name']}:\n" + columns(rows, minimum=20, padding=1)
    return text


def _engine_rows(details: dict[str, Any]) -> list[list[str]]:
    def value(key: str) -> str:
        return str(details.get(key, ""))

    rows = [
        ["  API version:", f"{value('ApiVersion')} (minimum version {value('MinAPIVersion')})"],
        ["  Go version:", value("GoVersion")],
        ["  Git commit:", value("GitCommit")],
        ["  Built:", value("BuildTime")],
        ["  OS/Arch:", f"{value('Os')}/{value('Arch')}"],
        ["  Experimental:", value("Experimental").lower()],
    ]
    return [row for row in rows if row[1]]


def info(call: Call) -> int:
    form = call.words["format"]
    client = client_facts(call.client, call.context)
    about = {"Debug": False, "Plugins": [], "Warnings": None, **client}
    try:
        facts = call.client.get("/info").json()
    except (EngineUnreachable, APIError):
        print("" if form else _info_client(client) + "\nServer:", flush=True)
        raise
    if form:
        print(_templated({**facts, "ClientInfo": about}, form, "system.dockerInfo"))
        return 0
    print(_info_client(client) + "\n" + info_text(facts), end="")
    return 0


def _info_client(client: dict[str, Any]) -> str:
    return f"Client:\n Version:    {client['Version']}\n Context:    {client['Context']}\n Debug Mode: false\n"


def info_text(facts: dict[str, Any]) -> str:
    """The engine's part of `docker info`, in Docker's order and words. What the engine does not say is left out."""
    lines = ["Server:"]

    def line(label: str, value: Any, indent: int = 1) -> None:
        if value is not None and value != "":
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            lines.append(f"{' ' * indent}{label}: {shown}")

    line("Containers", facts.get("Containers"))
    for label in ("Running", "Paused", "Stopped"):
        line(label, facts.get(f"Containers{label}"), 2)
    line("Images", facts.get("Images"))
    line("Server Version", facts.get("ServerVersion"))
    line("Storage Driver", facts.get("Driver"))
    for label, value in facts.get("DriverStatus") or ():
        line(label, value, 2)
    line("Logging Driver", facts.get("LoggingDriver"))
    line("Cgroup Driver", facts.get("CgroupDriver"))
    line("Cgroup Version", facts.get("CgroupVersion"))
    lines += _plugins(facts.get("Plugins") or {})
    line("Swarm", (facts.get("Swarm") or {}).get("LocalNodeState"))
    line("Runtimes", " ".join(sorted(facts.get("Runtimes") or ())))
    line("Default Runtime", facts.get("DefaultRuntime"))
    line("Init Binary", facts.get("InitBinary"))
    if facts.get("SecurityOptions"):
        lines.append(" Security Options:")
        lines += [text for option in facts["SecurityOptions"] for text in _security(option)]
    for label, key in (
        ("Kernel Version", "KernelVersion"),
        ("Operating System", "OperatingSystem"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
        ("CPUs", "NCPU"),
    ):
        line(label, facts.get(key))
    if facts.get("MemTotal"):
        line("Total Memory", binary_size(facts["MemTotal"]))
    line("Name", facts.get("Name"))
    line("ID", facts.get("ID"))
    line("Docker Root Dir", facts.get("DockerRootDir"))
    line("Debug Mode", facts.get("Debug"))
    line("Experimental", facts.get("ExperimentalBuild"))
    lines += _registries(facts.get("RegistryConfig") or {})
    line("Live Restore Enabled", facts.get("LiveRestoreEnabled"))
    return "\n".join(lines) + "\n\n" + "".join(f"{text}\n" for text in facts.get("Warnings") or ())


def _plugins(plugins: dict[str, Any]) -> list[str]:
    if not plugins:
        return []
    kinds = [kind for kind in ("Volume", "Network", "Authorization", "Log") if plugins.get(kind)]
    return [" Plugins:", *(f"  {kind}: {' '.join(plugins[kind])}" for kind in kinds)]


def _security(option: str) -> list[str]:
    """`name=seccomp,profile=builtin` as Docker shows it: the name, and what is said of it beneath."""
    pairs = [part.partition("=") for part in option.split(",")]
    name = next((value for key, _, value in pairs if key == "name"), option)
    return [f"  {name}"] + [f"   {key.capitalize()}: {value}" for key, _, value in pairs if key != "name" and value]


def _registries(config: dict[str, Any]) -> list[str]:
    networks = [f"  {item}" for item in config.get("InsecureRegistryCIDRs") or ()]
    mirrors = [f"  {item}" for item in config.get("Mirrors") or ()]
    return ([" Insecure Registries:", *networks] if networks else []) + (
        [" Registry Mirrors:", *mirrors] if mirrors else []
    )


def _templated(facts: dict[str, Any], form: str, kind: str, name: str = "") -> str:
    from kernel_engine.formats.templates import Fields, TemplateError, compile_template, go_json

    if form == "json":
        return go_json(facts)
    try:
        template = compile_template(form, name)
    except TemplateError as error:
        raise Failed(f"template parsing error: {error}", 64) from error
    try:
        return template.execute(Fields(facts, kind, facts))
    except TemplateError as error:
        print(flush=True)
        raise Failed(str(error), about="template parsing error") from error
