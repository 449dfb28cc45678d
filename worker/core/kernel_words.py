"""The kernel's first half: the UTF-8 bytes of one text to the nodes of its words.

A text is folded 64 bytes at a time into scratch memory: lower case, every character that is no word character a
space. Bit masks of word bytes then give starts and ends of words without a branch for each byte (the way of simdjson,
Langdale and Lemire, VLDB Journal 28, 2019). ASCII takes whole vectors; other characters are decoded and looked up
in a table of what Python's `re` and `str.lower` say about them.
"""

from worker.core import kernel_layout as at
from worker.core.kernel_intrinsics import (
    Pointer,
    as_int64,
    as_uint8,
    as_uint32,
    count_ones,
    fold64,
    helper,
    high64,
    inlined,
    nonblank64,
    prefetch,
    shift_right,
    trailing_zeros,
)
from worker.core.kernel_lookup import spread, word_key, word_node

_LANES = 64
_BLANK = 0x20
_LAST_CODE_POINT = 0x10FFFF
_CAPITAL_SIGMA = 0x03A3
"""The one character whose lower case depends on its neighbours: at a word's end it becomes another letter.

`str.lower` (`handle_capital_sigma` in CPython's `unicodeobject.c`) must see such a text as a whole.
"""


@inlined
def append_positions(positions: Pointer, count: int, mask: int, base: int) -> int:
    """Append the positions of the bits of a mask; return the new count.

    Eight are written whether or not there are so many: a branch for each would be mispredicted for most words.
    """
    ones = count_ones(mask)
    rest = mask
    for lane in range(8):
        positions[count + lane] = base + trailing_zeros(rest)
        rest &= rest - 1
    if ones > 8:  # noqa: PLR2004 - as many as were written
        for lane in range(8, 16):
            positions[count + lane] = base + trailing_zeros(rest)
            rest &= rest - 1
        for lane in range(16, ones):
            positions[count + lane] = base + trailing_zeros(rest)
            rest &= rest - 1
    return count + ones


@inlined
def valid_lanes(size: int) -> int:
    """Return the mask of the first `size` of 64 bytes."""
    return -1 if size >= _LANES else (1 << size) - 1


@inlined
def is_ascii(source: Pointer, size: int) -> bool:
    """Say whether a text has only bytes below 128."""
    position = 0
    while position < size:
        if high64(source, position) & valid_lanes(size - position):
            return False
        position += _LANES
    return True


@helper
def split_ascii(  # noqa: PLR0917 - compiled code has positions only
    source: Pointer, size: int, case_bit: int, folded: Pointer, starts: Pointer, ends: Pointer
) -> int:
    """Fold an ASCII text and write where its words start and end; return how many there are."""
    carry = words = closed = done = 0
    while done < size:
        mask = fold64(source, done, folded, done, case_bit) & valid_lanes(size - done)
        before = (mask << 1) | carry
        words = append_positions(starts, words, mask & ~before, done)
        closed = append_positions(ends, closed, before & ~mask, done)
        carry = shift_right(mask, _LANES - 1)
        done += _LANES
    if closed < words:
        ends[closed] = size
    return words


@helper
def split_folded(folded: Pointer, size: int, starts: Pointer, ends: Pointer) -> int:
    """Write where the words of a folded text start and end; return how many there are."""
    carry = words = closed = done = 0
    while done < size:
        mask = nonblank64(folded, done) & valid_lanes(size - done)
        before = (mask << 1) | carry
        words = append_positions(starts, words, mask & ~before, done)
        closed = append_positions(ends, closed, before & ~mask, done)
        carry = shift_right(mask, _LANES - 1)
        done += _LANES
    if closed < words:
        ends[closed] = size
    return words


@inlined
def sequence_bytes(lead: int) -> int:
    """Return the length of a UTF-8 sequence from its first byte."""
    return 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)  # noqa: PLR2004 - RFC 3629


@inlined
def decode(source: Pointer, position: int, size: int) -> int:
    """Return the code point of a UTF-8 sequence of 2 to 4 bytes; bytes that are no UTF-8 give some number, no fault."""
    second = source[position + 1] & 0x3F
    if size == 2:  # noqa: PLR2004 - RFC 3629
        return ((source[position] & 0x1F) << 6) | second  # type: ignore[no-any-return]  # pointers have no type
    third = source[position + 2] & 0x3F
    if size == 3:  # noqa: PLR2004 - RFC 3629
        return ((source[position] & 0x0F) << 12) | (second << 6) | third  # type: ignore[no-any-return]
    fourth = source[position + 3] & 0x3F
    return ((source[position] & 0x07) << 18) | (second << 12) | (third << 6) | fourth  # type: ignore[no-any-return]


