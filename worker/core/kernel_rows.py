"""The kernel's function that finds records: one pass over the bytes, with the rules of `worker.core.csv_blocks`."""

from worker.core import kernel_row_layout as at
from worker.core.kernel_intrinsics import Pointer, helper, high64, inlined, trailing_zeros
from worker.core.kernel_row_bytes import CR, LF, high_near_the_end, marks64, marks_near_the_end

_NO_MORE, _TROUBLE, _DOUBLED, _CLOSED = 0, 1, 2, 3


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
    while end - position >= at.LANES:
        size = trailing_zeros(high64(source, position))
        position += size
        if size < at.LANES:
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
def is_odd(plan: Pointer, source: Pointer, table: Pointer, base: int, high: int) -> bool:
    """Say whether a record with the right number of fields is one to be read exactly; `high` if it is not ASCII."""
    text = base + at.BOUNDS + 2 * plan[at.TEXT]
    size = table[text + 1] - table[text]
    if size == 0 or size > plan[at.MAX_TEXT]:
        return True
    return high != 0 and not is_utf8(source, plan[at.ORIGIN] + table[base], plan[at.ORIGIN] + table[base + 1])


@inlined
def stop_at(plan: Pointer, stop: int, lines: int, verdict: int) -> None:
    """Say where the records end that were found, and why."""
    plan[at.STOP], plan[at.STOP_LINES] = stop, lines
    plan[at.TROUBLED] = 1 if verdict == _TROUBLE else 0


@inlined
def meet_quoted(source: Pointer, position: int, limit: int, quote: int, delimiter: int) -> int:
    """Say what a quote within a quoted field is."""
    if position + 1 >= limit:
        return _NO_MORE
    after = source[position + 1]
    if after == quote:
        return _DOUBLED
    if after != delimiter and after != LF and after != CR:  # noqa: PLR1714 - see `is_sign`
        return _TROUBLE
    return _CLOSED


def cut_records(plan: Pointer, source: Pointer, readable: int, table: Pointer) -> int:  # noqa: C901, PLR0912, PLR0915 - one loop: what it knows of a record stays in registers
    """Fill the table with the regular records from ORIGIN on that end before LIMIT; return how many there are.

    `readable` bytes of the source may be read. STOP, STOP_LINES and TROUBLED say where and why it ended.
    """
    origin, limit, capacity = plan[at.ORIGIN], plan[at.LIMIT], plan[at.CAPACITY]
    delimiter, quote, columns = plan[at.DELIMITER], plan[at.QUOTE], plan[at.COLUMNS]
    width = at.BOUNDS + 2 * columns
    # Of all records so far: how many, the lines up to here, where the next record starts and the lines up to there.
    records, lines, stop, stop_lines = 0, 0, origin, 0
    # Of the record that is being read: where its field starts, that one's number, where its closing quote is (0 for
    # none), whether it holds what asks for quotes, whether it is open, the record's flags, and if it is not ASCII.
    field, number, closed, special, inside, found, high = origin, 0, 0, 0, 0, 0, 0
    base, skip = origin, 0
    while base < limit:
        size = min(at.LANES, limit - base)
        if base + at.LANES <= readable:
            marks, high_bytes = marks64(source, base, delimiter, quote), high64(source, base)
            if size < at.LANES:
                marks &= (1 << size) - 1
        else:
            marks = marks_near_the_end(source, base, size, delimiter, quote)
            high_bytes = high_near_the_end(source, base, size)
        here = 1 if high_bytes != 0 else 0
        high |= here
        while marks != 0:
            position = base + trailing_zeros(marks)
            marks &= marks - 1
            if position < skip:
                continue
            byte = source[position]
            if byte == quote:
                if inside == 0:
                    if position != field:
                        stop_at(plan, stop, stop_lines, _TROUBLE)
                        return records
                    inside, special = 1, 0
                    continue
                verdict = meet_quoted(source, position, limit, quote, delimiter)
                if verdict == _DOUBLED:
                    found |= at.DOUBLED
                    special, skip = 1, position + 2
                elif verdict == _CLOSED:
                    inside, closed = 0, position
                    found |= 0 if special else at.CHANGED
                else:
                    stop_at(plan, stop, stop_lines, verdict)
                    return records
                continue
            if byte == CR:
                if position + 1 >= limit or source[position + 1] != LF:
                    stop_at(plan, stop, stop_lines, _NO_MORE if position + 1 >= limit else _TROUBLE)
                    return records
                special = 1
                continue
            if byte == 0:
                found |= at.ODD
                continue
            if inside:
                special = 1
                lines += 1 if byte == LF else 0
                continue
            if byte != delimiter and byte != LF:  # noqa: PLR1714 - see `is_sign`; without a quote, -1 marks 0xFF
                continue
            end = position
            if byte == LF:
                lines += 1
                if end > stop and source[end - 1] == CR:
                    end -= 1
                if end == stop:  # an empty line is no record
                    stop, stop_lines, field, high = position + 1, lines, position + 1, here
                    found = 0
                    continue
            record_end = end
            if closed:
                field, end, closed = field + 1, closed, 0
            row = records * width
            if number < columns:
                cell = row + at.BOUNDS + 2 * number
                table[cell], table[cell + 1] = field - origin, end - origin
            if is_formula(source, field, end):
                found |= at.CHANGED
            number, field = number + 1, position + 1
            if byte == LF:
                table[row + at.START], table[row + at.END] = stop - origin, record_end - origin
                table[row + at.LINE] = stop_lines
                if number != columns or is_odd(plan, source, table, row, high):
                    found |= at.ODD
                table[row + at.FLAGS] = found
                records += 1
                stop, stop_lines, number, found, high = position + 1, lines, 0, 0, here
                if records == capacity:
                    stop_at(plan, stop, stop_lines, _NO_MORE)
                    return records
        base += at.LANES
    stop_at(plan, stop, stop_lines, _NO_MORE)
    return records
