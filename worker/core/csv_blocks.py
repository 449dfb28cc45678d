"""Many regular records at once: where they start and end and where their delimiters are, by vectorised comparison.

A record is regular when RFC 4180's rules hold for all of its quotes and its line ends are LF or CRLF. The first thing
that is not (a quote inside an unquoted field, text after a closing quote, a lone CR) ends the block before its record,
which `worker.core.csv_records` then reads exactly. The idea of finding the structure by the parity of quotes is that
of Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (VLDB Journal, 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]

_LF, _CR = 10, 13


@dataclass(frozen=True, slots=True)
class Block:
    """The regular records at the start of a piece of a buffer; positions are those of the buffer. None is empty."""

    starts: Positions
    ends: Positions
    """Before the line end."""
    lines: Positions
    """Number of lines of the block before each record."""
    quotes: Positions
    start: int
    stop: int
    """Where the next record starts."""
    line_count: int
    troubled: bool
    """Whether what follows is irregular."""

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Fields:
    """Where the fields of a block's records are."""

    block: Block
    delimiters: Positions
    """Those outside quotes."""
    first: Positions
    """For each record, which of `delimiters` is its first."""
    counts: Positions
    """For each record, how many fields it has."""

    def column(self, number: int, columns: int) -> tuple[Positions, Positions]:
        """Return where a column's fields start and end, quotes included; only right for records of `columns` fields."""
        last = max(len(self.delimiters) - 1, 0)
        starts, ends = self.block.starts, self.block.ends
        if number > 0:
            starts = self.delimiters[np.minimum(self.first + number - 1, last)] + 1
        if number < columns - 1:
            ends = self.delimiters[np.minimum(self.first + number, last)]
        return starts, ends


def cut_block(data: bytes, start: int, size: int, *, delimiter: int, quote: int | None) -> Block | None:
    """Return the regular records of `data` from `start` on, within `size` bytes; None where there is not one.

    A record starts at `start`. Delimiter and quote are single bytes. Only lines that end with LF are taken.
    """
    piece = np.frombuffer(data, np.uint8, min(size, len(data) - start), start)
    line_ends = np.flatnonzero(piece == _LF)
    quotes = np.flatnonzero(piece == quote) if quote is not None else line_ends[:0]
    has_returns = data.find(b"\r", start, start + len(piece)) >= 0
    trouble = _irregular_quote(piece, quotes, delimiter, quote or 0)
    trouble = min(_lone_return(piece), trouble) if has_returns else trouble
    record_ends = _outside(line_ends, quotes)
    record_ends = record_ends[: np.searchsorted(record_ends, trouble)]
    if not len(record_ends):
        return None
    stop = int(record_ends[-1]) + 1
    starts = np.concatenate([[0], record_ends[:-1] + 1])
    ends = record_ends - (piece[np.maximum(record_ends - 1, 0)] == _CR) if has_returns else record_ends
    filled = ends > starts
    lines = np.searchsorted(line_ends, starts) if len(quotes) else np.arange(len(starts))
    if not filled.all():
        starts, ends, lines = starts[filled], ends[filled], lines[filled]
    return Block(
        starts=starts + start,
        ends=ends + start,
        lines=lines,
        quotes=quotes + start,
        start=start,
        stop=stop + start,
        line_count=int(np.searchsorted(line_ends, stop)),
        troubled=trouble < len(piece),
    )


def find_fields(data: bytes, block: Block, delimiter: int) -> Fields:
    """Return where the fields of a block of `data` are; whoever only counts records does without."""
    piece = np.frombuffer(data, np.uint8, block.stop - block.start, block.start)
    delimiters = _outside(np.flatnonzero(piece == delimiter) + block.start, block.quotes)
    first = np.searchsorted(delimiters, block.starts)
    return Fields(block, delimiters, first, np.searchsorted(delimiters, block.ends) - first + 1)


def _outside(positions: Positions, quotes: Positions) -> Positions:
    """Return those positions that are outside quotes: an even number of quotes stands before them."""
    if not len(quotes):
        return positions
    outside: Positions = positions[np.searchsorted(quotes, positions) & 1 == 0]
    return outside


def _lone_return(piece: NDArray[np.uint8]) -> int:
    """Return where the first CR without LF is; the piece's length where there is none."""
    returns = np.flatnonzero(piece == _CR)
    lone = returns[piece[np.minimum(returns + 1, len(piece) - 1)] != _LF]
    return int(lone[0]) if len(lone) else len(piece)


def _irregular_quote(piece: NDArray[np.uint8], quotes: Positions, delimiter: int, quote: int) -> int:
    """Return where the first quote is that breaks the rules; the piece's length where there is none.

    Quotes take turns in opening and closing. One opens at the start of a field, one closes before a delimiter or line
    end; a doubled quote reads as one that closes and one that opens right behind it.
    """
    if not len(quotes):
        return len(piece)
    opening, closing = quotes[0::2], quotes[1::2]
    before = piece[np.maximum(opening - 1, 0)]
    opens = (before == delimiter) | (before == _LF) | (before == quote) | (opening == 0)
    after = piece[np.minimum(closing + 1, len(piece) - 1)]
    closes = (after == delimiter) | (after == _LF) | (after == _CR) | (after == quote)
    wrong = np.concatenate([opening[~opens], closing[~closes]])
    return int(wrong.min()) if len(wrong) else len(piece)
