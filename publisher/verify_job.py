"""Recounts a CSV job: the pinned generation of the upload against the stored results and the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from cloud.crc import Checksum
from cloud.objects import ObjectNotFound, Objects
from publisher.console import NotDone
from publisher.doors import open_bucket
from publisher.report import say_id_conflicts
from publisher.results_job import finished
from publisher.stored_jobs import StoredJob
from schemas.errors import InvalidInput
from schemas.jobs import JobManifest, JobSpec, ModelShare, Source
from worker.core.csv_cells import safe_cell
from worker.core.id_conflicts import IdTexts
from worker.core.ledger import Account
from worker.core.ledger_jobs import JobLedger, manifest_faults
from worker.core.named_job import bucket_name
from worker.core.naming import REPORT, job_id
from worker.core.output_lines import RESULT_COLUMNS, output_columns
from worker.core.output_options import kept_columns
from worker.core.row_models import RowModels
from worker.core.rows import Place, Row, RowReader, open_rows
from worker.parquet.reading import ParquetBytes, open_parquet, parquet_rows
from worker.settings import Settings

_ROW, _LABEL, _PROBABILITY, _MODEL, _VERSION = range(-len(RESULT_COLUMNS), 0)
"""Where the job's own columns stand in a record of predictions.csv."""


@dataclass(frozen=True, slots=True)
class Recount:
    """What the stored objects of a job say, read again."""

    account: Account
    faults: list[str]
    """A sentence for each fault beside those of the account."""
    failure: str | None
    """Why the job failed; None where it is done. A failed job can be accounted for as well."""


def verify_job(job: str, settings: Settings) -> Recount:
    """Return what a recount of a job finds.

    Raises NotDone when the job has no manifest, when the upload is gone, or when a stored object is damaged.
    """
    with open_bucket(settings.results, settings) as results:
        stored = StoredJob(results, job)
        manifest = finished(stored)
        spec = stored.spec()
        ledger = JobLedger()
        failure = None if manifest.state == "done" else manifest.reason or "no reason is given"
        if spec is None:
            if failure is None:
                raise NotDone(f"The job {job} has a manifest but no spec: it cannot be recounted.")
            return Recount(ledger.account(), [], failure)
        faults = _identity_faults(job, spec, manifest)
        try:
            faults += _expect_rows(ledger, spec, settings)
        except ObjectNotFound:
            raise NotDone(_upload_gone(spec.source, manifest)) from None
        faults += _note_predictions(ledger, spec, stored, manifest.models)
        for rejection in stored.rejections():
            ledger.rejected(rejection)
        stored.read(REPORT)
        account = ledger.account()
        faults += manifest_faults(manifest, account, ledger, stored.read_objects)
        return Recount(account, faults, failure)


def _upload_gone(source: Source, manifest: JobManifest) -> str:
    """Return the sentence for an upload that was overwritten or deleted: what the job came to is known all the same."""
    state = "is done" if manifest.state == "done" else f"has failed ({manifest.reason or 'no reason is given'})"
    return (
        f"The upload {source.object}#{source.generation} is gone from {source.bucket}, overwritten or deleted since "
        f"the job read it: its rows cannot be recounted. The job {manifest.job} {state}. For a job that can be "
        "verified, upload the file again."
    )


def _identity_faults(job: str, spec: JobSpec, manifest: JobManifest) -> list[str]:
    source = spec.source
    checks = (
        (job_id(source.bucket, source.object, source.generation) == job, "The spec's source is another job's."),
        (spec.job == manifest.job == job, "The spec or the manifest names another job."),
        (manifest.source == source, "The manifest names another source than the spec."),
        ((manifest.model, manifest.version) == (spec.model, spec.version), "The manifest names another model."),
    )
    return [fault for holds, fault in checks if not holds]


