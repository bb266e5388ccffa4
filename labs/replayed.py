"""What a notebook that is replayed for its grade and the grader say to each other.

Nothing is imported here: the process that replays has no other use of the course.
"""

from __future__ import annotations

#: set where a submission is replayed: the points are given afterwards, elsewhere, and the answer is noted as this
REPLAYED = "DOCKER_LABS_REPLAYED"
ANSWER_MIME = "application/vnd.docker-labs.answer+json"
#: of what a cell prints: more is neither kept nor waited for
CELL_BYTES = 2 << 20
