"""Receipts: what Pub/Sub accepted, one JSON line each, written as it is known."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from publisher.console import Unusable
from schemas.codec import decode, encode
from schemas.errors import InvalidInput
from schemas.outcomes import Receipt

_MAX_LINE_BYTES = 10_000


def new_receipt_id(now: datetime) -> str:
    """Return an id for one publishing run: `p`, the UTC second, and 24 random bits against runs in the same second."""
    return f"p{now:%Y%m%dT%H%M%SZ}{secrets.token_hex(3)}"


def made_up_id(receipt: str, line: int) -> str:
    """Return the id of a review that came without one; it is in the message, so a redelivery keeps it."""
    return f"{receipt}-{line:06d}"


def stamp(now: datetime) -> str:
    """Return a UTC time as `enqueued_at` holds it: RFC 3339 with microseconds."""
    return f"{now:%Y-%m-%dT%H:%M:%S.%f}Z"


class ReceiptFile:
    """Appends receipts to a file, each line on disk before the next is taken; opened at the first line.

    A file that holds receipts already is continued: what failed in one run and was fed again in another is then
    accounted for together. Raises Unusable for a file that holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._stream: BinaryIO | None = None
        if path.exists() and path.stat().st_size:
            for _ in read_receipt(path):
                pass

    def add(self, receipt: Receipt) -> None:
        """Write one line."""
        if self._stream is None:
            self._stream = self.path.open("ab", buffering=0)
        self._stream.write(encode(receipt) + b"\n")
        self.lines += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stream is not None:
            self._stream.close()


def read_receipt(path: Path) -> Iterator[Receipt]:
    """Yield the lines of a receipt file; raises Unusable where it cannot be read as one, or is empty."""
    number = 0
    try:
        with path.open("rb") as stream:
            while line := stream.readline(_MAX_LINE_BYTES):
                number += 1
                if not line.endswith(b"\n"):
                    raise InvalidInput("incomplete_line", "The line does not end; was its writer killed?")
                yield decode(line, Receipt, max_bytes=_MAX_LINE_BYTES)
    except InvalidInput as error:
        raise Unusable(
            f"{path} is not a receipt of 'reviewmill publish reviews': line {number}: {error.reason} "
            "Name the receipt file, or remove the damaged line if you know what it was."
        ) from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}. Name a receipt file.") from None
    if not number:
        raise Unusable(f"{path} is empty: nothing was accepted under this receipt, so there is nothing to look up.")
