"""CRC32C as Cloud Storage shows it, and the checksum of joined data from those of its pieces."""

from __future__ import annotations

import base64

import google_crc32c

# The CRC-32C polynomial, bits reversed (RFC 3720, appendix B.4).
_POLYNOMIAL = 0x82F63B78

_Matrix = list[int]
"""A linear map over GF(2) on 32 bits: the image of each bit."""


def crc32c(data: bytes) -> str:
    """Return base64 of the big-endian CRC32C of `data`."""
    return to_text(int(google_crc32c.value(data)))


class Checksum:
    """The CRC32C of data that arrives in pieces. For one thread."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Add the next piece."""
        self._value = int(google_crc32c.extend(self._value, data))

    def text(self) -> str:
        """Return base64 of the CRC32C of all pieces so far."""
        return to_text(self._value)


def to_text(value: int) -> str:
    """Return base64 of a CRC32C's four bytes, big-endian."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def to_value(text: str) -> int:
    """Return the number that `to_text` wrote."""
    return int.from_bytes(base64.b64decode(text), "big")


def joined(first: str, second: str, second_size: int) -> str:
    """Return the CRC32C of two pieces of data in a row; `second_size` is in bytes.

    A CRC is linear over GF(2), so appending n zero bytes is the n-th power of one matrix; the method is that of
    zlib's crc32_combine (https://github.com/madler/zlib, crc32.c).
    """
    value = to_value(first)
    power = _one_zero_byte()
    remaining = second_size
    while remaining:
        if remaining & 1:
            value = _apply(power, value)
        power = [_apply(power, image) for image in power]
        remaining >>= 1
    return to_text(value ^ to_value(second))


def _one_zero_byte() -> _Matrix:
    """Return the map that appends one zero byte: one zero bit, three times squared."""
    matrix = [_POLYNOMIAL] + [1 << bit for bit in range(31)]
    for _ in range(3):
        matrix = [_apply(matrix, image) for image in matrix]
    return matrix


def _apply(matrix: _Matrix, vector: int) -> int:
    result = 0
    for image in matrix:
        if not vector:
            break
        if vector & 1:
            result ^= image
        vector >>= 1
    return result
