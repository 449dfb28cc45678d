"""The kernel's second half: the nodes of a text's words to its feature columns in ascending order and their weights.

Occurrences are counted in an array over all columns, and two levels of bit maps remember which columns were touched, so
that they come out in order without sorting. The floating-point operations are scikit-learn's in its order.
"""

import math

import numpy as np

from worker.core import kernel_layout as at
from worker.core.kernel_intrinsics import (
    Pointer,
    as_float64,
    as_int64,
    as_uint16,
    as_uint32,
    count_ones,
    helper,
    inlined,
    prefetch,
    trailing_zeros,
)
from worker.core.kernel_lookup import find_pair, node_at, spread
from worker.core.kernel_words import append_positions

_L1 = 1
_L2 = 2


@helper
def fetch_pairs(model: Pointer, scratch: Pointer, lefts: Pointer, words: int, distance: int) -> int:
    """Collect the pairs (left node, node of the word `distance` places later) that are known on both sides."""
    nodes, keys, places = as_uint32(scratch[at.NODES]), as_int64(scratch[at.KEYS]), as_uint32(scratch[at.PLACES])
    table, shift = as_int64(model[at.PAIR_TABLE]), model[at.PAIR_SHIFT]
    pairs = 0
    for place in range(words - distance):
        left = lefts[place] + 0
        right = nodes[place + distance] + 0
        key = (left << at.NODE_BITS) | right
        keys[pairs] = key
        places[pairs] = place
        known = (left != at.UNKNOWN) & (right != at.UNKNOWN)
        if known:
            prefetch(table, spread(key, shift))
        pairs += known
    return pairs


@helper
def find_pairs(model: Pointer, scratch: Pointer, pairs: int, found: int) -> int:
    """Look the collected pairs up and append the features among them; return the new number of features found."""
    keys, features = as_int64(scratch[at.KEYS]), as_uint32(scratch[at.FOUND])
    table, shift, limit = as_int64(model[at.PAIR_TABLE]), model[at.PAIR_SHIFT], model[at.FEATURES]
    for pair in range(pairs):
        node = node_at(table, find_pair(table, shift, keys[pair]))
        features[found] = node
        found += node < limit
    return found


@helper
def find_pairs_to_extend(model: Pointer, scratch: Pointer, words: int, pairs: int, found: int) -> int:
    """As `find_pairs`, and remember the node of the pair at each place for n-grams of three words."""
    keys, features = as_int64(scratch[at.KEYS]), as_uint32(scratch[at.FOUND])
    places, pair_nodes = as_uint32(scratch[at.PLACES]), as_uint32(scratch[at.PAIR_NODES])
    table, shift, limit = as_int64(model[at.PAIR_TABLE]), model[at.PAIR_SHIFT], model[at.FEATURES]
    for place in range(words):
        pair_nodes[place] = at.UNKNOWN
    for pair in range(pairs):
        node = node_at(table, find_pair(table, shift, keys[pair]))
        pair_nodes[places[pair]] = node
        features[found] = node
        found += node < limit
    return found


@helper
def find_features(model: Pointer, scratch: Pointer, words: int) -> int:
    """Write the feature columns of the text's words and n-grams, with repeats; return how many there are."""
    nodes, features, limit = as_uint32(scratch[at.NODES]), as_uint32(scratch[at.FOUND]), model[at.FEATURES]
    found = 0
    for place in range(words):
        node = nodes[place]
        features[found] = node
        found += node < limit
    if model[at.NGRAM_MAX] == 2:  # noqa: PLR2004 - words in the n-gram
        return find_pairs(model, scratch, fetch_pairs(model, scratch, nodes, words, 1), found)
    if model[at.NGRAM_MAX] == 3:  # noqa: PLR2004 - words in the n-gram
        pairs = fetch_pairs(model, scratch, nodes, words, 1)
        found = find_pairs_to_extend(model, scratch, words, pairs, found)
        triples = fetch_pairs(model, scratch, as_uint32(scratch[at.PAIR_NODES]), words, 2)
        return find_pairs(model, scratch, triples, found)
    return found


