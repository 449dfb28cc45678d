"""The kernel's functions that take cells out of records and write them: the rules of `worker.core.csv_cells`."""

from worker.core import kernel_row_layout as at
from worker.core.kernel_intrinsics import Pointer, address_in, as_int64, as_uint8, helper, inlined, trailing_zeros
from worker.core.kernel_row_bytes import CR, LF, copy, equal64
from worker.core.kernel_rows import is_formula

_COMMA, _QUOTE, _APOSTROPHE, _POINT, _PLUS, _MINUS, _E = 0x2C, 0x22, 0x27, 0x2E, 0x2B, 0x2D, 0x65
_ZERO, _NINE, _LOWER = 0x30, 0x39, 0x20
_ZEROS, _DIGITS, _SHORT, _BITS = 0x3030303030303030, 8, 10**8, 8


@inlined
def after_digits(source: Pointer, start: int, end: int) -> int:
    """Return where the digits from `start` on end."""
    position = start
    while position < end and _ZERO <= source[position] <= _NINE:
        position += 1
    return position


@helper
def is_number(source: Pointer, start: int, end: int) -> bool:
    """Say whether a cell is a sign and a plain number: `[+-]([0-9]+.?[0-9]*|.[0-9]+)([eE][+-]?[0-9]+)?`."""
    if source[start] != _PLUS and source[start] != _MINUS:
        return False
    whole = after_digits(source, start + 1, end)
    digits, position = whole - start - 1, whole
    if position < end and source[position] == _POINT:
        position = after_digits(source, position + 1, end)
        digits += position - whole - 1
    if digits == 0:
        return False
    if position < end and source[position] | _LOWER == _E:
        position += 1
        if position < end and (source[position] == _PLUS or source[position] == _MINUS):
            position += 1
        power = after_digits(source, position, end)
        if power == position:
            return False
        position = power
    return position == end


@inlined
def eight_digits(number: int) -> int:
    """Return the digits of a number below 10 ** 8, one a byte, the first one lowest: in halves, pairs, singly."""
    halves = number // 10_000 | (number % 10_000) << 32
    tops = ((halves * 10_486) >> 20) & 0x7F0000007F  # the hundreds of both
    pairs = ((halves - 100 * tops) << 16) + tops
    tens = ((pairs * 103) >> 10) & 0xF000F000F000F
    return tens + ((pairs - 10 * tens) << 8)


@inlined
def write_whole(plan: Pointer, target: Pointer, to: int, number: int) -> int:
    """Write a positive whole number; return where it ends. Seven bytes behind it are written, too."""
    if number < _SHORT:
        digits = eight_digits(number)
        before = trailing_zeros(digits) // _BITS
        plan[at.DIGITS] = (digits >> (before * _BITS)) + _ZEROS
        copy(target, to, as_uint8(address_in(plan, at.DIGITS)), 0, _DIGITS)
        return to + _DIGITS - before
    digits, rest = 1, number // 10
    while rest > 0:
        digits, rest = digits + 1, rest // 10
    for place in range(digits - 1, -1, -1):
        target[to + place] = _ZERO + number % 10
        number //= 10
    return to + digits


@inlined
def needs_quotes(source: Pointer, start: int, end: int) -> bool:
    """Say whether RFC 4180 asks for quotes around a cell."""
    for position in range(start, end):
        byte = source[position]
        if byte == _COMMA or byte == _QUOTE or byte == LF or byte == CR:  # noqa: PLR1714, SIM109 - see `is_number`
            return True
    return False


@helper
def write_cell(plan: Pointer, source: Pointer, start: int, end: int, target: Pointer, to: int) -> int:  # noqa: PLR0917 - compiled code has positions only
    """Write a cell, made safe and quoted where it must be; return where it ends."""
    quoted = needs_quotes(source, start, end)
    if quoted:
        target[to] = _QUOTE
        to += 1
    if plan[at.SAFE] and is_formula(source, start, end) and not is_number(source, start, end):
        target[to] = _APOSTROPHE
        to += 1
    position = start
    while position < end:
        byte = source[position]
        target[to] = byte
        to += 1
        if byte == _QUOTE:
            target[to] = byte
            to += 1
        # A quote inside a quoted field of the source is doubled; unquoted fields hold none.
        position += 2 if byte == plan[at.SOURCE_QUOTE] else 1
    if quoted:
        target[to] = _QUOTE
        to += 1
    return to


@inlined
def write_cells(plan: Pointer, source: Pointer, table: Pointer, base: int, target: Pointer, to: int) -> int:  # noqa: PLR0917 - as above
    """Write the kept cells of a record, a comma behind each; return where they end."""
    origin = plan[at.FROM]
    if plan[at.VERBATIM] and not table[base + at.FLAGS] & at.CHANGED:
        size = table[base + at.END] - table[base + at.START]
        copy(target, to, source, origin + table[base + at.START], size)
        target[to + size] = _COMMA
        return to + size + 1  # type: ignore[no-any-return]  # pointers have no type in Python
    kept = as_int64(plan[at.KEPT])
    for number in range(plan[at.KEPT_COUNT]):
        cell = base + at.BOUNDS + 2 * kept[number]
        to = write_cell(plan, source, origin + table[cell], origin + table[cell + 1], target, to)
        target[to] = _COMMA
        to += 1
    return to


