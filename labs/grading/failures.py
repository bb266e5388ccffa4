"""What a teacher is told in two lines."""


class BadInput(Exception):
    """Something that a teacher gave cannot be used. An English sentence, and a Korean line under it."""

    def __init__(self, message: str, korean: str) -> None:
        super().__init__(f"{message}\n{korean}")
