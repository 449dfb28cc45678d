"""What a CSV job writes for each row: the bytes of its parts. Equal rows, model and spec give equal bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec
import numpy as np

from schemas.codec import encode
from schemas.jobs import Counts, JobSpec
from schemas.outcomes import Rejection, text_digest
from schemas.report import PartReport
from worker.core.bisect_rows import Failure, score_blocks, scored_whole
from worker.core.byte_blocks import ByteBlocks
from worker.core.csv_header import column_index
from worker.core.line_buffer import LineBuffer
from worker.core.output_lines import Lines, lines_of
from worker.core.output_options import part_format
from worker.core.part_rows import PartRows
from worker.core.records import Records
from worker.core.report_part import Explain, PartReportMaker
from worker.core.row_batch import RowBatch
from worker.core.rows import BadRow, Row
from worker.core.scorer import Scores

Score = Callable[[Sequence[str]], Scores]
ScoreBytes = Callable[[Sequence[Records], int], Scores]
"""Records and the number of the column with their texts → scores."""


@dataclass(frozen=True, slots=True)
class PartContent:
    """The bytes of one part and what they hold."""

    predictions: bytes
    rejections: list[bytes]
    """Usually one object or none; more only where scoring fails for thousands of rows of one part."""
    counts: Counts
    labels: dict[str, int]
    codes: dict[str, int]
    report: PartReport
    format: Literal["csv", "jsonl"]
    models: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """Predictions by model, where rows name models."""


class PartBuilder:
    """Collects the rows of one part until it is full by rows or by bytes, then scores and writes them.

    When a part is full depends on the spec, the model's labels and the rows alone, so that every worker cuts a file
    alike.
    """

    def __init__(
        self,
        spec: JobSpec,
        labels: Sequence[str],
        *,
        with_header: bool,
        blocks: ByteBlocks | None = None,
    ) -> None:
        """`blocks` are the memory of the lines, which the parts of one job share."""
        self._spec = spec
        self._lines: Lines = lines_of(spec, labels)
        self._header = self._lines.header() if with_header else b""
        self._blocks = blocks or ByteBlocks()
        self._room = spec.part_bytes - len(self._header)
        self._text = column_index(spec.dialect.text_column, "text", spec.header.columns, spec.dialect)
        self._rows = PartRows()
        self._bad: list[BadRow] = []

    def add(self, bad: BadRow) -> bool:
        """Take a bad row; False when the part is full without it. The first row always fits."""
        count = len(self._rows) + len(self._bad)
        size = len(encode(self._rejection(bad, bad.code, bad.reason))) + 1
        if count == self._spec.chunk_rows or (count and size > self._room):
            return False
        self._room -= size
        self._bad.append(bad)
        return True

    def add_batch(self, batch: RowBatch) -> int:
        """Take rows from the start of a batch, and return how many: fewer than all when the part is full with them."""
        count = len(self._rows) + len(self._bad)
        batch = batch.part(0, min(len(batch), self._spec.chunk_rows - count))
        if not len(batch):
            return 0
        sizes = np.cumsum(self._lines.sizes(batch))
        fitting = int(np.searchsorted(sizes, self._room, side="right")) or int(not count)
        if fitting:
            self._room -= int(sizes[fitting - 1])
            self._rows.add(batch.part(0, fitting))
        return fitting

    def finish(
        self, score: Score, explain: Explain | None = None, *, score_bytes: ScoreBytes | None = None
    ) -> PartContent:
        """Score the rows and return the part; once. `explain` tells the report which terms counted for what.

        `score_bytes` gives the scores of `score`, sooner, for rows that are bytes still.
        """
        labels: Counter[str] = Counter()
        rejections = {bad.row: self._rejection(bad, bad.code, bad.reason) for bad in self._bad}
        report = PartReportMaker(self._spec, explain)
        # What the rows and rejections of the part may take, so there is room for all lines.
        target, at = LineBuffer(self._spec.part_bytes - self._room, self._blocks), 0
        target.add(self._header)
        for count, outcome in self._outcomes(score, score_bytes):
            if isinstance(outcome, Failure):
                row = self._rows.row(at)
                rejections[row.row] = self._rejection(row, outcome.code, outcome.reason)
            else:
                labels.update(outcome.label_counts())
                self._write(at, outcome, target)
                report.add(self._rows.numbers(at, at + count), self._rows.after(at), outcome)
            at += count
        in_order = [rejections[row] for row in sorted(rejections)]
        count = len(self._rows) + len(self._bad)
        self._rows = PartRows()  # the file's bytes are not needed while the part is stored
        return PartContent(
            predictions=target.finish(),
            rejections=rejection_objects(in_order, self._spec.part_bytes),
            counts=Counts(rows=count, predictions=labels.total(), rejections=len(rejections)),
            labels=dict(labels),
            codes=dict(Counter(rejection.code for rejection in in_order)),
            report=report.finish(in_order),
            format=part_format(self._spec.output),
        )

    def _outcomes(self, score: Score, score_bytes: ScoreBytes | None) -> list[tuple[int, Scores | Failure]]:
        """Return what became of the rows, in order: of how many neighbours, and what."""
        records = self._rows.records() if score_bytes is not None and len(self._rows) else None
        if records is not None and score_bytes is not None:
            scores = scored_whole(partial(score_bytes, records, self._text), len(self._rows))
            if scores is not None:
                return [(len(scores), scores)]
        return [(len(block.texts), block.outcome) for block in score_blocks(score, self._rows.texts())]

    def _write(self, first: int, scores: Scores, target: LineBuffer) -> None:
        """Write the lines of the scored rows from a position on."""
        done = 0
        for batch in self._rows.batches(first, first + len(scores)):
            self._lines.write(batch, scores.part(done, done + len(batch)), target)
            done += len(batch)

    def _rejection(self, item: Row | BadRow, code: str, reason: str) -> Rejection:
        scored = isinstance(item, Row)
        return Rejection(
            key=item.id or f"r:{item.row}",
            code=code,
            stage="score" if scored else "parse",
            reason=reason,
            model=self._spec.model,
            version=self._spec.version,
            text_sha256=text_digest(item.text) if isinstance(item, Row) else None,
            row=item.row,
            line=item.line,
        )


def rejection_objects(rejections: Sequence[Rejection], max_bytes: int) -> list[bytes]:
    """Return the rejections as lines, in objects of at most `max_bytes`."""
    lines = [encode(rejection) for rejection in rejections]
    objects: list[bytes] = []
    start = size = 0
    for at, line in enumerate(lines):
        if size and size + len(line) + 1 > max_bytes:
            objects.append(b"\n".join(lines[start:at]) + b"\n")
            start, size = at, 0
        size += len(line) + 1
    if lines:
        objects.append(b"\n".join(lines[start:]) + b"\n")
    return objects
