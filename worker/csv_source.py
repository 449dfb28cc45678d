"""The uploaded file of a CSV job: one pinned generation, read from any byte on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import msgspec

from cloud.objects import ObjectInfo, ObjectNotFound, Objects
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Dialect, Header, JobSpec, Source
from worker.core.job_metadata import asked_options
from worker.core.kernel import Kernel, KernelSupply
from worker.core.output_options import kept_columns
from worker.core.plain_bytes import HEAD_BYTES, without
from worker.core.range_places import range_starts
from worker.core.rows import BadRow, Place, Row, RowBatch, RowReader, open_rows, resume_rows, stored_byte
from worker.parquet.reading import ParquetBytes, open_parquet, parquet_rows

_READ_ENCODINGS = {None, "", "identity", "gzip"}
"""Content encodings of uploads; gzip is told from the bytes, whatever the encoding says."""


def is_folder_mark(uploads: Objects, upload: Upload) -> bool:
    """Say whether an upload only marks a folder: an empty object called `name/`, as "Create folder" makes.

    Storage is asked only about names that end so. A mark that is gone was nobody's file either. Blocks.
    """
    if not upload.name.endswith("/"):
        return False
    try:
        return uploads.info(upload.name, generation=upload.generation).size == 0
    except ObjectNotFound:
        return True


class UploadedFile:
    """One generation of one uploaded object. Methods block, and raise InvalidInput("source_gone") when it is gone."""

    def __init__(self, uploads: Objects, upload: Upload, kernel: KernelSupply | None = None) -> None:
        """With the kernel, rows are left as bytes where they can be."""
        self._uploads = uploads
        self._kernel = kernel
        self._upload = upload
        self._begun: Iterator[bytes] | None = None

    def info(self) -> ObjectInfo:
        """Return its size, checksum and metadata."""
        with _source_gone():
            return self._uploads.info(self._upload.name, generation=self._upload.generation)

    def source(self, info: ObjectInfo) -> Source:
        """Return what the manifest says of the file."""
        upload = self._upload
        return Source(
            bucket=upload.bucket, object=upload.name, generation=upload.generation, size=info.size, crc32c=info.crc32c
        )

    def unknown_source(self) -> Source:
        """Return what the event alone tells of a file that is gone."""
        upload = self._upload
        return Source(bucket=upload.bucket, object=upload.name, generation=upload.generation, size=0, crc32c="")

    def head(self) -> bytes:
        """Return the first stored bytes."""
        chunks, begun = self._chunks(0), b""
        while len(begun) < HEAD_BYTES and (chunk := next(chunks, None)) is not None:
            begun += chunk
        self._begun = chain([begun], chunks)
        return begun[:HEAD_BYTES]

    def settle(self, info: ObjectInfo, dialect: Dialect) -> tuple[Dialect, Header]:
        """Return how the file is read and its columns. Raises InvalidInput for the file as a whole."""
        if info.content_encoding not in _READ_ENCODINGS:
            raise InvalidInput(
                "compressed_file", "The file is stored compressed, and not with gzip. Upload it with gzip, or as it is."
            )
        # What `head` had to read is not read again.
        chunks, self._begun = self._begun or self._chunks(0), None
        if dialect.format == "parquet":
            return open_parquet(self._parquet(info.size), dialect, asked_options(info.metadata))
        return dialect, open_rows(chunks, dialect).header

    def rows(self, spec: JobSpec, place: Place, *, before_byte: int | None = None) -> RowCursor:
        """Return the rows from a place on; no byte before it is read, but of a compressed file all of them.

        Rows that start at `before_byte` or later are left out.
        """
        if spec.dialect.format == "parquet":
            kept = kept_columns(spec.output, spec.header)
            data = self._parquet(spec.source.size)
            return RowCursor(parquet_rows(data, spec.dialect, spec.header, place=place, kept=kept))
        chunks = self._chunks(stored_byte(spec.dialect, place))
        reader = resume_rows(chunks, spec.dialect, spec.header, place, kernel=self._kernel_of(spec))
        return RowCursor(reader, before_byte)

    def _kernel_of(self, spec: JobSpec) -> Kernel | None:
        # Rows that name models are sorted one by one, so they become strings in any case.
        several = spec.row_models is not msgspec.UNSET
        return None if self._kernel is None or several else self._kernel.now()

    def range_starts(self, spec: JobSpec, range_bytes: int) -> Iterator[Place]:
        """Yield where each range starts. Reads the whole file, from its first byte so that its checksum is checked."""
        return range_starts(without(self._chunks(0), spec.header.first_byte), spec.dialect, spec.header, range_bytes)

    def _parquet(self, size: int) -> ParquetBytes:
        def read(start: int, length: int) -> bytes:
            with _source_gone():
                return self._uploads.read(
                    self._upload.name, generation=self._upload.generation, start=start, length=length
                )

        return ParquetBytes(read, size)

    def _chunks(self, start: int) -> Iterator[bytes]:
        with _source_gone():
            yield from self._uploads.stream(self._upload.name, generation=self._upload.generation, start=start)


class RowCursor:
    """Rows with look-ahead, so that a part knows where the next one starts and whether there is one.

    One by one with `peek` and `take`, or many at once with `peek_batch` and `take`; both may be mixed.
    """

    def __init__(self, reader: RowReader, before_byte: int | None = None) -> None:
        self._reader = reader
        self._before_byte = before_byte
        self._items = reader.batches()
        self._rows: list[Row] = []
        self._at = 0
        self._next = next(self._items, None)

    def peek(self) -> Row | BadRow | None:
        """Return the next row without taking it; None at the end."""
        if self.ended():
            return None
        if not isinstance(self._next, RowBatch):
            return self._next
        if not self._rows:
            self._rows = list(self._next.rows())
        return self._rows[self._at]

    def peek_batch(self) -> RowBatch | BadRow | None:
        """Return the next rows as far as they are at hand, without taking them: at least one; None at the end."""
        if self.ended():
            return None
        if isinstance(self._next, RowBatch):
            last = len(self._next)
            if self._before_byte is not None and self._next.offsets[-1] >= self._before_byte:
                last = bisect_left(self._next.offsets, self._before_byte)
            return self._next.part(self._at, last)
        return self._next

    def ended(self) -> bool:
        """Say whether there is no row any more before the file's end, or before the byte that was given."""
        if self._next is None or self._before_byte is None:
            return self._next is None
        return self.place().byte >= self._before_byte

    def take(self, count: int = 1) -> None:
        """Go on `count` rows, no more than `peek_batch` gives."""
        self._at += count
        if not isinstance(self._next, RowBatch) or self._at >= len(self._next):
            self._rows, self._at = [], 0
            self._next = next(self._items, None)

    def place(self) -> Place:
        """Return where the next row starts, also one that is left out; at the file's end, where that is."""
        if self._next is None:
            return self._reader.end
        if isinstance(self._next, RowBatch):
            return self._next.place(self._at)
        return Place(self._next.byte, self._next.line, self._next.row)


@contextmanager
def _source_gone() -> Iterator[None]:
    try:
        yield
    except ObjectNotFound:
        raise InvalidInput(
            "source_gone",
            "The uploaded file was overwritten or deleted before the job had read it. Upload it again, and leave it "
            "in place until the job is done; a newer version of it has a job of its own.",
        ) from None
