"""The first stage of a CSV job: the file's rows, cut into parts. Finished parts are passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from schemas.jobs import JobSpec, PartRecord
from worker.core.byte_blocks import ByteBlocks
from worker.core.csv_output import PartBuilder
from worker.core.mixed_part import MixedPartBuilder
from worker.core.row_batch import RowBatch
from worker.core.rows import Place, first_place
from worker.csv_cost import Meter
from worker.csv_model import JobModel
from worker.csv_parts import JobStore
from worker.csv_source import RowCursor, UploadedFile
from worker.model_load import LoadedModel


@dataclass(frozen=True, slots=True)
class UnscoredPart:
    """The rows of one part, and where the next one starts."""

    number: int
    builder: PartBuilder | MixedPartBuilder
    model: LoadedModel
    row_models: Mapping[str, LoadedModel]
    """The models that rows may name; empty for a job of one model."""
    place: Place
    last: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A range of the file that is read: from a place to before the first row that starts at a byte."""

    number: int
    start: Place
    before_byte: int


class PartReader:
    """Reads the parts of one job, or of a stretch of its file, in order. Blocks. For one thread."""

    def __init__(
        self,
        spec: JobSpec,
        store: JobStore,
        file: UploadedFile,
        *,
        model: JobModel,
        meter: Meter,
        stretch: Stretch | None = None,
    ) -> None:
        self._spec = spec
        self._store = store
        self._file = file
        self._model = model
        self._meter = meter
        self._blocks = ByteBlocks()
        self._start = stretch.start if stretch else first_place(spec.header)
        self._before_byte = stretch.before_byte if stretch else None
        self._is_first = stretch is None or stretch.number == 0

    def steps(self, go_on: Callable[[], object]) -> Iterator[PartRecord | UnscoredPart]:
        """Yield each part in order: the record of a finished one, the rows of another.

        `go_on` is called before a part is read, and raises where none may be begun. Parts that another worker finishes
        meanwhile are made again, with the same bytes: to ask for each costs a round trip, and the reader's time.
        """
        finished = self._store.finished_parts()
        place, number, rows = self._start, 0, None
        last = False
        while not last:
            record = self._store.part(number) if number in finished else None
            if record is None:
                go_on()
                rows = rows or self._file.rows(self._spec, place, before_byte=self._before_byte)
                part = self._read_part(number, rows)
                place, last = part.place, part.last
                yield part
            else:
                rows = None
                place, last = Place(record.next_byte, record.next_line, record.next_row), record.last
                yield record
            number += 1

    def _read_part(self, number: int, rows: RowCursor) -> UnscoredPart:
        model, row_models = self._model.of(self._spec), self._model.of_rows(self._spec)
        with_header = self._is_first and number == 0
        builder: PartBuilder | MixedPartBuilder
        if row_models:
            labels = sorted({label for one in row_models.values() for label in one.labels})
            builder = MixedPartBuilder(self._spec, labels, with_header=with_header)
        else:
            builder = PartBuilder(self._spec, model.labels, with_header=with_header, blocks=self._blocks)
        with self._meter.phase("read"):
            _fill(builder, rows)
        return UnscoredPart(number, builder, model, row_models, rows.place(), last=rows.ended())


def _fill(builder: PartBuilder | MixedPartBuilder, rows: RowCursor) -> None:
    """Move rows into a part until it is full or there are no more; whole batches, because one by one costs more."""
    while (item := rows.peek_batch()) is not None:
        if isinstance(item, RowBatch):
            taken, waiting = builder.add_batch(item), len(item)
        else:
            taken, waiting = int(builder.add(item)), 1
        if taken:
            rows.take(taken)
        if taken < waiting:
            return
