"""docker run and create: what the first process sees, and how its end comes back."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.daemon import Daemon


def test_output_and_success(clean: Daemon) -> None:
    result = clean.docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), 137),  # a child: PID 1 is spared such signals
        (("sh", "-c", "sh -c 'kill -15 $$'; exit $?"), 143),
        (("nosuch",), 127),
        (("/etc",), 126),
    ],
)
def test_exit_codes(clean: Daemon, words: tuple[str, ...], code: int) -> None:
    assert clean.docker("run", "--rm", "busybox", *words, check=False).returncode == code


def test_a_command_that_is_not_there(clean: Daemon) -> None:
    result = clean.docker("run", "--name", "lost", "busybox", "nosuch", check=False)
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr
    assert clean.inspect("lost")["State"]["Status"] == "created"
    assert clean.inspect("lost")["State"]["ExitCode"] == 127


def test_an_image_that_is_not_there_exits_125(clean: Daemon) -> None:
    result = clean.docker("run", "UPPER", check=False)
    assert result.returncode == 125
    assert "invalid reference format" in result.stderr


def test_standard_input(clean: Daemon) -> None:
    assert clean.out("run", "--rm", "-i", "busybox", "cat", input="data\n") == "data"
    assert clean.out("run", "--rm", "busybox", "cat") == ""


def test_big_standard_input_arrives_whole(clean: Daemon) -> None:
    text = "0123456789abcde\n" * 200_000
    assert clean.out("run", "--rm", "-i", "busybox", "wc", "-c", input=text).strip() == str(len(text))


def test_environment_directory_user_and_hostname(clean: Daemon) -> None:
    words = ("-e", "A=1", "-w", "/tmp/new", "-u", "12:34", "-h", "box")
    script = "echo $A $(pwd) $(id -u):$(id -g) $(hostname) $HOME; grep box /etc/hosts | wc -l"
    assert clean.out("run", "--rm", *words, "busybox", "sh", "-c", script).split() == [
        "1", "/tmp/new", "12:34", "box", "/", "1",
    ]  # fmt: skip


def test_an_unknown_user(clean: Daemon) -> None:
    result = clean.docker("run", "--rm", "-u", "nosuch", "busybox", "true", check=False)
    assert "unable to find user nosuch: no matching entries in passwd file" in result.stderr
    assert result.returncode == 125


def test_namespaces_are_new(clean: Daemon) -> None:
    names = ("mnt", "pid", "uts", "ipc", "net", "cgroup")
    script = "for name in $0; do readlink /proc/self/ns/$name; done"
    inside = clean.out("run", "--rm", "busybox", "sh", "-c", script, " ".join(names)).splitlines()
    outside = [os.readlink(f"/proc/self/ns/{name}") for name in names]
    assert len(inside) == len(names)
    assert not set(inside) & set(outside)


def test_the_kernel_is_the_hosts(clean: Daemon) -> None:
    assert clean.out("run", "--rm", "busybox", "uname", "-r") == os.uname().release


def test_capabilities_are_dockers_fourteen(clean: Daemon) -> None:
    status = clean.out("run", "--rm", "busybox", "grep", "Cap", "/proc/self/status")
    effective = re.search(r"CapEff:\s*(\w+)", status)
    assert effective and int(effective[1], 16) == 0x00000000A80425FB
    changed = clean.out(
        "run", "--rm", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "busybox", "grep", "CapEff", "/proc/self/status"
    )
    assert int(changed.split()[1], 16) == 1 << 12


def test_privileged_has_every_capability_there_is(clean: Daemon) -> None:
    status = clean.out("run", "--rm", "--privileged", "busybox", "grep", "CapEff", "/proc/self/status")
    with open("/proc/self/status") as own:
        mine = next(line for line in own if line.startswith("CapEff"))
    assert int(status.split()[1], 16) == int(mine.split()[1], 16)


def test_seccomp_and_no_new_privileges(clean: Daemon) -> None:
    words = ("busybox", "grep", "-E", "Seccomp:|NoNewPrivs", "/proc/self/status")
    assert clean.out("run", "--rm", *words).split() == ["NoNewPrivs:", "0", "Seccomp:", "2"]
    quiet = ("--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined")
    assert clean.out("run", "--rm", *quiet, *words).split() == ["NoNewPrivs:", "1", "Seccomp:", "0"]


def test_masked_and_read_only_paths(clean: Daemon) -> None:
    script = "cat /proc/kcore | wc -c; echo x > /proc/sys/kernel/hostname && echo written; ls /sys/firmware | wc -l"
    result = clean.docker("run", "--rm", "busybox", "sh", "-c", script)
    assert result.stdout.split() == ["0", "0"]


def test_read_only_root(clean: Daemon) -> None:
    result = clean.docker("run", "--rm", "--read-only", "busybox", "touch", "/x", check=False)
    assert result.returncode == 1
    assert "Read-only file system" in result.stderr


def test_bind_mounts(clean: Daemon, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "given").write_text("from the host")
    assert clean.out("run", "--rm", "-v", f"{tmp_path}:/d", "busybox", "cat", "/d/given") == "from the host"
    result = clean.docker("run", "--rm", "-v", f"{tmp_path}:/d:ro", "busybox", "touch", "/d/x", check=False)
    assert "Read-only file system" in result.stderr
    clean.docker("run", "--rm", "-v", f"{tmp_path}/made:/d", "busybox", "touch", "/d/x")
    assert (tmp_path / "made" / "x").exists()


def test_a_taken_name(clean: Daemon) -> None:
    first = clean.out("create", "--name", "echo1", "busybox")
    result = clean.docker("create", "--name", "echo1", "busybox", check=False)
    assert f'The container name "/echo1" is already in use by container "{first}"' in result.stderr


def test_bad_names_and_unknown_containers(clean: Daemon) -> None:
    result = clean.docker("create", "--name", "u", "busybox", check=False)
    assert "Invalid container name (u), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in result.stderr
    result = clean.docker("start", "missing", check=False)
    assert "No such container: missing" in result.stderr
    assert result.returncode == 1


def test_labels_and_inspect(clean: Daemon) -> None:
    clean.docker("create", "--name", "marked", "--label", "lesson=1", "-e", "A=b", "busybox", "sleep", "1")
    facts = clean.inspect("marked")
    assert facts["Config"]["Labels"] == {"lesson": "1"}
    assert "A=b" in facts["Config"]["Env"]
    assert (facts["Path"], facts["Args"]) == ("sleep", ["1"])
    assert facts["Name"] == "/marked"


def test_init_reaps_and_passes_signals_on(clean: Daemon) -> None:
    clean.docker("run", "-d", "--init", "--name", "quick", "busybox", "sleep", "1000")
    assert "docker-init" in clean.out("exec", "quick", "cat", "/proc/1/cmdline")
    clean.docker("stop", "quick", timeout=5)
    assert clean.inspect("quick")["State"]["ExitCode"] == 143


def test_the_trace_tells_every_wall(clean: Daemon) -> None:
    container = clean.out("run", "-d", "busybox", "true")
    steps = clean.api.get(f"/kernel-engine/containers/{container}/trace").json()["Steps"]
    text = json.dumps(steps)
    for name in ("overlay", "pivot_root", "unshare", "CLONE_NEWNET", "capset", "seccomp", "execve", "RTM_NEWLINK"):
        assert name in text, name
    assert {step["Process"] for step in steps} >= {"daemon", "launcher", "child"}
    assert all(re.fullmatch(r"kernel_engine/.+\.py:\d+", step["Source"]) for step in steps)
    assert [step["Started"] for step in steps] == sorted(step["Started"] for step in steps)


def test_the_trace_of_a_failure_ends_before_the_program(clean: Daemon) -> None:
    clean.docker("run", "--name", "lost", "busybox", "/etc", check=False)
    names = [step["Name"] for step in clean.api.get("/kernel-engine/containers/lost/trace").json()["Steps"]]
    assert "pivot_root" in names
    assert "execve" not in names


def test_explain_is_plain_korean_in_groups(clean: Daemon) -> None:
    text = clean.docker("run", "--rm", "--explain", "busybox", "true").stdout
    for group in ("파일 시스템", "네임스페이스", "자원 제한", "네트워크", "보안", "실행"):
        assert group in text, group
