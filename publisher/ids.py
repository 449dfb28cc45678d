"""Ids within one file: the same request twice is a repeat, another request under the same id a conflict."""

from __future__ import annotations

import hashlib
from typing import Literal

from schemas.codec import encode
from schemas.requests import ReviewRequest

Verdict = Literal["new", "repeat", "conflict"]


class Ids:
    """Remembers the ids of a file. Keeps about 200 bytes for each: there is no telling when one comes again."""

    def __init__(self) -> None:
        self._seen: dict[bytes, bytes] = {}

    def check(self, request: ReviewRequest) -> Verdict:
        """Say what the request's id is, and remember it; requests without an id are always new.

        Two requests are the same when text, model and version are: an id has one outcome, so it can stand for one
        model only.
        """
        if request.id is None:
            return "new"
        digest = _short(encode(request))
        known = self._seen.setdefault(_short(request.id.encode()), digest)
        if known is digest:  # the very object: it was not there before
            return "new"
        return "repeat" if known == digest else "conflict"


def _short(data: bytes) -> bytes:
    """Return 128 bits: among a billion ids the chance of any collision is below one in 10^20."""
    return hashlib.sha256(data).digest()[:16]
