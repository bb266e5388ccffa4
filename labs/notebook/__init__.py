"""The notebook extension: `docker` cells, `%%docker`, `%%dockerfile`, `%explain`, `%%wall`, checks and views.

Speaks to the engine only through its socket (`kernel_engine.client`) and the `docker` command. Text for learners is
Korean; what a command prints is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Registers the transformer and the magics. Loading twice changes nothing."""
    from labs.notebook import magics, replaying, transformer, wall_cell
    from labs.notebook.building import completion
    from labs.notebook.learning import magics as learning
    from labs.notebook.learning import onlookers

    transformer.install(shell)
    magics.register(shell)
    learning.register(shell)
    wall_cell.register(shell)
    completion.install(shell)
    onlookers.install(shell)
    replaying.install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    from labs.notebook import transformer
    from labs.notebook.building import completion
    from labs.notebook.learning import onlookers

    transformer.uninstall(shell)
    completion.uninstall(shell)
    onlookers.uninstall(shell)
