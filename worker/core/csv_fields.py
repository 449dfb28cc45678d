"""One record's bytes → its fields, or the reason why not."""

from __future__ import annotations

from schemas.errors import InvalidInput
from worker.core.csv_records import MAX_RECORD_BYTES, Broken, Fault, Plain, Record

_FAULTS: dict[Fault, str] = {
    "unclosed_quote": (
        "A field opens with a quote that is not closed. Close it, or double the quotes that belong to the text and "
        "quote the whole field. Reading went on at the next line."
    ),
    "text_after_quote": (
        "Text follows a closing quote. Double the quotes that belong to the text and quote the whole field."
    ),
    "record_too_long": f"The record is longer than {MAX_RECORD_BYTES:,} bytes. Shorten it.",
}


def split_fields(record: Record, delimiter: str, encoding: str) -> list[str]:
    """Return the decoded fields. Raises InvalidInput with the record's fault, `nul_byte` or `invalid_encoding`."""
    if isinstance(record, Plain):
        if b"\0" in record.raw:
            raise _nul_byte()
        try:
            return record.raw.decode(encoding).split(delimiter)
        except UnicodeDecodeError:
            raise _invalid_encoding(encoding) from None
    if isinstance(record, Broken):
        raise InvalidInput(record.fault, _FAULTS[record.fault])
    if any(b"\0" in field for field in record.fields):
        raise _nul_byte()
    try:
        return [field.decode(encoding) for field in record.fields]
    except UnicodeDecodeError:
        raise _invalid_encoding(encoding) from None


def _nul_byte() -> InvalidInput:
    return InvalidInput("nul_byte", "The record holds a NUL byte. Remove it; text files have none.")


def _invalid_encoding(encoding: str) -> InvalidInput:
    return InvalidInput(
        "invalid_encoding", f"The record is not valid {encoding}. Save the file as UTF-8, or name its real encoding."
    )
