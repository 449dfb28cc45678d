"""The kernel's functions that fill its index from a vocabulary."""

from worker.core import kernel_layout as at
from worker.core.kernel_intrinsics import Pointer, as_int64, as_uint8, helper, inlined
from worker.core.kernel_lookup import find_pair, find_word, word_key

_SPACE = 0x20


@inlined
def insert_word(model: Pointer, start: int, size: int, node: int) -> int:
    """Give the word at an offset of the index's bytes a node unless it has one; return the node that it has then."""
    table = as_int64(model[at.WORD_TABLE])
    source = as_uint8(model[at.WORD_BYTES])
    key = word_key(source, start, size)
    slot = find_word(source, table, model[at.WORD_SHIFT], key, source, start, size)
    if table[2 * slot + 1] != at.EMPTY:
        return table[2 * slot + 1] & at.NODE_MASK  # type: ignore[no-any-return]  # pointers have no type in Python
    length = 0 if size <= at.SHORT_BYTES else size
    table[2 * slot] = key
    table[2 * slot + 1] = node | (length << 24) | (start << 32)
    return node


@inlined
def insert_pair(model: Pointer, left: int, right: int, node: int) -> int:
    """Give a pair of nodes a node unless it has one; return the node that it has then."""
    table = as_int64(model[at.PAIR_TABLE])
    key = (left << at.NODE_BITS) | right
    slot = find_pair(table, model[at.PAIR_SHIFT], key)
    if table[slot] != at.EMPTY:
        return table[slot] & at.NODE_MASK  # type: ignore[no-any-return]  # pointers have no type in Python
    table[slot] = (key << at.NODE_BITS) | node
    return node


@inlined
def count_spaces(source: Pointer, start: int, end: int) -> int:
    """Return the number of spaces in a term."""
    spaces = 0
    for position in range(start, end):
        if source[position] == _SPACE:
            spaces += 1
    return spaces


@inlined
def word_end(source: Pointer, start: int, end: int) -> int:
    """Return the position of the next space, or the end."""
    position = start
    while position < end and source[position] != _SPACE:
        position += 1
    return position


@helper
def insert_term(model: Pointer, state: Pointer, start: int, end: int, column: int) -> int:
    """Insert a term of several words as a chain of pairs; return its node, or a negative number.

    `state` is [next node, entries in the word table, entries in the pair table, limits of both].
    """
    source = as_uint8(model[at.WORD_BYTES])
    left = at.UNKNOWN
    position = start
    while position <= end:
        stop = word_end(source, position, end)
        size = stop - position
        if size == 0:
            return at.UNKNOWN  # two spaces in a row: no text gives this term
        if size > at.MAX_WORD_BYTES:
            return at.TOO_LONG
        if state[1] >= state[3] or state[2] >= state[4] or state[0] >= at.MAX_NODES:
            return at.FULL
        word = insert_word(model, position, size, state[0])
        if word == state[0]:
            state[0] += 1
            state[1] += 1
        if word == at.STOP_WORD:
            return at.UNKNOWN  # stop words go before n-grams are made: no text gives this term
        if left == at.UNKNOWN:
            left = word
        else:
            wanted = column if stop == end else state[0]
            node = insert_pair(model, left, word, wanted)
            if node == wanted:
                state[2] += 1
                state[0] += 0 if stop == end else 1
            elif stop == end:
                return at.DUPLICATE
            left = node
        position = stop + 1
    return left


def insert_words(model: Pointer, state: Pointer, offsets: Pointer, order: Pointer, count: int, stop: int) -> int:  # noqa: PLR0917 - compiled code has positions only
    """Insert terms of one word in an order: term i gets column i, or is a stop word if `stop` is not 0.

    The most frequent come first, so that they are found at once. Terms of several words are passed over. Returns 0,
    FULL, TOO_LONG or DUPLICATE.
    """
    source = as_uint8(model[at.WORD_BYTES])
    for number in range(count):
        term = order[number]
        start = offsets[term]
        end = offsets[term + 1]
        if count_spaces(source, start, end) > 0:
            continue
        if end - start > at.MAX_WORD_BYTES:
            return at.TOO_LONG
        if state[1] >= state[3]:
            return at.FULL
        node = at.STOP_WORD if stop else term
        found = insert_word(model, start, end - start, node)
        if found != node and found != at.STOP_WORD:  # noqa: PLR1714 - tuples are slow to compile
            return at.DUPLICATE
        state[1] += 1
    return 0


def insert_ngrams(model: Pointer, state: Pointer, offsets: Pointer, order: Pointer, count: int, words: int) -> int:  # noqa: PLR0917 - compiled code has positions only
    """Insert the terms of exactly `words` words, at least two: term i gets column i. Returns as `insert_words`."""
    source = as_uint8(model[at.WORD_BYTES])
    for number in range(count):
        term = order[number]
        start = offsets[term]
        end = offsets[term + 1]
        if count_spaces(source, start, end) != words - 1:
            continue
        node = insert_term(model, state, start, end, term)
        if node < 0:
            return node
    return 0
