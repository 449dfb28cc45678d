"""The kernel's entry points, which `worker/core/kernel_compile.py` compiles with all that they call.

An entry point is a C function of addresses and numbers, whose code can be kept in a file and loaded without Numba. None
raises, allocates or touches the interpreter, so they run without the interpreter lock; `locate_texts` alone asks the
interpreter, by addresses that it is given, and holds the lock.
"""

from typing import Any, Final

import numba
from numba import types

from worker.core import kernel_layout as at
from worker.core.kernel_build_index import insert_ngrams, insert_words
from worker.core.kernel_intrinsics import (
    Pointer,
    address_in,
    as_float64,
    as_int64,
    as_uint8,
    as_uint32,
    call_double,
    call_words,
    helper,
    inlined,
    pointer_to,
    prefetch,
    shift_right,
)
from worker.core.kernel_row_cells import gather_cells, locate_cells, measure_rows, write_rows
from worker.core.kernel_rows import cut_records
from worker.core.kernel_weights import (
    collect_columns,
    count_features,
    find_features,
    rounded,
    weigh_double,
    weigh_single,
)
from worker.core.kernel_words import find_words, make_keys, split_text

_PAGE_BITS: Final = 12  # 4,096 bytes; no supported machine has smaller pages
_AHEAD: Final = 4  # texts


@helper
def stage_text(scratch: Pointer, start: int, size: int) -> Pointer:
    """Copy a text to where 64 bytes after it may be read; return the copy."""
    staged, source = as_uint8(scratch[at.STAGED]), as_uint8(start)
    for position in range(size):
        staged[position] = source[position]
    return staged


@helper
def weigh_text(model: Pointer, scratch: Pointer, source: Pointer, size: int) -> int:
    """Leave columns and weights of one text in scratch; return how many, or NEED_HELP."""
    words = split_text(model, scratch, source, size)
    if words < 0:
        return words
    words = make_keys(model, scratch, words)
    if scratch[at.LAST_STAGE] == at.STAGE_TOKENS:
        return 0
    words = find_words(model, scratch, words)
    found = find_features(model, scratch, words)
    if scratch[at.LAST_STAGE] == at.STAGE_LOOKUP:
        return 0
    count_features(model, scratch, found)
    features = collect_columns(model, scratch)
    if model[at.SINGLE]:
        weigh_single(model, scratch, features)
    else:
        weigh_double(model, scratch, features)
    return features


@inlined
def fetch_text(starts: Pointer, number: int, last: int) -> None:
    """Bring the text some places later, or its first part, into the cache: strings lie anywhere in memory."""
    later = as_int64(starts[min(number + _AHEAD, last - 1)])
    prefetch(later, 0)
    prefetch(later, 8)  # the next 64 bytes


@inlined
def weigh_number(model: Pointer, scratch: Pointer, starts: Pointer, ends: Pointer, number: int) -> int:
    """Weigh the text of a number where it lies.

    Up to 63 bytes after its end are read too (and not used), as the C library's `strlen` does: memory is readable page
    by page, so what shares a page with a byte of the text is. A text that ends too near the end of a page is copied.
    """
    start, end = starts[number] + 0, ends[number] + 0
    if shift_right(end - 1, _PAGE_BITS) != shift_right(end + at.PADDING, _PAGE_BITS):
        return weigh_text(model, scratch, stage_text(scratch, start, end - start), end - start)
    return weigh_text(model, scratch, as_uint8(start), end - start)


@helper
def sum_products(model: Pointer, scratch: Pointer, size: int, sums: Pointer, first: int) -> None:
    """Multiply the weights of a text with the coefficients, adding in SciPy's order (`csr_matvecs`)."""
    columns, weights = as_uint32(scratch[at.COLUMNS]), as_float64(scratch[at.WEIGHTS])
    rows, row = as_float64(model[at.ROWS]), model[at.ROW]
    for lane in range(1, row):
        total = 0.0
        if model[at.SINGLE_SUM]:
            for number in range(size):
                product = rounded(weights[number] * rows[columns[number] * row + lane])
                total = rounded(total + product)
        else:
            for number in range(size):
                total += weights[number] * rows[columns[number] * row + lane]
        sums[first + lane - 1] = total


@inlined
def weight_of(columns: Pointer, weights: Pointer, size: int, column: int) -> float:
    """Return the weight of a column, rounded to single precision as scikit-learn's trees do; 0 if the text lacks it."""
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if columns[middle] < column:
            low = middle + 1
        else:
            high = middle
    if low < size and columns[low] == column:
        return rounded(weights[low])
    return 0.0


@helper
def find_leaf(model: Pointer, scratch: Pointer, size: int) -> int:
    """Walk the tree to a leaf; the walk ends because children come after their parent (checked at load)."""
    columns, weights = as_uint32(scratch[at.COLUMNS]), as_float64(scratch[at.WEIGHTS])
    left, right = as_int64(model[at.TREE_LEFT]), as_int64(model[at.TREE_RIGHT])
    feature, threshold = as_int64(model[at.TREE_FEATURE]), as_float64(model[at.TREE_THRESHOLD])
    node = 0
    while left[node] >= 0:
        goes_left = weight_of(columns, weights, size, feature[node]) <= threshold[node]
        node = left[node] if goes_left else right[node]
    return node


