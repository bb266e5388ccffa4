"""A container's first process: what it sees, how it ends, what is left of it."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from kernel_engine.errors import Conflict, InvalidRequest, KernelRefused, NotFound, StartFailed
from kernel_engine.runtime import cgroups
from kernel_engine.runtime.defaults import DEFAULT_SYSCTLS
from kernel_engine.runtime.events import Born, Stopped
from kernel_engine.runtime.spec import Mount, Rlimit
from kernel_engine.syscalls.netlink import Netlink
from tests.kernel.runtime.conftest import Machine, close

START = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "


async def test_it_has_namespaces_of_its_own(machine: Machine) -> None:
    script = "hostname; echo $$; for n in mnt pid uts ipc net cgroup; do readlink /proc/self/ns/$n; done"
    result = await machine.sh(script)
    hostname, pid, *namespaces = result.out.split()
    assert hostname == result.id[:12]
    assert pid == "1"
    host = {os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "pid", "uts", "ipc", "net", "cgroup")}
    assert len(namespaces) == 6
    assert not host & set(namespaces)


async def test_it_shares_what_is_not_asked_for(machine: Machine) -> None:
    script = "for n in net uts ipc pid; do readlink /proc/self/ns/$n; done"
    names = ("mount", "cgroup")
    result = await machine.sh(script, namespaces=names, sysctls=(), hostname="")
    assert result.out.split() == [os.readlink(f"/proc/self/ns/{name}") for name in ("net", "uts", "ipc", "pid")]


@pytest.mark.parametrize("code", [0, 3, 255])
async def test_its_exit_code_is_reported(machine: Machine, code: int) -> None:
    result = await machine.sh(f"exit {code}")
    assert (result.exit_code, result.exited.oom_killed) == (code, False)


async def test_a_signal_is_128_and_its_number(machine: Machine) -> None:
    spec = machine.spec("sleep", "100")
    started = await machine.start(spec)
    await machine.launcher.signal(spec.id, signal.SIGKILL)
    assert (await machine.exit_of(spec.id)).exit_code == 137
    close(started)
    with pytest.raises(NotFound):
        await machine.launcher.signal(spec.id, signal.SIGKILL)


async def test_streams_are_apart(machine: Machine) -> None:
    result = await machine.sh("echo out; echo err >&2; readlink /proc/self/fd/0")
    assert (result.out, result.err) == ("out\n/dev/null\n", "err\n")


async def test_stdin_is_a_pipe_that_ends(machine: Machine) -> None:
    spec = machine.spec("cat", open_stdin=True)
    started = await machine.start(spec)
    assert started.stdio.stdin is not None
    os.write(started.stdio.stdin, b"hello\n")
    assert (await machine.collect(started)).out == "hello\n"


async def test_a_terminal_is_a_terminal(machine: Machine) -> None:
    script = "tty; stty size; ls -l /dev/console; cat </dev/tty"
    spec = machine.spec("sh", "-c", script, terminal=True, rows=40, columns=132)
    started = await machine.start(spec)
    console = started.stdio.console
    assert console is not None
    assert started.stdio.descriptors() == (console,)
    os.write(console, b"typed\n\x04")
    out = (await machine.collect(started)).out
    assert "/dev/pts/0\r\n" in out
    assert "40 132\r\n" in out
    assert "136,   0" in out
    assert out.count("typed") == 2  # the echo of the terminal and cat's answer


async def test_a_terminal_is_resized(machine: Machine) -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.02; done"
    spec = machine.spec("sh", "-c", script, terminal=True)
    started = await machine.start(spec)
    assert started.stdio.console is not None
    assert b"ready" in await asyncio.to_thread(os.read, started.stdio.console, 100)
    await machine.launcher.resize(spec.id, 50, 160)
    assert "50 160" in (await machine.collect(started)).out


async def test_proc_sys_and_dev_are_docker_s(machine: Machine) -> None:
    script = """
    cat /proc/kcore 2>&1 | wc -c; ls /proc/acpi /sys/firmware | wc -w; wc -c < /proc/keys
    echo x > /proc/sys/kernel/hostname; mkdir /sys/x; mkdir /sys/fs/cgroup/memory/x
    ls /dev | sort | xargs; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ps | grep -c '^ *[0-9]'
    echo ok > /dev/shm/file && cat /dev/shm/file; stat -c %a /dev/shm
    """
    result = await machine.sh(script)
    lines = result.out.split("\n")
    assert lines[2] == "0"
    assert (
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".replace(
            "core ", "core " if os.path.exists("/proc/kcore") else ""
        )
        in lines
    )
    assert "0" in lines
    assert "ok" in lines
    assert "1777" in lines
    assert result.err.count("Read-only file system") >= 2


async def test_the_root_is_the_image_with_a_layer_on_top(machine: Machine) -> None:
    result = await machine.sh("echo changed > /etc/passwd; rm /bin/vi; mount | head -1")
    assert (machine.upper(result.id) / "etc/passwd").read_text() == "changed\n"
    assert (machine.upper(result.id) / "bin/vi").is_char_device()
    assert (machine.base / "busybox/etc/passwd").read_text().startswith("root:")
    assert result.out.startswith("overlay on / type overlay")


async def test_a_read_only_root_refuses_writes(machine: Machine) -> None:
    result = await machine.sh("echo x > /file; echo y > /dev/shm/file && echo fine", read_only=True)
    assert "Read-only file system" in result.err
    assert result.out == "fine\n"


async def test_the_user_comes_from_the_container_s_own_files(machine: Machine) -> None:
    result = await machine.sh("id -un; id -gn; grep Groups /proc/self/status", user="bob")
    assert result.out.split() == ["bob", "bob", "Groups:", "29", "1000"]
    result = await machine.sh("id -u; id -g; id -G; echo $HOME", user="1234:29")
    assert result.out.split() == ["1234", "29", "29", "/"]
    assert (await machine.sh("echo $HOME", user="bob")).out == "/home/bob\n"
    result = await machine.sh("echo hi > /dev/stdout; grep -E 'Cap(Prm|Eff|Inh|Amb)' /proc/self/status", user="bob")
    assert result.out.split("\n")[0] == "hi"
    assert result.out.count("0000000000000000") == 4


async def test_additional_groups(machine: Machine) -> None:
    assert (await machine.sh("id -G", groups=("audio", "4242"))).out.split() == ["0", "10", "29", "4242"]


async def test_an_unknown_user_is_docker_s_sentence(machine: Machine) -> None:
    with pytest.raises(InvalidRequest, match="unable to find user nosuch: no matching entries in passwd file"):
        await machine.run("true", user="nosuch")


async def test_the_working_directory_is_made(machine: Machine) -> None:
    assert (await machine.run("pwd", cwd="/a/b")).out == "/a/b\n"
    with pytest.raises(InvalidRequest, match="Cannot mkdir: /etc/passwd is not a directory"):
        await machine.run("pwd", cwd="/etc/passwd")


@pytest.mark.parametrize(
    ("word", "code", "reason"),
    [
        ("nosuch", 127, 'exec: "nosuch": executable file not found in $PATH: unknown'),
        ("/nosuch", 127, 'exec: "/nosuch": stat /nosuch: no such file or directory: unknown'),
        ("/etc/passwd", 126, 'exec: "/etc/passwd": permission denied: unknown'),
        ("/etc", 126, 'exec: "/etc": permission denied: unknown'),
    ],
)
async def test_a_program_that_cannot_be_executed(machine: Machine, word: str, code: int, reason: str) -> None:
    spec = machine.spec(word)
    with pytest.raises(StartFailed) as caught:
        await machine.run_spec(spec)
    assert (caught.value.message, caught.value.exit_code) == (START + reason, code)
    assert any(step.name == "pivot_root" for step in caught.value.trace)  # type: ignore[attr-defined]
    await machine.gone(spec.id)


async def test_a_script_without_interpreter_fails_after_the_start(machine: Machine) -> None:
    (machine.base / "file").write_text("#!/no/such/shell\n")
    (machine.base / "file").chmod(0o755)
    mount = Mount(type="bind", source=str(machine.base / "file"), target="/script")
    result = await machine.run("/script", mounts=(mount,))
    assert (result.exit_code, result.err) == (1, "exec /script: no such file or directory\n")


async def test_limits_of_the_process(machine: Machine) -> None:
    limits = (Rlimit(name="nofile", soft=100, hard=200), Rlimit(name="core", soft=0, hard=0))
    assert (await machine.sh("ulimit -Sn; ulimit -Hn; ulimit -c", rlimits=limits)).out.split() == ["100", "200", "0"]


async def test_a_limit_above_the_host_s_is_refused_in_docker_s_words(machine: Machine) -> None:
    limits = (Rlimit(name="nofile", soft=1 << 40, hard=1 << 40),)
    reason = "error setting rlimits for ready process: error setting rlimit type 7: operation not permitted: unknown"
    with pytest.raises(KernelRefused) as caught:
        await machine.run("true", rlimits=limits)
    assert caught.value.message == f"{START}error during container init: {reason}"


async def test_signals_start_as_they_should(machine: Machine) -> None:
    result = await machine.sh("grep -E 'Sig(Ign|Blk)' /proc/self/status; ulimit -n")
    assert result.out.count("0000000000000000") == 2


async def test_no_descriptor_leaks_into_the_container(machine: Machine) -> None:
    other = machine.spec("sleep", "100", open_stdin=True)
    close(await machine.start(other))
    assert (await machine.run("ls", "/proc/self/fd")).out.split() == ["0", "1", "2", "3"]  # 3 is ls's own directory
    await machine.launcher.signal(other.id, signal.SIGKILL)


async def test_the_network_is_attached_between_created_and_go(machine: Machine) -> None:
    async def attach(born: Born) -> None:
        inside = await born.netlink
        assert inside is not None
        with Netlink(inside) as netlink:
            assert [link.name for link in netlink.links()][:1] == ["lo"]
            netlink.set_link(netlink.link("lo").index, up=True)
        await asyncio.sleep(0.05)

    spec = machine.spec("sh", "-c", "ip link show lo")
    result = await machine.collect(await machine.start(spec, attach))
    assert "LOOPBACK,UP" in result.out


async def test_a_failing_callback_undoes_the_start(machine: Machine) -> None:
    async def fail(_created: object) -> None:
        raise Conflict("no address left")

    spec = machine.spec("true")
    with pytest.raises(Conflict, match="no address left"):
        await machine.start(spec, fail)
    await machine.gone(spec.id)
    assert await machine.launcher.known() == ()


async def test_the_client_may_say_go_before_the_child_is_ready(machine: Machine) -> None:
    async def attach(born: Born) -> None:
        assert not born.netlink.done()

    busy = machine.spec("echo", "there", sysctls=DEFAULT_SYSCTLS * 500)  # it takes its time until it is ready
    assert (await machine.collect(await machine.start(busy, attach))).out == "there\n"


async def test_a_child_that_ends_early_tells_its_own_reason(machine: Machine) -> None:
    async def attach(born: Born) -> None:
        await born.netlink

    spec = machine.spec("true", sysctls=(("net.ipv4.no_such_thing", "1"),))
    with pytest.raises(KernelRefused, match="no_such_thing"):
        await machine.start(spec, attach)
    await machine.gone(spec.id)


async def test_groups_that_are_used_again_at_once_stay(machine: Machine) -> None:
    """Those of a life that has ended are removed a moment after its end is told."""
    spec = machine.spec("true")
    await machine.run_spec(spec)
    machine.exits.clear()
    lasting = replace(spec, process=replace(spec.process, args=("sleep", "1000")))

    async def linger(stopped: Stopped) -> None:
        if stopped.call.name == "setsid":
            await asyncio.sleep(0.02)  # it is not in its groups yet

    async def attach(born: Born) -> None:
        await born.netlink

    started = await machine.launcher.launch(lasting, attach, linger)
    close(started)
    assert cgroups.processes(spec.cgroup, spec.id) == (started.pid,)
    await machine.launcher.signal(spec.id, signal.SIGKILL)
    await machine.exit_of(spec.id)
    await machine.gone(spec.id)


async def test_the_trace_tells_all_in_order(machine: Machine) -> None:
    result = await machine.run("true")
    trace = result.started.trace
    names = [step.name for step in trace]
    order = ["clone3", "unshare", "mount", "pivot_root", "sethostname", "seccomp", "setresuid", "capset", "execve"]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)
    assert {step.process for step in trace} == {"launcher", "child"}
    assert all(step.pid == result.started.pid for step in trace if step.process == "child")
    assert [step.arguments for step in trace if step.name == "execve"] == ["/bin/true ['true']"]
    unshare = next(step for step in trace if step.name == "unshare")
    assert unshare.arguments == "CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET"
    path, line = unshare.source.split(":")
    assert "unshare" in (Path(__file__).parents[3] / path).read_text().splitlines()[int(line) - 1]


async def test_nothing_is_left_after_the_end(machine: Machine) -> None:
    result = await machine.sh("sleep 100 & sleep 100 & exit 5")
    assert result.exit_code == 5
    await machine.gone(result.id)
    assert not Path(f"/proc/{result.started.pid}").exists()
    assert await machine.launcher.known() == ()


async def test_the_same_container_starts_again(machine: Machine) -> None:
    spec = machine.spec("sh", "-c", "echo x >> /file; wc -l < /file")
    first = await machine.start(spec)
    assert (await machine.collect(first)).out == "1\n"
    machine.exits.clear()
    assert (await machine.run_spec(spec)).out == "2\n"


async def test_a_running_container_is_not_started_twice(machine: Machine) -> None:
    spec = machine.spec("sleep", "100")
    close(await machine.start(spec))
    with pytest.raises(Conflict):
        await machine.start(spec)
    await machine.launcher.signal(spec.id, signal.SIGKILL)
    await machine.exit_of(spec.id)


async def test_many_start_at_once(machine: Machine) -> None:
    results = await asyncio.gather(*(machine.sh(f"echo {number}; exit {number}") for number in range(12)))
    assert [(result.exit_code, result.out) for result in results] == [(n, f"{n}\n") for n in range(12)]


async def test_init_is_pid_1_and_passes_the_code_on(machine: Machine) -> None:
    tini = Path("/usr/bin/tini-static") if Path("/usr/bin/tini-static").exists() else Path("/usr/bin/docker-init")
    if not tini.exists():
        pytest.skip("needs a static tini")
    result = await machine.sh("cat /proc/1/comm; exit 7", init=str(tini))
    assert (result.exit_code, result.out) == (7, "docker-init\n")


async def test_a_big_environment_passes(machine: Machine) -> None:
    value = "x" * 100_000
    result = await machine.sh("echo ${#BIG}", env=("PATH=/bin", f"BIG={value}", *(f"V{n}={value}" for n in range(8))))
    assert result.out == "100000\n"


async def test_a_missing_layer_is_the_kernel_s_refusal(machine: Machine) -> None:
    spec = machine.spec("true")
    (machine.base / "busybox").unlink()
    with pytest.raises(KernelRefused) as caught:
        await machine.start(spec)
    assert caught.value.call == "mount"
    assert caught.value.message.startswith(START + "error during container init: mount ")
    await machine.gone(spec.id)