@inlined
def encode(target: Pointer, position: int, code_point: int) -> int:
    """Write a code point above 127 as UTF-8; return the position after it."""
    if code_point < 0x800:  # noqa: PLR2004 - RFC 3629
        target[position] = 0xC0 | (code_point >> 6)
        target[position + 1] = 0x80 | (code_point & 0x3F)
        return position + 2
    if code_point < 0x10000:  # noqa: PLR2004 - RFC 3629
        target[position] = 0xE0 | (code_point >> 12)
        target[position + 1] = 0x80 | ((code_point >> 6) & 0x3F)
        target[position + 2] = 0x80 | (code_point & 0x3F)
        return position + 3
    target[position] = 0xF0 | (code_point >> 18)
    target[position + 1] = 0x80 | ((code_point >> 12) & 0x3F)
    target[position + 2] = 0x80 | ((code_point >> 6) & 0x3F)
    target[position + 3] = 0x80 | (code_point & 0x3F)
    return position + 4


@inlined
def put_character(target: Pointer, position: int, entry: int) -> int:
    """Write what the table says of a character: its lower case, or a space; return the position after it."""
    code_point = entry & at.CHARACTER_MASK
    if code_point == 0:
        target[position] = _BLANK
        return position + 1
    if code_point < 0x80:  # noqa: PLR2004 - ASCII, as the Kelvin sign's lower case
        target[position] = code_point
        position += 1
    else:
        position = encode(target, position, code_point)
    if entry & at.THEN_BLANK:
        target[position] = _BLANK
        position += 1
    return position


@helper
def fold_unicode(model: Pointer, scratch: Pointer, source: Pointer, end: int) -> int:
    """Fold a text with other than ASCII characters; return the folded size, or NEED_HELP."""
    folded = as_uint8(scratch[at.FOLDED])
    ready = as_uint8(model[at.PAGE_READY])
    characters = as_uint32(model[at.CHARACTERS])
    position = size = 0
    while position < end:
        fold64(source, position, folded, size, model[at.CASE_BIT])
        high = high64(source, position) & valid_lanes(end - position)
        plain = min(trailing_zeros(high), end - position)
        position += plain
        size += plain
        while position < end and source[position] >= 0x80:  # noqa: PLR2004 - not ASCII
            length = sequence_bytes(source[position])
            code_point = 0 if length == 1 else decode(source, position, length)
            if code_point > _LAST_CODE_POINT:
                code_point = 0
            if ready[code_point >> 8] == 0:
                scratch[at.NEEDED] = code_point >> 8
                return at.NEED_HELP
            if code_point == _CAPITAL_SIGMA and model[at.CASE_BIT]:
                scratch[at.NEEDED] = at.LOWER_CASE
                return at.NEED_HELP
            size = put_character(folded, size, characters[code_point])
            position += length
    return size


@inlined
def split_text(model: Pointer, scratch: Pointer, source: Pointer, size: int) -> int:
    """Fold a text and find its words, some of them too short yet; return how many, or NEED_HELP."""
    starts, ends = as_uint32(scratch[at.STARTS]), as_uint32(scratch[at.ENDS])
    folded = as_uint8(scratch[at.FOLDED])
    if is_ascii(source, size):
        return split_ascii(source, size, model[at.CASE_BIT], folded, starts, ends)
    folded_size = fold_unicode(model, scratch, source, size)
    if folded_size < 0:
        return folded_size
    return split_folded(folded, folded_size, starts, ends)


@helper
def make_keys(model: Pointer, scratch: Pointer, words: int) -> int:
    """Compute the keys of the words of two or more characters and fetch their slots; return how many there are."""
    starts, ends = as_uint32(scratch[at.STARTS]), as_uint32(scratch[at.ENDS])
    folded, keys = as_uint8(scratch[at.FOLDED]), as_int64(scratch[at.KEYS])
    table, shift = as_int64(model[at.WORD_TABLE]), model[at.WORD_SHIFT]
    kept = 0
    for word in range(words):
        start = starts[word] + 0
        size = ends[word] - start
        key = word_key(folded, start, size)
        keys[kept] = key
        starts[kept] = start
        ends[kept] = size
        prefetch(table, 2 * spread(key, shift))
        kept += size > sequence_bytes(folded[start])
    return kept


@helper
def find_words(model: Pointer, scratch: Pointer, words: int) -> int:
    """Look every word up, drop stop words; return how many are left."""
    starts, sizes = as_uint32(scratch[at.STARTS]), as_uint32(scratch[at.ENDS])
    folded, keys = as_uint8(scratch[at.FOLDED]), as_int64(scratch[at.KEYS])
    nodes, table = as_uint32(scratch[at.NODES]), as_int64(model[at.WORD_TABLE])
    bytes_of_words, shift = as_uint8(model[at.WORD_BYTES]), model[at.WORD_SHIFT]
    kept = 0
    for word in range(words):
        node = word_node(bytes_of_words, table, shift, keys[word], folded, starts[word] + 0, sizes[word] + 0)
        nodes[kept] = node
        kept += node != at.STOP_WORD
    return kept
