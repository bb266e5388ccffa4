"""The teacher's part: notebooks to hand out, and what comes back, graded.

`assign` makes the learners' version of a lab; `grade` runs each submission apart from everything else and takes its
points from the lab's checks alone. Of the engine it knows what every client knows, the Docker API and the command
`kernel-engine`; it needs root, because every submission gets an engine of its own.
"""

from __future__ import annotations

import sys

# jsonschema, which nbformat needs, imports these if it is there: formats of strings that no notebook has any of. One of
# them builds a grammar of IRIs when it is imported, which takes longer than all the rest of grading's imports.
for _format in ("fqdn", "idna", "isoduration", "jsonpointer", "rfc3987_syntax", "uri_template", "webcolors"):
    sys.modules.setdefault(_format, None)  # type: ignore[arg-type]  # how an import is refused, sys.modules
