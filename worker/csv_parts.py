"""A job's objects in the results bucket: its spec, its parts, its manifest; all of them create-only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from cloud.objects import ContentConflict, ObjectInfo, ObjectNotFound, Objects, PreconditionFailed
from cloud.once import put_once
from schemas.codec import decode, encode
from schemas.errors import InvalidInput
from schemas.jobs import Counts, JobManifest, JobSpec, ModelShare, PartRecord, PinnedModel, StoredObject
from worker.core.csv_output import PartContent
from worker.core.naming import (
    MANIFEST,
    PREDICTIONS,
    PREDICTIONS_JSONL,
    REJECTIONS,
    REPORT,
    SPEC,
    job_object,
    part_object,
)
from worker.core.plain_bytes import is_as_stored
from worker.core.rejection_limit import exceeds
from worker.core.report_html import report_html
from worker.core.report_summary import JobSummary, RunFigures
from worker.core.report_totals import ReportTotals
from worker.core.rows import Place
from worker.csv_parquet import predictions_parquet

CSV_TYPE = "text/csv; charset=utf-8"
JSONL_TYPE = "application/x-ndjson"
JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"

_JSONL_PART = "predictions.jsonl"
PART_RECORD = re.compile(r".*/parts/(\d{6,})\.json")
"""The name of a part's record, with the part's number."""

_MAX_DOCUMENT_BYTES = 8 * 1024 * 1024

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(slots=True)
class Totals:
    """The sum of a job's parts so far."""

    rows: int = 0
    predictions: int = 0
    rejections: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    """Predictions by model, where rows name models."""
    objects: list[str] = field(default_factory=list)
    report: ReportTotals = field(default_factory=ReportTotals)

    def add(self, record: PartRecord) -> None:
        """Add one part."""
        self.rows += record.counts.rows
        self.predictions += record.counts.predictions
        self.rejections += record.counts.rejections
        self.labels.update(record.labels)
        self.codes.update(record.codes)
        self.models.update({} if record.models is msgspec.UNSET else record.models)
        self.objects += [stored.name for stored in record.objects]
        self.report.add(record)

    def counts(self) -> Counts:
        """Return the counts, as stored."""
        return Counts(rows=self.rows, predictions=self.predictions, rejections=self.rejections)

    def shares(self, spec: JobSpec) -> list[ModelShare]:
        """Return how many rows each model scored, where rows name models."""
        pinned = [] if spec.row_models is msgspec.UNSET else spec.row_models
        own = PinnedModel(spec.model, spec.version, spec.manifest_sha256)
        versions = {one.model: one.version for one in (own, *pinned)}
        return [ModelShare(name, versions[name], count) for name, count in sorted(self.models.items())]

    def summary(self, spec: JobSpec, reason: str | None, run: RunFigures) -> JobSummary:
        """Return what the report shows; `reason` says why the job failed."""
        return JobSummary(spec, self.counts(), self.labels, self.codes, reason, self.report, run, self.shares(spec))

    def exceeds(self, spec: JobSpec, last: PartRecord) -> bool:
        """Say whether the job must stop for its rejections, `last` being the last part that was added."""
        read = 1.0 if last.last else _share_read(spec, last.next_byte)
        return exceeds(spec.max_rejections, rejections=self.rejections, rows=self.rows, read=read)


