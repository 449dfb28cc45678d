"""Texts as the kernel reads them: where the UTF-8 bytes of each start and end.

The bytes of Arrow's string arrays and of most Python strings are read where they lie: the interpreter keeps ASCII as
UTF-8, and makes the UTF-8 of any other string once, which then stays with the string as long as that lives.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.core.kernel import Kernel
from worker.core.kernel_index import address_of

BLOCK_SIZE: Final = 512 * 1024
"""A block of bytes ends before it holds more than this: some hundred long reviews. Smaller ones ask for the interpreter
lock more often."""

CHUNK_TEXTS: Final = 8192
"""Any block ends at this many texts: of short ones, the kernel still finds in a cache what locating them has read."""

Positions = NDArray[np.int64]


class ArrowStrings(Protocol):
    """What is used of `pyarrow.StringArray` and `LargeStringArray`; pyarrow itself is not imported."""

    @property
    def type(self) -> object: ...  # noqa: D102 - Arrow documents these
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def null_count(self) -> int: ...  # noqa: D102
    def buffers(self) -> list[Any]: ...  # noqa: D102
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Block:
    """Texts in memory, each from one address up to another. For one thread. `owners` keep the memory alive."""

    starts: Positions
    ends: Positions
    longest: int
    """Bytes of the longest text."""
    owners: list[object]

    @staticmethod
    def of(starts: Positions, ends: Positions, owners: list[object]) -> "Block":
        """Return the texts between positions, whose memory the owners keep."""
        return Block(starts, ends, int((ends - starts).max(initial=0)), owners)

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, first: int, last: int) -> "Block":
        """Return texts first to last."""
        return Block.of(self.starts[first:last], self.ends[first:last], self.owners)

    def lower(self, number: int) -> None:
        """Put a text's lower case in its place. What is no UTF-8 becomes U+FFFD, no word character either."""
        start, end = int(self.starts[number]), int(self.ends[number])
        text = ctypes.string_at(start, end - start).decode(errors="replace").lower()
        content = np.frombuffer(text.encode(), dtype=np.uint8)
        self.owners.append(content)
        self.starts[number] = address_of(content)
        self.ends[number] = address_of(content) + len(content)

    def offsets(self) -> Positions:
        """Return the bytes before each text and after all, n + 1 of them, as `cut` takes them."""
        offsets = np.zeros(len(self) + 1, dtype=np.int64)
        np.add.accumulate(self.ends - self.starts, out=offsets[1:])
        return offsets


def locate(kernel: Kernel, texts: list[str]) -> Block:
    """Find the UTF-8 of each text. Raises TypeError for what is no string.

    The list must not change while the block is used.
    """
    functions = _interpreter_functions()
    if functions is None:
        return _encode(texts)
    starts, ends = np.empty(len(texts), dtype=np.int64), np.empty(len(texts), dtype=np.int64)
    try:
        kernel.locate_texts(texts, len(texts), address_of(functions), address_of(starts), address_of(ends))
    except UnicodeEncodeError:  # a lone surrogate
        return _encode(texts)
    return Block.of(starts, ends, [texts])


def _encode(texts: list[str]) -> Block:
    """Return copies of the texts' UTF-8: where it cannot be had in place.

    Lone surrogates pass as three bytes each; they are no word characters, here as in `re`.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    source = np.frombuffer(b"".join([*encoded, b" "]), dtype=np.uint8)
    offsets = np.cumsum([0, *map(len, encoded)]) + address_of(source)
    return Block.of(offsets[:-1], offsets[1:].copy(), [source])


@cache
def _interpreter_functions() -> NDArray[np.int64] | None:
    """Return the addresses that `locate_texts` wants; None where there are none (another interpreter than CPython)."""
    try:
        functions = (ctypes.pythonapi.PyList_GetItem, ctypes.pythonapi.PyUnicode_AsUTF8AndSize)
    except AttributeError:
        return None
    return np.array([ctypes.cast(function, ctypes.c_void_p).value for function in functions], dtype=np.int64)


def arrow_offsets(strings: ArrowStrings) -> NDArray[Any]:
    """Return the offsets of an Arrow array's texts, n + 1 of them, in place.

    Raises ValueError for another type and for nulls.
    """
    dtype = {"string": np.int32, "large_string": np.int64}.get(str(strings.type))
    if dtype is None or strings.null_count:
        raise ValueError(f"texts must be an Arrow string array without nulls, not {strings.type}")
    if not len(strings):
        return np.zeros(1, dtype=dtype)
    everything = np.frombuffer(strings.buffers()[1], dtype=dtype)
    return everything[strings.offset : strings.offset + len(strings) + 1]


def locate_arrow(strings: ArrowStrings, first: int, last: int) -> Block:
    """Find the bytes of texts first to last of an Arrow array."""
    offsets = arrow_offsets(strings)[first : last + 1].astype(np.int64)
    data = strings.buffers()[2]
    if data is not None:  # else every text is empty
        offsets += data.address
    return Block.of(offsets[:-1], offsets[1:].copy(), [strings])


def cut(offsets: NDArray[Any], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield where the blocks of texts first to last begin and end, by the offsets of their bytes.

    A text longer than BLOCK_SIZE is a block of its own.
    """
    while first < last:
        near = offsets[first : min(last, first + CHUNK_TEXTS) + 1]
        fitting = int(np.searchsorted(near, int(near[0]) + BLOCK_SIZE, side="right")) - 1
        end = first + max(fitting, 1)
        yield first, end
        first = end


def decode(block: Block) -> list[str]:
    """Return the texts of a block of UTF-8. Raises UnicodeDecodeError."""
    positions = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
    return [ctypes.string_at(start, end - start).decode() for start, end in positions]
