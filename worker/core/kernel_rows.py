"""The kernel's function that finds records: one pass over the bytes, with the rules of `worker.core.csv_blocks`."""

from worker.core import kernel_row_layout as at
from worker.core.kernel_intrinsics import Pointer, helper, high64, inlined, trailing_zeros
from worker.core.kernel_row_bytes import CR, LF, high_near_the_end, marks64, marks_near_the_end

_BLOCK = 64
_GO_ON, _NO_MORE, _TROUBLE = 0, 1, 2


@inlined
def is_sign(byte: int) -> bool:
    """Say whether a byte is one of = + - @."""
    return byte == 61 or byte == 43 or byte == 45 or byte == 64  # noqa: PLR1714, PLR2004 - tuples are slow to compile


@inlined
def is_formula(source: Pointer, start: int, end: int) -> bool:
    """Say whether a cell may be one that a spreadsheet runs: see `worker.core.csv_cells`."""
    if start >= end:
        return False
    byte = source[start]
    if byte == 0xEF and end - start >= 3 and source[start + 1] == 0xBC:  # noqa: PLR2004 - U+FF00 to U+FF3F
        return is_sign(source[start + 2] - 0x60)
    return is_sign(byte) or byte == 9 or byte == LF or byte == CR  # noqa: PLR1714, PLR2004 - see `is_sign`


@inlined
def continues(byte: int, low: int, high: int) -> bool:
    """Say whether a byte of UTF-8 is between two others."""
    return low <= byte <= high


@inlined
def after_ascii(source: Pointer, start: int, end: int) -> int:
    """Return where the next byte that is not ASCII is, `end` where there is none."""
    position = start
    while end - position >= _BLOCK:
        size = trailing_zeros(high64(source, position))
        position += size
        if size < _BLOCK:
            return position
    while position < end and source[position] < 0x80:  # noqa: PLR2004 - the first that is not ASCII
        position += 1
    return position


@helper
def is_utf8(source: Pointer, start: int, end: int) -> bool:
    """Say whether bytes are UTF-8, by the table of well-formed sequences (Unicode, chapter 3, table 3-7)."""
    position = after_ascii(source, start, end)
    while position < end:
        byte = source[position]
        low, high, more = 0x80, 0xBF, 1
        if byte < 0xC2 or byte > 0xF4:  # noqa: PLR2004 - the numbers here are the table's
            return False
        if byte >= 0xF0:  # noqa: PLR2004
            more = 3
            low = 0x90 if byte == 0xF0 else low  # noqa: PLR2004
            high = 0x8F if byte == 0xF4 else high  # noqa: PLR2004
        elif byte >= 0xE0:  # noqa: PLR2004
            more = 2
            low = 0xA0 if byte == 0xE0 else low  # noqa: PLR2004
            high = 0x9F if byte == 0xED else high  # noqa: PLR2004
        if position + more >= end or not continues(source[position + 1], low, high):
            return False
        for further in range(2, more + 1):
            if not continues(source[position + further], 0x80, 0xBF):
                return False
        position = after_ascii(source, position + more + 1, end)
    return True


@inlined
def end_field(plan: Pointer, source: Pointer, table: Pointer, end: int) -> None:
    """Note where the field's cell is, unless it is one field too many, and begin the next one."""
    start, number, origin = plan[at.FIELD], plan[at.NUMBER], plan[at.ORIGIN]
    plan[at.FIELD] = end + 1
    if plan[at.CLOSED]:
        start, end = start + 1, plan[at.CLOSED]
        plan[at.CLOSED] = 0
    if number < plan[at.COLUMNS]:
        place = plan[at.RECORDS] * (at.BOUNDS + 2 * plan[at.COLUMNS]) + at.BOUNDS + 2 * number
        table[place], table[place + 1] = start - origin, end - origin
    if is_formula(source, start, end):
        plan[at.FOUND] |= at.CHANGED
    plan[at.NUMBER] = number + 1


@inlined
def is_odd(plan: Pointer, source: Pointer, table: Pointer, base: int) -> bool:
    """Say whether a record with the bounds at `base` is one to be read exactly."""
    if plan[at.NUMBER] != plan[at.COLUMNS]:
        return True
    text = base + at.BOUNDS + 2 * plan[at.TEXT]
    size = table[text + 1] - table[text]
    if size == 0 or size > plan[at.MAX_TEXT]:
        return True
    if not plan[at.HIGH]:
        return False
    return not is_utf8(source, plan[at.ORIGIN] + table[base], plan[at.ORIGIN] + table[base + 1])