def _expect_rows(ledger: JobLedger, spec: JobSpec, settings: Settings) -> list[str]:
    """Read the upload from its first byte, note every data row, and tell ids that stand for several texts."""
    source = spec.source
    seen = Checksum()
    size = 0
    cells = _expected(spec)
    ids = IdTexts()

    def noted(chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            seen.update(chunk)
            size += len(chunk)
            yield chunk

    # The bucket of the settings where it is the one, because that may be a folder.
    uri = settings.uploads if bucket_name(settings.uploads) == source.bucket else f"gs://{source.bucket}"
    with open_bucket(uri, settings) as uploads:
        try:
            reader = _reader(uploads, spec, noted)
            for item in reader:
                ledger.expect(item.row, cells(item.fields) if isinstance(item, Row) else None)
                if isinstance(item, Row) and item.id is not None:
                    ids.note(item.row, item.id, item.text)
        except InvalidInput as error:
            raise NotDone(f"The upload cannot be read as the job's spec says: {error.reason}") from None
    say_id_conflicts(ids.conflicts())
    return _source_faults(source, size, seen.text(), header_holds=reader.header == spec.header)


def _reader(uploads: Objects, spec: JobSpec, noted: Callable[[Iterator[bytes]], Iterator[bytes]]) -> RowReader:
    """Return the upload's rows; every byte of it is given to `noted`, before or while rows are read."""
    source = spec.source
    chunks = noted(uploads.stream(source.object, generation=source.generation))
    if spec.dialect.format != "parquet":
        return open_rows(chunks, spec.dialect)
    for _ in chunks:
        pass
    data = ParquetBytes(partial(_read, uploads, source), source.size)
    _, header = open_parquet(data, spec.dialect, ["text-column"])
    return parquet_rows(data, spec.dialect, header, place=Place(), kept=kept_columns(spec.output, header))


def _read(uploads: Objects, source: Source, start: int, length: int) -> bytes:
    return uploads.read(source.object, generation=source.generation, start=start, length=length)


def _expected(spec: JobSpec) -> Callable[[list[str]], list[str] | None]:
    """Return what tells which cells a row's prediction has, its model and version the last; None where it has none."""
    repeated = _repeated(spec)
    if spec.row_models is msgspec.UNSET:
        return lambda fields: [*repeated(fields), spec.model, spec.version]
    models = RowModels(spec)

    def with_own_model(fields: list[str]) -> list[str] | None:
        try:
            pinned = models.of(fields)
        except InvalidInput:
            return None
        return [*repeated(fields), pinned.model, pinned.version]

    return with_own_model


def _repeated(spec: JobSpec) -> Callable[[list[str]], list[str]]:
    """Return what tells which cells of a row the predictions repeat, and how."""
    kept = kept_columns(spec.output, spec.header)
    if spec.output.format == "csv" and spec.output.formulas == "safe":
        return lambda fields: [safe_cell(fields[place]) for place in kept]
    return lambda fields: [fields[place] for place in kept]


def _source_faults(source: Source, size: int, checksum: str, *, header_holds: bool) -> list[str]:
    faults = [] if header_holds else ["The upload's header is not the one of the job's spec."]
    if (size, checksum) != (source.size, source.crc32c):
        faults.append(
            f"The upload holds {size:,} bytes with crc32c {checksum}; "
            f"the spec says {source.size:,} with {source.crc32c}."
        )
    return faults


def _note_predictions(ledger: JobLedger, spec: JobSpec, stored: StoredJob, shares: Sequence[ModelShare]) -> list[str]:
    """Note every stored prediction, and return what is wrong with the object as a whole, or with the models' shares."""
    records = stored.predictions()
    pinned = [] if spec.row_models is msgspec.UNSET else spec.row_models
    models = {(spec.model, spec.version), *((one.model, one.version) for one in pinned)}
    columns = output_columns(spec)
    header = next(records, None)
    if header is None:
        return []
    found: Counter[tuple[str, str]] = Counter()
    for record in records:
        if len(record) != len(columns) or not record[_ROW].isdecimal():
            ledger.stranger(0, "a prediction with another number of cells, or without a row's number")
        elif (record[_MODEL], record[_VERSION]) not in models:
            ledger.stranger(int(record[_ROW]), "a prediction of another model or version than the job's")
        elif not _is_probability(record[_PROBABILITY]):
            ledger.stranger(int(record[_ROW]), "a prediction whose probability is not in 0..1")
        else:
            found[record[_MODEL], record[_VERSION]] += 1
            cells = [*record[: -len(RESULT_COLUMNS)], record[_MODEL], record[_VERSION]]
            ledger.predicted(int(record[_ROW]), cells, record[_LABEL])
    faults = [] if header == columns else ["The columns of the predictions are not those of the job's spec."]
    if pinned and found != {(one.model, one.version): one.predictions for one in shares}:
        faults.append("The manifest's counts by model are not those of the stored predictions.")
    return faults


def _is_probability(cell: str) -> bool:
    """Say whether a cell is a number in 0..1, or empty for a classifier that gives none."""
    try:
        return not cell or 0.0 <= float(cell) <= 1.0
    except ValueError:
        return False
