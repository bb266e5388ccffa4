"""What a container may not do: capabilities, seccomp, no_new_privs, masked paths, hostile images."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from kernel_engine.errors import KernelRefused
from kernel_engine.runtime import capabilities, security
from kernel_engine.runtime.spec import Mount
from tests.kernel.runtime.conftest import Machine, close

STATUS = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status"


def fields(text: str) -> dict[str, str]:
    return dict(line.split(":\t") for line in text.strip().splitlines())


async def test_docker_s_capabilities(machine: Machine) -> None:
    status = fields((await machine.sh(STATUS)).out)
    assert status["CapEff"] == status["CapPrm"] == status["CapBnd"] == "00000000a80425fb"
    assert status["CapInh"] == status["CapAmb"] == "0000000000000000"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("0", "2")


async def test_added_and_dropped_ones(machine: Machine) -> None:
    wanted = capabilities.resolve(("NET_ADMIN",), ("CHOWN", "MKNOD"), False)
    result = await machine.sh(f"{STATUS}; chown 1:1 /etc/passwd; ip link set lo up && echo up", capabilities=wanted)
    assert "chown: /etc/passwd: Operation not permitted" in result.err
    assert result.out.endswith("up\n")


async def test_all_are_those_that_the_host_has(machine: Machine) -> None:
    result = await machine.sh(STATUS, capabilities=("ALL",), seccomp="", privileged=True)
    assert int(fields(result.out)["CapEff"], 16) == security.AVAILABLE


async def test_an_asked_for_one_that_the_host_lacks_is_no_refusal(machine: Machine) -> None:
    result = await machine.sh(STATUS, capabilities=("CAP_SYS_RESOURCE", "CAP_CHOWN"))
    wanted = capabilities.mask(("CAP_SYS_RESOURCE", "CAP_CHOWN"))
    assert int(fields(result.out)["CapEff"], 16) == wanted & security.AVAILABLE


async def test_privileged_sees_devices_and_writes_sys(machine: Machine) -> None:
    script = """ls /dev | wc -l; mkdir /sys/fs/cgroup/memory/x && rmdir /sys/fs/cgroup/memory/x && echo made
    mount -t tmpfs x /tmp && echo ok"""
    values = {"capabilities": ("ALL",), "seccomp": "", "privileged": True, "masked_paths": (), "readonly_paths": ()}
    result = await machine.sh(script, **values)
    lines = result.out.split()
    assert int(lines[0]) > 30
    assert lines[-1] == "ok"
    assert "made" in lines or not Path("/sys/fs/cgroup/memory").exists()


async def test_seccomp_refuses_what_docker_refuses(machine: Machine) -> None:
    result = await machine.sh("unshare -m true; mount -t tmpfs x /tmp; chroot / true && echo allowed")
    assert "unshare(0x20000): Operation not permitted" in result.err
    assert "mount: permission denied" in result.err
    assert result.out == "allowed\n"


async def test_no_new_privileges(machine: Machine) -> None:
    for user in ("", "bob"):
        status = fields((await machine.sh(STATUS, no_new_privileges=True, user=user)).out)
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


async def test_masked_and_read_only_paths(machine: Machine) -> None:
    script = "cat /proc/timer_list /proc/keys; ls -A /sys/firmware; echo 0 > /proc/sys/vm/swappiness"
    result = await machine.sh(script)
    assert "/proc/sys/vm/swappiness: Read-only file system" in result.err
    assert result.out == ""


async def test_hostile_links_in_mount_targets_stay_inside(machine: Machine) -> None:
    """The image's own links decide where a target lies, but never outside of the root."""
    outside = machine.base / "outside"
    outside.mkdir()
    source = machine.base / "source"
    source.write_text("mine\n")
    spec = machine.spec(
        "sh", "-c", "cat /evil/file; cat /up/deep/file; cat /dangling/file",
        mounts=(
            Mount(type="bind", source=str(source), target="/evil/file"),
            Mount(type="bind", source=str(source), target="/up/deep/file"),
            Mount(type="bind", source=str(source), target="/dangling/file"),
            Mount(type="tmpfs", target="/evil/tmp"),
        ),
    )  # fmt: skip
    upper = machine.upper(spec.id)
    (upper / "evil").symlink_to(outside)
    (upper / "up").symlink_to("../../../../../../../../" + str(outside))
    (upper / "dangling").symlink_to("/no/where")
    result = await machine.run_spec(spec)
    assert result.out == "mine\nmine\nmine\n"
    assert list(outside.iterdir()) == []
    assert (upper / str(outside).lstrip("/") / "file").exists()