@inlined
def end_line(plan: Pointer, source: Pointer, table: Pointer, position: int, high: int) -> None:
    """Take the record that ends at a line end outside quotes, unless the line is empty."""
    plan[at.LINES] += 1
    start, end = plan[at.STOP], position
    if end > start and source[end - 1] == CR:
        end -= 1
    if end > start:
        end_field(plan, source, table, end)
        base = plan[at.RECORDS] * (at.BOUNDS + 2 * plan[at.COLUMNS])
        table[base + at.START], table[base + at.END] = start - plan[at.ORIGIN], end - plan[at.ORIGIN]
        table[base + at.LINE] = plan[at.STOP_LINES]
        if is_odd(plan, source, table, base):
            plan[at.FOUND] |= at.ODD
        table[base + at.FLAGS] = plan[at.FOUND]
        plan[at.RECORDS] += 1
    plan[at.STOP], plan[at.STOP_LINES] = position + 1, plan[at.LINES]
    plan[at.FIELD], plan[at.NUMBER], plan[at.FOUND], plan[at.HIGH] = position + 1, 0, 0, high


@inlined
def meet_quote(plan: Pointer, source: Pointer, position: int) -> int:
    """Open or close a quoted field, or pass over a doubled quote; return whether to go on."""
    if not plan[at.INSIDE]:
        if position != plan[at.FIELD]:
            return _TROUBLE
        plan[at.INSIDE], plan[at.SPECIAL] = 1, 0
        return _GO_ON
    if position + 1 >= plan[at.LIMIT]:
        return _NO_MORE
    after = source[position + 1]
    if after == plan[at.QUOTE]:
        plan[at.FOUND] |= at.DOUBLED
        plan[at.SPECIAL], plan[at.SKIP] = 1, position + 2
        return _GO_ON
    if after != plan[at.DELIMITER] and after != LF and after != CR:  # noqa: PLR1714 - see `is_sign`
        return _TROUBLE
    plan[at.INSIDE], plan[at.CLOSED] = 0, position
    if not plan[at.SPECIAL]:
        plan[at.FOUND] |= at.CHANGED
    return _GO_ON


@inlined
def meet(plan: Pointer, source: Pointer, table: Pointer, position: int, high: int) -> int:
    """Follow one byte that can mean something; return whether to go on."""
    byte = source[position]
    if byte == plan[at.QUOTE]:
        return meet_quote(plan, source, position)
    if byte == CR:
        if position + 1 >= plan[at.LIMIT]:
            return _NO_MORE
        if source[position + 1] != LF:
            return _TROUBLE
    if byte == 0:
        plan[at.FOUND] |= at.ODD
    elif plan[at.INSIDE]:
        plan[at.SPECIAL] = 1
        plan[at.LINES] += byte == LF
    elif byte == plan[at.DELIMITER]:
        end_field(plan, source, table, position)
    elif byte == LF:
        end_line(plan, source, table, position, high)
    return _GO_ON


def cut_records(plan: Pointer, source: Pointer, readable: int, table: Pointer) -> int:
    """Fill the table with the regular records from ORIGIN on that end before LIMIT; return how many there are.

    `readable` bytes of the source may be read. STOP, STOP_LINES and TROUBLED say where and why it ended.
    """
    base, limit = plan[at.ORIGIN], plan[at.LIMIT]
    while base < limit:
        size = min(_BLOCK, limit - base)
        if base + _BLOCK <= readable:
            marks, high = marks64(source, base, plan[at.DELIMITER], plan[at.QUOTE]), high64(source, base)
            if size < _BLOCK:
                marks &= (1 << size) - 1
        else:
            marks = marks_near_the_end(source, base, size, plan[at.DELIMITER], plan[at.QUOTE])
            high = high_near_the_end(source, base, size)
        high = 1 if high != 0 else 0
        plan[at.HIGH] |= high
        while marks != 0:
            position = base + trailing_zeros(marks)
            marks &= marks - 1
            if position < plan[at.SKIP]:
                continue
            verdict = meet(plan, source, table, position, high)
            if verdict != _GO_ON or plan[at.RECORDS] == plan[at.CAPACITY]:
                plan[at.TROUBLED] = 1 if verdict == _TROUBLE else 0
                return plan[at.RECORDS]  # type: ignore[no-any-return]  # pointers have no type in Python
        base += _BLOCK
    return plan[at.RECORDS]  # type: ignore[no-any-return]  # pointers have no type in Python
