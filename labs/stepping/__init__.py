"""`labs step docker run …`, `%step`: a container's start, one step at a time, with both sides looked at in between.

Asks the engine by /kernel-engine/containers/{id}/steps, where it stops before every kernel call; which of the stops are
shown is chosen here. What is drawn in a notebook is in `labs.notebook.kernel`.
"""
