"""A child that borrows its maker's memory until execve(2), as vfork(2) makes one, for children that run Python.

A fork copies page tables, then each page that either side touches, and execve(2) throws the copies away: for a loaded
interpreter that is most of what a container's start costs (docs/decisions/0042). Here nothing is copied. The maker
stands still in the kernel until its child has become another program or has ended, so the interpreter is never used by
two; files, directories, namespaces, rights, limits and signals are the child's own.

The child must leave the interpreter as a function that returns would, because its maker goes on with it. So execve(2)
cannot be made from Python, in the middle of its frames: the last piece is a hundred bytes of machine code, which call
the function, and then the kernel. They make clone3(2) as well, for which the C library has no function.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from kernel_engine.syscalls.process import CloneFlag, Execution, pack_clone_args

#: made with every child here
SHARED = CloneFlag.CLONE_VM | CloneFlag.CLONE_VFORK
#: a number: flags are put together before each child, and an enumeration takes its time for that
_ALWAYS = int(SHARED | CloneFlag.CLONE_PARENT_SETTID)
_X86_64 = """
    53                                    push  rbx
    48 89 fb                              mov   rbx, rdi              # the job, which begins with clone3's arguments
    be 58 00 00 00                        mov   esi, 88
    b8 b3 01 00 00                        mov   eax, 435              # clone3
    0f 05                                 syscall
    48 85 c0                              test  rax, rax
    74 02                                 jz    child
    5b                                    pop   rbx
    c3                                    ret                         # the maker: a pid, or minus the errno
    31 ed                          child: xor   ebp, ebp
    ff 53 58                              call  [rbx + 88]            # its life
    c7 83 84 00 00 00 00 00 00 00         mov   dword [rbx + 132], 0  # Python is as it was
    48 8b 7b 60                           mov   rdi, [rbx + 96]
    48 8b 73 68                           mov   rsi, [rbx + 104]
    48 8b 53 70                           mov   rdx, [rbx + 112]
    b8 3b 00 00 00                        mov   eax, 59               # execve
    0f 05                                 syscall
    c7 83 84 00 00 00 01 00 00 00         mov   dword [rbx + 132], 1
    89 c7                                 mov   edi, eax
    ff 53 78                              call  [rbx + 120]           # it was refused: minus the errno
    c7 83 84 00 00 00 00 00 00 00         mov   dword [rbx + 132], 0
    bf 01 00 00 00                        mov   edi, 1
    b8 e7 00 00 00                        mov   eax, 231              # exit_group
    0f 05                                 syscall
