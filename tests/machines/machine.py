"""A Debian or Ubuntu machine of the test's own: made with mmdebstrap, booted with QEMU without KVM, told what to do.

Its processor is this host's or another (`Processor`).

The script runs as root from a systemd unit once the machine is up; its output comes back line by line over the serial
console between two marks, and the machine powers off. Nothing of the host is changed but the scratch directory.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from tests.machines import foreign, suites
from tests.machines.suites import BOOKWORM, Suite

NEEDS = ("mmdebstrap", "mke2fs")
#: the Python of Debian 12: with another one the host's packages are of no use in the machine
PYTHON = (3, 11)
#: of the host's Python packages, what no engine's test needs, and the product itself, of which the machine has a copy
LEFT_OUT = (
    "__editable__*", "kernel_engine", "labs", "playwright*", "kubernetes_validate*", "mypy*", "babel*",
    "debugpy*", "pip", "pip-*", "ruff*",
)  # fmt: skip
#: the product's own commands
COMMANDS = ("docker", "docker-compose", "kernel-engine", "labs")
#: how the host's programs reach the world
SHARED = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
BEGIN, END = "=== script begins ===", "=== script ends: "

_UNIT = """[Unit]
Description=The test's script
After=multi-user.target network-online.target
Wants=network-online.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "{begin}"; /root/script.sh; echo "{end}$?"; systemctl poweroff'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/{console}
[Install]
WantedBy=multi-user.target
"""

_NETWORK = """[Match]
Name=en*
[Network]
DHCP=yes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    name: str  #: as uname -m says
    debian: str  #: Debian's word
    board: tuple[str, ...]  #: QEMU's machine
    console: str  #: its serial console

    @property
    def emulator(self) -> str:
        return f"qemu-system-{self.name}"


X86_64 = Processor(name="x86_64", debian="amd64", board=("-machine", "q35", "-cpu", "max"), console="ttyS0")
#: pointers are signed with an algorithm of QEMU's own: Arm's takes most of an emulated processor's time
AARCH64 = Processor(
    name="aarch64", debian="arm64", board=("-machine", "virt", "-cpu", "max,pauth-impdef=on"), console="ttyAMA0"
)
_PROCESSORS = {one.name: one for one in (X86_64, AARCH64)}
HERE = _PROCESSORS.get(platform.machine(), X86_64)


@dataclass(frozen=True, slots=True)
class Result:
    status: int  #: the script's exit status; -1 where the machine never came to its end
    output: str  #: what the script printed
    console: str  #: everything, the kernel's own messages included


def missing(processor: Processor = HERE) -> str:
    """What this host lacks to make and boot a machine, or ""."""
    programs = (*NEEDS, processor.emulator, *(foreign.NEEDS if processor != HERE else ()))
    return ", ".join([
        *(program for program in programs if shutil.which(program) is None),
        *(() if platform.machine() in _PROCESSORS else ("a processor of x86_64 or aarch64",)),
        *(foreign.missing(processor.name) if processor != HERE else ()),
    ])  # fmt: skip


