"""What a CSV job writes for rows that name their models: the same objects as `csv_output`, row by row.

Rows are scored grouped by model, and written in the file's order. Equal rows, versions and spec give equal bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import numpy as np

from schemas.errors import InvalidInput
from schemas.jobs import Counts, JobSpec, PinnedModel
from schemas.outcomes import Rejection, Stage, text_digest
from worker.core.bisect_rows import Failure, score_blocks
from worker.core.csv_cells import csv_line, number_cells, safe_cell
from worker.core.csv_output import PartContent, rejection_objects
from worker.core.output_lines import lines_of, output_columns
from worker.core.output_options import kept_columns, part_format
from worker.core.report_part import PartReportMaker
from worker.core.row_batch import RowBatch
from worker.core.row_models import RowModels
from worker.core.row_types import BadRow, Row
from worker.core.scorer import Scores

ScoreBy = Callable[[str, Sequence[str]], Scores]
"""A model's name and texts → their scores by the version that the job's spec fixes for it."""


class MixedPartBuilder:
    """Collects the rows of one part until it is full by rows or by bytes, then scores and writes them.

    `labels` are those of all models that rows may name. When a part is full depends on the spec, the labels and the
    rows alone, so that every worker cuts a file alike.
    """

    def __init__(self, spec: JobSpec, labels: Sequence[str], *, with_header: bool) -> None:
        self._spec = spec
        self._models = RowModels(spec)
        self._lines = _MixedLines(spec)
        bound = lines_of(_longest(spec), labels)
        self._sizes = bound.sizes
        self._header = bound.header() if with_header else b""
        self._room = spec.part_bytes - len(self._header)
        self._groups: dict[PinnedModel, list[Row]] = {}
        self._rejections: dict[int, Rejection] = {}
        self._count = 0

    def add(self, bad: BadRow) -> bool:
        """Take a bad row; False when the part is full without it. The first row always fits."""
        return self._take(bad, 0)

    def add_batch(self, batch: RowBatch) -> int:
        """Take rows from the start of a batch, and return how many: fewer than all when the part is full with them."""
        taken = 0
        for row, size in zip(batch.rows(), self._sizes(batch).tolist(), strict=True):
            if not self._take(row, size):
                break
            taken += 1
        return taken

    def _take(self, item: Row | BadRow, size: int) -> bool:
        """Take the item, whose line has at most `size` bytes if it is scored; False when the part is full."""
        if self._count == self._spec.chunk_rows:
            return False
        sorted_in = self._sorted(item)
        if isinstance(sorted_in, Rejection):
            size = len(msgspec.json.encode(sorted_in)) + 1
        if self._count and size > self._room:
            return False
        self._room -= size
        self._count += 1
        if isinstance(sorted_in, Rejection):
            self._rejections[item.row] = sorted_in
        elif isinstance(item, Row):
            self._groups.setdefault(sorted_in, []).append(item)
        return True

    def finish(self, score: ScoreBy) -> PartContent:
        """Score the rows and return the part."""
        lines: dict[int, bytes] = {}
        labels: Counter[str] = Counter()
        models: Counter[str] = Counter()
        rejections = dict(self._rejections)
        report = PartReportMaker(msgspec.structs.replace(self._spec, profile=None), None)
        for pinned, rows in sorted(self._groups.items(), key=lambda group: group[0].model):
            at = 0
            for block in score_blocks(partial(score, pinned.model), [row.text for row in rows]):
                some = rows[at : at + len(block.texts)]
                at += len(some)
                if isinstance(block.outcome, Failure):
                    failure = InvalidInput(block.outcome.code, block.outcome.reason)
                    rejections[some[0].row] = _rejection(some[0], failure, "score", pinned)
                    continue
                labels.update(block.outcome.labels)
                models[pinned.model] += len(some)
                lines.update(
                    zip((row.row for row in some), self._lines.write(some, block.outcome, pinned), strict=True)
                )
                # Margins of different models cannot be compared.
                report.add(np.array([row.row for row in some]), _Group(some), replace(block.outcome, decisions=None))
        in_order = [rejections[row] for row in sorted(rejections)]
        return PartContent(
            predictions=self._header + b"".join(lines[row] for row in sorted(lines)),
            rejections=rejection_objects(in_order, self._spec.part_bytes),
            counts=Counts(rows=self._count, predictions=labels.total(), rejections=len(rejections)),
            labels=dict(labels),
            codes=dict(Counter(rejection.code for rejection in in_order)),
            report=report.finish(in_order),
            format=part_format(self._spec.output),
            models=dict(models),
        )

    def _sorted(self, item: Row | BadRow) -> PinnedModel | Rejection:
        """Return the model that is to score a row, or why none does."""
        if isinstance(item, BadRow):
            own = PinnedModel(self._spec.model, self._spec.version, self._spec.manifest_sha256)
            return _rejection(item, InvalidInput(item.code, item.reason), "parse", own)
        try:
            return self._models.of(item.fields)
        except InvalidInput as error:
            return _rejection(item, error, "model", None)


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one model."""

    rows: Sequence[Row]

    def row(self, position: int) -> Row:
        return self.rows[position]

    def text(self, position: int) -> str:
        return self.rows[position].text


class _MixedLines:
    """Writes each prediction as a line of its own, with its model and version."""

    def __init__(self, spec: JobSpec) -> None:
        self._json = part_format(spec.output) == "jsonl"
        self._safe = spec.output.formulas == "safe"
        self._kept = kept_columns(spec.output, spec.header)
        self._names = output_columns(spec)

    def write(self, rows: Sequence[Row], scores: Scores, pinned: PinnedModel) -> list[bytes]:
        """Return the line of each row."""
        found = scores.chosen_probabilities()
        numbers = None if found is None else found.tolist()
        tail = (pinned.model, pinned.version)
        kept = [[row.fields[place] for place in self._kept] for row in rows]
        if self._json:
            values: Sequence[float | None] = numbers or [None] * len(rows)
            scored = zip(kept, rows, scores.labels, values, strict=True)
            cells = ((*own, row.row, label, number, *tail) for own, row, label, number in scored)
            return [msgspec.json.encode(dict(zip(self._names, line, strict=True))) + b"\n" for line in cells]
        texts = [""] * len(rows) if numbers is None else number_cells(numbers)
        cell = safe_cell if self._safe else str
        return [
            f"{csv_line([*map(cell, own), str(row.row), label, text, *tail])}\n".encode()
            for own, row, label, text in zip(kept, rows, scores.labels, texts, strict=True)
        ]


def _longest(spec: JobSpec) -> JobSpec:
    """Return the spec with the model and the version that take the most room in a line."""
    pinned = [] if spec.row_models is msgspec.UNSET else spec.row_models
    model = max((spec.model, *(one.model for one in pinned)), key=len)
    version = max((spec.version, *(one.version for one in pinned)), key=len)
    return msgspec.structs.replace(spec, model=model, version=version)


def _rejection(item: Row | BadRow, cause: InvalidInput, stage: Stage, pinned: PinnedModel | None) -> Rejection:
    return Rejection(
        key=item.id or f"r:{item.row}",
        code=cause.code,
        stage=stage,
        reason=cause.reason,
        model=pinned.model if pinned else None,
        version=pinned.version if pinned else None,
        text_sha256=text_digest(item.text) if isinstance(item, Row) else None,
        row=item.row,
        line=item.line,
    )
