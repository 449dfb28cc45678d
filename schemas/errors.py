"""The one error that decoding raises."""

from __future__ import annotations


class InvalidInput(Exception):  # noqa: N818 - it names a fact about the input, and is caught as one
    """Input that does not fit the contract: recorded as a rejection, never retried.

    `code` is stable and snake_case, for programs; `reason` is a sentence for people that names the cause and the
    fix, and never holds the review's text. `key` is the request's id where it could still be read.
    """

    def __init__(self, code: str, reason: str, *, key: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.key = key
