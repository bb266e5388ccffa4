"""The course: labs, the notebook extension, checks and the offline hub.

`%load_ext labs` (or IPython's configuration) loads the notebook extension from here. The course reaches the engine only
through its socket: of `kernel_engine` it imports `client`, `cli`, `compose` and the stairwell. Only the cells of
`course/engine/`, and the room that they run in (`wall`), use `syscalls`, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """IPython calls this for `%load_ext labs`."""
    from labs import notebook

    notebook.load_ipython_extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """IPython calls this for `%unload_ext labs`."""
    from labs import notebook

    notebook.unload_ipython_extension(shell)
