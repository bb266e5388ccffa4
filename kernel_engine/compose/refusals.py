"""How reading a project ends when it cannot go on: docker compose's sentence, and the place that it is about."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernel_engine.compose.places import Path


class Refused(Failed):
    """`message` is docker compose's own sentence. `path`: the value that it is about, so that its line can be shown."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.path = path

    def show(self, place: str) -> None:
        """Puts the lines of a file under the sentence. The Korean line goes on being looked up by the sentence."""
        self.message += place
