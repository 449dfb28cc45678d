"""Reads one CSV job out of the results bucket, and finds out which job an argument means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

import msgspec

from cloud.crc import Checksum
from cloud.objects import ObjectInfo, ObjectNotFound, Objects
from publisher.console import NotDone, Unusable
from publisher.doors import open_bucket
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.jobs import JobManifest, JobSpec, PartRecord
from schemas.outcomes import Rejection
from schemas.ranges import RangePlan
from schemas.replays import ReplaySummary
from worker.core.csv_fields import split_fields
from worker.core.csv_records import RecordReader
from worker.core.named_job import bucket_name, job_of, named_job
from worker.core.naming import (
    MANIFEST,
    PLAN,
    PREDICTIONS,
    PREDICTIONS_JSONL,
    PREDICTIONS_PARQUET,
    REJECTIONS,
    SPEC,
    job_id,
    job_object,
    part_object,
    range_folder,
)
from worker.core.reading import read_lines
from worker.parquet.reading import ParquetBytes, parquet_records
from worker.settings import Settings

_PREDICTIONS = {"csv": PREDICTIONS, "jsonl": PREDICTIONS_JSONL, "parquet": PREDICTIONS_PARQUET}

_MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
_MAX_PREDICTION_BYTES = 8 * 1024 * 1024
"""A row of an upload has 1 MiB at most, and grows by quoting, by UTF-8 and by what the job adds."""

_RANGE_PART = re.compile(r"jobs/[^/]+/ranges/(\d{6,})/parts/(\d{6,})\.json")

T = TypeVar("T", bound=msgspec.Struct)


class StoredJob:
    """The objects of one job. Methods block; raises NotDone for an object that is not what it should be."""

    def __init__(self, results: Objects, job: str) -> None:
        self.job = job
        self._results = results
        self.read_objects: dict[str, tuple[int, str]] = {}
        """Size and CRC32C of what `predictions` and `rejections` read to the end, by object name."""

    @property
    def in_cloud(self) -> bool:
        """Whether the job is in a bucket, not in a local folder."""
        return self._results.uri.startswith("gs://")

    def uri(self, name: str) -> str:
        """Return where one of the job's objects is."""
        return f"{self._results.uri.rstrip('/')}/{job_object(self.job, name)}"

    def manifest(self) -> JobManifest | None:
        """Return the manifest, None while the job is not done."""
        return self._document(job_object(self.job, MANIFEST), JobManifest)

    def spec(self) -> JobSpec | None:
        """Return what the job's workers agreed on, None before any began."""
        return self._document(job_object(self.job, SPEC), JobSpec)

    def part(self, number: int, *, of_range: int | None = None) -> PartRecord | None:
        """Return the record of a part, None while it is not done."""
        folder = self.job if of_range is None else range_folder(self.job, of_range)
        return self._document(part_object(folder, number, "json"), PartRecord)

    def range_parts(self) -> Iterator[tuple[int, int]]:
        """Yield range and number of each part that is done, of a job that is worked on in ranges."""
        for info in self._results.listing(job_object(self.job, "ranges/")):
            if match := _RANGE_PART.fullmatch(info.name):
                yield int(match[1]), int(match[2])

    def plan(self) -> RangePlan | None:
        """Return where the job's ranges start, None where they were not shared."""
        return self._document(job_object(self.job, PLAN), RangePlan)

    def predictions_name(self) -> str:
        """Return the name of the object that holds the predictions, in the format that the job was asked for."""
        spec = self.spec()
        return PREDICTIONS if spec is None else _PREDICTIONS[spec.output.format]

    def predictions(self) -> Iterator[list[str]]:
        """Yield the records of the predictions as text, the columns' names first; nothing where there is no object."""
        if self.predictions_name() == PREDICTIONS_JSONL:
            return self._json_predictions()
        if self.predictions_name() == PREDICTIONS_PARQUET:
            return self._parquet_predictions()
        return self._csv_records(PREDICTIONS)

    def has_replay(self, replay: str) -> bool:
        """Say whether a replay is done: its summary is written last."""
        return self._document(job_object(self.job, f"replays/{replay}/summary.json"), ReplaySummary) is not None

    def changes(self, replay: str) -> Iterator[list[str]]:
        """Yield the changed rows of a replay as text, the columns' names first; nothing where there is no such object.

        A replay is named by its version, or by MODEL@VERSION; see `replay_name`.
        """
        return self._csv_records(f"replays/{replay}/changes.csv")

    def _csv_records(self, name: str) -> Iterator[list[str]]:
        chunks = self.chunks(name)
        for record in RecordReader(chunks, delimiter=b",", quote=b'"', limit=_MAX_PREDICTION_BYTES):
            try:
                yield split_fields(record, ",", "utf-8")
            except InvalidInput as error:
                raise NotDone(f"{self.uri(name)} is damaged at line {record.line}: {error.reason}") from None

    def _json_predictions(self) -> Iterator[list[str]]:
        named = False
        decoder = msgspec.json.Decoder(dict[str, str | int | float | None])
        try:
            for line in read_lines(self.chunks(PREDICTIONS_JSONL), max_bytes=_MAX_PREDICTION_BYTES):
                cells = decoder.decode(line)
                if not named:
                    yield list(cells)
                    named = True
                yield ["" if cell is None else str(cell) for cell in cells.values()]
        except (msgspec.DecodeError, ValueError) as error:
            raise NotDone(f"{self.uri(PREDICTIONS_JSONL)} is damaged: {error}.") from None

    def _parquet_predictions(self) -> Iterator[list[str]]:
        full = job_object(self.job, PREDICTIONS_PARQUET)
        try:
            info = self._results.info(full)
        except ObjectNotFound:
            return
        # Once as a whole, for its checksum; then by ranges.
        self.read(PREDICTIONS_PARQUET)

        def read(start: int, length: int) -> bytes:
            return self._results.read(full, generation=info.generation, start=start, length=length)

        try:
            yield from parquet_records(ParquetBytes(read, info.size), max_row_bytes=_MAX_PREDICTION_BYTES)
        except InvalidInput as error:
            raise NotDone(f"{self.uri(PREDICTIONS_PARQUET)} cannot be read. {error.reason}") from None

    def rejections(self) -> Iterator[Rejection]:
        """Yield the rejections of the job; nothing where the object is not there."""
        try:
            for line in read_lines(self.chunks(REJECTIONS), max_bytes=_MAX_DOCUMENT_BYTES):
                yield decode(line, Rejection, max_bytes=_MAX_DOCUMENT_BYTES)
        except (InvalidInput, ValueError) as error:
            reason = error.reason if isinstance(error, InvalidInput) else f"{error}."
            raise NotDone(f"{self.uri(REJECTIONS)} is damaged: {reason}") from None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of one of the job's objects, and note what they were."""
        full = job_object(self.job, name)
        try:
            info = self._results.info(full)
            seen = Checksum()
            size = 0
            for chunk in self._results.stream(full, generation=info.generation):
                seen.update(chunk)
                size += len(chunk)
                yield chunk
        except ObjectNotFound:
            return
        self.read_objects[full] = (size, seen.text())

    def read(self, name: str) -> None:
        """Read one of the job's objects only to note its size and checksum."""
        for _ in self.chunks(name):
            pass

    def _document(self, name: str, kind: type[T]) -> T | None:
        try:
            data, _ = self._results.get(name)
        except ObjectNotFound:
            return None
        try:
            return decode(data, kind, max_bytes=_MAX_DOCUMENT_BYTES)
        except InvalidInput as error:
            raise NotDone(f"{self._results.uri}/{name} is damaged: {error.reason}") from None


def job_of_upload(uri: str, info: ObjectInfo) -> str:
    """Return the id of the job that one generation of an uploaded object has."""
    return job_id(bucket_name(uri), info.name, info.generation)


def which_job(argument: str, settings: Settings) -> str:
    """Return the job that an argument means, as `named_job` reads it. Raises Unusable for what means none."""

    def current(name: str) -> int | None:
        with open_bucket(settings.uploads, settings) as uploads, suppress(ObjectNotFound, ValueError):
            return uploads.info(name).generation
        return None

    try:
        named = named_job(argument, results=settings.results, uploads=settings.uploads)
        return job_of(named, settings.uploads, current)
    except InvalidInput as error:
        raise Unusable(error.reason) from None
