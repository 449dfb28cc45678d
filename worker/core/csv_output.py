"""What a CSV job writes for each row: the bytes of its parts. Equal rows, model and spec give equal bytes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.codec import encode
from schemas.jobs import Counts, JobSpec
from schemas.outcomes import Rejection, text_digest
from worker.core.bisect_rows import Failure, Scored, score_each
from worker.core.rows import BadRow, Row
from worker.core.scorer import Scores

RESULT_COLUMNS = ("row", "label", "probability", "model", "version")
"""Always the last columns of predictions.csv, after the file's own."""

MAX_OBJECT_BYTES = 8 * 1024 * 1024
"""The most that is written in one atomic request (see the object port)."""

_NUMBER_CHARS = 26
"""The longest `repr` of a float in 0..1, and of a row number, with a comma."""


def result_columns(columns: Sequence[str]) -> list[str]:
    """Return the names of the columns that are added; `reviewmill_` stands before a name the file has itself."""
    names = []
    for name in RESULT_COLUMNS:
        free = name
        while free in columns:
            free = f"reviewmill_{free}"
        names.append(free)
    return names


class CsvLines:
    """Writes cells as lines of CSV (RFC 4180 quoting where needed) without a line end."""

    def __init__(self) -> None:
        self._line = ""
        self._minimal = csv.writer(self, lineterminator="\n")
        self._all = csv.writer(self, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(self, line: str) -> None:
        """Take a line from the writer."""
        self._line = line[:-1]

    def line(self, cells: Sequence[str]) -> str:
        """Return the cells as one line."""
        # With LF as line end, Python's writer leaves a bare CR unquoted, and readers would end the row there.
        writer = self._all if any("\r" in cell for cell in cells) else self._minimal
        writer.writerow(cells)
        return self._line


@dataclass(frozen=True, slots=True)
class PartContent:
    """The bytes of one part and what they hold."""

    predictions: bytes
    rejections: list[bytes]
    """Usually one object or none; more only where scoring fails for thousands of rows of one part."""
    counts: Counts
    labels: dict[str, int]
    codes: dict[str, int]


class PartBuilder:
    """Collects the rows of one part until it is full by rows or by bytes, then scores and writes them.

    When a part is full depends on the spec, the model's labels and the rows alone, so that every worker cuts a file
    alike.
    """

    def __init__(
        self, spec: JobSpec, labels: Sequence[str], *, with_header: bool, max_bytes: int = MAX_OBJECT_BYTES
    ) -> None:
        self._spec = spec
        self._csv = CsvLines()
        csv_line = self._csv.line
        self._header = csv_line([*spec.header.columns, *result_columns(spec.header.columns)]) if with_header else None
        self._tail = csv_line([spec.model, spec.version])
        longest = max((len(csv_line([label]).encode()) for label in labels), default=0)
        self._added_bytes = 2 * _NUMBER_CHARS + longest + len(self._tail.encode()) + 3
        self._max_bytes = max_bytes
        self._room = max_bytes - len((self._header or "").encode()) - 1
        self._rows: list[tuple[Row, str]] = []
        self._bad: list[BadRow] = []

    def add(self, item: Row | BadRow) -> bool:
        """Take the item; False when the part is full without it. The first item always fits."""
        count = len(self._rows) + len(self._bad)
        if count == self._spec.chunk_rows:
            return False
        if isinstance(item, BadRow):
            size, cells = len(encode(self._rejection(item, item.code, item.reason))) + 1, ""
        else:
            cells = self._csv.line(item.fields)
            size = len(cells.encode()) + self._added_bytes
        if count and size > self._room:
            return False
        self._room -= size
        if isinstance(item, BadRow):
            self._bad.append(item)
        else:
            # The fields are in `cells` now; keeping both would double the memory.
            self._rows.append((Row(item.row, item.line, item.byte, item.text, item.id, []), cells))
        return True

    def finish(self, score: Callable[[Sequence[str]], Scores]) -> PartContent:
        """Score the rows and return the part."""
        outcomes = score_each(score, [row.text for row, _ in self._rows])
        lines = [] if self._header is None else [self._header]
        labels: Counter[str] = Counter()
        rejections = {bad.row: self._rejection(bad, bad.code, bad.reason) for bad in self._bad}
        label_cells: dict[str, str] = {}
        for (row, cells), outcome in zip(self._rows, outcomes, strict=True):
            if isinstance(outcome, Failure):
                rejections[row.row] = self._rejection(row, outcome.code, outcome.reason)
                continue
            labels[outcome.label] += 1
            label = label_cells.get(outcome.label)
            if label is None:
                label = label_cells[outcome.label] = self._csv.line([outcome.label])
            lines.append(f"{cells},{row.row},{label},{_probability(outcome)},{self._tail}")
        return PartContent(
            predictions="".join(f"{line}\n" for line in lines).encode(),
            rejections=_objects([encode(rejections[row]) for row in sorted(rejections)], self._max_bytes),
            counts=Counts(
                rows=len(self._rows) + len(self._bad), predictions=labels.total(), rejections=len(rejections)
            ),
            labels=dict(labels),
            codes=dict(Counter(rejection.code for rejection in rejections.values())),
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


def _probability(outcome: Scored) -> str:
    """`repr` is the shortest text that reads back as the same number: deterministic, and nothing is lost."""
    return "" if outcome.probability is None else repr(float(outcome.probability))


def _objects(lines: list[bytes], max_bytes: int) -> list[bytes]:
    """Join lines into objects of at most `max_bytes`."""
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
