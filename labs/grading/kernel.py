"""The learner's kernel as a fork of a loaded interpreter: what `python -m ipykernel_launcher` would be.

What it imports here is imported once for all submissions (`kernel_engine.runtime.template`), before anything is known
of one: nothing below may look at a course, a file of a learner's, or the environment.
"""

from __future__ import annotations

import importlib

from ipykernel.kernelapp import IPKernelApp

#: what a kernel imports when it starts, and with its first cells, besides the line above; some of it the slow way
#: around: the debugger alone is a third of a start
LOADED = (
    *("ipykernel.ipkernel", "ipykernel.debugger", "tornado.platform.asyncio", "tornado.gen", "faulthandler", "pdb"),
    *("IPython.core.debugger", "IPython.core.oinspect", "IPython.core.completerlib", "IPython.core.logger"),
    *(f"labs.notebook.{name}" for name in ("magics", "replaying", "transformer", "wall_cell", "building.completion")),
    *(f"labs.notebook.learning.{name}" for name in ("magics", "onlookers", "pages")),
)
for _name in LOADED:
    importlib.import_module(_name)


def main(*words: str) -> None:
    """WORDS: those of ipykernel's command line. Ends with the kernel."""
    IPKernelApp.launch_instance(argv=list(words))
