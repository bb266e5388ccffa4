"""A project as Kubernetes' objects, held against Kubernetes' own schemas."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from kernel_engine.cli import korean
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import options_of, parse
from kernel_engine.compose.commands import COMMANDS
from kernel_engine.compose.kubernetes.manifests import Manifests, manifests
from kernel_engine.compose.kubernetes.words import object_name, processors, seconds, size
from kernel_engine.compose.loading import load
from kernel_engine.compose.verbs.config import show
from tests.unit.compose.cases import Case, cases, wanted

LABS = Path(__file__).parents[3] / "labs" / "course"
VERSION = kubernetes_validate.latest_version()


def _made(directory: Path, text: str) -> Manifests:
    (directory / "compose.yaml").write_text(text)
    project = load(wanted(directory, ["-p", "shop"]), warn=lambda _: None)
    contents = {f"{kind}.{key}": b"held\n" for kind in ("secrets", "configs") for key in getattr(project, kind)}
    made = manifests(project, contents)
    for item in made.objects:
        kubernetes_validate.validate(item, VERSION, strict=True)
    return made


def _object(made: Manifests, kind: str, name: str) -> dict[str, Any]:
    (found,) = (item for item in made.objects if (item["kind"], item["metadata"]["name"]) == (kind, name))
    return found


def _kinds(made: Manifests) -> list[str]:
    return [f"{item['kind']} {item['metadata']['name']}" for item in made.objects]


def _pod(made: Manifests, name: str, kind: str = "Deployment") -> dict[str, Any]:
    spec: dict[str, Any] = _object(made, kind, name)["spec"]["template"]["spec"]
    return spec


def _container(made: Manifests, name: str, kind: str = "Deployment") -> dict[str, Any]:
    (container,) = _pod(made, name, kind)["containers"]
    assert isinstance(container, dict)
    return container


@pytest.mark.parametrize("case", cases("read.cases"), ids=lambda case: case.name)
def test_whatever_compose_can_say_becomes_sound_objects(case: Case, tmp_path: Path) -> None:
    project = load(case.lay(tmp_path), warn=lambda _: None)
    contents = {f"{kind}.{key}": b"x" for kind in ("secrets", "configs") for key in getattr(project, kind)}
    made = manifests(project, contents)
    for item in made.objects:
        kubernetes_validate.validate(item, VERSION, strict=True)
    assert len({(item["kind"], item["metadata"]["name"]) for item in made.objects}) == len(made.objects)
    for item in made.objects:
        volumes = item["spec"].get("template", {}).get("spec", {}).get("volumes", []) if "spec" in item else []
        assert len({volume["name"] for volume in volumes}) == len(volumes)


def test_the_labs_files_become_sound_objects() -> None:
    for file in sorted(LABS.glob("*/**/*compose*.y*ml")):
        try:
            project = load(wanted(file.parent, ["-f", str(file), "-p", "lab"]), warn=lambda _: None)
        except Failed:  # broken on purpose, for the learner to mend
            continue
        contents = {f"{kind}.{key}": b"x" for kind in ("secrets", "configs") for key in getattr(project, kind)}
        for item in manifests(project, contents).objects:
            kubernetes_validate.validate(item, VERSION, strict=True)


def test_what_lab_10_reads_side_by_side_shows_every_kind() -> None:
    project = load(wanted(LABS / "10_orchestration", ["-f", "shop.yaml"]), warn=lambda _: None)
    made = manifests(project, {"secrets.token": b"bluebird", "configs.menu": b"coffee"})
    for item in made.objects:
        kubernetes_validate.validate(item, VERSION, strict=True)
    kinds = {item["kind"] for item in made.objects}
    assert kinds == {"Deployment", "Service", "PersistentVolumeClaim", "ConfigMap", "Secret"}
    web = _container(made, "web")
    assert web["readinessProbe"]["exec"]["command"][0] == "wget"
    assert web["resources"] == {"limits": {"memory": "64Mi"}}
    assert any(note.startswith("services.api.init: no equivalent") for note in made.notes)


def test_a_web_service(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  web:
    image: nginx:1
    command: [serve, "$$(date)"]
    entrypoint: [/start]
    environment: {A: "1", B: "$$(A)"}
    ports: ["8080:80"]
    expose: [9000]
    restart: always
    deploy: {replicas: 3, resources: {limits: {cpus: "1.5", memory: 64M}, reservations: {cpus: "0.1", memory: 32M}}}
    healthcheck: {test: "true", interval: 1500ms, timeout: 2s, retries: 4}
    stop_grace_period: 20s
    labels: {note: "free text: of any kind"}
""",
    )
    assert _kinds(made) == ["Deployment web", "Service web", "Service web-published"]
    assert _object(made, "Deployment", "web")["spec"]["replicas"] == 3
    container = _container(made, "web")
    assert (container["command"], container["args"]) == (["/start"], ["serve", "$$(date)"])
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "$$(A)"}]
    assert container["resources"] == {
        "limits": {"cpu": "1500m", "memory": "64Mi"},
        "requests": {"cpu": "100m", "memory": "32Mi"},
    }
    assert container["readinessProbe"] == {
        "exec": {"command": ["/bin/sh", "-c", "true"]},
        "periodSeconds": 2,
        "timeoutSeconds": 2,
        "failureThreshold": 4,
    }
    assert _pod(made, "web")["terminationGracePeriodSeconds"] == 20
    template = _object(made, "Deployment", "web")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"note": "free text: of any kind"}
    inner = _object(made, "Service", "web")["spec"]
    assert inner["selector"].items() <= template["metadata"]["labels"].items()
    assert [(port["port"], port["targetPort"]) for port in inner["ports"]] == [(80, 80), (9000, 9000)]
    outer = _object(made, "Service", "web-published")["spec"]
    assert outer["type"] == "LoadBalancer"
    assert [(port["port"], port["targetPort"]) for port in outer["ports"]] == [(8080, 80)]
    assert made.notes == ()


