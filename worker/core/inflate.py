"""gzip → bytes, in pieces of bounded size and with a bound on the whole: a small file may inflate to anything."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from schemas.errors import InvalidInput

MAX_INFLATED_BYTES = 16 << 30
"""The most that one upload may inflate to."""

MAX_RATIO = 200
"""The most that it may inflate by, counted at each MiB of it. Reviews shrink to a half or a fifth; gzip can do 1,032
times at most."""

FREE_BYTES = 16 << 20
"""So much is inflated whatever the ratio: short files of one repeated line are no attack."""

_PIECE_BYTES = 1 << 20
_FED_BYTES = 1 << 16
"""So much is given to zlib at once: it copies what is left each time that a member ends."""
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


def inflate(
    chunks: Iterable[bytes], *, max_bytes: int = MAX_INFLATED_BYTES, free_bytes: int = FREE_BYTES
) -> Iterator[bytes]:
    """Yield what gzip members hold, one after the other (RFC 1952, 2.2), in pieces of at most 1 MiB.

    Raises InvalidInput: `too_large_inflated`, `broken_gzip`. A fault near the end is found there, after most was
    yielded. Zeros after the last member are passed over, as gzip does.
    """
    produced = 0
    member = None
    for fed, received in _counted(chunks):
        rest = fed
        while rest:
            if member is None:
                rest = rest.lstrip(b"\0") if produced else rest
                if not rest:
                    break
                member = zlib.decompressobj(_WITH_GZIP_HEADER)
            piece, rest, ended = _step(member, rest)
            produced += len(piece)
            if produced > max_bytes or (produced > free_bytes and produced > MAX_RATIO * received):
                raise _too_large(produced > max_bytes, max_bytes)
            if piece:
                yield piece
            member = None if ended else member
    while member is not None:
        piece, _, ended = _step(member, b"")
        if not piece and not ended:
            raise _broken("it ends too early")
        yield piece
        member = None if ended else member


def _counted(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the bytes in pieces for zlib, each with how many there are up to the end of its MiB of the file."""
    received = 0
    for block in _blocks(chunks):
        received += len(block)
        for start in range(0, len(block), _FED_BYTES):
            yield block[start : start + _FED_BYTES], received


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes in blocks of 1 MiB: by how much they inflate must not depend on how they arrive."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _PIECE_BYTES:
            yield bytes(held[:_PIECE_BYTES])
            del held[:_PIECE_BYTES]
    yield bytes(held)


def _step(member: zlib._Decompress, data: bytes) -> tuple[bytes, bytes, bool]:
    """Inflate some; return it, what is left of `data`, and whether the member ended."""
    try:
        piece = member.decompress(data, _PIECE_BYTES)
    except zlib.error:
        raise _broken("its bytes or its checksum are wrong") from None
    return piece, member.unused_data if member.eof else member.unconsumed_tail, member.eof


def _too_large(by_size: bool, max_bytes: int) -> InvalidInput:
    limit = f"{max_bytes:,} bytes" if by_size else f"{MAX_RATIO} times its size"
    return InvalidInput(
        "too_large_inflated", f"The file inflates to more than {limit}. Split it, or upload it uncompressed."
    )


def _broken(why: str) -> InvalidInput:
    return InvalidInput("broken_gzip", f"The gzip file is damaged: {why}. Compress and upload it again.")
