"""How a file is to be read, told from its first bytes where nobody said it.

Only what its header or a byte order mark proves is taken: the delimiter and the text column by the header's names,
UTF-16 by its mark, gzip by its signature. Whether there is a header, and single-byte encodings, must be said: a wrong
guess there would lose a row or change letters, and nobody would see it.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Sequence
from itertools import islice

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.csv_dialect import codec_name, excel_separator
from worker.core.csv_fields import split_fields
from worker.core.csv_header import find_column
from worker.core.csv_records import Broken, RecordReader
from worker.core.inflate import inflate
from worker.core.json_fields import field_names, head_lines
from worker.core.jsonl_rows import json_lines
from worker.core.plain_bytes import HEAD_BYTES, plain_bytes

TEXT_NAMES = ("text", "review", "comment", "review_text", "sentence", "content", "body", "message", "phrase")
"""Names that a text column goes by, in any case; of several that a file has, the first of these is taken."""

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_RECORDS = 50
_GZIP = b"\x1f\x8b"
_UTF_32_LE = codecs.BOM_UTF32_LE


def detect_dialect(dialect: Dialect, said: Collection[str], head: bytes) -> Dialect:
    """Return the dialect with what `head`, the stored file's first bytes, tells of fields that are not `said`.

    Where nothing can be told the field stays as it is, and reading says what is wrong.
    """
    if head.startswith(_GZIP):
        dialect = msgspec.structs.replace(dialect, compression="gzip")
        head = _inflated(head)
    if "encoding" not in said and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        dialect = dialect if head.startswith(_UTF_32_LE) else msgspec.structs.replace(dialect, encoding="utf-16")
    try:
        if dialect.format == "jsonl":
            return _with_fields(dialect, said, head)
        return dialect if dialect.format == "parquet" else _with_columns(dialect, said, head)
    except InvalidInput:
        return dialect


def _with_columns(dialect: Dialect, said: Collection[str], head: bytes) -> Dialect:
    """Take the first delimiter under which the header names the text column."""
    plain, inner = plain_bytes([head], msgspec.structs.replace(dialect, compression=None))
    data = b"".join(plain)
    delimiters = (dialect.delimiter,) if "delimiter" in said else _DELIMITERS
    first = next(iter(data.splitlines(keepends=True)), b"")
    if (separator := excel_separator(first.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n"))) is not None:
        data = data[len(first) :]
        if "delimiter" not in said:
            delimiters = (separator,)
            dialect = msgspec.structs.replace(dialect, delimiter=separator)
    for delimiter in delimiters:
        trial = msgspec.structs.replace(inner, delimiter=delimiter)
        if trial.quote == delimiter:
            continue
        sample, broken = _sample(data, trial)
        text = _text_column(dialect, said, sample)
        if text is not None:
            # Files with TABs mostly leave quotes as text: they are taken so where quotes do not work.
            loose = delimiter == "\t" and broken and "quote" not in said
            quote = None if loose else dialect.quote
            return msgspec.structs.replace(dialect, delimiter=delimiter, text_column=text, quote=quote)
    return dialect


def _with_fields(dialect: Dialect, said: Collection[str], head: bytes) -> Dialect:
    """Take the text column that the fields of the first lines tell; the last line may be cut off."""
    plain, _ = plain_bytes([head], msgspec.structs.replace(dialect, compression=None))
    text = _text_column(dialect, said, [field_names(head_lines(json_lines(plain), HEAD_BYTES))])
    return dialect if text is None else msgspec.structs.replace(dialect, text_column=text)


def _text_column(dialect: Dialect, said: Collection[str], sample: Sequence[Sequence[str]]) -> str | None:
    """Return the name of the text column; None where these are not the file's columns."""
    if not sample:
        return None
    first = sample[0]
    if not dialect.header:
        several = len(first) > 1 and all(len(fields) == len(first) for fields in sample)
        return dialect.text_column if several else None
    if "text_column" in said:
        return None if find_column(dialect.text_column, first) is None else dialect.text_column
    if dialect.text_column in first:
        return dialect.text_column
    for known in TEXT_NAMES:
        names = [name for name in first if name.strip().lower() == known]
        if names:
            return names[0] if len(names) == 1 else None
    return None


def _sample(data: bytes, dialect: Dialect) -> tuple[list[list[str]], bool]:
    """Return the fields of the first readable records, and whether there were others; the last may be cut off."""
    encoding = codec_name(dialect.encoding)
    reader = RecordReader(
        [data],
        delimiter=dialect.delimiter.encode(encoding),
        quote=None if dialect.quote is None else dialect.quote.encode(),
    )
    sample: list[list[str]] = []
    broken = False
    for record in islice(reader, _SAMPLE_RECORDS):
        if reader.byte >= len(data) and sample and len(data) >= HEAD_BYTES:
            break
        broken |= isinstance(record, Broken)
        try:
            sample.append(split_fields(record, dialect.delimiter, encoding))
        except InvalidInput:
            continue
    return sample, broken


def begins_object(head: bytes) -> bool:
    """Say whether a stored file, which begins so, begins with an object of JSON."""
    data = _inflated(head) if head.startswith(_GZIP) else head
    return data.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _inflated(head: bytes) -> bytes:
    data = b""
    try:
        for piece in inflate([head]):
            data += piece
            if len(data) >= HEAD_BYTES:
                break
    except InvalidInput:  # cut off, or damaged: reading will say so
        pass
    return data[:HEAD_BYTES]
