"""Texts as the kernel reads them: UTF-8 bytes one after the other, and where each starts.

Lists of `str` are encoded a block at a time, so memory is bounded whatever the batch; Arrow's string arrays are such
bytes already and are read in place.
"""

import ctypes
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.core import kernel_layout as at
from worker.core.kernel_characters import CONTEXTUAL

BLOCK_SIZE: Final = 128 * 1024
"""A block ends before it holds more characters (of Arrow: bytes) than this: some hundred long reviews, in a cache."""

BLOCK_TEXTS: Final = 4096
"""A block ends at this many texts, however short."""

_PADDING: Final = " " * at.PADDING
_CONTEXTUAL_BYTES: Final = CONTEXTUAL.encode()


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
    """Encoded texts. Text i is bytes offsets[i] to offsets[i + 1] from `source`; `readable` bytes may be read.

    `source` is bytes or an address; `owner` keeps the memory of an address alive.
    """

    source: bytes | int
    offsets: NDArray[np.int64]
    readable: int
    longest: int
    owner: object = None

    def __len__(self) -> int:
        return len(self.offsets) - 1


def measure(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of characters of each text."""
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))


def slices(sizes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Cut a batch, given the size of each text, into blocks: first text and the one after the last."""
    return _cut(_accumulate(sizes))


def encode(texts: Sequence[str], sizes: NDArray[np.int64], *, lowercase: bool) -> Block:
    """Encode one block, given the number of characters of each text.

    Most texts are ASCII: the few others become strings of as many characters as they have bytes, so that all can be
    joined and encoded at once. Lone surrogates pass as three bytes each; they are no word characters, here as in `re`.
    """
    ascii_flags = list(map(str.isascii, texts))
    others = ascii_flags.count(False)
    if others:
        texts, sizes, number = list(texts), sizes.copy(), -1
        for _ in range(others):
            number = ascii_flags.index(False, number + 1)  # a loop over all texts would cost more than the encoding
            texts[number] = _as_bytes(texts[number], lowercase=lowercase)
            sizes[number] = len(texts[number])
    source = "".join([*texts, _PADDING]).encode("latin-1")
    return Block(source, _accumulate(sizes), len(source), int(sizes.max(initial=0)))


def _as_bytes(text: str, *, lowercase: bool) -> str:
    """Return a string whose characters are the bytes of a text's UTF-8.

    A text with a capital sigma is lower-cased here; `str.lower` is idempotent, so the kernel's doing it again is none.
    """
    lowered = text.lower() if lowercase and CONTEXTUAL in text else text
    return lowered.encode("utf-8", "surrogatepass").decode("latin-1")


def arrow_slices(strings: ArrowStrings) -> list[tuple[int, int]]:
    """Cut an Arrow array into blocks as `slices` does a list. Raises ValueError for another type and for nulls."""
    return _cut(_arrow_offsets(strings))


def encode_arrow(strings: ArrowStrings, first: int, last: int) -> Block:
    """Return texts first to last of an Arrow array, without copying their bytes."""
    offsets = _arrow_offsets(strings)[first : last + 1].astype(np.int64)
    longest = int(np.diff(offsets).max(initial=0))
    data = strings.buffers()[2]
    if data is None:  # every text is empty
        return Block(_PADDING.encode("ascii"), offsets, at.PADDING, longest)
    return Block(data.address, offsets, data.size, longest, owner=strings)


def has_contextual(block: Block) -> bool:
    """Say whether a block holds a capital sigma, which the kernel cannot lower."""
    content = _content(block)
    return _CONTEXTUAL_BYTES[0] in content and _CONTEXTUAL_BYTES in content  # one byte is found ten times as fast


def decode(block: Block) -> list[str]:
    """Return the texts of a block of UTF-8. Raises UnicodeDecodeError."""
    content, ends = _content(block), (block.offsets - block.offsets[0]).tolist()
    return [content[start:end].decode() for start, end in itertools.pairwise(ends)]


def _accumulate(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return offsets from sizes: n + 1 for n."""
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.add.accumulate(sizes, out=offsets[1:])
    return offsets


def _cut(offsets: NDArray[Any]) -> list[tuple[int, int]]:
    """Cut where BLOCK_SIZE is reached; a longer text is a block of its own."""
    blocks, first, count = [], 0, len(offsets) - 1
    while first < count:
        end = int(np.searchsorted(offsets, int(offsets[first]) + BLOCK_SIZE, side="right")) - 1
        last = min(max(end, first + 1), count, first + BLOCK_TEXTS)
        blocks.append((first, last))
        first = last
    return blocks


def _content(block: Block) -> bytes:
    """Return a copy of the block's bytes."""
    start, end = int(block.offsets[0]), int(block.offsets[-1])
    if isinstance(block.source, bytes):
        return block.source[start:end]
    return ctypes.string_at(block.source + start, end - start)


def _arrow_offsets(strings: ArrowStrings) -> NDArray[Any]:
    """Return the offsets of an Arrow array's texts, n + 1 of them, in place."""
    dtype = {"string": np.int32, "large_string": np.int64}.get(str(strings.type))
    if dtype is None or strings.null_count:
        raise ValueError(f"texts must be an Arrow string array without nulls, not {strings.type}")
    if not len(strings):
        return np.zeros(1, dtype=dtype)
    everything = np.frombuffer(strings.buffers()[1], dtype=dtype)
    return everything[strings.offset : strings.offset + len(strings) + 1]