async def test_a_loop_of_links_ends(machine: Machine) -> None:
    spec = machine.spec("true", mounts=(Mount(type="tmpfs", target="/a/b"),))
    (machine.upper(spec.id) / "a").symlink_to("/c")
    (machine.upper(spec.id) / "c").symlink_to("/a")
    with pytest.raises(KernelRefused):
        await machine.run_spec(spec)
    await machine.gone(spec.id)


async def test_proc_and_dev_as_links_do_not_reach_the_host(machine: Machine) -> None:
    outside = machine.base / "outside"
    outside.mkdir()
    spec = machine.spec("ls", "-d", "/proc/self")
    for name in ("proc", "dev", "sys"):
        (machine.upper(spec.id) / name).symlink_to(outside)
    try:
        await machine.run_spec(spec)
    except KernelRefused:
        pass  # several file systems on one directory need not work; escaping is what must not happen
    assert list(outside.iterdir()) == []
    await machine.gone(spec.id)


async def test_nothing_is_mounted_inside_proc(machine: Machine) -> None:
    mount = Mount(type="tmpfs", target="/proc/sys")
    with pytest.raises(KernelRefused, match="inside /proc"):
        await machine.run("true", mounts=(mount,))


async def test_the_passwd_file_may_be_anything(machine: Machine) -> None:
    spec = machine.spec("grep", "Uid", "/proc/self/status", user="7")
    (machine.upper(spec.id) / "etc").mkdir()
    os.mkfifo(machine.upper(spec.id) / "etc/passwd")
    assert (await machine.run_spec(spec)).out.split() == ["Uid:", "7", "7", "7", "7"]


async def test_the_host_s_interpreter_cannot_be_written(machine: Machine) -> None:
    """CVE-2019-5736: /proc/PID/exe of the launcher's children is on a read-only mount."""
    path = f"/proc/{machine.launcher.pid}/exe"
    assert Path(path).samefile(os.path.realpath(sys.executable))
    with pytest.raises(OSError, match="Read-only file system"):
        os.chmod(path, 0o755)  # what it is already: nothing changes, were it not refused
    result = await machine.run("/proc/self/exe", "-c", "print('host python')")
    assert "host python" not in result.out


async def test_a_bind_is_read_only_and_of_its_kind(machine: Machine) -> None:
    (machine.base / "shared").mkdir()
    (machine.base / "shared/file").write_text("x")
    ro = Mount(type="bind", source=str(machine.base / "shared"), target="/made/here", read_only=True)
    rw = Mount(type="bind", source=str(machine.base / "shared"), target="/rw")
    result = await machine.sh("touch /made/here/y; touch /rw/z; cat /made/here/file", mounts=(ro, rw))
    assert "Read-only file system" in result.err
    assert (result.out, (machine.base / "shared/z").exists()) == ("x", True)
    wrong = Mount(type="bind", source=str(machine.base / "shared"), target="/etc/passwd")
    with pytest.raises(KernelRefused, match="not a directory: unknown: Are you trying to mount a directory onto"):
        await machine.run("true", mounts=(wrong,))


async def test_tmpfs_options(machine: Machine) -> None:
    mount = Mount(type="tmpfs", target="/scratch", options="rw,size=1m,mode=1770,exec")
    script = "mount | grep scratch; stat -c %a /scratch; head -c 2m /dev/zero > /scratch/f; stat -c %s /scratch/f"
    result = await machine.sh(script, mounts=(mount,))
    assert "size=1024k" in result.out
    assert "noexec" not in result.out
    assert "1770" in result.out
    assert result.out.endswith("1048576\n")


async def test_a_container_cannot_look_into_a_starting_exec(machine: Machine) -> None:
    spec = machine.spec("sleep", "100")
    close(await machine.start(spec))
    assert Path(f"/proc/{machine.launcher.pid}/mem").stat().st_uid == 0
    result = await machine.exec(spec.id, "sh", "-c", "ls -l /proc/1/fd | wc -l; cat /proc/self/status | grep CapEff")
    assert "00000000a80425fb" in result.out
    await machine.launcher.signal(spec.id, signal.SIGKILL)