def make_root(directory: Path, *packages: str, processor: Processor = HERE, suite: Suite = BOOKWORM) -> None:
    """A bare system with a kernel and systemd; nothing else of use but `packages`."""
    included = f"--include={','.join((*suite.bare(processor.debian), *packages))}"
    words = ["--quiet", "--variant=minbase", f"--architectures={processor.debian}", included]
    words += foreign.SMALL_RAMDISK if processor != HERE else ()
    with foreign.programs_run(processor.name) if processor != HERE else nullcontext(), suites.sources(suite) as lines:
        subprocess.run(["mmdebstrap", *words, suite.name, str(directory), *lines], check=True)
    suites.write_sources(directory, suite)
    (directory / "etc/systemd/network/10-wired.network").write_text(_NETWORK)
    (directory / "etc/hostname").write_text("machine\n")
    (directory / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    # installing busybox would make the initial ramdisk anew, which takes minutes here; QEMU brings the first one anyway
    (directory / "etc/initramfs-tools/update-initramfs.conf").write_text("update_initramfs=no\nbackup_initramfs=no\n")
    systemctl = ["systemctl", f"--root={directory}"]
    subprocess.run([*systemctl, "enable", *suite.enabled], check=True, capture_output=True)
    # the console belongs to the script alone
    subprocess.run([*systemctl, "mask", f"serial-getty@{processor.console}.service"], check=True, capture_output=True)
    _share_trust(directory, "etc/ssl/certs/ca-certificates.crt", "etc/pip.conf")
    if suite.own_resolver:
        (directory / "etc/resolv.conf").unlink(missing_ok=True)
        (directory / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    else:
        _share_trust(directory, "etc/resolv.conf")


def copy_environment(root: Path, place: str, project: str, *, processor: Processor = HERE) -> None:
    """A virtual environment at `place` in the machine, with the packages of this Python's; the product itself is read
    from `project`, a path in the machine too. For a machine that has python3, of PYTHON."""
    target = root / place.lstrip("/")
    here, site = sysconfig.get_path("purelib"), target / "lib/python{}.{}/site-packages".format(*PYTHON)
    left_out = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(here, site, symlinks=True, ignore=lambda at, names: left_out(at, names) if at == here else ())
    if processor != HERE:
        foreign.bring_native_packages(site, processor.name, PYTHON)
    (site / "project.pth").write_text(f"{project}\n")
    (target / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (target / "bin").mkdir()
    for name in ("python", "python3"):
        (target / "bin" / name).symlink_to("/usr/bin/python3")
    for name in COMMANDS:
        written = Path(sysconfig.get_path("scripts"), name).read_text()
        (target / "bin" / name).write_text(written.replace(sys.prefix, place))
        (target / "bin" / name).chmod(0o755)


def _share_trust(directory: Path, *names: str) -> None:
    """Files of the host (certificates, resolver, pip's settings): the machine reaches the world as the host does."""
    for name in names:
        source = Path("/") / name
        if source.exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).unlink(missing_ok=True)
            shutil.copyfile(source, directory / name)


def boot(
    root: Path,
    script: str,
    scratch: Path,
    *,
    memory: int = 4096,
    disk: str = "12G",
    timeout: int = 3600,
    forward: Mapping[int, int] | None = None,
    offline: bool = False,
    clock: str = "",
    processor: Processor = HERE,
) -> Result:
    """Boots a copy of `root` on a disk of its own, runs `script`, waits for the power to go off.

    A script that reboots the machine is run again from its beginning, and has to know by itself that it has been.
    forward: ports of this host's 127.0.0.1 → of the machine, as Vagrant's. offline: the machine reaches nobody else.
    clock: the time that its clock shows when it is switched on (qemu(1), -rtc base=), "" for the true one.
    """
    given = "".join(f"export {name}={quote(os.environ[name])}\n" for name in SHARED if name in os.environ)
    (root / "root/script.sh").write_text(f"#!/bin/sh\n{given}{script}")
    (root / "root/script.sh").chmod(0o755)
    unit = root / "etc/systemd/system/script.service"
    unit.write_text(_UNIT.format(begin=BEGIN, end=END, console=processor.console))
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    link = wants / "script.service"
    if not link.is_symlink():
        link.symlink_to("/etc/systemd/system/script.service")
    image = scratch / "disk.ext4"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(image), disk], check=True)
    kernel, ramdisk = (sorted((root / "boot").glob(pattern))[-1] for pattern in ("vmlinuz-*", "initrd.img-*"))
    log = scratch / "console.log"
    command = [
        processor.emulator, *processor.board, "-smp", "2", "-m", str(memory), "-nographic",
        "-kernel", str(kernel), "-initrd", str(ramdisk),
        "-append", f"root=/dev/vda rw console={processor.console} quiet systemd.show_status=0",
        "-drive", f"file={image},if=virtio,format=raw,cache=unsafe",
        "-netdev", _network(forward or {}, offline),
        "-device", "virtio-net-pci,netdev=n0", "-serial", f"file:{log}", "-monitor", "none",
        *(["-rtc", f"base={clock}"] if clock else []),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=False, timeout=timeout, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        pass  # what the console shows until then is the result
    finally:
        image.unlink(missing_ok=True)
    return _read(log.read_bytes().decode(errors="replace"))  # read_text would make lines of carriage returns


def _network(forward: Mapping[int, int], offline: bool) -> str:
    """QEMU's user network (qemu(1), -netdev user): `restrict` keeps the machine from everything but forwarded ports."""
    words = ["user", "id=n0", *(["restrict=on"] if offline else [])]
    return ",".join([*words, *(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in forward.items())])


def _read(written: str) -> Result:
    # as a terminal would show it: what a carriage return went back over is gone
    console = re.sub(r"[^\n]*\r(\x1b\[K)?", "", re.sub(r"\r+\n", "\n", written))
    _, _, after = console.partition(f"{BEGIN}\n")
    output, end, rest = after.partition(END)
    status = int(rest.split()[0]) if end and rest.split() and rest.split()[0].isdigit() else -1
    return Result(status=status, output=output, console=console)
