"""The one exception of reading a compiled model."""


class InvalidModel(ValueError):  # noqa: N818 - reads as the fact it is
    """The bytes or arrays are no valid compiled model; `reason` is a sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