def transform_texts(  # noqa: PLR0917 - compiled code has positions only
    model: Pointer,
    scratch: Pointer,
    starts: Pointer,
    ends: Pointer,
    first: int,
    last: int,
    indptr: Pointer,
    indices: Pointer,
    data: Pointer,
) -> int:
    """Write the rows of texts first to last; return the number of the first text not done.

    `starts` and `ends` hold addresses. A result below `last` means that the caller must do what `scratch[NEEDED]` says
    and call again from there. indptr[first] must be set.
    """
    columns, weights = as_uint32(scratch[at.COLUMNS]), as_float64(scratch[at.WEIGHTS])
    for number in range(first, last):
        fetch_text(starts, number, last)
        size = weigh_number(model, scratch, starts, ends, number)
        if size < 0:
            return number
        begin = indptr[number]
        for place in range(size):
            indices[begin + place] = columns[place]
            data[begin + place] = weights[place]
        indptr[number + 1] = begin + size
    return last


def score_texts(  # noqa: PLR0917 - compiled code has positions only
    model: Pointer,
    scratch: Pointer,
    starts: Pointer,
    ends: Pointer,
    first: int,
    last: int,
    results: Pointer,
) -> int:
    """Write the decision sums of each text (float64[texts, WIDTH]); as `transform_texts` otherwise."""
    for number in range(first, last):
        fetch_text(starts, number, last)
        size = weigh_number(model, scratch, starts, ends, number)
        if size < 0:
            return number
        if scratch[at.LAST_STAGE] == at.STAGE_ALL:
            sum_products(model, scratch, size, results, number * model[at.WIDTH])
    return last


def walk_texts(  # noqa: PLR0917 - compiled code has positions only
    model: Pointer,
    scratch: Pointer,
    starts: Pointer,
    ends: Pointer,
    first: int,
    last: int,
    results: Pointer,
) -> int:
    """Write the leaf of each text (int64[texts]); as `transform_texts` otherwise."""
    for number in range(first, last):
        fetch_text(starts, number, last)
        size = weigh_number(model, scratch, starts, ends, number)
        if size < 0:
            return number
        results[number] = find_leaf(model, scratch, size)
    return last


def logistic(values: Pointer, count: int, exponential: int) -> int:
    """Replace each value by the logistic function of it; `exponential` is the address of the C library's `exp`."""
    for number in range(count):
        values[number] = 1.0 / (1.0 + call_double(exponential, -values[number]))
    return count


def locate_texts(texts: int, count: int, functions: Pointer, starts: Pointer, ends: Pointer) -> int:
    """Write where the UTF-8 of each `str` of a list starts and ends; needs the interpreter lock.

    `functions` holds the addresses of PyList_GetItem and PyUnicode_AsUTF8AndSize, both of Python's stable interface.
    Returns how many texts come before the first that has no UTF-8, whose exception is then set.
    """
    list_item, as_utf8 = functions[0] + 0, functions[1] + 0
    for number in range(count):
        size = address_in(ends, number)
        start = call_words(as_utf8, call_words(list_item, texts, number), size)
        if start == 0:
            return number
        starts[number] = start
        ends[number] += start
    return count


_int = types.int64
_ints = pointer_to(types.int64)
_bytes = pointer_to(types.uint8)
_texts = (_ints, _ints, _ints, _ints, _int, _int)
_rows = (_ints, _bytes, pointer_to(types.int32))

ENTRY_POINTS: Final[dict[str, tuple[Any, Any]]] = {
    "insert_words": (insert_words, _int(_ints, _ints, _ints, _ints, _int, _int)),
    "insert_ngrams": (insert_ngrams, _int(_ints, _ints, _ints, _ints, _int, _int)),
    "transform_texts": (
        transform_texts,
        _int(*_texts, _ints, pointer_to(types.int32), pointer_to(types.float64)),
    ),
    "score_texts": (score_texts, _int(*_texts, pointer_to(types.float64))),
    "walk_texts": (walk_texts, _int(*_texts, _ints)),
    "locate_texts": (locate_texts, _int(_int, _int, _ints, _ints, _ints)),
    "logistic": (logistic, _int(pointer_to(types.float64), _int, _int)),
    "cut_records": (cut_records, _int(_ints, _bytes, _int, pointer_to(types.int32))),
    "measure_rows": (measure_rows, _int(*_rows, _int, _ints)),
    "gather_cells": (gather_cells, _int(*_rows, _int, _int, _bytes, _ints)),
    "locate_cells": (locate_cells, _int(pointer_to(types.int32), _int, _int, _int, _int, _ints, _ints)),
    "write_rows": (write_rows, _int(*_rows, _int, _bytes, _int)),
}
"""Name, function and C signature of each."""


def compile_to_assembly() -> dict[str, tuple[str, str]]:
    """Return, for each entry point, its name in the LLVM assembly and the assembly. Takes seconds."""
    compiled = {}
    for name, (function, signature) in ENTRY_POINTS.items():
        entry = numba.cfunc(signature, error_model="numpy")(function)
        compiled[name] = (entry.native_name, entry.inspect_llvm())
    return compiled
