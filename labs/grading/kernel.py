"""The learner's kernel as a fork of a loaded interpreter: what `python -m ipykernel_launcher` would be.

What it imports here is imported once for all submissions (`kernel_engine.runtime.template`), before anything is known
of one: nothing below may look at a course, a file of a learner's, or the environment.
"""

from __future__ import annotations

import ipykernel.ipkernel
from ipykernel.kernelapp import IPKernelApp

from labs.notebook import magics, replaying, transformer, wall_cell
from labs.notebook.building import completion
from labs.notebook.learning import magics as learning
from labs.notebook.learning import onlookers

LOADED = (ipykernel.ipkernel, magics, replaying, transformer, wall_cell, completion, learning, onlookers)


def main(*words: str) -> None:
    """WORDS: those of ipykernel's command line. Ends with the kernel."""
    IPKernelApp.launch_instance(argv=list(words))