class JobStore:
    """One job's folder in the results bucket. Methods may block, and are safe to call again with the same values."""

    def __init__(self, results: Objects, job: str) -> None:
        self.job = job
        self._results = results

    def manifest(self) -> JobManifest | None:
        """Return the manifest, None while the job is not done."""
        return self._read(job_object(self.job, MANIFEST), JobManifest)

    def spec(self) -> JobSpec | None:
        """Return the spec that the job's first worker wrote."""
        return self._read(job_object(self.job, SPEC), JobSpec)

    def finished_parts(self) -> set[int]:
        """Return the numbers of the parts that have a record by now."""
        infos = self._results.listing(job_object(self.job, "parts/"))
        return {int(match[1]) for info in infos if (match := PART_RECORD.fullmatch(info.name))}

    def part(self, number: int) -> PartRecord | None:
        """Return a part's record, None while the part is not done."""
        return self._read(part_object(self.job, number, "json"), PartRecord)

    def settle_spec(self, spec: JobSpec) -> JobSpec:
        """Write the spec, and return the one that counts: the first that any worker wrote."""
        return self._first(job_object(self.job, SPEC), spec, JobSpec)

    def settle_manifest(self, manifest: JobManifest) -> JobManifest:
        """Write the manifest, and return the first that any worker wrote.

        Timings and cost differ between workers, the rest must not: raises ContentConflict where it does.
        """
        stored = self._first(job_object(self.job, MANIFEST), manifest, JobManifest)
        bare = [msgspec.structs.replace(one, timings={}, cost={}) for one in (stored, manifest)]
        if bare[0] != bare[1]:
            raise ContentConflict(
                f"The manifest of {self.job} holds another result than this worker's. Nothing was overwritten."
            )
        return stored

    def write_part(self, number: int, content: PartContent, *, place: Place, last: bool) -> PartRecord:
        """Write a part's data, then the record that vouches for it."""
        suffix, content_type = ("csv", CSV_TYPE) if content.format == "csv" else (_JSONL_PART, JSONL_TYPE)
        objects = [self._write(part_object(self.job, number, suffix), content.predictions, content_type)]
        for piece, data in enumerate(content.rejections):
            suffix = "rejections.jsonl" if piece == 0 else f"rejections-{piece}.jsonl"
            objects.append(self._write(part_object(self.job, number, suffix), data, JSONL_TYPE))
        record = PartRecord(
            part=number,
            counts=content.counts,
            objects=objects,
            next_byte=place.byte,
            next_line=place.line,
            next_row=place.row,
            last=last,
            labels=content.labels,
            codes=content.codes,
            report=content.report,
            models=content.models,
        )
        self._write(part_object(self.job, number, "json"), encode(record), JSON_TYPE)
        return record

    def compose(
        self, parts: list[str], spec: JobSpec, *, go_on: Callable[[], object] = lambda: None
    ) -> list[StoredObject]:
        """Join the parts' objects into the job's, without moving their bytes; only Parquet is made of them anew.

        `go_on` is called on the way, and raises where nothing more may be begun.
        """
        predictions = [part for part in parts if part.endswith((".csv", _JSONL_PART))]
        rejections = [part for part in parts if part.endswith(".jsonl") and not part.endswith(_JSONL_PART)]
        if spec.output.format == "parquet":
            joined = _stored(predictions_parquet(self._results, spec, predictions, go_on=go_on))
            return [joined, self._join(REJECTIONS, rejections, JSONL_TYPE)]
        lines = predictions[:1] != [] and predictions[0].endswith(_JSONL_PART)
        name, content_type = (PREDICTIONS_JSONL, JSONL_TYPE) if lines else (PREDICTIONS, CSV_TYPE)
        return [self._join(name, predictions, content_type), self._join(REJECTIONS, rejections, JSONL_TYPE)]

    def _join(self, name: str, sources: list[str], content_type: str) -> StoredObject:
        target = job_object(self.job, name)
        if not sources:
            return self._write(target, b"", content_type)
        return _stored(self._results.compose(sources, target, content_type=content_type))

    def seconds(self) -> float:
        """Return how long the job took from its spec to the last part of it, by the times that storage has given them.

        Storage never changes those, so every worker reads them alike. Lists the job's folder.
        """
        begun, ended = 0.0, 0.0
        for info in self._results.listing(job_object(self.job, "")):
            if info.name == job_object(self.job, SPEC):
                begun = info.updated
            elif PART_RECORD.fullmatch(info.name):
                ended = max(ended, info.updated)
        return max(0.0, ended - begun)

    def write_report(self, summary: JobSummary) -> StoredObject:
        """Write report.html unless there is one.

        The first one counts: workers may draw plots differently, and what they used is each one's own.
        """
        name = job_object(self.job, REPORT)
        try:
            data = report_html(summary)
            return _stored(self._results.put(name, data, content_type=HTML_TYPE, if_generation=0))
        except PreconditionFailed:
            return _stored(self._results.info(name))

    def _write(self, name: str, data: bytes, content_type: str) -> StoredObject:
        return _stored(put_once(self._results, name, data, content_type=content_type))

    def _read(self, name: str, kind: type[T]) -> T | None:
        return read_document(self._results, name, kind)

    def _first(self, name: str, value: T, kind: type[T]) -> T:
        return first_document(self._results, name, value, kind)


def _share_read(spec: JobSpec, byte: int) -> float:
    """Return how much of the file is before a place; 0 where its places are not those of the stored bytes."""
    stored = spec.dialect.format != "parquet" and is_as_stored(spec.dialect)
    return byte / spec.source.size if stored else 0.0


def first_document(results: Objects, name: str, value: T, kind: type[T]) -> T:
    """Write a document unless there is one; return the one that is there. Raises ContentConflict as `read_document`."""
    try:
        results.put(name, encode(value), content_type=JSON_TYPE, if_generation=0)
    except PreconditionFailed:
        stored = read_document(results, name, kind)
        if stored is None:
            raise
        return stored
    return value


def read_document(results: Objects, name: str, kind: type[T]) -> T | None:
    """Return a stored document of a job, None where there is none. Raises ContentConflict for what it should not be."""
    try:
        data, _ = results.get(name)
    except ObjectNotFound:
        return None
    try:
        return decode(data, kind, max_bytes=_MAX_DOCUMENT_BYTES)
    except InvalidInput as error:
        # Not the upload's fault, so the job must not be marked as failed for it: another release may read it.
        raise ContentConflict(f"{results.uri}/{name} is not what this release writes. {error.reason}") from None


def _stored(info: ObjectInfo) -> StoredObject:
    return StoredObject(name=info.name, size=info.size, crc32c=info.crc32c)
