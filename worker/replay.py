"""The story of a replay: a past CSV job scored again by another version of its model → which labels changed.

The upload is read again, at the generation that the job read, and both versions score it: versions never change, so
the first of them gives the job's own labels again, whatever the job was told to write. Where rows name models, those of
one model are compared: the job's own, or another one that is asked for. Like a job's, every object is create-only with
a name and bytes that follow from the job and the two versions, and the summary is written last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from cloud.once import put_once
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import JobManifest, JobSpec, PinnedModel, StoredObject
from schemas.replays import ReplaySummary
from worker.core.bisect_rows import score_each
from worker.core.in_order import run_in_order
from worker.core.label_changes import LabelChanges, Outcome
from worker.core.naming import job_object, replay_name
from worker.core.row_batch import RowBatch
from worker.core.row_models import RowModels
from worker.core.rows import first_place
from worker.csv_job import JobPlaces
from worker.csv_parts import CSV_TYPE, JSON_TYPE, JobStore, read_document
from worker.csv_source import UploadedFile
from worker.model_load import LoadedModel

NOT_DONE = "job_not_done"
"""Code of the error for a job that goes on: the same replay may work later."""

Outcomes = Sequence[Outcome | None]
"""Of consecutive rows; None for rows that name another model than the one that is replayed."""


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """How a replay runs."""

    threads: int = 1
    progress: Callable[[int, int], object] = lambda _rows, _of: None
    """Told how many rows are done, of how many."""


def replay_job(
    job: str, version: str | None, places: JobPlaces, rules: ReplayRules, *, model: str | None = None
) -> ReplaySummary:
    """Score a job's rows again with a version of its model (None: the current one), store and return what changed.

    `model` is another one than the job's that its rows name: those rows are scored again then, and no other.
    Safe to call again: a replay that is stored is returned as it is. Blocks. Raises InvalidInput for what cannot be
    replayed, and the errors of the buckets and the model store.
    """
    store = JobStore(places.results, job)
    spec, manifest = store.spec(), store.manifest()
    if spec is None or manifest is None:
        raise _nothing_to_replay(job, spec, manifest)
    pinned = _pinned(spec, model)
    before = places.models.resolve(pinned.model, pinned.version)
    after = places.models.resolve(pinned.model, version)
    if before.manifest_sha256 != pinned.manifest_sha256:
        raise InvalidInput("model_changed", f"Version {pinned.version} is not the one that the job used. Find out why.")
    if before.version == after.version:
        raise InvalidInput(
            "same_version", f"The job used version {after.version} itself. Name another one with --version."
        )
    folder = f"replays/{replay_name(after.version, after.name if after.name != spec.model else None)}"
    stored = read_document(places.results, job_object(job, f"{folder}/summary.json"), ReplaySummary)
    return stored or _Replay(spec, manifest, places, rules, before=before, after=after, folder=folder).run()


def _nothing_to_replay(job: str, spec: JobSpec | None, manifest: JobManifest | None) -> InvalidInput:
    """Return why there are no labels to compare: the job goes on, it failed before its first row, or there is none."""
    if spec is not None:
        return InvalidInput(
            NOT_DONE,
            f"The job {job} is not done. Replay it then; this waits for it: reviewmill results job {job} --wait",
        )
    if manifest is not None:
        reason = manifest.reason or "No reason is given."
        return InvalidInput("no_rows", f"The job {job} failed before its first row, so it has no labels. {reason}")
    return InvalidInput(
        "no_job",
        f"The results bucket has no job {job}, or no worker has begun it. 'reviewmill jobs' lists the jobs.",
    )


def _pinned(spec: JobSpec, model: str | None) -> PinnedModel:
    """Return which version of the model the job used. Raises InvalidInput("other_model") where it used none of it."""
    own = PinnedModel(spec.model, spec.version, spec.manifest_sha256)
    if model is None or model == spec.model:
        return own
    others = [] if spec.row_models is msgspec.UNSET else [one for one in spec.row_models if one.model != spec.model]
    for one in others:
        if one.model == model:
            return one
    named = ", ".join([spec.model, *(one.model for one in others)])
    raise InvalidInput("other_model", f"No row of the job was for {model}: it had {named}. Name one of them, or none.")


class _Replay:
    """One replay at work."""

    def __init__(
        self,
        spec: JobSpec,
        manifest: JobManifest,
        places: JobPlaces,
        rules: ReplayRules,
        *,
        before: LoadedModel,
        after: LoadedModel,
        folder: str,
    ) -> None:
        source = spec.source
        self._file = UploadedFile(places.uploads, Upload(source.bucket, source.object, source.generation))
        self._spec = spec
        self._row_models = None if spec.row_models is msgspec.UNSET else RowModels(spec)
        self._last_row = manifest.counts.rows
        self._results = places.results
        self._rules = rules
        self._before = before
        self._after = after
        self._folder = folder
        self._changes = LabelChanges()
        self._pieces: list[str] = []

    def run(self) -> ReplaySummary:
        """Read, score twice, compare and store."""
        try:
            run_in_order(self._batches(), self._score, self._compare)
        except InvalidInput as error:
            raise self._upload_gone() if error.code == "source_gone" else error from None
        if rest := self._changes.take():
            self._store_piece(rest)
        summary = ReplaySummary(
            job=self._spec.job,
            model=self._before.name,
            before=self._before.version,
            after=self._after.version,
            rows=self._changes.rows,
            changed=self._changes.changed,
            changes=self._changes.kinds(),
            objects=[self._joined()],
        )
        put_once(self._results, self._name("summary.json"), encode(summary), content_type=JSON_TYPE)
        return summary

    def _upload_gone(self) -> InvalidInput:
        source = self._spec.source
        return InvalidInput(
            "source_gone",
            f"The upload gs://{source.bucket}/{source.object}#{source.generation} was overwritten or deleted since the "
            "job read it, so its rows cannot be scored again. Upload the file again: that is a job of its own, which "
            "'reviewmill publish csv --version' runs with the version to compare with.",
        )

    def _batches(self) -> Iterator[RowBatch]:
        """Yield the rows that the job came to; its bad rows have no label to change."""
        cursor = self._file.rows(self._spec, first_place(self._spec.header))
        while (item := cursor.peek_batch()) is not None:
            if not isinstance(item, RowBatch):
                cursor.take()
                continue
            cursor.take(len(item))
            left = self._last_row - item.first_row + 1
            if left > 0:
                yield item.part(0, min(left, len(item)))

    def _score(self, batch: RowBatch) -> tuple[Outcomes, Outcomes]:
        texts, wanted = list(batch.texts), self._rows_of_model(batch)
        if wanted is not None:
            texts = [text for text, is_wanted in zip(batch.texts, wanted, strict=True) if is_wanted]
        pair = tuple(self._outcomes(model, texts, wanted) for model in (self._before, self._after))
        return pair[0], pair[1]

    def _outcomes(self, model: LoadedModel, texts: list[str], wanted: list[bool] | None) -> Outcomes:
        """Return what a version makes of the texts; with None for the rows that are not wanted."""
        threads = self._rules.threads
        outcomes = score_each(lambda some: model.score(some, threads=threads), texts)
        if wanted is None:
            return outcomes
        following = iter(outcomes)
        return [next(following) if is_wanted else None for is_wanted in wanted]

    def _rows_of_model(self, batch: RowBatch) -> list[bool] | None:
        """Say which rows were for the model that is replayed, where rows name models; None where all were."""
        if self._row_models is None:
            return None
        wanted = []
        for fields in zip(*batch.columns, strict=True):
            try:
                wanted.append(self._row_models.of(fields).model == self._before.name)
            except InvalidInput:
                wanted.append(False)
        return wanted

    def _compare(self, batch: RowBatch, scores: tuple[Outcomes, Outcomes]) -> None:
        for piece in self._changes.add(batch, *scores):
            self._store_piece(piece)
        self._rules.progress(batch.first_row + len(batch) - 1, self._last_row)

    def _store_piece(self, piece: bytes) -> None:
        name = self._name(f"parts/{len(self._pieces):06d}.csv")
        put_once(self._results, name, piece, content_type=CSV_TYPE)
        self._pieces.append(name)

    def _joined(self) -> StoredObject:
        info = self._results.compose(self._pieces, self._name("changes.csv"), content_type=CSV_TYPE)
        return StoredObject(name=info.name, size=info.size, crc32c=info.crc32c)

    def _name(self, name: str) -> str:
        return job_object(self._spec.job, f"{self._folder}/{name}")