@inlined
def write_number(plan: Pointer, target: Pointer, to: int) -> int:
    """Write the next probability, where there are any; return where it ends."""
    if plan[at.NUMBERS] == 0:
        return to
    numbers, start = as_uint8(plan[at.NUMBERS]), plan[at.NUMBER_AT]
    size = trailing_zeros(equal64(numbers, start, _COMMA))
    copy(target, to, numbers, start, size)
    plan[at.NUMBER_AT] = start + size + 1
    return to + size


def write_rows(plan: Pointer, source: Pointer, table: Pointer, count: int, target: Pointer, to: int) -> int:  # noqa: PLR0917 - as above
    """Write the lines of the table's first `count` records from target[to] on; return where they end.

    The target must have the room that `measure_rows` says.
    """
    chosen, offsets = as_int64(plan[at.CHOSEN]), as_int64(plan[at.LABEL_OFFSETS])
    labels, tail = as_uint8(plan[at.LABELS]), as_uint8(plan[at.TAIL])
    for row in range(count):
        to = write_cells(plan, source, table, row * plan[at.WIDTH], target, to)
        to = write_whole(plan, target, to, plan[at.FIRST_ROW] + row)  # a comma, a label, a comma and the tail follow
        target[to] = _COMMA
        label = chosen[row]
        size = offsets[label + 1] - offsets[label]
        copy(target, to + 1, labels, offsets[label], size)
        target[to + 1 + size] = _COMMA
        to = write_number(plan, target, to + size + 2)
        copy(target, to, tail, 0, plan[at.TAIL_BYTES])
        to += plan[at.TAIL_BYTES]
    return to


def measure_rows(plan: Pointer, source: Pointer, table: Pointer, count: int, sizes: Pointer) -> int:
    """Write for each record a bound of the bytes that its line takes; return their sum. See `cells_bytes`."""
    kept, quote, origin, total = as_int64(plan[at.KEPT]), plan[at.SOURCE_QUOTE], plan[at.FROM], 0
    for row in range(count):
        size = plan[at.ADDED]
        for number in range(plan[at.KEPT_COUNT]):
            cell = row * plan[at.WIDTH] + at.BOUNDS + 2 * kept[number]
            size += table[cell + 1] - table[cell]
            if quote != _QUOTE:
                # Doubled quotes of the source become one each, and ours are doubled: of the same quote both are even.
                position, end = origin + table[cell], origin + table[cell + 1]
                while position < end:
                    byte = source[position]
                    size += (1 if byte == _QUOTE else 0) - (1 if byte == quote else 0)
                    position += 2 if byte == quote else 1
        sizes[row] = size
        total += size
    return total


@inlined
def bytes_before(source: Pointer, start: int, end: int, byte: int) -> int:
    """Return how many bytes there are before the next one of a value, at most 64; all where it does not come."""
    if end - start >= at.LANES:
        return trailing_zeros(equal64(source, start, byte))
    position = start
    while position < end and source[position] != byte:
        position += 1
    return position - start


@helper
def copy_undoubled(source: Pointer, start: int, end: int, quote: int, target: Pointer, to: int) -> int:  # noqa: PLR0917 - as above
    """Copy a cell whose quotes are doubled, one for two; return where the copy ends."""
    position = start
    while position < end:
        size = bytes_before(source, position, end, quote)
        copy(target, to, source, position, size)
        position, to = position + size, to + size
        if position < end and source[position] == quote:
            target[to] = quote
            position, to = position + 2, to + 1
    return to


def gather_cells(  # noqa: PLR0917 - as above
    plan: Pointer, source: Pointer, table: Pointer, count: int, column: int, target: Pointer, offsets: Pointer
) -> int:
    """Copy a column's cells to target[offsets[0]] on, without the source's doubling; return where they end.

    Writes offsets[1] to offsets[count].
    """
    to, quote, origin = offsets[0], plan[at.SOURCE_QUOTE], plan[at.FROM]
    for row in range(count):
        base = row * plan[at.WIDTH]
        cell = base + at.BOUNDS + 2 * column
        position, end = origin + table[cell], origin + table[cell + 1]
        if table[base + at.FLAGS] & at.DOUBLED:
            to = copy_undoubled(source, position, end, quote, target, to)
        else:
            copy(target, to, source, position, end - position)
            to += end - position
        offsets[row + 1] = to
    return to  # type: ignore[no-any-return]  # pointers have no type in Python


def locate_cells(  # noqa: PLR0917 - as above
    table: Pointer, width: int, count: int, column: int, origin: int, starts: Pointer, ends: Pointer
) -> int:
    """Write where a column's cells of the table's first `count` records are; return how many hold a doubled quote.

    The table's rows have `width` fields, and their positions count from the address `origin`.
    """
    doubled = 0
    for row in range(count):
        base = row * width
        cell = base + at.BOUNDS + 2 * column
        starts[row], ends[row] = origin + table[cell], origin + table[cell + 1]
        doubled += 1 if table[base + at.FLAGS] & at.DOUBLED else 0
    return doubled
