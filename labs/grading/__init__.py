"""The teacher's part: notebooks to hand out, and what comes back, graded.

`assign` makes the learners' version of a lab; `grade` runs each submission apart from everything else and takes its
points from the lab's checks alone. Of the engine it knows what every client knows, the Docker API and the command
`kernel-engine`; it needs root, because every submission gets an engine of its own.
"""
