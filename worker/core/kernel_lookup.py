"""The kernel's index: from the bytes of words to nodes, and from pairs of nodes to nodes.

Two tables with open addressing. A word of up to eight bytes is its own key, so equal keys mean equal words and the
word's bytes are never fetched; a longer word's key is a hash, and its bytes are compared. An n-gram is the pair (node
of all words but the last, node of the last): both nodes and the n-gram's own fit one int64, so a lookup touches one
cache line and is exact without any bytes.
"""

from worker.core import kernel_layout as at
from worker.core.kernel_intrinsics import Pointer, helper, inlined, load64, shift_right

_MULTIPLIER = -0x61C8864680B583EB  # 2^64 divided by the golden ratio, Knuth, TAOCP 3, 6.4
_LONG_MULTIPLIER = -0x00AE502812AA7333  # finaliser of MurmurHash3
_BYTE_BITS = 8


@inlined
def head_mask(size: int) -> int:
    """Return the mask of the lowest `size` bytes of eight; size is 1 to 8."""
    return shift_right(-1, 64 - _BYTE_BITS * size)


@inlined
def spread(key: int, shift: int) -> int:
    """Return the home slot of a key in a table of 2 ** (64 - shift) slots."""
    return shift_right((key ^ shift_right(key, 32)) * _MULTIPLIER, shift)


@helper
def long_key(source: Pointer, start: int, size: int) -> int:
    """Return a hash of a word of more than eight bytes, never 0."""
    state = size
    done = 0
    while done + 8 < size:
        state = (state ^ load64(source, start + done)) * _LONG_MULTIPLIER
        state ^= shift_right(state, 29)
        done += 8
    state = (state ^ (load64(source, start + done) & head_mask(size - done))) * _LONG_MULTIPLIER
    return (state ^ shift_right(state, 32)) | 1


@inlined
def word_key(source: Pointer, start: int, size: int) -> int:
    """Return the key of a word; eight bytes after its end must be readable."""
    if size <= at.SHORT_BYTES:
        return load64(source, start) & head_mask(size)
    return long_key(source, start, size)


@helper
def same_bytes(left: Pointer, left_start: int, right: Pointer, right_start: int, size: int) -> bool:
    """Compare two byte strings of equal length above eight; the last eight bytes overlap those before."""
    done = 0
    while done + 8 < size:
        if load64(left, left_start + done) != load64(right, right_start + done):
            return False
        done += 8
    return load64(left, left_start + size - 8) == load64(right, right_start + size - 8)


@inlined
def find_word(words: Pointer, table: Pointer, shift: int, key: int, source: Pointer, start: int, size: int) -> int:  # noqa: PLR0917 - compiled code has positions only
    """Return the slot of a word: its entry's if it is in the table, else of the empty entry where it would be."""
    last = shift_right(-1, shift)
    slot = spread(key, shift)
    length = 0 if size <= at.SHORT_BYTES else size
    while True:
        entry = table[2 * slot + 1]
        if entry == at.EMPTY:
            return slot
        if table[2 * slot] == key and (shift_right(entry, 24) & 0xFF) == length:
            if length == 0:
                return slot
            if same_bytes(words, shift_right(entry, 32), source, start, size):
                return slot
        slot = (slot + 1) & last


@inlined
def find_pair(table: Pointer, shift: int, key: int) -> int:
    """Return the slot of a pair of nodes, or of the empty entry where it would be."""
    last = shift_right(-1, shift)
    slot = spread(key, shift)
    while True:
        entry = table[slot]
        if entry == at.EMPTY or shift_right(entry, at.NODE_BITS) == key:
            return slot
        slot = (slot + 1) & last


@inlined
def node_at(table: Pointer, slot: int) -> int:
    """Return the node of an entry of the pair table; an empty entry is -1 and gives UNKNOWN by itself."""
    return table[slot] & at.NODE_MASK  # type: ignore[no-any-return]  # pointers have no type in Python


@inlined
def word_node(words: Pointer, table: Pointer, shift: int, key: int, source: Pointer, start: int, size: int) -> int:  # noqa: PLR0917 - compiled code has positions only
    """Return the node of a word, UNKNOWN if the index has none."""
    if size > at.MAX_WORD_BYTES:
        return at.UNKNOWN
    return table[2 * find_word(words, table, shift, key, source, start, size) + 1] & at.NODE_MASK  # type: ignore[no-any-return]
