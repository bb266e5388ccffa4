"""A container with one wall left out, beside the same one with all of them: so that it can be seen what a wall is for.

Both run in a sandbox of their own (`sandbox`, a process with a launcher of its own, gone within seconds): root there is
nobody on this machine (`stage`), nothing of the machine can be written, and what the two see is read just before their
program begins (`look`). The engine's own launcher takes no part in it.
"""