def test_ports_of_other_kinds(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  web: {image: w, restart: always, ports: ["80", "127.0.0.1:81:81", "8000-8005:82", "53:53/udp"]}
  quiet: {image: q, restart: always}
""",
    )
    assert _kinds(made) == [
        *("Deployment web", "Service web", "Service web-published", "Service web-nodeport"),
        *("Deployment quiet", "Service quiet"),
    ]
    assert [port["port"] for port in _object(made, "Service", "web-nodeport")["spec"]["ports"]] == [80]
    published = _object(made, "Service", "web-published")["spec"]["ports"]
    assert [(port["port"], port["protocol"]) for port in published] == [(8000, "TCP"), (53, "UDP")]
    # no port at all: the name answers with the pods' own addresses, as on a compose network
    assert _object(made, "Service", "quiet")["spec"]["clusterIP"] == "None"
    assert any("127.0.0.1" in note and "port-forward" in note for note in made.notes)


def test_other_names_answer_too(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  db: {image: d, restart: always, container_name: the-db, networks: {default: {aliases: [database, web, "not_a_name"]}}}
  web: {image: w, restart: always, links: ["db:store"]}
""",
    )
    names = [item["metadata"]["name"] for item in made.objects if item["kind"] == "Service"]
    assert names == ["db", "database", "the-db", "store", "web"]
    assert any("not_a_name" in note for note in made.notes)


