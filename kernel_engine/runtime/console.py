"""A pseudo terminal of the container's own devpts, and how a process makes it its controlling one (pty(7))."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import termios

from kernel_engine.runtime.beneath import Root
from kernel_engine.syscalls import mounts as sys
from kernel_engine.syscalls.libc import recorded

TIOCGPTPEER = 0x5441
TIOCSPTLCK = 0x40045431
PTMX = os.makedev(5, 2)


def open_pair(root: Root, rows: int, columns: int) -> tuple[int, int]:
    """(master, slave), close-on-exec. The slave comes by TIOCGPTPEER, so no path of the container is trusted."""
    master = root.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    status = os.fstat(master)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != PTMX:
        raise OSError(errno.ENOTTY, "/dev/pts/ptmx is not a terminal multiplexer", "/dev/pts/ptmx")
    recorded("ioctl", "TIOCSPTLCK, 0", fcntl.ioctl, master, TIOCSPTLCK, struct.pack("=i", 0))
    slave = recorded("ioctl", "TIOCGPTPEER", _peer, master)
    if rows or columns:
        resize(master, rows, columns)
    return master, slave


def resize(master: int, rows: int, columns: int) -> None:
    """The foreground process group gets SIGWINCH where the size changes."""
    size = struct.pack("=HHHH", rows, columns, 0, 0)
    recorded("ioctl", f"TIOCSWINSZ, {rows}x{columns}", fcntl.ioctl, master, termios.TIOCSWINSZ, size)


def bind_console(root: Root, slave: int) -> None:
    """The terminal as /dev/console too."""
    target = root.file("/dev/console")
    tree = sys.open_tree("", recursive=False, directory=slave, shown="/dev/pts/0")
    sys.move_mount(tree, target, shown="/dev/console")
    os.close(tree)
    os.close(target)


def take(slave: int, uid: int, *, controlling: bool = True) -> None:
    """Makes it stdin, stdout, stderr and, if `controlling`, the controlling terminal of this session leader."""
    os.fchown(slave, uid, -1)
    if controlling:
        control(slave)
    for number in (0, 1, 2):
        os.dup2(slave, number)


def control(slave: int) -> None:
    """ENOTTY for what is no terminal."""
    recorded("ioctl", "TIOCSCTTY", fcntl.ioctl, slave, termios.TIOCSCTTY, 0)


def _peer(master: int) -> int:
    return int(fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