"""
_AARCH64 = """
    fd 7b be a9                           stp   x29, x30, [sp, #-32]!
    f3 0b 00 f9                           str   x19, [sp, #16]
    f3 03 00 aa                           mov   x19, x0
    01 0b 80 d2                           mov   x1, #88
    68 36 80 d2                           mov   x8, #435
    01 00 00 d4                           svc   #0
    80 00 00 b4                           cbz   x0, child
    f3 0b 40 f9                           ldr   x19, [sp, #16]
    fd 7b c2 a8                           ldp   x29, x30, [sp], #32
    c0 03 5f d6                           ret
    1d 00 80 d2                    child: mov   x29, #0
    69 2e 40 f9                           ldr   x9, [x19, #88]
    20 01 3f d6                           blr   x9
    7f 86 00 b9                           str   wzr, [x19, #132]
    60 06 46 a9                           ldp   x0, x1, [x19, #96]
    62 3a 40 f9                           ldr   x2, [x19, #112]
    a8 1b 80 d2                           mov   x8, #221
    01 00 00 d4                           svc   #0
    29 00 80 52                           mov   w9, #1
    69 86 00 b9                           str   w9, [x19, #132]
    69 3e 40 f9                           ldr   x9, [x19, #120]
    20 01 3f d6                           blr   x9
    7f 86 00 b9                           str   wzr, [x19, #132]
    20 00 80 d2                           mov   x0, #1
    c8 0b 80 d2                           mov   x8, #94
    01 00 00 d4                           svc   #0
"""
_CODE = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(os.uname().machine, "")
#: from 3.14 on the interpreter looks where its stack ends, and knows only that of the thread
AVAILABLE = bool(_CODE) and sys.version_info < (3, 14)
#: behind clone3's arguments: the child's life; path, arguments and environment; who hears that execve(2) was refused
#: and the pid, which the kernel writes there (CLONE_PARENT_SETTID); whether a child is inside of Python
_WHOLE = struct.Struct("=88s5Qii")
_ARGUMENTS, _ARGUMENTS_AT = struct.Struct("=3Q"), 96
_NUMBER, _PID_AT, _INSIDE_AT = struct.Struct("=i"), 128, 132
_STACK = 1 << 20
_LIFE = ctypes.PYFUNCTYPE(None)
_REFUSED = ctypes.PYFUNCTYPE(None, ctypes.c_int)
_START = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p)

#: gets its own pid, as its maker sees it; raises nothing and does not come back but with what it becomes
Life = Callable[[int], Execution]


class Vfork:
    """Makes one child after another, in a process of one thread."""

    def __init__(self) -> None:
        """PermissionError where nothing may be made executable."""
        self._code = _executable(bytes.fromhex("".join(line[:35] for line in _CODE.splitlines())))
        self._start = _START(_address(self._code))
        self._stack = mmap.mmap(-1, _STACK, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._stack_at = _address(self._stack)
        self._job = ctypes.create_string_buffer(_WHOLE.size)
        self._at = ctypes.addressof(self._job)
        self._live, self._refused = _LIFE(self._run), _REFUSED(self._tell)
        self._callbacks = _pointer(self._live), _pointer(self._refused)
        self._life: Life | None = None
        self._execution: Execution | None = None
        self._passed: tuple[object, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the last child has left Python as it should. Where it has not (it was killed, or ended), its maker
        can do nothing more than end as well."""
        return self._read(_INSIDE_AT) == 0

    def child(self, flags: int, life: Life, *, cgroup: int = -1) -> int:
        """The pid of a child that lives `life` and has become what that gave, or has ended. OSError: there is none.

        flags: CloneFlags. cgroup: a descriptor, for CLONE_INTO_CGROUP.
        """
        self._life, self._execution = life, None
        live, refused = self._callbacks
        arguments = pack_clone_args(
            int(flags) | _ALWAYS, parent_tid=self._at + _PID_AT, stack=(self._stack_at, _STACK), cgroup=cgroup
        )
        _WHOLE.pack_into(self._job, 0, arguments, live, 0, 0, 0, refused, 0, 1)
        pid = int(self._start(self._at))
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def _read(self, at: int) -> int:
        return int(_NUMBER.unpack_from(self._job, at)[0])

    def _run(self) -> None:
        """In the child."""
        try:
            assert self._life is not None
            execution = self._life(self._read(_PID_AT))
            path = ctypes.c_char_p(_text(execution.path))
            words = _array([_text(word) for word in execution.args])
            environment = _array([_text(f"{name}={value}") for name, value in execution.environment.items()])
            self._passed = (path, words, environment)  # until the next one
            addresses = _pointer(path), ctypes.addressof(words), ctypes.addressof(environment)
            _ARGUMENTS.pack_into(self._job, _ARGUMENTS_AT, *addresses)
            self._execution = execution
        except BaseException:
            os._exit(70)  # EX_SOFTWARE; its maker sees that it is not whole

    def _tell(self, result: int) -> None:
        """In the child, which ends when this has returned."""
        with suppress(BaseException):
            if self._execution is not None:
                self._execution.refused(-result)


def _executable(code: bytes) -> mmap.mmap:
    """Written first and executable then, never both."""
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.write(code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(_address(page)), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC):
        raise PermissionError(ctypes.get_errno(), "no memory may be made executable here")
    return page


def _address(region: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(region))


def _pointer(value: object) -> int:
    return ctypes.cast(value, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def _text(word: str) -> bytes:
    """As os.execve(2) takes it. ValueError for a zero inside."""
    encoded = os.fsencode(word)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def _array(words: list[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)
