"""Which file is executed: the search through the container's own $PATH, with the errors that Docker shows for it."""

from __future__ import annotations

import errno
import os
import stat

from kernel_engine.errors import StartFailed

NOT_EXECUTABLE = 126
NOT_FOUND = 127


def find(word: str, path: str) -> str:
    """The path to execve, as the current user and from the current directory (Go's exec.LookPath).

    StartFailed: 127 where there is none, 126 where it may not be executed.
    """
    if "/" in word:
        code = _refusal(word)
        if code == 0:
            return word
        if code in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            reason = f'exec: "{word}": stat {word}: {os.strerror(code).lower()}'
            raise StartFailed(reason, exit_code=NOT_FOUND if code == errno.ENOENT else NOT_EXECUTABLE)
        raise StartFailed(f'exec: "{word}": permission denied', exit_code=NOT_EXECUTABLE)
    for directory in path.split(":") if path else ():
        candidate = f"{directory or '.'}/{word}"
        if word and _refusal(candidate) == 0:
            return candidate
    raise StartFailed(f'exec: "{word}": executable file not found in $PATH', exit_code=NOT_FOUND)


def _refusal(path: str) -> int:
    """0, or the errno of why it cannot be executed."""
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno or errno.ENOENT
    if stat.S_ISDIR(status.st_mode) or not status.st_mode & 0o111:
        return errno.EACCES
    return 0 if os.access(path, os.X_OK, effective_ids=True) else errno.EACCES
