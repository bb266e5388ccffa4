"""The room in which a learner builds a container by hand: `%%wall` cells of the engine track.

A notebook's own process has threads, so it can neither make a user namespace nor do without its root. So these
cells run in a process of their own that lives across cells: `door` (the notebook's side) → `room` (first process of the
room's namespaces) → `worker` (runs the cells). `view` reads of the kernel what a check asks. docs/decisions/0024 says
why.
"""