@helper
def count_features(model: Pointer, scratch: Pointer, found: int) -> None:
    """Count each feature, mark it in both bit maps and fetch its row of numbers."""
    rows, row = as_int64(model[at.ROWS]), model[at.ROW]
    features, counts = as_uint32(scratch[at.FOUND]), as_uint16(scratch[at.COUNTS])
    bits, summary = as_int64(scratch[at.BITS]), as_int64(scratch[at.SUMMARY])
    for number in range(found):
        column = features[number] + 0
        counts[column] += np.uint16(1)
        prefetch(rows, column * row)
        bits[column >> 6] |= 1 << (column & 63)
        summary[column >> 12] |= 1 << ((column >> 6) & 63)


@helper
def collect_columns(model: Pointer, scratch: Pointer) -> int:
    """Write the marked columns in ascending order and clear the bit maps; return how many there are."""
    bits, summary = as_int64(scratch[at.BITS]), as_int64(scratch[at.SUMMARY])
    occupied, columns = as_uint32(scratch[at.OCCUPIED]), as_uint32(scratch[at.COLUMNS])
    elements = 0
    for block in range((model[at.FEATURES] >> 12) + 1):
        if summary[block] != 0:
            elements = append_positions(occupied, elements, summary[block], block << 6)
            summary[block] = 0
    size = 0
    for number in range(elements):
        element = occupied[number] + 0
        rest = bits[element]
        bits[element] = 0
        ones = count_ones(rest)
        for lane in range(4):  # as in append_positions: most elements have few bits
            columns[size + lane] = (element << 6) + trailing_zeros(rest)
            rest &= rest - 1
        for lane in range(4, ones):
            columns[size + lane] = (element << 6) + trailing_zeros(rest)
            rest &= rest - 1
        size += ones
    return size


@inlined
def rounded(value: float) -> float:
    """Round to single precision. An operation on such numbers in double precision, rounded so, has single's result."""
    return float(np.float64(np.float32(value)))


@helper
def weigh_double(model: Pointer, scratch: Pointer, size: int) -> None:
    """Write the weights of the collected columns and clear their counts, all in double precision."""
    columns, counts = as_uint32(scratch[at.COLUMNS]), as_uint16(scratch[at.COUNTS])
    weights, term_frequency = as_float64(scratch[at.WEIGHTS]), as_float64(scratch[at.TERM_FREQUENCY])
    rows, row = as_float64(model[at.ROWS]), model[at.ROW]
    for number in range(size):
        column = columns[number] + 0
        weights[number] = term_frequency[counts[column]] * rows[column * row]
        counts[column] = 0
    norm = model[at.NORM]
    total = 0.0
    if norm == _L2:
        for number in range(size):
            total += weights[number] * weights[number]
        total = math.sqrt(total)
    elif norm == _L1:
        for number in range(size):
            total += abs(weights[number])
    if total != 0.0:
        for number in range(size):
            weights[number] /= total


@helper
def weigh_single(model: Pointer, scratch: Pointer, size: int) -> None:
    """As `weigh_double`, rounding to single precision where scikit-learn does: its norms are sums of doubles."""
    columns, counts = as_uint32(scratch[at.COLUMNS]), as_uint16(scratch[at.COUNTS])
    weights, term_frequency = as_float64(scratch[at.WEIGHTS]), as_float64(scratch[at.TERM_FREQUENCY])
    rows, row = as_float64(model[at.ROWS]), model[at.ROW]
    total = 0.0
    for number in range(size):
        column = columns[number] + 0
        weight = rounded(term_frequency[counts[column]] * rows[column * row])
        weights[number] = weight
        total += rounded(weight * weight) if model[at.NORM] == _L2 else abs(weight)
        counts[column] = 0
    if model[at.NORM] == 0 or total == 0.0:
        return
    divisor = math.sqrt(total) if model[at.NORM] == _L2 else total
    for number in range(size):
        weights[number] = rounded(weights[number] / divisor)