def test_storage(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  db:
    image: d
    restart: always
    volumes: ["data:/data", /anonymous, "./here:/here", "ext:/ext:ro", {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
    tmpfs: [/run]
    shm_size: 64m
    secrets: [password]
    configs: [{source: settings, target: /etc/settings, mode: 0440}]
volumes: {data: , ext: {external: true, name: theirs}}
secrets: {password: {file: ./p}}
configs: {settings: {content: "a=1"}}
""",
    )
    assert _kinds(made)[:3] == ["Secret shop-password", "ConfigMap shop-settings", "PersistentVolumeClaim shop-data"]
    assert base64.b64decode(_object(made, "Secret", "shop-password")["data"]["password"]) == b"held\n"
    assert _object(made, "ConfigMap", "shop-settings")["data"] == {"settings": "held\n"}
    mounts = {mount["mountPath"]: mount for mount in _container(made, "db")["volumeMounts"]}
    sources = {volume["name"]: volume for volume in _pod(made, "db")["volumes"]}
    assert sorted(mounts) == [
        "/anonymous", "/data", "/dev/shm", "/etc/settings", "/ext", "/run", "/run/secrets/password", "/t",
    ]  # fmt: skip
    assert sources[mounts["/data"]["name"]]["persistentVolumeClaim"] == {"claimName": "shop-data"}
    assert sources[mounts["/ext"]["name"]]["persistentVolumeClaim"] == {"claimName": "theirs"}
    assert mounts["/ext"]["readOnly"]
    assert sources[mounts["/dev/shm"]["name"]]["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Mi"}
    assert sources[mounts["/etc/settings"]["name"]]["configMap"]["defaultMode"] == 0o440
    assert any("/here" in note for note in made.notes)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: ./c}}\n")
    project = load(wanted(tmp_path, ["-p", "p"]))
    (config, *_) = manifests(project, {"configs.c": b"\xff\x00"}).objects
    kubernetes_validate.validate(config, VERSION, strict=True)
    assert base64.b64decode(config["binaryData"]["c"]) == b"\xff\x00"


def test_a_service_that_is_to_end_is_a_job(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  once: {image: o, restart: "no"}
  again: {image: a, restart: on-failure:3}
  first: {image: f}
  web: {image: w, restart: always, depends_on: {first: {condition: service_completed_successfully}}}
""",
    )
    assert [kind for kind in _kinds(made) if kind.startswith("Job")] == ["Job once", "Job again", "Job first"]
    assert _object(made, "Job", "once")["spec"]["backoffLimit"] == 0
    assert _object(made, "Job", "again")["spec"]["backoffLimit"] == 3
    assert _pod(made, "again", "Job")["restartPolicy"] == "OnFailure"
    assert any("web.depends_on.first" in note for note in made.notes)


def test_rights_and_places(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  a:
    image: x
    restart: always
    user: "1000:2000"
    group_add: ["3000", staff]
    read_only: true
    cap_drop: [ALL]
    cap_add: [CAP_NET_BIND_SERVICE]
    security_opt: ["no-new-privileges:true", seccomp=unconfined, label=disable]
    sysctls: {net.core.somaxconn: 1024}
    network_mode: host
    extra_hosts: ["h:1.2.3.4", "i:1.2.3.4"]
    dns: 1.1.1.1
    platform: linux/arm64
    deploy: {placement: {constraints: [node.labels.disk==ssd]}}
""",
    )
    pod, container = _pod(made, "a"), _container(made, "a")
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "runAsUser": 1000,
        "runAsGroup": 2000,
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "Unconfined"},
    }
    assert pod["securityContext"]["supplementalGroups"] == [3000]
    assert pod["hostNetwork"] is True
    assert pod["hostAliases"] == [{"ip": "1.2.3.4", "hostnames": ["h", "i"]}]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "disk": "ssd"}
    assert [note for note in made.notes if "staff" in note or "label=disable" in note]


def test_rollouts(tmp_path: Path) -> None:
    made = _made(
        tmp_path,
        """
services:
  a: {image: x, restart: always, deploy: {update_config: {parallelism: 2, order: start-first, delay: 5s}}}
  b: {image: x, restart: always, deploy: {mode: global, update_config: {parallelism: 0}}}
""",
    )
    spec = _object(made, "Deployment", "a")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 0}
    assert spec["minReadySeconds"] == 5
    assert _object(made, "DaemonSet", "b")["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == "100%"


@pytest.mark.parametrize(
    ("attribute", "word"),
    [
        ("ulimits: {nofile: 5}", "ulimits"),
        ("logging: {driver: syslog}", "logging"),
        ("devices: [/dev/a]", "devices"),
        ("init: true", "init"),
        ("stop_signal: SIGINT", "stop_signal"),
        ("volumes_from: [b]", "volumes_from"),
        ("cgroup_parent: x", "cgroup_parent"),
        ("oom_score_adj: 5", "oom_score_adj"),
        ("blkio_config: {weight: 5}", "blkio_config"),
        ("domainname: x", "domainname"),
        ("network_mode: none", "network_mode"),
        ("ipc: 'service:b'", "ipc"),
        ("pids_limit: 5", "pids_limit"),
        ("user: www-data", "user"),
        ("depends_on: [b]", "depends_on"),
        ("build: .", "build"),
        ("extra_hosts: ['h:host-gateway']", "extra_hosts"),
        ("environment: [NOBODY_SAYS]", "NOBODY_SAYS"),
        ("healthcheck: {interval: 5s}", "healthcheck"),
    ],
)
def test_what_has_no_equivalent_is_named(tmp_path: Path, attribute: str, word: str) -> None:
    text = f"services:\n  a:\n    image: x\n    restart: always\n    {attribute}\n  b: {{image: x, restart: always}}\n"
    notes = _made(tmp_path, text).notes
    assert [note for note in notes if note.startswith("services.a.") and word in note]
    assert korean.line(notes[0])


def test_names_that_kubernetes_does_not_know(tmp_path: Path) -> None:
    made = _made(tmp_path, "services: {my_web.1: {image: x, restart: always}}\n")
    assert _kinds(made) == ["Deployment my-web-1", "Service my-web-1"]
    assert made.notes == ("services.my_web.1: Kubernetes knows it as my-web-1",)


def test_words() -> None:
    assert [object_name(text) for text in ("Web_1", "a" * 70, "-x-", "한글")] == ["web-1", "a" * 63, "x", "x"]
    assert [processors(nano) for nano in (2 * 10**9, 5 * 10**8, 10**5)] == ["2", "500m", "1m"]
    assert [size(count) for count in (1 << 30, 3 << 20, 1500)] == ["1Gi", "3Mi", "1500"]
    assert [seconds(nano) for nano in (1, 15 * 10**8, 2 * 10**9)] == [1, 2, 2]


def _shown(directory: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    parsed = parse(options_of(COMMANDS["convert"].options), ["--format", "kubernetes"])
    assert show(wanted(directory, ["-p", "shop"]), parsed, str) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_command_prints_documents_and_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {a: {image: x, restart: always, init: true, secrets: [s]}}\nsecrets: {s: {file: ./s}}\n"
    )
    (tmp_path / "s").write_text("$HOME")
    out, err = _shown(tmp_path, capsys)
    documents = list(yaml.safe_load_all(out))
    assert [item["kind"] for item in documents] == ["Secret", "Deployment", "Service"]
    assert base64.b64decode(documents[0]["data"]["s"]) == b"$HOME"
    assert err.startswith("WARN[0000] services.a.init: no equivalent in Kubernetes, left out")


def test_a_secret_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {%s}}\n"
    (tmp_path / "compose.yaml").write_text(text % "file: ./missing")
    with pytest.raises(Failed, match=r"^open .*/missing: no such file or directory$"):
        _shown(tmp_path, capsys)
    (tmp_path / "compose.yaml").write_text(text % "environment: NOBODY_SAYS")
    with pytest.raises(Failed, match=r'^environment variable "NOBODY_SAYS" required by secret "s" is not set$'):
        _shown(tmp_path, capsys)
