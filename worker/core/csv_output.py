"""What a CSV job writes for each row: the bytes of its parts. Equal rows, model and spec give equal bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from schemas.codec import encode
from schemas.jobs import Counts, JobSpec
from schemas.outcomes import Rejection, text_digest
from schemas.report import PartReport
from worker.core.bisect_rows import Failure, score_blocks
from worker.core.output_lines import Lines, lines_of
from worker.core.report_part import Explain, PartReportMaker
from worker.core.rows import BadRow, Row
from worker.core.scorer import Scores

MAX_OBJECT_BYTES = 8 * 1024 * 1024
"""The most that is written in one atomic request (see the object port)."""


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
        self, spec: JobSpec, labels: Sequence[str], *, with_header: bool, max_bytes: int = MAX_OBJECT_BYTES
    ) -> None:
        self._spec = spec
        self._lines: Lines = lines_of(spec, labels)
        self._header = self._lines.header() if with_header else b""
        self._max_bytes = max_bytes
        self._room = max_bytes - len(self._header)
        self._rows: list[Row] = []
        self._bad: list[BadRow] = []

    def add(self, item: Row | BadRow) -> bool:
        """Take the item; False when the part is full without it. The first item always fits."""
        count = len(self._rows) + len(self._bad)
        if count == self._spec.chunk_rows:
            return False
        if isinstance(item, Row):
            size = self._lines.most_bytes(item.fields)
        else:
            size = len(encode(self._rejection(item, item.code, item.reason))) + 1
        if count and size > self._room:
            return False
        self._room -= size
        if isinstance(item, Row):
            self._rows.append(item)
        else:
            self._bad.append(item)
        return True

    def finish(self, score: Callable[[Sequence[str]], Scores], explain: Explain | None = None) -> PartContent:
        """Score the rows and return the part. `explain` tells the report which terms counted for what."""
        labels: Counter[str] = Counter()
        rejections = {bad.row: self._rejection(bad, bad.code, bad.reason) for bad in self._bad}
        report = PartReportMaker(self._spec, explain)
        pieces, at = [self._header], 0
        for block in score_blocks(score, [row.text for row in self._rows]):
            rows = self._rows[at : at + len(block.texts)]
            at += len(rows)
            if isinstance(block.outcome, Failure):
                (row,) = rows
                rejections[row.row] = self._rejection(row, block.outcome.code, block.outcome.reason)
                continue
            labels.update(block.outcome.labels)
            pieces.append(self._lines.write(rows, block.outcome))
            report.add(rows, block.outcome)
        in_order = [rejections[row] for row in sorted(rejections)]
        return PartContent(
            predictions=b"".join(pieces),
            rejections=rejection_objects(in_order, self._max_bytes),
            counts=Counts(
                rows=len(self._rows) + len(self._bad), predictions=labels.total(), rejections=len(rejections)
            ),
            labels=dict(labels),
            codes=dict(Counter(rejection.code for rejection in in_order)),
            report=report.finish(in_order),
            format=self._spec.output.format,
        )

    def _rejection(self, item: Row | BadRow, code: str, reason: str) -> Rejection:
        scored = isinstance(item, Row)
        return Rejection(
            key=(item.id if isinstance(item, Row) else None) or f"r:{item.row}",
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
