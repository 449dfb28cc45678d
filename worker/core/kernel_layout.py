"""The numbers that the kernel and its callers share: positions in the argument blocks, limits, special values.

The kernel takes two arrays of int64, `model` (fixed once a model is loaded) and `scratch` (one a thread); each holds
numbers and addresses of arrays at the positions named here. This file imports nothing, so that both sides may.
"""

from typing import Final

# Nodes: every word and n-gram of the index has a number. Numbers below the number of features are feature columns;
# the others are words and n-grams that only lead to longer ones.
NODE_BITS: Final = 21
NODE_MASK: Final = (1 << NODE_BITS) - 1
UNKNOWN: Final = NODE_MASK
STOP_WORD: Final = NODE_MASK - 1
MAX_NODES: Final = NODE_MASK - 1

SHORT_BYTES: Final = 8
"""Words up to this length are their own key: eight bytes, padded with zeros."""
MAX_WORD_BYTES: Final = 255
"""The longest word that the index can hold: its length is kept in one byte."""
PADDING: Final = 64
"""Bytes that the kernel may read after the end of a text and of the index's word bytes."""
SLACK: Final = 64
"""Elements by which lists are longer than needed, because positions are written several at a time."""
MAX_TEXT_BYTES: Final = 190_000
"""The longest text that the kernel takes: no word (two letters and a space at least) occurs 65,536 times in it, so that
two bytes count occurrences. A longer one is left to the plain path."""

# Positions in `model`.
FEATURES: Final = 0  # number of feature columns
CASE_BIT: Final = 1  # 0x20 to fold ASCII upper case, 0 to keep it
NGRAM_MAX: Final = 2
WORD_TABLE: Final = 3  # address of int64[2 << word_bits]: key, then node | length << 24 | offset << 32; -1 if empty
WORD_SHIFT: Final = 4  # 64 - word_bits
WORD_BYTES: Final = 5  # address of the bytes of all terms and stop words
PAIR_TABLE: Final = 6  # address of int64[1 << pair_bits]: left node, right node, node; -1 if empty
PAIR_SHIFT: Final = 7
ROWS: Final = 8  # address of float64[features, row]: idf, then the coefficients
NORM: Final = 9  # 0 none, 1 l1, 2 l2
SINGLE: Final = 10  # 1 to round weights to float32 after every operation
PAGE_READY: Final = 11  # address of uint8[4352]: 1 where the page of 256 characters is filled in
CHARACTERS: Final = 12  # address of uint32[0x110000], see kernel_characters.py
ROW: Final = 13  # numbers in a row: 1 + width of a linear model, else 1
WIDTH: Final = 14  # decision values a text
SINGLE_SUM: Final = 15  # 1 to round sums to float32 after every operation
TREE_LEFT: Final = 16  # addresses of int64[nodes] and, for the thresholds, float64[nodes]
TREE_RIGHT: Final = 17
TREE_FEATURE: Final = 18
TREE_THRESHOLD: Final = 19
MODEL_FIELDS: Final = 20

# Positions in `scratch`.
FOLDED: Final = 0  # address of uint8[2 * longest + 2 * PADDING]: the text folded, non-word characters blanked
STAGED: Final = 1  # address of uint8[3 * longest + 2 * PADDING]: a text, or its lower case, near the end of a page
STARTS: Final = 2  # addresses of uint32[words]
ENDS: Final = 3
KEYS: Final = 4  # address of int64[words]
NODES: Final = 5  # address of uint32[words]: the node of each word of the text
PAIR_NODES: Final = 6  # address of uint32[words]: the node of each pair of words
PLACES: Final = 7  # address of uint32[words]: the place in the text of each key
FOUND: Final = 8  # address of uint32[3 * words]: feature columns in the order of the text
COUNTS: Final = 9  # address of uint16[features], all 0 between texts
BITS: Final = 10  # address of int64[features / 64 + 1], all 0 between texts
SUMMARY: Final = 11  # address of int64[features / 4096 + 1], all 0 between texts
OCCUPIED: Final = 12  # address of uint32[features / 64 + 1]: elements of `bits` that are not 0
COLUMNS: Final = 13  # address of uint32[3 * words]: feature columns, ascending
WEIGHTS: Final = 14  # address of float64[3 * words]
TERM_FREQUENCY: Final = 15  # address of float64[words + 1]: the weight of each number of occurrences
NEEDED: Final = 16  # set by the kernel when it stops early: LOWER_CASE, or the page of characters that it needs
LAST_STAGE: Final = 17  # for measurements: stop after this stage
SCRATCH_FIELDS: Final = 18

STAGE_TOKENS: Final = 1
STAGE_LOOKUP: Final = 2
STAGE_WEIGHTS: Final = 3
STAGE_ALL: Final = 4

# Special values among characters.
CHARACTER_MASK: Final = 0x1FFFFF
THEN_BLANK: Final = 0x200000  # followed by a character that is no word character: İ becomes i and a combining dot

# Special values of lookups and results.
EMPTY: Final = -1
FULL: Final = -1
DUPLICATE: Final = -2
TOO_LONG: Final = -3
NEED_HELP: Final = -1
LOWER_CASE: Final = -1
