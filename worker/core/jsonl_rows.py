"""The rows of a file with a review request on each line (JSON Lines, https://jsonlines.org)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from schemas.names import canonical_model
from schemas.requests import MAX_REQUEST_BYTES, ReviewRequest, decode_review
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_types import BadRow, Place, Row

JSONL_HEADER = Header(columns=["id", "text"], first_byte=0, first_line=1)
"""What a line of JSON has for columns."""

JSONL_MODEL_HEADER = Header(columns=["id", "text", "model"], first_byte=0, first_line=1)
"""The same where lines may name models."""

_BATCH_ROWS = 1000
_BATCH_CHARS = 1 << 20
_BOM = b"\xef\xbb\xbf"
_KEPT_BYTES = MAX_REQUEST_BYTES + 4
"""So much of a line is kept, however long it is: enough to see that it is too long."""


def json_header(dialect: Dialect) -> Header:
    """Return the columns of lines that are read so."""
    return JSONL_HEADER if dialect.model_column is msgspec.UNSET else JSONL_MODEL_HEADER


class JsonRows:
    """The rows from a place on. Blank lines are no rows. Iterate `batches` once."""

    def __init__(self, chunks: Iterable[bytes], dialect: Dialect, place: Place) -> None:
        self._chunks = chunks
        self._model = dialect.row_model
        self._version = dialect.row_version
        self._names_model = dialect.model_column is not msgspec.UNSET
        self._place = place

    def end(self) -> Place:
        """Return where the file ends; only after the last row."""
        return self._place

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each line in one RowBatch or as one BadRow, in order."""
        rows: list[Row] = []
        chars = 0
        for item in self._items():
            if isinstance(item, Row):
                rows.append(item)
                chars += len(item.text)
            if rows and (isinstance(item, BadRow) or len(rows) == _BATCH_ROWS or chars > _BATCH_CHARS):
                yield batch_of(rows)
                rows, chars = [], 0
            if isinstance(item, BadRow):
                yield item
        if rows:
            yield batch_of(rows)

    def _items(self) -> Iterator[Row | BadRow]:
        row = self._place.row
        for byte, line, data, after in json_lines(self._chunks, byte=self._place.byte, line=self._place.line):
            if data:
                yield self._item(data, row, line, byte)
                row += 1
            self._place = Place(after, line + 1, row)

    def _item(self, data: bytes, row: int, line: int, byte: int) -> Row | BadRow:
        try:
            request = line_request(data)
            if self._names_model:
                _check_no_version(request)
            elif self._model is not None:
                self._check_model(request, self._model)
        except InvalidInput as error:
            return BadRow(row, line, byte, error.code, error.reason, error.key)
        fields = [request.id or "", request.text, *([request.model or ""] if self._names_model else [])]
        return Row(row, line, byte, request.text, request.id, fields)

    def _check_model(self, request: ReviewRequest, model: str) -> None:
        """Raise InvalidInput: `unknown_model`, `other_model`."""
        other_model = request.model is not None and canonical_model(request.model) != model
        if other_model or (request.version is not None and request.version != self._version):
            raise InvalidInput(
                "other_model",
                "The line names another model or version than the job's. Upload the lines of each model as a file of "
                "their own, and name it in the metadata; or let lines name models, with model-column=model.",
            )


def _check_no_version(request: ReviewRequest) -> None:
    """Raise InvalidInput("other_model") where a line asks for a version: those of a job are fixed at its start."""
    if request.version is not None:
        raise InvalidInput(
            "other_model",
            "The line names a version. Lines of a job may name models; each is used in the version that is current "
            "when the job begins. Leave the version out, or upload the line as a file of its own.",
        )


def line_request(data: bytes) -> ReviewRequest:
    """Decode one line as `decode_review`; of one that is too long not all was kept, so its size is not known."""
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidInput("too_large", f"The line has more than {MAX_REQUEST_BYTES:,} bytes. Shorten it.")
    return decode_review(data)


def json_lines(chunks: Iterable[bytes], *, byte: int = 0, line: int = 1) -> Iterator[tuple[int, int, bytes, int]]:
    """Yield each line: where it starts, its number, what it holds without blanks around, and where the next starts.

    A byte order mark at byte 0 is skipped. Of a line that is too long only so much is kept that it is seen to be.
    """
    kept, size = bytearray(), 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            kept += chunk[start : min(end, start + _KEPT_BYTES - len(kept))]
            size += end + 1 - start
            yield byte, line, _bare(kept, byte), byte + size
            byte, line, start = byte + size, line + 1, end + 1
            kept.clear()
            size = 0
        kept += chunk[start : start + _KEPT_BYTES - len(kept)]
        size += len(chunk) - start
    if size:
        yield byte, line, _bare(kept, byte), byte + size


def _bare(data: bytearray, byte: int) -> bytes:
    mark = len(_BOM) if byte == 0 and data.startswith(_BOM) else 0
    return bytes(data[mark:]).strip(b" \t\r\n")
