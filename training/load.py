"""CSV or TSV bytes to labelled texts: every record is an example or is counted under the cause it was dropped for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from training.clean import Example
from training.columns import Columns, Wanted, choose_columns
from training.source import Source
from worker.core.csv_dialect import codec_name
from worker.core.csv_fields import split_fields
from worker.core.csv_records import RecordReader
from worker.core.rows import BadRow, open_rows

_SAMPLE_RECORDS = 20_000
"""From which columns are told: many, because files are often sorted by label."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file holds: `rows_read` = len(examples) + the sum of `dropped`."""

    examples: list[Example]
    rows_read: int
    dropped: dict[str, int]
    """Cause to number of rows."""
    sha256: str
    """Of the whole file."""
    note: str
    """How the columns were found, for people."""


def load(source: Source, dialect: Dialect, wanted: Wanted) -> Loaded:
    """Read all of the data. `dialect` fixes delimiter, quote and encoding; its columns and header are found here.

    Raises InvalidInput for what makes the file as a whole unreadable, and TransientError from a bucket.
    """
    sample = _sample(source, dialect)
    columns = choose_columns(sample, wanted)
    digest = hashlib.sha256()
    reader = open_rows(_hashed(source.chunks(), digest), _with_columns(dialect, columns, sample[0]))
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    for row in reader:
        if isinstance(row, BadRow):
            dropped[row.code] += 1
        elif not row.text.strip():
            dropped["empty_text"] += 1
        elif not (label := row.fields[columns.label].strip()):
            dropped["empty_label"] += 1
        else:
            examples.append(Example(row.text, label))
    read = len(examples) + dropped.total()
    return Loaded(examples, read, dict(sorted(dropped.items())), digest.hexdigest(), columns.note)


def _sample(source: Source, dialect: Dialect) -> list[list[str]]:
    """Return the fields of the first readable records."""
    # Its checks of the file as a whole (empty, compressed, other encodings) come before any guess about columns.
    open_rows(source.chunks(), msgspec.structs.replace(dialect, header=False, text_column="1", id_column=None))
    encoding = codec_name(dialect.encoding)
    reader = RecordReader(
        source.chunks(),
        delimiter=dialect.delimiter.encode(encoding),
        quote=None if dialect.quote is None else dialect.quote.encode(),
    )
    rows = []
    for record in islice(reader, _SAMPLE_RECORDS):
        try:
            rows.append(split_fields(record, dialect.delimiter, encoding))
        except InvalidInput:
            continue  # counted when the rows are read
    return rows


def _with_columns(dialect: Dialect, columns: Columns, first: list[str]) -> Dialect:
    """Return the dialect with the text's column, by name where there is a header."""
    text = first[columns.text] if columns.header else str(columns.text + 1)
    return msgspec.structs.replace(dialect, header=columns.header, text_column=text, id_column=None)


def _hashed(chunks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
