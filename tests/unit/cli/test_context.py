"""`docker context`: the engine that a command speaks to, and files that Docker's own client reads and writes too."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from kernel_engine.cli.main import main
from kernel_engine.client import Client, context_store
from kernel_engine.client.default_context import DEFAULT_HOST
from tests.official import official_clis

#: any certificate will do: nobody connects
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration, and nothing in the environment that chooses an engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_LABS_HOST"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "config"
    monkeypatch.setenv("DOCKER_CONFIG", str(place))
    monkeypatch.chdir(tmp_path)
    return place


def docker(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    said = capfd.readouterr()
    return code, said.out, said.err


# which engine --------------------------------------------------------------------------------------------------------
def test_the_strongest_choice_wins(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """-H, --context, DOCKER_HOST, DOCKER_CONTEXT, `docker context use`, this machine: each beats what follows it."""

    def asked(*options: str) -> str:
        return docker(capfd, *options, "ps")[2]

    for name in ("used", "named", "given"):
        assert docker(capfd, "context", "create", name, "--docker", f"host=unix:///nowhere/{name}")[0] == 0
    assert Client().host == DEFAULT_HOST  # not by asking it: a lab may be up on this machine
    docker(capfd, "context", "use", "used")
    assert "unix:///nowhere/used." in asked()
    assert Client().host == "unix:///nowhere/used"
    monkeypatch.setenv("DOCKER_CONTEXT", "named")
    assert "unix:///nowhere/named." in asked()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/host")
    assert "unix:///nowhere/host." in asked()
    assert "unix:///nowhere/given." in asked("--context", "given")
    assert "unix:///nowhere/option." in asked("-H", "unix:///nowhere/option")
    assert asked("-H", "unix:///a", "--context", "used").startswith("conflicting options:")
    assert asked("-H", "unix:///a", "-H", "unix:///b").endswith("Specify only one -H\n")


def test_a_notebooks_own_host_is_no_choice(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook tells every client where its engine is; a context that the learner chooses is stronger."""
    for name in ("DOCKER_HOST", "DOCKER_LABS_HOST"):
        monkeypatch.setenv(name, "unix:///nowhere/mine")
    docker(capfd, "context", "create", "second", "--docker", "host=unix:///nowhere/second")
    assert "unix:///nowhere/mine." in docker(capfd, "ps")[2]
    assert docker(capfd, "context", "use", "second") == (0, "second\n", 'Current context is now "second"\n')
    assert "unix:///nowhere/second." in docker(capfd, "ps")[2]
    assert "unix:///nowhere/mine" in docker(capfd, "context", "ls")[1]


def test_a_choice_that_leads_nowhere_can_be_mended(capfd: pytest.CaptureFixture[str], config: Path) -> None:
    config.mkdir()
    (config / "config.json").write_text('{"auths": {"r": {"auth": "YTpi"}}, "currentContext": "gone"}')
    assert docker(capfd, "ps")[2].startswith('Failed to initialize: unable to resolve docker endpoint: context "gone"')
    assert re.search(r"^gone \* +context \"gone\": context not found: open", docker(capfd, "context", "ls")[1], re.M)
    assert docker(capfd, "context", "use", "default")[0] == 0
    assert json.loads((config / "config.json").read_text()) == {"auths": {"r": {"auth": "YTpi"}}}


def test_without_a_context_nothing_of_contexts_is_loaded() -> None:
    """`docker run` pays for a context only where there is one."""
    code = "import sys; from kernel_engine.client import Client; Client(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"hashlib", "json", "kernel_engine.client.context_store"} & set(loaded)


# hostile files -------------------------------------------------------------------------------------------------------
def archive(members: dict[str, bytes]) -> bytes:
    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w") as made:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return packing.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive({"../../escaped": b"x", "meta.json": b"{}"}), "../../escaped: unexpected context file"),
        (archive({"meta.json": b"[]"}), "parsing meta.json"),
        (archive({"tls/docker/ca.pem": b"x"}), "invalid context: no metadata found"),
        (b"junk", "unexpected EOF"),
        (b"PK\x03\x04junk", "zip: not a valid zip file"),
        (b"\0" * (11 << 20), "read exceeds the defined limit"),
    ],
    ids=["escapes", "no object", "no metadata", "no archive", "no zip", "too large"],
)
def test_a_hostile_file_imports_nothing(
    capfd: pytest.CaptureFixture[str], config: Path, tmp_path: Path, data: bytes, said: str
) -> None:
    Path("given").write_bytes(data)
    code, out, err = docker(capfd, "context", "import", "stolen", "given")
    assert (code, out) == (1, "")
    assert said in err
    assert not config.exists()
    assert not (tmp_path.parent / "escaped").exists()


