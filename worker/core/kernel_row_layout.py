"""The numbers that the kernel's functions for rows and their callers share.

`cut_records` fills a table of int32 with one row for each record: the fields below, then a pair of positions for each
column, where its cell starts and ends without quotes. Positions count from where the block starts. This file imports
nothing, so that both sides may.
"""

from typing import Final

# A row of the table.
START: Final = 0
END: Final = 1  # before the line end
LINE: Final = 2  # lines of the block before the record
FLAGS: Final = 3
BOUNDS: Final = 4  # start and end of the first column; two more fields for each further one

# Flags.
ODD: Final = 1  # may be no row: to be read exactly; its bounds mean nothing
DOUBLED: Final = 2  # holds a doubled quote
CHANGED: Final = 4  # its cells may be written in another way than they stand here

# The plan of `cut_records`: positions in an array of int64.
DELIMITER: Final = 0
QUOTE: Final = 1  # -1 for none
COLUMNS: Final = 2
TEXT: Final = 3  # number of the column of texts
MAX_TEXT: Final = 4  # bytes; a longer text makes a record odd
CAPACITY: Final = 5  # records that the table can hold
ORIGIN: Final = 6  # where the block starts in the source
LIMIT: Final = 7  # where the bytes that may be looked at end
STOP: Final = 8  # result: where the record after the last one starts
STOP_LINES: Final = 9  # result: lines before that
TROUBLED: Final = 10  # result: 1 where what follows breaks the rules
CUT_FIELDS: Final = 11

# The plan of `measure_rows` and `write_rows`.
WIDTH: Final = 0  # of the table
FROM: Final = 1  # where the block starts in the source
SOURCE_QUOTE: Final = 2  # -1 for none
KEPT: Final = 3  # address of int64[KEPT_COUNT]: the columns that are written
KEPT_COUNT: Final = 4
VERBATIM: Final = 5  # 1 where records without the flag CHANGED are written as they stand
SAFE: Final = 6  # 1 to put an apostrophe before formulas
FIRST_ROW: Final = 7  # number of the first row
CHOSEN: Final = 8  # address of int64[rows]: the label of each row
LABELS: Final = 9  # address of the labels' cells, one after the other
LABEL_OFFSETS: Final = 10  # address of int64[labels + 1]
NUMBERS: Final = 11  # address of the probabilities' texts, a comma behind each, then 63 bytes; 0 for none
NUMBER_AT: Final = 12  # where the next one starts; moved on
TAIL: Final = 13  # address of what stands behind the probability
TAIL_BYTES: Final = 14
ADDED: Final = 15  # what `measure_rows` adds for each row
DIGITS: Final = 16  # room for a row number
WRITE_FIELDS: Final = 17

LANES: Final = 64
"""Bytes that are looked at together."""
