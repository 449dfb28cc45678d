"""The rows of an upload, one by one and many at once."""

from __future__ import annotations

import random

from schemas.jobs import Dialect
from worker.core.rows import BadRow, Place, Row, open_rows
from worker.csv_source import RowCursor

DATA = b"text,n\n" + b'good,1\n,2\n"a, b",3\n"open,4\nbad,5\n' * 400


def test_rows_and_batches_may_be_taken_in_turn() -> None:
    rows = list(open_rows([DATA], Dialect()))
    choose = random.Random(5)
    cursor = RowCursor(open_rows([DATA], Dialect()))
    taken: list[Row | BadRow] = []
    while (item := cursor.peek()) is not None:
        assert cursor.place() == Place(item.byte, item.line, item.row)
        batch = cursor.peek_batch()
        count = 1
        if batch is None or isinstance(batch, BadRow) or choose.random() < 0.5:
            taken.append(item)
        else:
            count = choose.randint(1, len(batch))
            taken += list(batch.rows())[:count]
        cursor.take(count)
    assert taken == rows
    assert cursor.peek_batch() is None
    assert (cursor.place().byte, cursor.place().row) == (len(DATA), len(rows) + 1)