def test_a_zip_bomb_is_given_up(capfd: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile("bomb", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("meta.json", b" " * (64 << 20))
    assert docker(capfd, "context", "import", "bomb", "bomb")[2] == "read exceeds the defined limit\n"


def test_certificates_are_their_owners_alone(capfd: pytest.CaptureFixture[str], config: Path) -> None:
    os.umask(0o022)
    Path("key.pem").write_text(PEM)
    docker(capfd, "context", "create", "far", "--docker", "host=tcp://192.0.2.1:2376,key=key.pem")
    tls = Path(context_store.tls_folder("far"))
    assert {path.stat().st_mode & 0o777 for path in (tls, tls / "docker")} == {0o700}
    assert (tls / "docker" / "key.pem").stat().st_mode & 0o777 == 0o600
    docker(capfd, "context", "rm", "far")
    assert not tls.exists()


# beside Docker's own client ------------------------------------------------------------------------------------------
STORY = (
    "context ls",
    "context show",
    "context create second --docker host=unix:///nowhere/second --description two",
    "context create second --docker host=unix:///nowhere/second",
    "context create x --docker host=unix:///nowhere/x",
    "context create bad/name --docker host=unix:///nowhere/x",
    "context create default --docker host=unix:///nowhere/x",
    "context create other --docker host=1.2.3.4:99",
    "context create other --docker host",
    "context create other --docker foo=1",
    "context create other --docker skip-tls-verify=maybe,host=tcp://a",
    "context create other --docker host=tcp://a,ca=nofile",
    "context create other --docker host=unix://",
    "context create other --from nope",
    "context create other --from second --docker host=tcp://a",
    "context create other --docker from=second",
    "context create copied --from second --description again",
    "context create plain",
    "context create far --docker host=tcp://192.0.2.1:2376,ca=ca.pem,skip-tls-verify=true",
    "context ls",
    "context ls -q",
    "context ls --format json",
    "context ls --format {{.Foo}}",
    "context inspect second",
    "context inspect far copied nope",
    "context inspect -f {{.Endpoints.docker.Host}} second default",
    "context use nope",
    "context use second",
    "context show",
    "context ls",
    "context inspect",
    "context create current",
    "context update second --description changed",
    "context update second --docker host=tcp://1.2.3.4:2375",
    "context update nope --description x",
    "context update default --description x",
    "context inspect second",
    "context rm second",
    "context rm default",
    "context rm nope other",
    "--context copied context show",
    "-H unix:///nowhere/h context ls",
    "--context nope ps",
    "--context copied -H unix:///nowhere/h ps",
    "context export far",
    "context export far",
    "context import back far.dockercontext",
    "context import back far.dockercontext",
    "context import more nofile",
    "context inspect back",
    "context rm -f second",
    "context show",
    "context use default",
    "context rm",
    "context ls",
)


def with_these_texts() -> list[str]:
    """Docker's own clients whose sentences are today's."""
    found = []
    for cli in official_clis():
        words = subprocess.run([cli, "--version"], capture_output=True, text=True, check=True).stdout
        found += [cli] if words.startswith("Docker version 28.") else []
    return found


@pytest.mark.parametrize("cli", with_these_texts())
@pytest.mark.parametrize(
    "variables", [{}, {"DOCKER_HOST": "unix:///nowhere/env"}, {"DOCKER_CONTEXT": "copied"}], ids=str
)
def test_it_says_and_writes_what_docker_does(
    cli: str,
    variables: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same story told to both: the same words, the same exit codes, the same files."""
    said: dict[str, list[object]] = {"docker": [], "ours": []}
    authority = certificate()
    for who, lines in said.items():
        place = tmp_path / who
        place.mkdir()
        (place / "ca.pem").write_text(authority)
        monkeypatch.chdir(place)
        monkeypatch.setenv("DOCKER_CONFIG", "config")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for line in STORY:
            if who == "ours":
                code, out, err = docker(capfd, *line.split())
            else:
                done = subprocess.run([cli, *line.split()], capture_output=True, text=True, check=False)
                code, out, err = done.returncode, done.stdout, done.stderr
            out = out.replace("unix:///var/run/docker.sock", DEFAULT_HOST)
            out = out.replace("\\u003c", "<").replace("\\u003e", ">")  # Go escapes them, also in JSON for people
            lines.append((line, code, re.sub(" +", " ", out), err))
        lines.append(files(place / "config"))
    for theirs, ours in zip(said["docker"], said["ours"], strict=True):
        assert ours == theirs


def files(config: Path) -> dict[str, str]:
    """What lies in the store, and what is chosen. (`{"auths": {}}` is written by Docker where nobody has logged in.)"""
    found = {
        str(path.relative_to(config)): path.read_text().replace("unix:///var/run/docker.sock", DEFAULT_HOST)
        for path in config.rglob("*")
        if path.is_file() and path.name != "config.json"
    }
    return {**found, "chosen": json.loads((config / "config.json").read_text()).get("currentContext", "")}


def certificate() -> str:
    """Docker parses it when it is given."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
         "-keyout", os.devnull],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return made.stdout
